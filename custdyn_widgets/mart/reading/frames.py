"""Read a mart from tables in memory: pandas DataFrames, and any table that Arrow can stream.

Polars DataFrames, Arrow tables and DuckDB relations have `__arrow_c_stream__`, so their decimals stay exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pyarrow as pa

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.columns import is_text, plain
from custdyn_widgets.mart.nested_views import has_type
from custdyn_widgets.mart.reading.near_names import nearest_table
from custdyn_widgets.mart.reading.stored import NestedCell, StoredMart, StoredTable, reject_repeated_columns
from custdyn_widgets.mart.schema import TABLES, Kind, MartTable

if TYPE_CHECKING:
    import pandas as pd

    from custdyn_widgets.mart.sources import ArrowStream, TableLike

_OF_ONE_TYPE = ("string", "decimal", "integer", "floating", "boolean", "datetime", "date", "empty")
_READ_FROM_TEXT = ("time", "date", "amount", "positive")
_UNFILTERABLE = (pa.types.is_union, pa.types.is_string_view, pa.types.is_binary_view)
_WRITTEN_OUT = 100  # digits: longer Decimals keep their exponents


def from_frames(frames: Mapping[str, TableLike]) -> StoredMart:
    """Create a mart from tables in memory, keyed by table name.

    Raises
    ------
    SourceError
        If a required table is missing, a name is unknown, or a table cannot be read.
    """
    for name in frames:
        if name not in TABLES:
            near = nearest_table(str(name))
            hint = f" Did you mean {near!r}?" if near else ""
            raise SourceError(
                f"A mart has no table {name!r}, only {', '.join(TABLES)}.{hint}", field="source"
            )
    for name, spec in TABLES.items():
        if spec.required and name not in frames:
            raise SourceError(f"The table {name!r} is missing from the DataFrames.", field="source")
    return StoredMart.of(
        "DataFrames", {name: _from_frame(frame, TABLES[name]) for name, frame in frames.items()}
    )


def _from_frame(frame: TableLike, spec: MartTable) -> StoredTable:
    import pandas as pd  # imported late: reading files does not need it

    if isinstance(frame, pd.DataFrame):
        return _from_pandas(frame, spec)
    if isinstance(frame, pa.RecordBatchReader):
        raise SourceError(
            f"The table {spec.name!r} is a RecordBatchReader, which can be read only once. Pass "
            "reader.read_all() instead.",
            field="source",
        )
    if isinstance(frame, pd.Series):
        raise SourceError(
            f"The table {spec.name} cannot be read: it is a single column. Pass a table with headings.",
            field="source",
        )
    if not hasattr(frame, "__arrow_c_stream__") or isinstance(frame, type):
        hint = " Pass the result of .collect() instead." if type(frame).__name__ == "LazyFrame" else ""
        raise SourceError(
            f"The table {spec.name!r} must be a pandas DataFrame, a Polars DataFrame, an Arrow table or a "
            f"DuckDB relation, not {shown(frame)}.{hint}",
            field="source",
        )
    return _from_arrow(frame, spec)


def _from_arrow(stream: ArrowStream, spec: MartTable) -> StoredTable:
    """Read the known columns of a stream, batch by batch."""
    try:
        reader = pa.RecordBatchReader.from_stream(stream)
        names = reader.schema.names
        reject_repeated_columns(names, spec, f"The table {spec.name}")
        known = [names.index(name) for name in spec.column_names if name in names]
        schema = pa.schema([reader.schema.field(i) for i in known])
        data = pa.Table.from_batches((batch.select(known) for batch in reader), schema)
        data.validate(full=True)  # producers are not required to check that text is UTF-8
        floats = frozenset(
            name
            for name in data.column_names
            if pa.types.is_union(data.column(name).type) and _any_float(data.column(name).to_pylist())
        )
        data = pa.table({name: _selectable(data.column(name)) for name in data.column_names})
    except SourceError:
        raise
    except Exception as error:  # the library behind the stream may raise any exception
        why = str(error).partition("\n")[0]
        if "non-struct" in why:  # Arrow's message for a single column
            why = "it is a single column. Pass a table with headings."
        if "_pli128" in why:  # Arrow's message for a Polars type that it lacks
            why = "it has a column of the Polars type Int128. Cast it to Int64 or to Decimal."
        raise SourceError(f"The table {spec.name} cannot be read: {why}", field="source") from error
    extra = tuple(name for name in names if name not in spec.column_names)
    return StoredTable(spec, spec.name, data, extra, floats=floats)


def _selectable(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array of a type that Arrow can filter: views and unions are converted."""
    if pa.types.is_union(column.type):  # mixed types, as in a pandas object column
        values = column.to_pylist()
        if not any(map(_is_nested, values)):
            return pa.array([_value_text(value) for value in values], pa.large_string())
        return _as_nested(values)
    found = plain(column)
    if pa.types.is_nested(found.type) and has_type(found.type, *_UNFILTERABLE):
        return _as_nested(found.to_pylist())
    return found


def _as_nested(values: Sequence[object]) -> pa.Array:
    """Return nested values as lists of strings if possible, or else as a type that is always a fault."""
    with suppress(pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(values, pa.large_list(pa.large_string()))
    kind = pa.struct([("value", pa.large_string())])
    return pa.array([None if value is None else {"value": str(value)} for value in values], kind)


def _from_pandas(frame: pd.DataFrame, spec: MartTable) -> StoredTable:
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    names = [*frame.columns, *levels]
    reject_repeated_columns(names, spec, f"The DataFrame {spec.name}")
    if known := [name for name in levels if name in spec.column_names]:
        frame = frame.reset_index(level=known)
    given = {c.name: c.kind for c in spec.columns if c.name in names}
    read = {name: _frame_column(frame[name], kind) for name, kind in given.items()}
    extra = tuple(str(c) for c in names if c not in spec.column_names)
    floats = frozenset(name for name, (column, _) in read.items() if _had_floats(frame[name], column))
    nested = tuple(NestedCell(row + 1, name) for name, (_, rows) in read.items() for row in rows)
    data = pa.table({name: column for name, (column, _) in read.items()})
    return StoredTable(spec, spec.name, data, extra, floats=floats, nested=nested)


def _frame_column(series: pd.Series[Any], kind: Kind) -> tuple[pa.Array, list[int]]:
    """Return a column as an Arrow array, with mixed values as text, and the positions of its nested cells."""
    import pandas as pd

    mixed = series.dtype == object and pd.api.types.infer_dtype(series) not in _OF_ONE_TYPE
    if mixed and kind in _READ_FROM_TEXT:  # otherwise Arrow would read a number among times as microseconds
        return _texts(series), []  # a nested value is neither a time nor a number
    try:
        if mixed:  # Arrow crashes on NumPy scalars of mixed types
            series = pd.Series([_unboxed(value) for value in series], dtype=object)
        found = pa.array(series, from_pandas=True)  # chunked if pandas stores it with Arrow
        chunks = found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])
        return _selectable(chunks), []
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError):
        series = pd.Series([_decoded(value) for value in series], dtype=object)
        if kind == "tags":
            nested = [i for i, value in enumerate(series) if _is_odd_tags(value)]
            return pa.array([_tag_texts(v) for v in series], pa.large_list(pa.large_string())), nested
        return _texts(series), [i for i, value in enumerate(series) if _is_nested(value)]


def _had_floats(series: pd.Series[Any], column: pa.Array) -> bool:
    """Return whether values of a column that was converted to text were binary floats."""
    import pandas as pd

    if isinstance(series.dtype, pd.ArrowDtype) or not is_text(column.type):
        return False
    return pd.api.types.infer_dtype(series) not in ("string", "empty") and _any_float(series)


def _any_float(values: Iterable[object]) -> bool:
    """Return whether any value is a binary float other than NaN, which stands for a missing value."""
    return any(isinstance(value, (float, np.floating)) and not np.isnan(value) for value in values)


def _texts(values: Iterable[object]) -> pa.Array:
    return pa.array([_value_text(value) for value in values], pa.large_string())


def _unboxed(value: object) -> object:
    import pandas as pd

    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    return value.item() if isinstance(value, np.generic) else value


def _is_nested(value: object) -> TypeGuard[Collection[object]]:
    """Return whether a value is a collection, or bytes that are not text."""
    return isinstance(value, Collection) and not isinstance(value, str)


def _decoded(value: object) -> object:
    """Return UTF-8 bytes as text, a zero-dimensional array as its value, and any other value unchanged."""
    if isinstance(value, np.ndarray) and not value.ndim:
        return _decoded(value.item())
    if isinstance(value, (bytes, bytearray)):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return value


def _is_odd_tags(value: object) -> bool:
    """Return whether a value is neither text nor a collection of single values."""
    if isinstance(value, (Mapping, bytes, bytearray)):
        return True
    return _is_nested(value) and any(map(_is_nested, value))


def _tag_texts(value: object) -> list[str | None]:
    """Return a client's tags: the elements of a collection, or the parts of a string separated by `;`."""
    if _is_odd_tags(value):
        return [str(value)]  # shown in the fault
    if _is_nested(value):
        return [_value_text(v) for v in value]
    return list((_value_text(value) or "").split(";"))


def _value_text(value: object) -> str | None:
    """Return a Python value as text, or None if pandas treats it as missing."""
    import pandas as pd

    value = _decoded(value)
    if isinstance(value, Decimal) and value.is_snan():
        return "NaN"  # comparing a signalling NaN raises an error
    if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, (float, np.floating)):
        value = Decimal(repr(float(value)))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _WRITTEN_OUT:
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).encode("utf-8", "backslashreplace").decode()
