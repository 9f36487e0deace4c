"""What is said of a Parquet mart that lacks a column, or holds what is no number."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets.mart.building import check_source
from custdyn_widgets.mart.schema import TABLES
from tests import mart_forms

MART = {
    "clients": [
        {"client_id": "A", "client_type": "client", "currency": "USD", "created_at": "2021-01-01T00:00:00Z"}
    ],
    "transactions": [
        {
            "transaction_id": "t1",
            "client_id": "A",
            "at": "2021-01-02T00:00:00Z",
            "kind": "refill",
            "amount": "5",
            "package_id": "",
        }
    ],
    "rates": [{"currency": "EUR", "date": "2021-01-01", "units_per_base": "0.8", "base": "USD"}],
}


def _without(folder: Path, table: str, column: str) -> list[str]:
    path = folder / f"{table}.parquet"
    stored = pq.read_table(path)
    if column in stored.column_names:
        pq.write_table(stored.drop_columns([column]), path)
    return [str(fault) for fault in check_source(folder).faults]


@pytest.mark.parametrize(
    ("table", "column"), [(t, c.name) for t in MART for c in TABLES[t].columns], ids=lambda x: x
)
def test_a_missing_column_is_a_fault_only_if_required(table: str, column: str, tmp_path: Path) -> None:
    folder = mart_forms.write_parquet(MART, tmp_path)
    faults = _without(folder, table, column)
    required = next(c.required for c in TABLES[table].columns if c.name == column)
    named = f"{table}.parquet, row 1, {column}: '' is missing: the table has no such column"
    assert (named in faults) is required
    if not required:
        assert faults == []


@pytest.mark.parametrize(("table", "column"), [("clients", "opening_balance"), ("transactions", "amount")])
def test_nan_in_a_file_is_a_fault_rather_than_a_blank(table: str, column: str, tmp_path: Path) -> None:
    folder = mart_forms.write_parquet(MART, tmp_path)
    path = folder / f"{table}.parquet"
    stored = pq.read_table(path)
    if column in stored.column_names:
        stored = stored.drop_columns([column])
    pq.write_table(stored.append_column(column, pa.array([float("nan")])), path)
    [fault] = check_source(folder).faults
    assert (fault.column, fault.why) == (column, "is not a number")


def test_a_quote_without_a_currency_is_one_fault(tmp_path: Path) -> None:
    blank = {"currency": "", "date": "2021-01-01", "units_per_base": "1", "base": "USD"}
    folder = mart_forms.write_csv({**MART, "rates": [blank, blank]}, tmp_path)
    assert [f.column for f in check_source(folder).faults] == ["currency", "currency"]
