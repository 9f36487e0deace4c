"""Reading a mart as stored in CSV or Parquet files or in DataFrames.

Only what makes a table unreadable is an error here; `checks` validates the values.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.reading.csv_files import read_csv
from custdyn_widgets.mart.reading.duckdb_file import is_duckdb, read_duckdb, write_ahead_log
from custdyn_widgets.mart.reading.near_files import (
    SUFFIXES,
    hint_for_file,
    hint_for_missing,
    near_file,
    reject_near_files,
)
from custdyn_widgets.mart.reading.near_names import nearest_table, source_error, unread_table
from custdyn_widgets.mart.reading.parquet_files import parquet_ledger, read_parquet
from custdyn_widgets.mart.reading.stored import StoredMart, StoredTable, refuse_doubled, unreadable
from custdyn_widgets.mart.schema import TABLES, Kind, MartTable

if TYPE_CHECKING:
    import pandas as pd

_OF_ONE_TYPE = ("string", "decimal", "integer", "floating", "boolean", "datetime", "date", "empty")
_READ_FROM_TEXT = ("time", "date", "amount", "positive")
_SEARCHED = 1000
_WRITTEN_OUT = 100  # digits: a longer Decimal keeps its exponent


def mart_files(folder: Path) -> dict[str, Path]:
    """Return the file of each table in a folder.

    Raises
    ------
    SourceError
        If it is not a folder, lacks clients or transactions, or contains a table twice or under almost its
        name.
    """
    if not folder.is_dir():
        other = hint_for_file(folder) if folder.is_file() else ""
        raise SourceError.not_found(str(folder), f"is not a folder that exists{other}")
    found: dict[str, Path] = {}
    for name, spec in TABLES.items():
        files = [path for suffix in SUFFIXES if os.path.lexists(path := folder / f"{name}{suffix}")]
        if len(files) > 1:
            raise SourceError.not_found(folder.name, f"has the table {name} twice, as CSV and as Parquet")
        if files and not files[0].is_file():
            raise SourceError.not_found(folder.name, f"has {files[0].name}, which is not a file")
        if files:
            found[name] = files[0]
        elif spec.required:
            hint = hint_for_missing(folder, _names(folder), name)
            error = source_error if hint else SourceError.not_found
            raise error(folder.name, f"has no {name}.csv or {name}.parquet{hint}")
        else:
            reject_near_files(folder, _names(folder), name)
    return found


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, in which those of near files are looked for: at most a thousand."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _SEARCHED))
    except OSError:  # a folder may be readable without being listed
        return []


def _unread(folder: Path, found: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each optional table that may be in a file that is not read."""
    names = _names(folder)
    for table in TABLES:
        if table not in found and (near := near_file(folder, names, table)):
            name, remedy = near
            yield unread_table(table, name, remedy)


def files_with_status(path: Path) -> dict[str, tuple[Path, os.stat_result]]:
    """Return the files of a mart, by table if each has its own, and their status."""
    try:
        return {name: (file, file.stat()) for name, file in _files(path).items()}
    except OSError as error:
        raise SourceError.not_found(path.name, f"cannot be read: {error.strerror}") from error


def _files(path: Path) -> dict[str, Path]:
    if not is_duckdb(path):
        return mart_files(path)
    if not path.is_file():
        raise SourceError.not_found(str(path), "is not a file that exists")
    return {file.name: file for file in (path, write_ahead_log(path)) if file.exists()}


def read_mart(path: Path) -> StoredMart:
    """Read a folder of CSV or Parquet files, or a DuckDB file."""
    return read_duckdb(path, source_name(path)) if is_duckdb(path) else read_folder(path)


def read_folder(folder: Path) -> StoredMart:
    """Read a folder of CSV or Parquet files; a Parquet ledger is read later, on demand."""
    files = files_with_status(folder)
    size = max(sum(status.st_size for _, status in files.values()), 1)
    tables: dict[str, StoredTable] = {}
    ledger = None
    for name, (path, _) in files.items():
        done = sum(files[table][1].st_size for table in tables)
        if name == "transactions" and path.suffix == ".parquet":
            ledger = parquet_ledger(path, TABLES[name])
            continue
        progress.step(f"Reading {path.name}", 0.4 * done / size)
        read = read_csv if path.suffix == ".csv" else read_parquet
        try:
            tables[name] = read(path, TABLES[name])
        except (OSError, csv.Error, pa.ArrowException) as error:
            raise unreadable(path, error) from error
    unread = tuple(_unread(folder, files))
    if ledger is None:
        return replace(StoredMart.of(source_name(folder), tables), unread=unread)
    return StoredMart(source_name(folder), tables, ledger, unread)


def source_name(path: Path) -> str:
    """Return the name of a path for reports: its last component, with undecodable bytes escaped."""
    return path.resolve().name.encode("utf-8", "backslashreplace").decode()


def from_frames(frames: Mapping[str, pd.DataFrame]) -> StoredMart:
    """Return a mart from DataFrames by table name."""
    for name in frames:
        if name not in TABLES:
            near = nearest_table(str(name))
            hint = f" Did you mean {near!r}?" if near else ""
            raise SourceError(
                f"A mart has no table {name!r}, only {', '.join(TABLES)}.{hint}", field="source"
            )
    for name, spec in TABLES.items():
        if spec.required and name not in frames:
            raise SourceError(f"The DataFrames lack the table {name!r}.", field="source")
    return StoredMart.of(
        "DataFrames", {name: _from_frame(frame, TABLES[name]) for name, frame in frames.items()}
    )


def _from_frame(frame: pd.DataFrame, spec: MartTable) -> StoredTable:
    import pandas as pd  # late: reading files does not need it

    if not isinstance(frame, pd.DataFrame):
        raise SourceError(
            f"The table {spec.name!r} must be a pandas DataFrame, not {shown(frame)}.", field="source"
        )
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    names = [*frame.columns, *levels]
    refuse_doubled(names, spec, f"The DataFrame {spec.name}")
    if known := [name for name in levels if name in spec.column_names]:
        frame = frame.reset_index(level=known)
    columns = {c.name: _frame_column(frame[c.name], c.kind) for c in spec.columns if c.name in names}
    extra = tuple(str(c) for c in names if c not in spec.column_names)
    return StoredTable(spec, spec.name, pa.table(columns), extra)


def _frame_column(series: pd.Series[Any], kind: Kind) -> pa.Array:
    """Return a column as an Arrow array, converting mixed Python values to text."""
    import pandas as pd

    mixed = series.dtype == object and pd.api.types.infer_dtype(series) not in _OF_ONE_TYPE
    if mixed and kind in _READ_FROM_TEXT:  # Arrow would read a number among times as microseconds
        return _texts(series)
    try:
        if mixed:  # Arrow crashes on NumPy scalars of several types
            series = pd.Series([_unboxed(value) for value in series], dtype=object)
        return pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError):
        if kind == "tags":
            return pa.array([_tag_texts(v) for v in series], pa.large_list(pa.large_string()))
        return _texts(series)


def _texts(series: pd.Series[Any]) -> pa.Array:
    return pa.array([_value_text(value) for value in series], pa.large_string())


def _unboxed(value: object) -> object:
    import pandas as pd

    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    return value.item() if isinstance(value, np.generic) else value


def _tag_texts(value: object) -> list[str | None]:
    """Return a client's tags: the elements of a collection, or the parts of a string."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_value_text(v) for v in value]
    return list((_value_text(value) or "").split(";"))


def _value_text(value: object) -> str | None:
    """Return a Python value as text, or None if pandas treats it as missing."""
    import pandas as pd

    if isinstance(value, Decimal) and value.is_snan():
        return "NaN"  # comparing a signalling NaN raises
    if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, (float, np.floating)):
        value = Decimal(repr(float(value)))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _WRITTEN_OUT:
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).encode("utf-8", "backslashreplace").decode()
