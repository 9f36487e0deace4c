"""What is said of a Parquet mart that lacks a column or holds what is no number, and how it is divided."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.reading import parquet_files
from custdyn_widgets.mart.reading.parquet_files import parquet_ledger, read_parquet
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.source_check import check_source
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


def _ledger(path: Path, rows: int, group: int) -> Path:
    kinds, amounts = ["usage", "refill"] * rows, [str(n) for n in range(rows)]
    table = pa.table({"client_id": kinds[:rows], "kind": kinds[:rows], "amount": amounts})
    pq.write_table(table, path / "transactions.parquet", row_group_size=group)
    return path / "transactions.parquet"


@pytest.mark.parametrize(
    ("piece", "batch", "expected"),
    [
        (6, 6, [[(1, 6)], [(7, 6)], [(13, 1)]]),
        (7, 6, [[(1, 6)], [(7, 6), (13, 1)]]),
        (6, 3, [[(1, 3), (4, 3)], [(7, 3), (10, 3)], [(13, 1)]]),
        (6, 2, [[(1, 2), (3, 2), (5, 2)], [(7, 2), (9, 2), (11, 2)], [(13, 1)]]),
        (2, 9, [[(1, 3)], [(4, 3)], [(7, 3)], [(10, 3)], [(13, 1)]]),
        (13, 13, [[(1, 13)]]),
    ],
)
@pytest.mark.parametrize("clients", [1, 2**20], ids=["few clients", "many clients"])
def test_row_groups_are_read_together_up_to_a_size(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    piece: int,
    batch: int,
    expected: list[list[tuple[int, int]]],
    clients: int,
) -> None:
    monkeypatch.setattr(parquet_files, "_PIECE", piece)
    monkeypatch.setattr(parquet_files, "BATCH", batch)
    path = _ledger(tmp_path, 13, 3)
    ledger = parquet_ledger(path, TABLES["transactions"], clients)
    found = [list(read()) for read in ledger.pieces]
    whole = ledger.whole(None).data
    if clients == 1:
        assert [[(b.first_row, b.data.num_rows) for b in batches] for batches in found] == expected
    assert [row for batches in found for b in batches for row in b.data.to_pylist()] == whole.to_pylist()
    assert ledger.whole(["amount"]).data.column_names == ["amount"]
    assert (ledger.count, ledger.first_row) == (13, 1)


def test_a_ledger_without_row_groups_has_no_pieces(tmp_path: Path) -> None:
    path = tmp_path / "transactions.parquet"
    pq.ParquetWriter(path, pa.schema({"client_id": pa.string()})).close()
    ledger = parquet_ledger(path, TABLES["transactions"], 1)
    assert (list(ledger.pieces), ledger.count) == ([], 0)


def _text(octets: bytes) -> pa.Array:
    offsets = pa.py_buffer(b"\0\0\0\0" + len(octets).to_bytes(4, "little"))
    return pa.StringArray.from_buffers(1, offsets, pa.py_buffer(octets))


@pytest.mark.parametrize("octets", [b"\x80", b"a\xff"])
@pytest.mark.parametrize("column", ["name", "company", "tags"], ids=["plain", "coded", "list"])
def test_text_that_is_not_utf8_is_an_error_in_any_column(tmp_path: Path, octets: bytes, column: str) -> None:
    text = _text(octets)
    values = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), text) if column == "tags" else text
    path = tmp_path / "clients.parquet"
    pq.write_table(pa.table({"client_id": ["A"], column: values}), path)
    with pytest.raises(SourceError, match=rf"^clients\.parquet, column {column}: .*UTF8"):
        read_parquet(path, TABLES["clients"])


@pytest.mark.parametrize(
    ("indices", "valid"), [([0, 1, None], True), ([], True), ([0, 2], False), ([1, -1], False)]
)
def test_codes_outside_a_dictionary_need_validation(indices: list[int | None], valid: bool) -> None:
    codes = pa.array(indices, pa.int32())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b"]), safe=False)
    assert parquet_files._needs_no_validation(column) is valid
    more = pa.concat_arrays([pa.array([9, 9], pa.int32()), codes])[2:]
    column = pa.DictionaryArray.from_arrays(more, pa.array(["a", "b"]), safe=False)
    assert parquet_files._needs_no_validation(column) is valid
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "é"]), safe=False)
    assert parquet_files._needs_no_validation(column) is False
