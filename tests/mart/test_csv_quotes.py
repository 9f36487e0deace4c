r"""Misplaced quotes in CSV files are errors that name the row, or faults; no value is garbled silently."""

from __future__ import annotations

import csv
import io
import itertools
import re
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.reading import csv_quotes
from custdyn_widgets.mart.reading.csv_files import read_csv
from custdyn_widgets.mart.reading.csv_quotes import (
    QuoteScan,
    has_doubtful_quotes,
    has_quotes,
    is_strict,
    scan_quotes,
)
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.mart.schema import TABLES

PACKAGES = TABLES["packages"]


def read(content: str) -> StoredTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "packages.csv"
        path.write_text(content, encoding="utf-8", newline="")
        return read_csv(path, PACKAGES)


def rows(table: StoredTable) -> list[list[str]]:
    return [[row["package_id"], row["name"]] for row in table.data.to_pylist()]


def as_mysql(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\\n") + '"'


@pytest.mark.parametrize(
    "name",
    ['He said "hi" once', '"Gold" plan', '5" pipe', 'plan "Gold"', '"', '""', '"a" and "b"', 'a"b\nc"d'],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quote_escaped_by_a_backslash_is_named_with_its_row_and_the_remedy(name: str, end: str) -> None:
    content = end.join(['"package_id","name"', '"p1","Gold"', f'"p2",{as_mysql(name)}', '"p3","x"', ""])
    with pytest.raises(SourceError) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith(r"packages.csv: the row that starts on line 3 has a quote written as \". ")
    assert message.endswith(
        r"""Double any quote inside a quoted cell: "" instead of \" (MySQL: ESCAPED BY '"')."""
    )


@pytest.mark.parametrize("cell", ['"Gold\\",Silver"', "Gold\\, Silver"])
def test_a_row_that_a_backslash_splits_says_so(cell: str) -> None:
    [row] = read(f"package_id,name\np1,{cell}\np2,x\n").misshapen
    assert row.number == 2
    assert row.why.startswith(
        "has 3 cells, but there are 2 columns; a backslash is not an escape character in CSV"
    )


@pytest.mark.parametrize("end", ['"Silv', '"Silv\n', '"', '"\n', '"Silver""'])
def test_a_file_that_ends_within_a_quoted_cell_is_an_error(end: str) -> None:
    with pytest.raises(SourceError, match="the row that starts on line 3 has an opening quote"):
        read(f"package_id,name\np1,Gold\np2,{end}")


@pytest.mark.parametrize("cell", ['"abc"def', '"abc" ', '"a"""b', '"a" "b"', '"a""b"c'])
def test_characters_after_a_closing_quote_are_an_error(cell: str) -> None:
    with pytest.raises(SourceError, match=r"line 3 has an opening quote .* not closed properly"):
        read(f"package_id,name\np1,Gold\np2,{cell}\np3,x\n")


NAMES = st.text(st.sampled_from('a\\",;\n \u00e9'), min_size=1, max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=5), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_quotes_doubled_as_in_the_standard_are_read_exactly(names: list[str], quoting: int) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting)
    wanted = [[f"p{i}", name] for i, name in enumerate(names)]
    writer.writerows([["package_id", "name"], *wanted])
    assert rows(read(out.getvalue())) == wanted


@given(st.lists(NAMES.filter(lambda name: "\\" not in name), min_size=1, max_size=5))
def test_no_value_that_mysql_escaped_is_wrong_silently(names: list[str]) -> None:
    wanted = [[f"p{i}", name] for i, name in enumerate(names)]
    lines = [",".join(map(as_mysql, row)) for row in wanted]
    try:
        table = read("\n".join(['"package_id","name"', *lines, ""]))
    except (SourceError, pa.ArrowInvalid):
        return
    if not table.misshapen and not any("\n" in name for name in names):
        assert rows(table) == wanted


@pytest.mark.parametrize("before", range(2**18 - 8, 2**18 + 2))
@pytest.mark.parametrize("doubt", ['x"x', 'x"""x', '\\"'])
def test_a_doubtful_quote_is_found_across_blocks(tmp_path: Path, before: int, doubt: str) -> None:
    path = tmp_path / "packages.csv"
    path.write_bytes(b"," * before + doubt.encode() + b",\n")
    assert scan_quotes(path).doubtful
    path.write_bytes(b"," * before + b'"x"",y"\n')
    assert not scan_quotes(path).doubtful


@pytest.mark.parametrize(
    ("content", "lines", "doubtful"),
    [
        (b"a\nb\n", 2, False),
        (b"a\nb", 2, False),
        (b"a\r\nb\r\n", 2, False),
        (b"a\rb\r", 2, False),
        (b"a\rb", 2, False),
        (b'"a\nb"\n', 2, False),
        (b'"a\n', 1, True),
        (b'"a"\n"b\n', 2, True),
    ],
)
def test_lines_are_counted_and_an_odd_quote_is_doubtful(
    tmp_path: Path, content: bytes, lines: int, doubtful: bool
) -> None:
    path = tmp_path / "packages.csv"
    path.write_bytes(content)
    assert scan_quotes(path) == QuoteScan(lines, doubtful)


@pytest.mark.parametrize(("content", "expected"), [(b"", False), (b"a", False), (b'"', True), (b'a"', True)])
def test_a_quote_anywhere_is_found(tmp_path: Path, content: bytes, expected: bool) -> None:
    path = tmp_path / "packages.csv"
    path.write_bytes(content)
    assert has_quotes(path) is expected


DOUBT = re.compile(rb'\\"|[^",\n\r]"(?:"")?[^",\n\r]')


@pytest.mark.parametrize("more", [b"", b'"'])
def test_quotes_are_doubtful_that_a_pattern_finds_or_that_are_odd(more: bytes) -> None:
    for letters in itertools.product('x",\n\r\\', repeat=5):
        content = "".join(letters).encode() + more
        lines = content.count(b"\n") + (not content.endswith(b"\n"))
        expected = content.count(b'"') % 2 == 1 or DOUBT.search(content) is not None
        assert has_doubtful_quotes(content, ",", lines) is expected, content


@pytest.mark.parametrize("doubt", [b'x"x', b'x"""x', b'\\"'])
def test_a_doubtful_quote_of_a_piece_is_found_across_blocks(
    monkeypatch: pytest.MonkeyPatch, doubt: bytes
) -> None:
    monkeypatch.setattr(csv_quotes, "_BLOCK", 16)
    for before in range(40):
        content = b"," * before + doubt + b',",\n'
        assert content.count(b'"') % 2 == 0
        assert has_doubtful_quotes(content, ",", 1)


def test_quotes_that_enclose_line_breaks_are_doubtful_only_if_misplaced() -> None:
    assert not has_doubtful_quotes(b'"a\nb",c\n', ",", 1)
    assert has_doubtful_quotes(b'""a,b\n"",c\n', ",", 1)
    assert is_strict(b'a,"b""c"\n', ",")
    assert not is_strict(b'"a"b,c\n', ",")
    assert is_strict(b'"a",b;c\n', ",")
    assert not is_strict(b'"a",b;c\n', ";")


def test_a_misplaced_quote_in_the_headings_is_on_line_1() -> None:
    with pytest.raises(SourceError, match="the row that starts on line 1 has an opening quote"):
        read('package_id,"na"me\np1,x\n')


def test_words_for_nothing_are_kept_as_text() -> None:
    table = read("package_id,name\nNA,NULL\nnull,\n")
    assert rows(table) == [["NA", "NULL"], ["null", ""]]
