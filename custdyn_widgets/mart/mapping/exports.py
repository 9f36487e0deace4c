"""The files that another system exported: their tables' names, and the form of CSV files."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.dialect import Dialect

_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_SUFFIXES = (*_TEXT, ".parquet")
_PART = re.compile(r"[\W_]*\d[\d\W_]*$")  # calls-2024-01, calls_2
_DELIMITERS = (",", ";", "\t", "|")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SAMPLE = 2**20  # bytes
_ROWS = 50


@dataclass(frozen=True)
class ExportedFile:
    """A file of an export, and the name of the table that it is in SQL."""

    path: Path
    table: str

    @property
    def is_text(self) -> bool:
        """Whether it is a CSV file of some form."""
        return self.path.name.lower().endswith(_TEXT)


@dataclass(frozen=True)
class CsvForm:
    """The delimiter and encoding of a CSV file."""

    delimiter: str
    encoding: str


def exported_files(path: Path) -> list[ExportedFile]:
    """Return the files of an export: all CSV and Parquet files in a folder, or a single file.

    Raises
    ------
    SourceError
        If there are none, or two would be the same table.
    """
    if not path.exists():
        raise SourceError.not_found(str(path), "is not a folder or file that exists")
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [
        ExportedFile(file, _table_name(_stem(file)))
        for file in paths
        if file.name.lower().endswith(_SUFFIXES) and file.is_file() and not file.name.startswith(".")
    ]
    if not files:
        raise SourceError.not_found(path.name, "has no CSV or Parquet file")
    by_table = {file.table: file for file in files}
    for file in files:
        if by_table[file.table] is not file:
            other = by_table[file.table].path.name
            raise SourceError(
                f"{shown(file.path.name)} and {shown(other)} would both be the table {file.table}. Rename "
                "one of them.",
                field="source",
            )
    return files


def is_packed(path: Path) -> bool:
    """Return whether a file has the name of one compressed with gzip."""
    return path.name.lower().endswith(".gz")


def parts(files: list[ExportedFile]) -> Iterator[tuple[str, list[ExportedFile]]]:
    """Yield tables in several files, such as `calls` in `calls-2024-01.csv` and `calls-2024-02.csv`."""
    found: dict[str, list[ExportedFile]] = defaultdict(list)
    for file in files:
        stem = _stem(file.path)
        if (whole := _PART.sub("", stem)) and whole != stem:
            found[_table_name(whole)].append(file)
    taken = {file.table for file in files}
    yield from ((name, of) for name, of in found.items() if len(of) > 1 and name not in taken)


def _stem(path: Path) -> str:
    """Return a file's name without its suffixes."""
    return next(path.name[: -len(suffix)] for suffix in _SUFFIXES if path.name.lower().endswith(suffix))


def _table_name(stem: str) -> str:
    """Return a name for SQL: lower case, with an underscore for anything but letters and digits."""
    name = re.sub(r"\W+", "_", stem.casefold()).strip("_") or "file"
    return f"t_{name}" if name[0].isdigit() else name


def csv_form(path: Path, dialect: Dialect) -> CsvForm:
    """Return the form of a CSV file: as the dialect says, or else as the beginning of the file shows.

    Raises
    ------
    SourceError
        If it cannot be told for certain; the message names the setting that would say it.
    """
    opened = gzip.open if is_packed(path) else open
    with opened(path, "rb") as file:
        begins = file.read(_SAMPLE)
    encoding = dialect.encoding or _encoding(path, begins)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(begins).lstrip("\ufeff")
    return CsvForm(dialect.delimiter or _delimiter(path, text, len(begins) == _SAMPLE), encoding)


def _encoding(path: Path, begins: bytes) -> str:
    for mark, encoding in _MARKS:
        if begins.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begins)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path.name} is not UTF-8 (byte {error.start + 1}). Say how it is encoded with the setting "
            'encoding, such as encoding = "cp1251" or "cp1252".',
            field="encoding",
        ) from None
    return "utf-8"


def _delimiter(path: Path, text: str, is_cut: bool) -> str:
    """Return the delimiter that gives all rows the same number of cells, if only one does."""
    widths = {}
    for delimiter in _DELIMITERS:
        rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _ROWS + 1))
        if len(rows) > _ROWS or is_cut:
            rows.pop()  # it may be incomplete
        counts = {len(cells) for cells in rows if cells}
        if len(counts) == 1 and (width := counts.pop()) > 1:
            widths[delimiter] = width
    if len(widths) == 1:
        return next(iter(widths))
    if not widths and not any(delimiter in text for delimiter in _DELIMITERS):
        return ","  # a single column
    raise SourceError(
        f"The separator of cells in {path.name} is not certain. Say it with the setting delimiter, such as "
        r'delimiter = ";" or "\t".',
        field="delimiter",
    )
