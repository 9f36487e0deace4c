"""A large CSV ledger is read in pieces, which together are the table that is read at once."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets import Dialect, run_report
from custdyn_widgets.errors import CustDynError, MartError, SourceError
from custdyn_widgets.mart.dialect import NO_DIALECT
from custdyn_widgets.mart.reading import csv_pieces
from custdyn_widgets.mart.reading.csv_files import csv_ledger, read_csv
from custdyn_widgets.mart.reading.stored import StoredLedger, StoredTable
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.render import to_csv
from tests.engine.test_golden import GOLDEN

SPEC = TABLES["transactions"]
COLUMNS = ("transaction_id", "client_id", "at", "kind", "amount", "package_id")
text = st.text("ab \"',;\n\r\\é1", max_size=6)
rows = st.lists(st.tuples(*[st.just("x") | text] * len(COLUMNS)), min_size=1, max_size=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transactions.csv"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pieces") / "transactions.csv"


def written(rows: list[tuple[str, ...]], **form: Any) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, **form)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue()


def in_pieces(path: Path, size: int, dialect: Dialect = NO_DIALECT) -> StoredLedger:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_pieces, "PIECE", size)
        return csv_ledger(path, SPEC, dialect)


def batches(ledger: StoredLedger) -> Iterator[StoredTable]:
    for piece in ledger.pieces:
        yield from piece()


def read(ledger: StoredLedger) -> list[dict[str, str]] | None:
    """Return the rows of all pieces, or None if some are missing: the whole file is then read instead."""
    found: list[dict[str, str]] = []
    for batch in batches(ledger):
        if batch.misshapen or batch.first_row != len(found) + 2:
            return None
        found += batch.data.to_pylist()
    return found if len(found) == ledger.count else None


@given(
    rows=rows,
    size=st.integers(20, 400),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    has_mark=st.booleans(),
    last_line_ends=st.booleans(),
)
def test_pieces_are_the_whole_table(
    scratch: Path, rows: Any, size: int, quoting: Any, line_end: str, has_mark: bool, last_line_ends: bool
) -> None:
    content = written(rows, quoting=quoting, lineterminator=line_end)
    content = content if last_line_ends else content.removesuffix(line_end)
    scratch.write_text(content, encoding="utf-8-sig" if has_mark else "utf-8", newline="")
    ledger = in_pieces(scratch, size)
    try:
        want = read_csv(scratch, SPEC)
    except (CustDynError, pa.ArrowException):
        assert read(ledger) is None or len(ledger.pieces) == 1
        return
    found = read(ledger)
    assert found is None or found == want.data.to_pylist()


@given(content=st.text('ab,"\n\r', max_size=200), size=st.integers(10, 60))
def test_pieces_of_any_text_are_the_whole_table_or_incomplete(scratch: Path, content: str, size: int) -> None:
    scratch.write_text("kind,amount\n" + content, encoding="utf-8", newline="")
    try:
        want = read_csv(scratch, SPEC)
    except (CustDynError, pa.ArrowException):
        want = None
    try:
        found = read(in_pieces(scratch, size))
    except (CustDynError, pa.ArrowException):
        assert want is None
        return
    if found is not None:
        assert want is not None
        assert (found, ()) == (want.data.to_pylist(), want.misshapen)


def test_line_breaks_in_quoted_cells_do_not_divide_rows(path: Path) -> None:
    rows = [(f"{i}", 'a\n"b"\n\n', "at", "usage", "-1", "") for i in range(50)]
    path.write_text(written(rows), encoding="utf-8", newline="")
    ledger = in_pieces(path, 100)
    assert len(ledger.pieces) > 10
    assert [row["transaction_id"] for row in read(ledger) or ()] == [str(i) for i in range(50)]


@pytest.mark.parametrize(
    "fault",
    [
        "1,2,3\n",
        '1,a"b"c,3,4,5,6\n',
        '1,"a\\"b\\"",3,4,5,6\n',
        '1,"c,at,usage,-1,\n2,"c,at,usage,-1,\n',  # read as one row of six cells
    ],
)
def test_a_piece_with_a_fault_gives_no_rows(path: Path, fault: str) -> None:
    rows = [(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]
    path.write_text(written(rows, lineterminator="\n") + fault, encoding="utf-8")
    ledger = in_pieces(path, 100)
    assert len(ledger.pieces) > 5
    assert read(ledger) is None


def test_a_quote_that_is_not_closed_is_reported(path: Path) -> None:
    rows = [(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]
    path.write_text(written(rows, lineterminator="\n") + '1,"2,3,4,5,6\n', encoding="utf-8")
    with pytest.raises(SourceError, match="the row that starts on line 52 has an opening quote"):
        in_pieces(path, 100)


def test_a_row_longer_than_a_piece_is_read_at_once(path: Path) -> None:
    rows = [("1", "c" * 500, "at", "usage", "-1", ""), *[("2", "c", "at", "usage", "-1", "")] * 9]
    path.write_text(written(rows), encoding="utf-8", newline="")
    ledger = in_pieces(path, 100)
    assert (len(ledger.pieces), ledger.count) == (1, 10)


def test_a_semicolon_and_headings_of_other_cases_are_found_in_pieces(path: Path) -> None:
    rows = [(f"{i}", "c", "at", "usage", "-1,5", "") for i in range(50)]
    content = written(rows, delimiter=";").replace("client_id", "Client ID", 1)
    path.write_text(content, encoding="utf-8", newline="")
    ledger = in_pieces(path, 100)
    assert len(ledger.pieces) > 3
    for batch in batches(ledger):
        assert batch.guessed == ("delimiter ';'", "heading 'Client ID' for client_id")
    assert read(ledger) == read_csv(path, SPEC).data.to_pylist()


@pytest.mark.usefixtures("own_cache")
def test_reports_and_faults_are_the_same_in_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    query = {"interval": {"start": "2021-09-01", "end": "2021-12-31"}, "group_by": ["month", "package"]}
    mart = GOLDEN / "mixed" / "mart"
    want = to_csv(run_report(query, str(mart)))
    monkeypatch.setattr(csv_pieces, "PIECE", 4096)
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    assert (mart / "transactions.csv").stat().st_size > 3 * 4096
    assert to_csv(run_report(query, str(mart))) == want
    faulty = shutil.copytree(mart, tmp_path / "faulty")
    with (faulty / "transactions.csv").open("a", encoding="utf-8") as file:
        file.write("again,nobody,soon,gift,much,\n")
    with pytest.raises(MartError) as in_parts:
        run_report(query, str(faulty))
    monkeypatch.undo()
    with pytest.raises(MartError) as at_once:
        run_report(query, str(faulty))
    assert str(in_parts.value) == str(at_once.value)
