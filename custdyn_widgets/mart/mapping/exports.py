"""Files exported by another system: the names of their tables, and the delimiters of CSV files."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from custdyn_widgets.errors import SourceError, shown

_TEXT = tuple(f".{kind}{packed}" for kind in ("csv", "tsv", "txt") for packed in ("", ".gz", ".zip"))
_SUFFIXES = (*_TEXT, ".parquet")
_PART = re.compile(r"[\W_]*\d[\d\W_]*$")  # calls-2024-01, calls_2
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 2**20  # bytes
_ROWS = 50


@dataclass(frozen=True)
class ExportedFile:
    """A file of an export, and the name of its table in SQL."""

    path: Path
    table: str

    @property
    def is_text(self) -> bool:
        """Whether it is a CSV file, perhaps with another suffix or compressed."""
        return self.path.name.lower().endswith(_TEXT)


def exported_files(path: Path) -> list[ExportedFile]:
    """Return the files of an export: all CSV and Parquet files in a folder, or a single file.

    Raises
    ------
    SourceError
        If there are none, or two of them would have the same table name.
    """
    if not path.exists():
        raise SourceError(f"{shown(str(path))} is not a folder or file that exists.", field="source")
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [
        ExportedFile(file, _table_name(_stem(file)))
        for file in paths
        if file.name.lower().endswith(_SUFFIXES) and file.is_file() and not file.name.startswith(".")
    ]
    if not files:
        raise SourceError(
            f"{shown(path.name)} contains no file whose name ends in .csv, .tsv, .txt or .parquet, nor a "
            "compressed file such as .csv.gz. Save Excel sheets as CSV.",
            field="source",
        )
    by_table = {file.table: file for file in files}
    for file in files:
        if by_table[file.table] is not file:
            other = by_table[file.table].path.name
            raise SourceError(
                f"{shown(file.path.name)} and {shown(other)} would both become the table {file.table}. "
                "Rename one of them.",
                field="source",
            )
    return files


def parts(files: list[ExportedFile]) -> Iterator[tuple[str, list[ExportedFile]]]:
    """Yield tables split into several files: `calls` for `calls-2024-01.csv` and `calls-2024-02.csv`."""
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
    """Return a name for SQL: in lowercase, with underscores for characters except letters and digits."""
    name = re.sub(r"\W+", "_", stem.casefold()).strip("_") or "file"
    return f"t_{name}" if name[0].isdigit() else name


def delimiter_of(text: Path, name: str) -> str:
    """Return the delimiter of a CSV file in UTF-8: the one that gives all rows the same number of cells.

    Parameters
    ----------
    text
        The file, perhaps a converted copy.
    name
        The name of the original file, for messages.

    Raises
    ------
    SourceError
        If the text is not UTF-8, or the delimiter is ambiguous; the message names the setting to use.
    """
    with text.open("rb") as file:
        begins = file.read(_SAMPLE)
    try:
        decoded = codecs.getincrementaldecoder("utf-8-sig")().decode(begins)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{name} is not UTF-8 (byte {error.start + 1}). Set its encoding for the source, such as "
            'encoding = "cp1251" or "cp1252".',
            field="encoding",
        ) from None
    widths = {}
    for delimiter in _DELIMITERS:
        rows = list(islice(csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter), _ROWS + 1))
        if len(rows) > _ROWS or len(begins) == _SAMPLE:
            rows.pop()  # the last row may be incomplete
        counts = {len(cells) for cells in rows if cells}
        if len(counts) == 1 and (width := counts.pop()) > 1:
            widths[delimiter] = width
    if len(widths) == 1:
        return next(iter(widths))
    if not widths and not any(delimiter in decoded for delimiter in _DELIMITERS):
        return ","  # a single column
    raise SourceError(
        f"The delimiter of {name} is ambiguous. Set it for the source, such as "
        r'delimiter = ";" or "\t".',
        field="delimiter",
    )
