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
from custdyn_widgets.mart.mapping.workbooks import SUFFIXES as WORKBOOKS
from custdyn_widgets.mart.reading.csv_files import NO_ESCAPES
from custdyn_widgets.mart.reading.likely_causes import reject_encoding
from custdyn_widgets.mart.reading.near_files import seems_data

_TEXT = tuple(f".{kind}{packed}" for kind in ("csv", "tsv", "txt") for packed in ("", ".gz", ".zip"))
_TEXT = (*_TEXT, ".zip")
_SUFFIXES = (*_TEXT, ".parquet", *WORKBOOKS)
_PART = re.compile(r"[\W_]*\d[\d\W_]*$")  # calls-2024-01, calls_2
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 2**20  # bytes
_ROWS = 50


@dataclass(frozen=True)
class ExportedFile:
    """An exported file, and the name of its table in SQL.

    `whole` is the name of the table formed by all files in the folder, or empty if they do not form one.
    """

    path: Path
    table: str
    whole: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the file is in CSV format, even if it is compressed or has another suffix."""
        return self.path.name.lower().endswith(_TEXT)

    @property
    def is_workbook(self) -> bool:
        """Whether the file is an Excel workbook, whose sheets are tables."""
        return self.path.name.lower().endswith(WORKBOOKS)


def exported_files(path: Path) -> list[ExportedFile]:
    """Return the files of an export: all CSV, Parquet and Excel files in a folder, or a single file.

    The files in a subfolder, such as a folder written by Spark, are parts of one table.

    Raises
    ------
    SourceError
        If there are no such files, or two of them would have the same table name.
    """
    if not path.exists():
        raise SourceError(f"{shown(str(path))} does not exist.", field="source")
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [ExportedFile(file, table_name(_stem(file))) for file in paths if _is_data(file)]
    if path.is_dir():
        files += [part for folder in paths if folder.is_dir() for part in _parts_in(folder)]
    if not files:
        raise SourceError(
            f"{shown(path.name)} contains no file whose name ends in .csv, .tsv, .txt, .parquet or .xlsx, "
            "and no compressed file such as .csv.gz.",
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


def is_data_name(name: str) -> bool:
    """Return whether a file with this name is read as exported data."""
    return name.lower().endswith(_SUFFIXES) and not name.startswith((".", "~$"))


def _is_data(file: Path) -> bool:
    return is_data_name(file.name) and file.is_file()


def _parts_in(folder: Path) -> Iterator[ExportedFile]:
    """Yield the files in a folder that are the parts of one table."""
    if folder.name.startswith((".", "_")):
        return
    inner = sorted(folder.iterdir())
    if any(file.name == "_temporary" for file in inner):
        raise SourceError(
            f"{shown(folder.name)} is incomplete: it is still being written, or the write failed. Wait, or "
            "write it again.",
            field="source",
        )
    if partition := next((file for file in inner if "=" in file.name and file.is_dir()), None):
        raise SourceError(
            f"{shown(folder.name)} contains the folder {shown(partition.name)}, which is not read. Export "
            "the data without partitions.",
            field="source",
        )
    name = _stem(folder) if folder.name.lower().endswith(_SUFFIXES) else folder.name
    whole = table_name(name)
    for file in inner:
        if _is_data(file) and not file.name.startswith("_") and file.stat().st_size:
            yield ExportedFile(file, f"{whole}_{table_name(_stem(file))}", whole)


def unread_files(path: Path) -> list[str]:
    """Return the names of files in a folder that seem to contain data in an unsupported format."""
    if not path.is_dir():
        return []
    return [f.name for f in sorted(path.iterdir()) if f.is_file() and not _is_data(f) and seems_data(f.name)]


def parts(files: list[ExportedFile]) -> Iterator[tuple[str, list[ExportedFile]]]:
    """Yield tables split into several files, such as `calls-2024-01.csv` and `calls-2024-02.csv`."""
    found: dict[str, list[ExportedFile]] = defaultdict(list)
    for file in files:
        stem = _stem(file.path)
        if file.whole:
            found[file.whole].append(file)
        elif (whole := _PART.sub("", stem)) and whole != stem:
            found[table_name(whole)].append(file)
    taken = {file.table for file in files}
    for name, of in found.items():
        if name not in taken and (len(of) > 1 or of[0].whole):
            yield name, of


def _stem(path: Path) -> str:
    """Return a file's name without its suffixes."""
    return next(path.name[: -len(suffix)] for suffix in _SUFFIXES if path.name.lower().endswith(suffix))


def table_name(stem: str) -> str:
    """Return a lowercase name for SQL, with underscores for characters other than letters and digits."""
    name = re.sub(r"\W+", "_", stem.casefold()).strip("_") or "file"
    return f"t_{name}" if name[0].isdigit() else name


def delimiter_of(text: Path, name: str) -> str:
    """Return the delimiter that gives every row of a UTF-8 CSV file the same number of cells.

    Parameters
    ----------
    text
        The path of the file, or of a converted copy.
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
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        reject_encoding(text)
    uneven = {}
    widths = {}
    for delimiter in _DELIMITERS:
        rows = list(islice(csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter), _ROWS + 1))
        if len(rows) > _ROWS or len(begins) == _SAMPLE:
            rows.pop()  # the last row may be incomplete
        rows = [cells for cells in rows if cells]
        counts = [len(cells) for cells in rows]
        if counts and counts[0] > 1:
            widths[delimiter] = counts[0]
            if other := next((n for n, count in enumerate(counts) if count != counts[0]), 0):
                uneven[delimiter] = other + 1, counts[other], delimiter.join(rows[other])
    fitting = [delimiter for delimiter in widths if delimiter not in uneven]
    if len(fitting) == 1:
        return fitting[0]
    if not any(delimiter in decoded for delimiter in _DELIMITERS):
        return ","  # a single column
    raise _ambiguous(name, widths, uneven)


def _ambiguous(name: str, widths: dict[str, int], uneven: dict[str, tuple[int, int, str]]) -> SourceError:
    """Return the error for a file whose delimiter is ambiguous or unknown."""
    remedy = r'Set it for the source, for example delimiter = ";" or "\t".'
    if not uneven or len(uneven) < len(widths):
        return SourceError(f"The delimiter of {name} is ambiguous. {remedy}", field="delimiter")
    best = max(uneven, key=lambda delimiter: widths[delimiter])
    row, count, text = uneven[best]
    why = f"{name}: with the delimiter {shown(best)}, row {row} has {count} cells"
    why += f", but there are {widths[best]} columns"
    if "\\" in text:
        why += f"{NO_ESCAPES}. MySQL: ESCAPED BY '\"'"
    return SourceError(
        f"{why}. Export the file again, or set delimiter if it uses another one.", field="delimiter"
    )
