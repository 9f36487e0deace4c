"""Reading a mart's tables as they are stored: CSV and Parquet files, and DataFrames.

Nothing is judged here beyond what makes a table readable at all; `checks` does that.
"""

from __future__ import annotations

import csv
import hashlib
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.schema import TABLES, MartTable

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class StoredTable:
    """A table as stored.

    Attributes
    ----------
    spec
        What the table should be.
    origin
        Its file's name, or the table's name for a DataFrame.
    data
        The known columns, one chunk each, as the file types them.
    extra
        Names of columns that the mart does not know; they are ignored.
    first_row
        The number of its first row as a person counts it: a CSV's headings are row 1.
    misshapen
        Rows of a CSV with too many or too few cells: (row, text, why).
    """

    spec: MartTable
    origin: str
    data: pa.Table
    extra: tuple[str, ...] = ()
    first_row: int = 1
    misshapen: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True)
class StoredMart:
    """The tables of a source, and its name."""

    name: str
    tables: Mapping[str, StoredTable]


def mart_files(folder: Path) -> dict[str, Path]:
    """Return the file of each table that a folder holds.

    Raises
    ------
    SourceError
        If it is no folder, lacks clients or transactions, or holds a table twice.
    """
    if not folder.is_dir():
        raise SourceError.not_found(str(folder), "is not a folder that exists")
    found: dict[str, Path] = {}
    for name, spec in TABLES.items():
        files = [folder / f"{name}{suffix}" for suffix in _SUFFIXES if (folder / f"{name}{suffix}").is_file()]
        if len(files) > 1:
            raise SourceError.not_found(folder.name, f"holds the table {name} twice, as CSV and as Parquet")
        if files:
            found[name] = files[0]
        elif spec.required:
            raise SourceError.not_found(folder.name, f"has no {name}.csv or {name}.parquet")
    return found


def fingerprint(folder: Path) -> str:
    """Return a text that changes when a file of the mart does: by place, names, sizes and times."""
    seen = [str(folder.resolve())]
    for path in mart_files(folder).values():
        status = path.stat()
        seen.append(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}")
    return hashlib.sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()


def last_changed(folder: Path) -> int:
    """Return the newest modification of the mart's files, in whole seconds since 1970."""
    return max(path.stat().st_mtime_ns for path in mart_files(folder).values()) // 10**9


def read_folder(folder: Path) -> StoredMart:
    """Read the tables of a folder of CSV or Parquet files."""
    files = mart_files(folder)
    tables = {}
    for name, path in files.items():
        read = _read_csv if path.suffix == ".csv" else _read_parquet
        try:
            tables[name] = read(path, TABLES[name])
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path.name} cannot be read: {error}", field="source") from error
    return StoredMart(folder.resolve().name, tables)


def from_frames(frames: Mapping[str, pd.DataFrame]) -> StoredMart:
    """Take the tables from DataFrames by the names of the tables."""
    for name in frames:
        if name not in TABLES:
            raise SourceError(f"A mart has no table {name!r}; it has {', '.join(TABLES)}.", field="source")
    for name, spec in TABLES.items():
        if spec.required and name not in frames:
            raise SourceError(f"The DataFrames lack the table {name!r}.", field="source")
    return StoredMart(
        "DataFrames", {name: _from_frame(frame, TABLES[name]) for name, frame in frames.items()}
    )


def _from_frame(frame: pd.DataFrame, spec: MartTable) -> StoredTable:
    columns = {name: _frame_column(frame[name]) for name in spec.column_names if name in frame.columns}
    extra = tuple(str(c) for c in frame.columns if c not in spec.column_names)
    return StoredTable(spec, spec.name, pa.table(columns), extra)


def _frame_column(series: pd.Series[Any]) -> pa.Array:
    """Return a column as Arrow holds it; mixed Python values, each as its text."""
    try:
        column = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        column = pa.array([_value_text(v) for v in series], pa.large_string(), from_pandas=True)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _value_text(value: object) -> object:
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f") if value == value else None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return None if str(value) == "NaT" else value.isoformat()
    if value is None or str(value) == "<NA>":
        return None
    return str(value).encode("utf-8", "backslashreplace").decode()


def _read_parquet(path: Path, spec: MartTable) -> StoredTable:
    with pa.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        known = [name for name in spec.column_names if name in names]
        data = file.read(columns=known, use_threads=True)
    extra = tuple(name for name in names if name not in spec.column_names)
    return StoredTable(spec, path.name, data, extra)


def _read_csv(path: Path, spec: MartTable) -> StoredTable:
    names = _headings(path)
    doubled = sorted({n for n in names if names.count(n) > 1 and n in spec.column_names})
    if doubled:
        raise SourceError(f"{path.name} has the column {doubled[0]!r} twice.", field=doubled[0])
    known = [name for name in names if name in spec.column_names]
    extra = tuple(name for name in names if name not in spec.column_names)
    invalid: list[object] = []

    def note(row: object) -> str:
        invalid.append(row)
        return "skip"

    options = {
        "parse_options": pa.csv.ParseOptions(newlines_in_values=_has_quotes(path), invalid_row_handler=note),
        "convert_options": pa.csv.ConvertOptions(
            column_types={name: pa.large_string() for name in known},
            include_columns=known,
            strings_can_be_null=False,
        ),
    }
    try:
        data = pa.csv.read_csv(path, **options)
    except pa.ArrowInvalid as error:
        if "UTF8" not in str(error):
            raise
        _refuse_encoding(path)
        raise
    if invalid:  # rare: rows must be counted to be named, so read them one by one
        return _read_misshapen_csv(path, spec, names, extra)
    return StoredTable(spec, path.name, data, extra, first_row=2)


def _headings(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return next(csv.reader(file))
        except StopIteration:
            raise SourceError(f"{path.name} is empty: not even headings are there.", field="source") from None


def _has_quotes(path: Path) -> bool:
    """Return whether a cell may hold a line break; without any quote the file is read in parallel."""
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"') >= 0


def _refuse_encoding(path: Path) -> None:
    """Raise for the first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{path.name}, line {number}: byte {line[error.start]:#04x} is not UTF-8. Save it as "
                    "UTF-8.",
                    field="source",
                ) from None


def _read_misshapen_csv(path: Path, spec: MartTable, names: list[str], extra: tuple[str, ...]) -> StoredTable:
    """Read a CSV whose rows differ in length: short ones are filled with blanks, long ones cut."""
    rows: list[list[str]] = []
    misshapen = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                why = f"has {len(cells)} cells, and there are {len(names)} columns"
                misshapen.append((len(rows) + 2, ",".join(cells), why))
            rows.append((cells + [""] * len(names))[: len(names)])
    columns = {
        name: pa.array([row[i] for row in rows], pa.large_string())
        for i, name in enumerate(names)
        if name in spec.column_names
    }
    return StoredTable(spec, path.name, pa.table(columns), extra, first_row=2, misshapen=tuple(misshapen))
