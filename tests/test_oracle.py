"""The product against the oracle, on drawn marts and queries: every cell, every row, every error."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Case, cases

from custdyn_widgets.compute import run_report
from custdyn_widgets.errors import CustDynError, QueryError, RateError
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report import Report, Row

Rows = Sequence[Mapping[str, Any]]


def text_frame(rows: Rows, columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in columns}, dtype=object)


def frames(mart: oracle.Mart) -> dict[str, pd.DataFrame]:
    """Return a mart as DataFrames of text, blanks as they are."""
    return {name: text_frame(rows, list(COLUMNS[name])) for name, rows in mart.items()}


def typed_frames(mart: oracle.Mart) -> dict[str, pd.DataFrame]:
    """Return a mart as an analyst may have it: instants as datetimes, amounts as Decimal, tags as lists."""
    found = frames(mart)
    for name, columns in COLUMNS.items():
        for column, kind in columns.items():
            if name in found and kind:
                read = {"instant": as_timestamp, "amount": as_decimal, "tags": as_list}[kind]
                values = [read(value) for value in found[name][column]]
                made = pd.Series(values, dtype="datetime64[us, UTC]" if kind == "instant" else object)
                found[name][column] = made
    return found


def as_timestamp(text: str | None) -> pd.Timestamp | None:
    return pd.Timestamp(oracle.instant(text)) if text else None


def as_decimal(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


def as_list(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(";") if tag.strip()]


COLUMNS: dict[str, dict[str, str]] = {
    "clients": {
        "client_id": "", "client_type": "", "company": "", "owner_user": "", "tags": "tags", "currency": "",
        "created_at": "instant", "closed_at": "instant", "opening_balance": "amount",
    },
    "transactions": {
        "transaction_id": "", "client_id": "", "at": "instant", "kind": "", "amount": "amount",
        "package_id": "",
    },
    "companies": {"company": "", "parent": ""},
    "packages": {"package_id": "", "name": ""},
    "rates": {"currency": "", "date": "", "units_per_base": "amount", "base": ""},
}  # fmt: skip


def write_mart(mart: oracle.Mart, folder: Path, form: str) -> None:
    """Write a mart as a folder of CSV or of Parquet files."""
    for name, frame in (typed_frames(mart) if form == "parquet" else frames(mart)).items():
        if form == "parquet":
            for column, kind in COLUMNS[name].items():
                if kind == "amount":
                    frame[column] = frame[column].astype(str).where(frame[column].notna(), None)
            frame.to_parquet(folder / f"{name}.parquet")
        else:
            text = io.StringIO(newline="")
            frame.to_csv(text, index=False)
            (folder / f"{name}.csv").write_text(text.getvalue(), encoding="utf-8", newline="")


def product(case: Case, form: str) -> Report:
    query = ReportQuery.from_dict(case.query)
    if form in ("csv", "parquet"):
        with tempfile.TemporaryDirectory() as folder:
            write_mart(case.mart, Path(folder), form)
            return run_report(query, folder, as_of=case.as_of)
    source = frames(case.mart) if form == "text" else typed_frames(case.mart)
    return run_report(query, source, as_of=case.as_of)


def cells(row: oracle.Line | Row) -> tuple[Any, ...]:
    return (*row.labels, *(str(value) for value in row.values))


def edges(row: oracle.Line | Row) -> tuple[str, str]:
    if isinstance(row, Row):
        return row.start, row.end
    return row.bucket.begin.strftime("%Y-%m-%dT%H:%M:%SZ"), row.bucket.end.strftime("%Y-%m-%dT%H:%M:%SZ")


def check(case: Case, form: str) -> None:
    try:
        answer = oracle.answer(case.mart, case.query, case.as_of)
    except oracle.NoAnswer as none:
        with pytest.raises(CustDynError) as caught:
            product(case, form)
        assert is_the_error(caught.value, none), f"{caught.value}, and not {none}"  # noqa: PT017
        return
    report = product(case, form)
    assert (*report.headings, *(c.name for c in report.columns)) == (*answer.headings, *oracle.COLUMNS)
    assert [cells(row) for row in report.rows] == [cells(row) for row in answer.rows]
    assert [cells(row) for row in [report.total] if row] == [cells(row) for row in [answer.total] if row]
    assert [edges(row) for row in report.shown_rows()] == [
        edges(row) for row in (*answer.rows, answer.total) if row
    ]
    if any(group != "package" for group in report.query.group_by):
        assert [row.partial for row in report.rows] == [row.bucket.partial for row in answer.rows]
    assert report.currency == answer.currency
    assert {(quote.currency, quote.date) for quote in report.info.quotes} == answer.quotes
    moments = [t.at.strftime("%Y-%m-%dT%H:%M:%SZ") for t in answer.movements]
    assert (report.info.actual_start, report.info.actual_end) == (
        min(moments, default=None),
        max(moments, default=None),
    )


def is_the_error(error: CustDynError, none: oracle.NoAnswer) -> bool:
    """Whether the product's error names what the oracle's does (of several, any one)."""
    if none.kind == "query":
        return isinstance(error, QueryError) and error.field in none.details
    named = (f"of {currency} on or before {day}," for currency, day in none.details)
    return isinstance(error, RateError) and any(words in error.message for words in named)


@given(case=cases(), form=st.sampled_from(("text", "text", "typed", "csv", "parquet")))
def test_product_and_oracle_agree(case: Case, form: str) -> None:
    check(case, form)
