"""Columns of types that no mart needs: each value is read or a fault, in every face, and nothing crashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets import Source
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import MartError
from custdyn_widgets.mart.schema import TABLES, MartColumn
from custdyn_widgets.query.query import ReportQuery

pytestmark = pytest.mark.usefixtures("own_cache")

QUERY = ReportQuery.from_dict(
    {"interval": {"start": "2021-01-01", "end": "2021-03-31"}, "client_type": "all"}
)
MART = {
    "clients": {
        "client_id": ["a", "b"],
        "name": ["A", "B"],
        "client_type": ["client", "client"],
        "company": ["north", ""],
        "owner_user": ["ann", ""],
        "tags": ["vip;new", ""],
        "currency": ["USD", "USD"],
        "created_at": ["2021-01-01", "2021-01-02"],
        "closed_at": ["2021-06-01", ""],
        "opening_balance": ["1", "2"],
        "stored_balance": ["", ""],
    },
    "transactions": {
        "transaction_id": ["t1", "t2"],
        "client_id": ["a", "b"],
        "at": ["2021-02-01", "2021-02-02"],
        "kind": ["refill", "package_renewal"],
        "amount": ["5", "-2"],
        "package_id": ["", "p"],
    },
    "packages": {"package_id": ["p", "q"], "name": ["Gold", ""]},
    "companies": {"company": ["north", "south"], "parent": ["", "north"]},
    "rates": {
        "currency": ["USD", "EUR"],
        "date": ["2021-01-01", "2021-01-01"],
        "units_per_base": ["1", "2"],
        "base": ["USD", "USD"],
    },
}
COLUMNS = [(table, column) for table, spec in TABLES.items() for column in spec.columns]
IDS = [f"{table}.{column.name}" for table, column in COLUMNS]

_FIRST = pa.array([0, 1], pa.int8())
NESTED = {
    "list": pa.array([["usage"], ["b", None]]),
    "large list": pa.array([["usage"], ["b"]], pa.large_list(pa.large_string())),
    "fixed-size list": pa.array([["usage"], ["b"]], pa.list_(pa.string(), 1)),
    "list of structs": pa.array([[{"a": 1}], [{"a": 2}]]),
    "struct": pa.array([{"a": 1}, {"a": 2}]),
    "map": pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64())),
    "dictionary of lists": pa.DictionaryArray.from_arrays(_FIRST, pa.array([["a"], ["b"]])),
    "dictionary of structs": pa.DictionaryArray.from_arrays(_FIRST, pa.array([{"a": 1}, {"a": 2}])),
    "tensor": pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int32(), [1]), pa.array([[1], [2]], pa.list_(pa.int32(), 1))
    ),
}
OTHERS = {
    "binary": pa.array([b"usage", b"\xff"]),
    "binary view": pa.array([b"usage", b"\xff"], pa.binary_view()),
    "binary of one size": pa.array([b"us", b"\xff1"], pa.binary(2)),
    "dictionary of binary": pa.array([b"usage", b"\xff"]).dictionary_encode(),
    "bool": pa.array([True, False]),
    "dictionary of bools": pa.DictionaryArray.from_arrays(_FIRST, pa.array([True, False])),
    "null": pa.nulls(2),
    "date": pa.array([18_000, 2**31 - 1], pa.int32()).view(pa.date32()),
    "time": pa.array([1, 2**63 - 1], pa.int64()).view(pa.timestamp("ms")),
    "duration": pa.array([1, 2**63 - 1], pa.int64()).view(pa.duration("s")),
    "time of day": pa.array([time(1), time(2)]),
    "number": pa.array([1, 2**64 - 1], pa.uint64()),
    "half float": pa.array([1.5, 2.0]).cast(pa.float16()),
    "decimal": pa.array([Decimal("1.5"), Decimal(2)]),
    "string view": pa.array(["usage", "b"], pa.string_view()),
    "run-end encoded": pa.RunEndEncodedArray.from_arrays([2], ["usage"]),
    "union": pa.UnionArray.from_sparse(_FIRST, [pa.array(["a", "b"]), pa.array([1, 2])]),
}  # fmt: skip
TYPES = {**NESTED, **OTHERS}
OBJECTS = {
    "lists": [["usage"], ["b"]],
    "lists and text": [["usage"], "b"],
    "bytes": [b"usage", b"\xff"],
    "times of day": [time(1), time(2)],
}


def with_array(table: str, column: str, array: pa.Array | None) -> dict[str, pa.Table]:
    """Return the mart with one column replaced."""
    return {
        name: pa.table({c: array if (name, c) == (table, column) else v for c, v in columns.items()})
        for name, columns in MART.items()
    }


def write(mart: Mapping[str, pa.Table], folder: Path, parts: str = "") -> Path | None:
    """Write a mart as Parquet, one table in a part for each row; return None if Parquet lacks the type."""
    folder.mkdir()
    try:
        for name, table in mart.items():
            path = folder / f"{name}.parquet"
            if name == parts:
                path.mkdir()
                for i in range(table.num_rows):
                    pq.write_table(table.slice(i, 1), path / f"part-{i}.parquet")
            else:
                pq.write_table(table, path)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return folder


def verdict(source: Any) -> list[str]:
    """Return the faults that a report names, having asserted that their rows can be left out."""
    found: list[str] = []
    try:
        run_report(QUERY, source, as_of="2021-04-01")
    except MartError as error:
        first, *lines = str(error).splitlines()
        assert f" has {len(lines)} fault" in first
        found = [line.partition(", ")[2].partition(", ")[2].replace(".parquet", "") for line in lines]
    report = run_report(QUERY, Source(source, on_fault="quarantine"), as_of="2021-04-01")
    assert bool(found) is any("left out" in warning for warning in report.info.warnings)
    return found


def faces(table: str, column: str, array: pa.Array, folder: Path, form: str) -> Iterator[Any]:
    """Yield the mart with one column replaced: in memory, and as Parquet (the table whole or in parts)."""
    mart = with_array(table, column, array)
    yield mart
    if written := write(mart, folder / form, table if form == "parts" else ""):
        yield written


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=IDS)
@pytest.mark.parametrize("kind", ["list", "dictionary of structs", "binary", "bool"])
def test_no_column_of_a_foreign_type_ends_a_report_without_a_fault(
    table: str, column: MartColumn, kind: str, tmp_path: Path
) -> None:
    for source in faces(table, column.name, TYPES[kind], tmp_path, "parts"):
        found = verdict(source)
        if kind in NESTED and column.kind in ("text", "id", "choice", "currency"):
            own = [fault for fault in found if " is not in " not in fault]
            assert all(f.startswith(f"{column.name}: ") and f.endswith(" is not text") for f in own)
            assert len(own) == 2
        elif kind in NESTED and column.kind != "tags":  # lists are tags
            assert len(found) == 2


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("transactions", "client_id"),
        ("transactions", "kind"),
        ("transactions", "at"),
        ("clients", "client_type"),
        ("rates", "units_per_base"),
    ],
)
def test_every_type_is_read_or_a_fault(table: str, column: str, kind: str, tmp_path: Path) -> None:
    found = [verdict(source) for source in faces(table, column, TYPES[kind], tmp_path, "whole")]
    assert all(faults == found[0] for faults in found)
    pandas = {
        name: of.to_pandas(types_mapper=pd.ArrowDtype)
        for name, of in with_array(table, column, TYPES[kind]).items()
    }
    verdict(pandas)


@pytest.mark.parametrize("values", OBJECTS.values(), ids=OBJECTS)
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=IDS)
def test_a_pandas_column_of_any_objects_is_read_or_a_fault(
    table: str, column: MartColumn, values: list[object]
) -> None:
    mart = {name: pd.DataFrame(columns) for name, columns in MART.items()}
    mart[table][column.name] = pd.Series(values, dtype=object)
    verdict(mart)
