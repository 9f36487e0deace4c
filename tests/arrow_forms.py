"""Convert test marts to Arrow tables, choosing among equivalent representations at random.

Texts are dictionaries with duplicate or unused values in any order and with any index type; instants have
any sufficient unit and any zone; amounts and quotes are decimals of any scale, integers or text; days vary
too. All come in chunks, slices of larger arrays, small row groups, and the encodings of Parquet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests import oracle
from tests.mart_forms import COLUMNS, MEANINGS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": timedelta(seconds=1), "ms": timedelta(milliseconds=1), "us": timedelta(microseconds=1)}
_INDICES = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32())
_TEXTS = (pa.string(), pa.large_string())


def arrow_tables(mart: oracle.Mart, random: Random) -> dict[str, pa.Table]:
    """Return the tables of a mart, each column in a random form, the columns in any order."""
    found = {}
    for name, rows in mart.items():
        columns = [*COLUMNS[name]]
        random.shuffle(columns)
        arrays = {c: _column(COLUMNS[name][c], [row.get(c) for row in rows], c, random) for c in columns}
        found[name] = pa.table({c: _chunked(array, random) for c, array in arrays.items()})
    return found


def write_arrow(mart: oracle.Mart, folder: Path, random: Random) -> Path:
    """Write the tables as Parquet, each file with random encodings, and return the folder."""
    for name, table in arrow_tables(mart, random).items():
        pq.write_table(
            pa.table({c: _writable(table.column(c)) for c in table.column_names}),
            folder / f"{name}.parquet",
            row_group_size=random.choice((1, 3, 8, 1000)),
            use_dictionary=random.choice((True, False)),
            compression=random.choice(("none", "snappy", "zstd", "gzip")),
            data_page_version=random.choice(("1.0", "2.0")),
            data_page_size=random.choice((100, None)),  # with 1, Arrow writes lists that it cannot read
            version=random.choice(("1.0", "2.4", "2.6")),
            store_schema=random.choice((True, False)),
            write_statistics=random.choice((True, False)),
        )
    return folder


def arrow_frames(mart: oracle.Mart, random: Random) -> dict[str, pd.DataFrame]:
    """Return the tables as DataFrames of Arrow columns."""
    tables = arrow_tables(mart, random)
    return {name: table.to_pandas(types_mapper=pd.ArrowDtype) for name, table in tables.items()}


def _writable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that Parquet can store: without nulls in dictionaries."""
    dictionaries = [chunk.dictionary for chunk in column.chunks if pa.types.is_dictionary(column.type)]
    return column.cast(column.type.value_type) if any(d.null_count for d in dictionaries) else column


def _column(kind: str, texts: Sequence[str | None], name: str, random: Random) -> pa.Array:
    if kind == "tags" and random.random() < 0.5:
        lists = [MEANINGS["tags"](text or "") for text in texts]
        return pa.array(lists, random.choice((pa.list_(pa.string()), pa.large_list(pa.large_string()))))
    forms: Sequence[Callable[[list[Any], Random], pa.Array | None]] = ()
    if kind == "instant":
        forms = (_timestamps, _timestamps, _timestamps_without_zone)
        values = [oracle.instant(text) if text else None for text in texts]
    elif kind == "amount":
        forms = (_decimals, _decimals, _integers)
        values = [Decimal(text) if text else None for text in texts]
    elif name == "date":
        forms = (_dates, _dates)
        values = [date.fromisoformat(text) if text else None for text in texts]
    stored = random.choice([*forms, None])
    array = stored(values, random) if stored else None
    return _texts(texts, random) if array is None else array


def _texts(texts: Sequence[str | None], random: Random) -> pa.Array:
    kind = random.choice(_TEXTS)
    if random.random() < 0.5:
        return pa.array(texts, kind)
    # A dictionary with duplicate and unused values in any order; nulls as index or as value.
    values = [*dict.fromkeys(texts), *random.sample([*texts, "of nobody"], 1)]
    random.shuffle(values)
    nulls_are_values = random.random() < 0.3
    places = [
        None
        if text is None and not nulls_are_values
        else random.choice([i for i, value in enumerate(values) if value == text])
        for text in texts
    ]
    if not nulls_are_values:
        values = ["nothing" if value is None else value for value in values]
    return pa.DictionaryArray.from_arrays(pa.array(places, random.choice(_INDICES)), pa.array(values, kind))


def _timestamps(instants: list[datetime | None], random: Random, zone: str | None = "") -> pa.Array | None:
    unit = random.choice(("s", "ms", "us", "ns"))
    fine = _UNITS.get(unit, _UNITS["us"])
    if any(at and (at - _EPOCH) % fine for at in instants):
        unit, fine = "us", _UNITS["us"]
    if unit == "ns" and any(at and not 1700 < at.year < 2250 for at in instants):
        unit = "us"
    scale = 1000 if unit == "ns" else 1
    numbers = [None if at is None else (at - _EPOCH) // fine * scale for at in instants]
    shown_in = random.choice(("UTC", "Europe/Paris", "+05:45", None)) if zone == "" else zone
    return pa.array(numbers, pa.int64()).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, shown_in))


def _timestamps_without_zone(instants: list[datetime | None], random: Random) -> pa.Array | None:
    return _timestamps(instants, random, None)


def _decimals(amounts: list[Decimal | None], random: Random) -> pa.Array | None:
    least = max((-int(amount.as_tuple().exponent) for amount in amounts if amount is not None), default=0)
    scale = max(least, 0) + random.choice((0, 0, 1, 5))
    digits = max((len(str(abs(int(a * 10**scale)))) for a in amounts if a is not None), default=1)
    digits = max(digits, scale) + random.choice((0, 1, 9))
    if digits > 76:
        return None
    return pa.array(amounts, (pa.decimal128 if digits <= 38 else pa.decimal256)(digits, scale))


def _integers(amounts: list[Decimal | None], random: Random) -> pa.Array | None:
    whole = [None if amount is None else int(amount) for amount in amounts]
    if whole != amounts or any(value is not None and abs(value) >= 2**63 for value in whole):
        return None
    least = next(
        bits
        for bits in (8, 16, 32, 64)
        if all(v is None or -(2 ** (bits - 1)) <= v < 2 ** (bits - 1) for v in whole)
    )
    return pa.array(
        whole,
        random.choice([pa.int64(), {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[least]]),
    )


def _dates(days: list[date | None], random: Random) -> pa.Array | None:
    return pa.array(days, random.choice((pa.date32(), pa.date64())))


def _chunked(array: pa.Array, random: Random) -> pa.ChunkedArray:
    """Return the column in chunks, each possibly a slice of a larger array."""
    if random.random() < 0.5 and len(array):
        array = pa.concat_arrays([array[-1:], array, array[:1]])[1:-1]
    ends = sorted(random.randint(0, len(array)) for _ in range(random.choice((0, 0, 1, 3))))
    parts = [array[begin:end] for begin, end in zip([0, *ends], [*ends, len(array)], strict=True)]
    return pa.chunked_array(parts, array.type)
