"""A large CSV ledger is read in pieces, which together are the table that is read at once."""

from __future__ import annotations

import csv
import gc
import gzip
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets import Dialect, run_report
from custdyn_widgets.errors import CustDynError, MartError, SourceError
from custdyn_widgets.mart.dialect import NO_DIALECT
from custdyn_widgets.mart.reading import csv_pieces, stored
from custdyn_widgets.mart.reading.csv_files import read_csv
from custdyn_widgets.mart.reading.csv_ledger import csv_ledger
from custdyn_widgets.mart.reading.stored import MisshapenRow, StoredLedger, StoredTable
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
        return csv_ledger(path, SPEC, dialect, small=False)


def batches(ledger: StoredLedger) -> Iterator[StoredTable]:
    for piece in ledger.pieces:
        yield from piece()


Misshapen = list[MisshapenRow]


def read(ledger: StoredLedger) -> tuple[list[dict[str, str]], Misshapen] | None:
    """Return the rows of all pieces and the misshapen ones, or None if the whole file must be read."""
    found: list[dict[str, str]] = []
    misshapen: Misshapen = []
    for batch in batches(ledger):
        if batch.first_row != len(found) + 2:
            break
        found += batch.data.to_pylist()
        misshapen += batch.misshapen
    if len(found) == ledger.count:
        return found, misshapen
    return read(ledger.recounted()) if ledger.recounted else None


def outcome(read_table: Callable[[], Any]) -> Any:
    """Return what a function returns, or its error."""
    try:
        return read_table()
    except (CustDynError, pa.ArrowException) as error:
        return str(error)


def at_once(path: Path, dialect: Dialect = NO_DIALECT) -> tuple[list[dict[str, str]], Misshapen]:
    table = read_csv(path, SPEC, dialect)
    return table.data.to_pylist(), list(table.misshapen)


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
    assert read(in_pieces(scratch, size)) == at_once(scratch)


@given(content=st.text('ab,"\n\r', max_size=200), size=st.integers(10, 60))
def test_pieces_of_any_text_are_the_whole_table_or_incomplete(scratch: Path, content: str, size: int) -> None:
    scratch.write_text("kind,amount\n" + content, encoding="utf-8", newline="")
    found = outcome(lambda: read(in_pieces(scratch, size)))
    if found is not None:
        assert found == outcome(lambda: at_once(scratch))


@given(
    data=st.data(),
    size=st.integers(20, 200),
    form=st.sampled_from(["plain", "gzip", "utf-16", "sep"]),
    blank=st.sampled_from(["\n", "\r\n"]),
)
def test_misshapen_rows_and_blank_lines_are_read_in_pieces(
    scratch: Path, data: st.DataObject, size: int, form: str, blank: str
) -> None:
    lines = [f"{i},c,at,usage,-1,\n" for i in range(30)]
    for line in data.draw(st.lists(st.sampled_from([blank, "1,2,3\n", '"1",2,,,,,7\n']), max_size=3)):
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    content = ",".join(COLUMNS) + "\n" + "".join(lines)
    content = f"sep=,\n{content}" if form == "sep" else content
    octets = content.encode("utf-16" if form == "utf-16" else "utf-8")
    scratch.write_bytes(gzip.compress(octets) if form == "gzip" else octets)
    ledger = in_pieces(scratch, size)
    assert len(ledger.pieces) > 1
    assert read(ledger) == at_once(scratch)


def test_line_breaks_in_quoted_cells_do_not_divide_rows(path: Path) -> None:
    rows = [(f"{i}", 'a\n"b"\n\n', "at", "usage", "-1", "") for i in range(50)]
    path.write_text(written(rows), encoding="utf-8", newline="")
    ledger = in_pieces(path, 100)
    assert len(ledger.pieces) > 10
    found, _ = read(ledger) or ([], [])
    assert [row["transaction_id"] for row in found] == [str(i) for i in range(50)]


@pytest.mark.parametrize(
    "fault",
    [
        '1,"a\\"b\\"",3,4,5,6\n',
        '1,"c,at,usage,-1,\n2,"c,at,usage,-1,\n',  # read as one row of six cells
    ],
)
def test_a_misplaced_quote_in_a_piece_is_the_error_of_the_file(path: Path, fault: str) -> None:
    rows = [(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]
    path.write_text(written(rows, lineterminator="\n") + fault, encoding="utf-8")
    ledger = in_pieces(path, 100)
    assert len(ledger.pieces) > 5
    words = outcome(lambda: read(ledger))
    assert words == outcome(lambda: at_once(path))
    assert words.startswith("transactions.csv: the row that starts on line 52 has ")


@pytest.mark.parametrize(("cell", "value"), [('a"b"c', 'a"b"c'), ('""b', "b")])
def test_a_quote_within_a_cell_is_read_in_pieces(path: Path, cell: str, value: str) -> None:
    rows = [(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]
    path.write_text(written(rows, lineterminator="\n") + f"1,{cell},3,4,5,6\n", encoding="utf-8")
    found = read(in_pieces(path, 100))
    assert found == at_once(path)
    assert found[0][-1]["client_id"] == value


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_a_byte_in_another_encoding_is_the_error_of_the_file(path: Path, form: str) -> None:
    rows = [(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]
    octets = written(rows, lineterminator="\n").encode() + "1,é,at,usage,-1,\n".encode("latin-1")
    path.write_bytes(gzip.compress(octets) if form == "gzip" else octets)
    words = outcome(lambda: read(in_pieces(path, 100)))
    assert words == outcome(lambda: at_once(path))
    assert words.startswith("transactions.csv, line 52: byte 0xe9 is not UTF-8")


def test_a_converted_copy_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, temporary = path.parent / "cache", path.parent / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("CUSTDYN_CACHE", str(cache))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    rows = [(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]
    path.write_bytes(gzip.compress(written(rows).encode()))
    ledger = in_pieces(path, 100)
    assert [*cache.iterdir(), *temporary.iterdir()] == []
    assert read(ledger) == at_once(path)
    assert [*cache.iterdir(), *temporary.iterdir()] == []


def test_a_converted_copy_is_read_where_open_files_are_not_listed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = path.parent / "cache"
    monkeypatch.setenv("CUSTDYN_CACHE", str(cache))
    monkeypatch.setattr("custdyn_widgets.mart.reading.csv_text._OPEN_FILES", path.parent / "no-such-folder")
    rows = [(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]
    path.write_bytes(gzip.compress(written(rows).encode()))
    ledger = in_pieces(path, 100)
    assert len(ledger.pieces) > 1
    assert read(ledger) == at_once(path)
    del ledger
    gc.collect()
    assert list(cache.iterdir()) == []


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
    assert read(ledger) == at_once(path)


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


@pytest.mark.parametrize("headings", ["a,b", "\ufeffa,b", '"a",b', '"a","b","c"', "a,b\r"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
@pytest.mark.parametrize("quoted", [False, True])
def test_pieces_follow_one_another_and_count_their_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch, headings: str, end: str, quoted: bool
) -> None:
    monkeypatch.setattr(csv_pieces, "PIECE", 20)
    for count in range(40, 50):
        cells = ['"' + "\n" * (i % 3) + '"' if quoted else "x" * (i % 4) for i in range(count)]
        lines = [f"{i},{cell}" for i, cell in enumerate(cells)]
        path.write_text(headings + "\n" + "\n".join(lines) + end, encoding="utf-8", newline="")
        content = path.read_bytes()
        begin, rows = content.index(b"\n") + 1, 0
        pieces = csv_pieces.csv_pieces(path, small=False)
        assert len(pieces) > 5
        for piece in pieces:
            assert (piece.begin, piece.first) == (begin, rows)
            assert piece.end > begin
            found = list(csv.reader(io.StringIO(content[piece.begin : piece.end].decode(), newline="")))
            assert [row[0] for row in found] == [str(i) for i in range(rows, rows + piece.rows)]
            begin, rows = piece.end, rows + piece.rows
        assert (begin, rows) == (len(content.rstrip(b"\n")), count)


@pytest.mark.parametrize(
    "content",
    ["", "a,b", "a,b\n", "\na,b\n1,2\n", "\ufeff\na,b\n1,2\n", "a,b\r1,2\r3,4\n5,6\n", 'a,"b\n",c\n1,2\n'],
)
def test_text_without_a_line_of_headings_is_not_divided(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="")
    assert csv_pieces.csv_pieces(path, small=True) == []


def test_a_small_file_is_a_piece_only_on_demand(path: Path) -> None:
    path.write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    assert csv_pieces.csv_pieces(path, small=False) == []
    assert csv_pieces.csv_pieces(path, small=True) == [csv_pieces.CsvPiece(4, 11, 0, 2)]


@pytest.mark.parametrize("size", [100, 2**20], ids=["pieces", "at once"])
def test_the_whole_ledger_has_all_columns_or_some(path: Path, size: int) -> None:
    path.write_text(written([(f"{i}", "c", "at", "usage", "-1", "") for i in range(50)]), encoding="utf-8")
    ledger = in_pieces(path, size)
    assert (len(ledger.pieces) > 1) is (size == 100)
    assert (ledger.count, ledger.first_row) == (50, 2)
    assert ledger.columns == {(name, "text") for name in COLUMNS}
    assert ledger.whole(None).data.column_names == list(COLUMNS)
    assert ledger.whole(["amount"]).data.to_pylist() == [{"amount": "-1"}] * 50
    if ledger.recounted:
        assert ledger.recounted().recounted is None


def test_a_misplaced_quote_is_named_although_an_unread_column_is_not_utf8(path: Path) -> None:
    rows = "".join(f"{i},c,at,usage,-1,,x\n" for i in range(50))
    text = f"{','.join(COLUMNS)},note\n1,c,at,usage,-1,,é\n{rows}" + '1,"a\\"b\\"",3,4,5,6,x\n'
    path.write_bytes(text.encode("latin-1"))
    words = outcome(lambda: read(in_pieces(path, 100)))
    assert words == outcome(lambda: at_once(path))
    assert words.startswith("transactions.csv: the row that starts on line 53 has ")


def test_a_table_in_batches_keeps_rows_and_their_numbers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "BATCH", 3)
    path.write_text("kind,amount\n1,2\n1\n1,2\n1\n1,2\n1\n1,2\n", encoding="utf-8")
    found = list(stored.batches(read_csv(path, SPEC)))
    assert [batch.data.num_rows for batch in found] == [3, 3, 1]
    assert [batch.first_row for batch in found] == [2, 5, 8]
    assert [[row.number for row in batch.misshapen] for batch in found] == [[3], [5, 7], []]
