"""The product against the oracle, on drawn marts and queries: every cell, every row, every error."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.engine import values
from custdyn_widgets.engine.cells import pieces, stays, sums
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.fixed_columns import FixedColumn
from custdyn_widgets.errors import CustDynError, QueryError, RateError
from custdyn_widgets.mart.facts import by_client
from custdyn_widgets.mart.reading import parquet_files, stored
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Report, Row
from tests import oracle
from tests.arrow_forms import arrow_frames, arrow_tables, write_arrow
from tests.mart_forms import frames, typed_frames, write_csv, write_parquet
from tests.strategies import Case, cases, dense_cases

pytestmark = pytest.mark.usefixtures("own_cache")
FORMS = ("text", "text", "typed", "csv", "parquet")


def product(case: Case, form: str | Random) -> Report:
    query = ReportQuery.from_dict(case.query)
    if isinstance(form, Random):
        if form.random() < 0.4:
            in_memory = form.choice((arrow_frames, arrow_tables))(case.mart, form)
            return run_report(query, in_memory, as_of=case.as_of)
        with tempfile.TemporaryDirectory() as folder:
            return run_report(query, write_arrow(case.mart, Path(folder), form), as_of=case.as_of)
    if form in ("text", "typed"):
        source = frames(case.mart) if form == "text" else typed_frames(case.mart)
        return run_report(query, source, as_of=case.as_of)
    with tempfile.TemporaryDirectory() as folder:
        (write_csv if form == "csv" else write_parquet)(case.mart, Path(folder))
        engine = "spark" if form == "spark" else "local"
        return run_report(query, folder, as_of=case.as_of, engine=engine)


def cells(row: oracle.Line | Row) -> tuple[Any, ...]:
    return (*row.labels, *(str(value) for value in row.values))


def edges(row: oracle.Line | Row) -> tuple[str, str]:
    if isinstance(row, Row):
        return row.start, row.end
    return row.bucket.begin.strftime("%Y-%m-%dT%H:%M:%SZ"), row.bucket.end.strftime("%Y-%m-%dT%H:%M:%SZ")


def check(case: Case, form: str | Random) -> None:
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
    named = (f"for {currency} on or before {day}," for currency, day in none.details)
    return isinstance(error, RateError) and any(words in error.message for words in named)


@pytest.mark.slow
@given(case=cases(), form=st.sampled_from(FORMS))
def test_product_and_oracle_agree(case: Case, form: str) -> None:
    check(case, form)


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 3))
@given(dense_cases())
def test_they_agree_where_everything_happens_beside_every_edge(case: Case) -> None:
    check(case, "text")


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 3))
@given(
    case=cases(sparse_quotes=False),
    rows=st.sampled_from((1, 2, 5)),
    keys=st.sampled_from((0, 50, 2**20)),
    few=st.sampled_from((0, 50)),
)
def test_they_agree_when_the_ledger_is_summed_in_small_pieces(
    case: Case, rows: int, keys: int, few: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_ROWS", rows)
        patch.setattr(sums, "_MAX_ROWS", rows)
        patch.setattr(sums, "_DENSE", keys)
        patch.setattr(sums, "_FEW", few)
        patch.setattr(sums, "_MOST_PARTS", rows)
        patch.setattr(sums, "_SUM_LIMIT", 2**40 * rows)
        patch.setattr(stays, "_MOST_STAYS", rows)
        check(case, "text")


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 5))
@given(case=cases(sparse_quotes=False), together=st.sampled_from((1, 2**22)))
def test_they_agree_when_no_row_is_certain_in_fixed_point(case: Case, together: int) -> None:
    class Doubtful(values.Rounded):
        @classmethod
        def of(cls, column: FixedColumn) -> values.Rounded:
            return super().of(column)._replace(sure=np.zeros(len(column), np.bool_))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "Rounded", Doubtful)
        patch.setattr(values, "_TOGETHER", together)
        check(case, "text")


@pytest.mark.slow
@settings(max_examples=max(1, settings.default.max_examples // 2))
@given(
    case=cases(),
    seed=st.integers(0, 2**32),
    batch=st.sampled_from((1, 2, 3, 1000)),
    piece=st.sampled_from((1, 4, 1000)),
    block=st.sampled_from((1, 4, 1000)),
    blocks=st.sampled_from((1, 2, 256)),
)
def test_they_agree_however_arrow_stores_a_mart_and_in_whatever_pieces_it_is_read(
    case: Case, seed: int, batch: int, piece: int, block: int, blocks: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (parquet_files, stored):
            patch.setattr(module, "BATCH", batch)
        patch.setattr(parquet_files, "_PIECE", piece)
        patch.setattr(by_client, "_BLOCK", block)
        patch.setattr(by_client, "_BLOCKS", blocks)
        check(case, Random(seed))
