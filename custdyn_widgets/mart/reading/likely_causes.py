"""Messages about files that cannot be read, with the likely cause and the remedy.

These functions can afford to read a file again, because they run only if it cannot be read or has no known
heading.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.reading.near_names import normalized_name
from custdyn_widgets.mart.schema import MartTable

_UNPACK = "Unpack it"
_SAVE_SHEET = "Save its sheet as CSV (UTF-8)"
_EXPORT = "Export its data as CSV or Parquet"
_CONTENTS = (  # the first bytes of a format, its description, and what to do
    (b"\x1f\x8b", "is compressed with gzip", _UNPACK),
    (b"\xfd7zXZ\0", "is compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard", _UNPACK),
    (b"\x04\x22\x4d\x18", "is compressed with LZ4", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook (.xls)", _SAVE_SHEET),
    (b"PAR1", "is a Parquet file", "Rename it to {stem}.parquet"),
    (b"ARROW1\0\0", "is an Arrow file", _EXPORT),
    (b"\xff\xff\xff\xff", "is an Arrow stream", _EXPORT),
    (b"SQLite format 3\0", "is a SQLite database", _EXPORT),
    (b"%PDF-", "is a PDF file", _EXPORT),
)
_WANTED = {".parquet": "a Parquet file", ".duckdb": "a DuckDB database", ".db": "a DuckDB database"}
_MARKUP = re.compile(rb"[\s\xef\xbb\xbf]*<(!doctype|\?xml|html|head|body|table|!--)", re.IGNORECASE)
_JSON = re.compile(rb"[\s\xef\xbb\xbf]*(\{\s*[\"}]|\[\s*[\[{\]])")
_SEPARATORS = (";", "\t", "|", ":", "~", "^", "\x1f")
_UTF_8 = (
    "Save the file as UTF-8 (in Excel: CSV UTF-8), or set its encoding in the source's section of "
    "sources.toml: encoding = {}."
)
_CODE_PAGES = ("windows-1252", "windows-1250", "windows-1251", "cp850")
_LINES, _BEGINNING = 20, 4096


def reject_foreign_content(path: Path) -> None:
    """Raise an error if the first bytes of a file are those of another format."""
    with path.open("rb") as file:
        begins = file.read(_BEGINNING)
    found = next(((what, remedy) for magic, what, remedy in _CONTENTS if begins.startswith(magic)), None)
    if begins.startswith(b"BZh") and begins[4:7] == b"1AY":
        found = "is compressed with bzip2", _UNPACK
    elif begins.startswith(b"PK\x03\x04"):
        workbook = b"[Content_Types].xml" in begins or b"xl/" in begins
        found = ("is an Excel workbook", _SAVE_SHEET) if workbook else ("is a ZIP archive", _UNPACK)
    elif begins[8:12] == b"DUCK":
        found = "is a DuckDB database", "Rename it to {stem}.duckdb, and use its path as the source"
    elif _MARKUP.match(begins):
        found = "is a web page or XML", "Open it to see what was exported, and export it again"
    elif _JSON.match(begins):
        found = "is JSON", _EXPORT
    elif path.suffix == ".parquet" and b"," in begins and _is_text(begins):
        found = "is text", "Rename it to {stem}.csv if it is CSV"
    if found and not (path.suffix == ".parquet" and begins.startswith(b"PAR1")):
        what, remedy = found
        wanted = _WANTED.get(path.suffix.lower(), "a CSV file")
        raise SourceError(
            f"{path.name} {what}, not {wanted}. {remedy.format(stem=path.stem)}.", field="source"
        )


def _is_text(begins: bytes) -> bool:
    return not any(byte < ord(" ") and byte not in b"\t\r\n" for byte in begins)


def reject_dialect(path: Path, spec: MartTable) -> None:
    """Raise an error if the headings of a CSV file are in a single quoted cell, or not in its first line."""
    lines = _first_lines(path)
    first = lines[0] if lines else ""
    if first.startswith('"') and _known_count([first.strip().strip('"').replace('""', '"')], spec, ",") > 1:
        raise SourceError(
            f"{path.name}: each line is a single quoted cell. Remove the quotes around whole lines.",
            field="source",
        )
    for number, line in enumerate(lines[1:], start=1):
        if _known_count([line], spec, ",") > 1 or _separator(line, spec):
            words = "line" if number == 1 else f"{number} lines"
            raise SourceError(
                f"{path.name}: the headings are not in the first line. Remove the {words} above them.",
                field="source",
            )


def other_delimiter(path: Path, spec: MartTable, given: str | None) -> str | None:
    """Return the delimiter of a CSV file if its headings show that it is not a comma; otherwise None.

    Raises
    ------
    SourceError
        If the source sets another delimiter.
    """
    lines = _first_lines(path)
    first = lines[0] if lines else ""
    if given is None:
        return _separator(first, spec)
    better = next((d for d in (",", *_SEPARATORS) if d != given and _known_count([first], spec, d) > 1), None)
    if better and _known_count([first], spec, given) < 2:
        raise SourceError(
            f"{path.name}: the delimiter seems to be {shown(better)}, but the source sets {shown(given)}. "
            "Remove delimiter from the source so that it is detected in each file.",
            field="delimiter",
        )
    return None


def _first_lines(path: Path) -> list[str]:
    """Return the non-empty lines at the beginning of a file."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = [file.readline(_BEGINNING).rstrip("\r\n") for _ in range(_LINES)]
    return [line for line in lines if line]


def _separator(line: str, spec: MartTable) -> str | None:
    """Return the separator that gives the most known headings, if it gives more than one."""
    counts = {separator: _known_count([line], spec, separator) for separator in _SEPARATORS}
    best = max(counts, key=lambda separator: counts[separator])
    return best if counts[best] > 1 else None


def _known_count(line: Sequence[str], spec: MartTable, separator: str) -> int:
    """Return how many headings in a line are known, ignoring case and punctuation."""
    known = {normalized_name(name) for name in spec.column_names}
    try:
        headings = next(csv.reader(line, delimiter=separator), [])
    except csv.Error:
        return 0
    return len(known & {normalized_name(heading) for heading in headings})


def reject_encoding(path: Path) -> None:
    """Raise an error about text in UTF-16 or UTF-32, or about the first line that is not UTF-8."""
    with path.open("rb") as file:
        begins = file.read(_BEGINNING)
        file.seek(0)
        if wide := _wide_encoding(begins):
            raise SourceError(
                f"{path.name} seems to be {wide.upper()} rather than UTF-8. {_UTF_8.format(shown(wide))}",
                field="encoding",
            )
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                place = f"{path.name}, line {number}: byte {line[error.start]:#04x} is not UTF-8"
                cause, page = _code_page_hint(line, error.start)
                raise SourceError(f"{place}{cause} {_UTF_8.format(shown(page))}", field="encoding") from None


def _wide_encoding(begins: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 encoding that text without a byte order mark seems to have, or None."""
    even, odd = begins[0:64:2], begins[1:64:2]
    if len(odd) < 2 or max(even.count(0), odd.count(0)) <= len(odd) // 2:
        return None
    if min(even.count(0), odd.count(0)) > len(odd) // 4:
        return "utf-32-le" if begins[0] else "utf-32-be"
    return "utf-16-le" if odd.count(0) > even.count(0) else "utf-16-be"


def _code_page_hint(line: bytes, position: int) -> tuple[str, str]:
    """Decode the word at a position with likely code pages; return a hint and the first page that fits."""
    begin = max(line.rfind(mark, 0, position) for mark in b'," ;\t') + 1
    ends = [end for mark in b'," ;\t\r\n' if (end := line.find(mark, position)) >= 0]
    word = line[begin : min(ends, default=len(line))][:40]
    found: dict[str, str] = {}
    for page in _CODE_PAGES:
        try:
            text = word.decode(page)
        except UnicodeDecodeError:
            continue
        if text.isprintable() and any(c.isalpha() and not c.isascii() for c in text):
            found.setdefault(text, page)
    if not found:
        return ".", _CODE_PAGES[0]
    words = _any_of([f"{shown(text)} in {page}" for text, page in found.items()])
    return f". It may be {words}.", next(iter(found.values()))


def _any_of(words: Collection[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
