"""Columns of types that no mart needs: each value is read or a fault, in every face, and nothing crashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets import Source
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import MartError, SourceError, shown
from custdyn_widgets.mart.nested_views import widened
from custdyn_widgets.mart.reading.frames import from_frames
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
_UNION = pa.UnionArray.from_sparse(_FIRST, [pa.array(["a", "b"]), pa.array([1, 2])])
NESTED = {
    "list": pa.array([["usage"], ["b", None]]),
    "large list": pa.array([["usage"], ["b"]], pa.large_list(pa.large_string())),
    "fixed-size list": pa.array([["usage"], ["b"]], pa.list_(pa.string(), 1)),
    "list of structs": pa.array([[{"a": 1}], [{"a": 2}]]),
    "struct": pa.array([{"a": 1}, {"a": 2}]),
    "map": pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64())),
    "dictionary of lists": pa.DictionaryArray.from_arrays(_FIRST, pa.array([["a"], ["b"]])),
    "dictionary of structs": pa.DictionaryArray.from_arrays(_FIRST, pa.array([{"a": 1}, {"a": 2}])),
    "struct of views": pa.array([{"a": "x"}, {"a": "y"}], pa.struct([("a", pa.string_view())])),
    "list of structs of views": pa.array([[{"a": "x"}], []], pa.list_(pa.struct([("a", pa.string_view())]))),
    "list of lists of views": pa.array([[["x"]], [["y"]]], pa.list_(pa.large_list(pa.string_view()))),
    "list view": pa.array([["usage"], ["b"]], pa.list_view(pa.string_view())),
    "large list view": pa.array([["usage"], ["b"]], pa.large_list_view(pa.binary_view())),
    "map of views": pa.array([[("a", "b")], []], pa.map_(pa.string_view(), pa.binary_view())),
    "struct of unions": pa.StructArray.from_arrays([_UNION], ["a"]),
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
    "union": _UNION,
    "large binary": pa.array([b"usage", b"\xff"], pa.large_binary()),
    "large string": pa.array(["usage", "b"], pa.large_string()),
}  # fmt: skip
NOT_IN_PARQUET = {  # if Parquet can store one of them some day, it must be tested there, too
    "dictionary of lists", "dictionary of structs", "run-end encoded", "union", "struct of unions",
    "list of structs of views",
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


def write(mart: Mapping[str, pa.Table], folder: Path, parts: str = "") -> Path:
    """Write a mart as Parquet, one table in a part for each row."""
    folder.mkdir()
    for name, table in mart.items():
        path = folder / f"{name}.parquet"
        if name == parts:
            path.mkdir()
            for i in range(table.num_rows):
                pq.write_table(table.slice(i, 1), path / f"part-{i}.parquet")
        else:
            pq.write_table(table, path)
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


def faces(table: str, column: str, kind: str, folder: Path, form: str) -> Iterator[Any]:
    """Yield the mart with one column replaced: in memory, and as Parquet (the table whole or in parts)."""
    mart = with_array(table, column, TYPES[kind])
    yield mart
    if kind not in NOT_IN_PARQUET:
        yield write(mart, folder / form, table if form == "parts" else "")


@pytest.mark.parametrize("kind", sorted(NOT_IN_PARQUET))
def test_parquet_cannot_store_the_types_that_are_not_tested_there(kind: str, tmp_path: Path) -> None:
    table = pa.table({"name": TYPES[kind]})
    with pytest.raises((pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError)):
        pq.write_table(table, tmp_path / "clients.parquet")


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=IDS)
@pytest.mark.parametrize("kind", ["list", "dictionary of structs", "binary", "bool"])
def test_no_column_of_a_foreign_type_ends_a_report_without_a_fault(
    table: str, column: MartColumn, kind: str, tmp_path: Path
) -> None:
    for source in faces(table, column.name, kind, tmp_path, "parts"):
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
    found = [verdict(source) for source in faces(table, column, kind, tmp_path, "whole")]
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


NESTED_CELLS = {
    "list": ["usage"],
    "empty list": [],
    "tuple": ("a", 1),
    "set": {"a"},
    "dict": {"a": 1},
    "array": np.array(["a"]),
    "bytes": b"\xff",
    "series": pd.Series(["a"]),
}


@pytest.mark.parametrize("cell", NESTED_CELLS.values(), ids=NESTED_CELLS)
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=IDS)
def test_one_nested_cell_among_others_is_a_fault_in_its_row(
    table: str, column: MartColumn, cell: object
) -> None:
    mart = {name: pd.DataFrame(columns).astype(object) for name, columns in MART.items()}
    for other in (1, MART[table][column.name][0]):
        mart[table][column.name] = pd.Series([other, cell], dtype=object)
        if column.kind == "tags" and not isinstance(cell, (dict, bytes)):
            continue  # collections of strings are tags
        [own] = [line for line in _faults(mart) if f"{table}, row 2, {column.name}: " in line]
        if column.kind in ("text", "id", "choice", "currency"):
            assert own.endswith(" is not text")


@pytest.mark.parametrize("cell", [{"a": 1}, b"\xff", ["x", ["y"]]], ids=repr)
@pytest.mark.parametrize("column", ["tags", "name"])
def test_a_fault_shows_the_nested_value_that_was_there(column: str, cell: object) -> None:
    mart = {name: pd.DataFrame(columns).astype(object) for name, columns in MART.items()}
    mart["clients"][column] = pd.Series([1, cell], dtype=object)
    [fault] = [line for line in _faults(mart) if f"clients, row 2, {column}: " in line]
    assert shown(str([str(cell)]) if column == "tags" else str(cell)) in fault


@pytest.mark.parametrize(
    ("table", "column"), [("clients", "created_at"), ("transactions", "at"), ("rates", "date")]
)
def test_bytes_and_arrays_of_no_dimension_among_other_values_are_read(table: str, column: str) -> None:
    mart = {name: pd.DataFrame(columns).astype(object) for name, columns in MART.items()}
    for convert in (str.encode, lambda text: bytearray(text, "ascii"), np.array):
        mart[table][column] = pd.Series([convert(MART[table][column][0]), date(2021, 1, 1)], dtype=object)
        assert not verdict(mart)


@pytest.mark.parametrize("form", ["plain", "dictionary", "pandas"])
@pytest.mark.parametrize(
    ("table", "column"),
    [(table, one) for table, one in COLUMNS if one.kind in ("text", "id", "choice", "currency")],
    ids=lambda it: it if isinstance(it, str) else it.name,
)
def test_bytes_that_are_not_text_are_a_fault_in_their_row_only(
    table: str, column: MartColumn, form: str
) -> None:
    values = [str(MART[table][column.name][0]).encode(), b"\xff"]
    array = pa.array(values)
    mart: dict[str, Any] = dict(with_array(table, column.name, array))
    if form == "dictionary":
        mart = dict(with_array(table, column.name, array.dictionary_encode()))
    elif form == "pandas":
        mart = {name: pd.DataFrame(columns).astype(object) for name, columns in MART.items()}
        mart[table][column.name] = pd.Series(values, dtype=object)
    not_text = [line for line in _faults(mart) if line.endswith(" is not text")]
    assert len(not_text) == 1
    assert f"{table}, row 2, {column.name}: " in not_text[0]


def test_bytes_among_amounts_are_read() -> None:
    mart = {name: pd.DataFrame(columns).astype(object) for name, columns in MART.items()}
    mart["transactions"]["amount"] = pd.Series([b"5", Decimal(-2)], dtype=object)
    assert not verdict(mart)


def test_the_names_of_fields_are_not_types() -> None:
    struct = pa.array([{"union_view": "x"}, {"union_view": "y"}])
    data = from_frames(with_array("clients", "name", struct)).others["clients"].data
    assert data.column("name").type == struct.type
    lists = pa.chunked_array([pa.array([[{"list_view": "x"}], []])])
    assert widened(lists) is lists
    views = pa.array([[{"a": ["x"]}], []], pa.list_(pa.struct({"a": pa.list_view(pa.string_view())})))
    assert widened(pa.chunked_array([views])).to_pylist() == views.to_pylist()


def _faults(mart: Mapping[str, Any]) -> list[str]:
    with pytest.raises(MartError) as caught:
        run_report(QUERY, mart, as_of="2021-04-01")
    return str(caught.value).splitlines()[1:]


def test_single_values_of_any_type_are_ids() -> None:
    given = [UUID(int=1), "b", b"c", Decimal("4.50"), 5, date(2021, 1, 1), Path("d")]
    ids = ["00000000-0000-0000-0000-000000000001", "b", "c", "4.50", "5", "2021-01-01", "d"]
    given += [ip_network("10.0.0.0/30"), np.array("t9")]
    ids += ["10.0.0.0/30", "t9"]
    clients, transactions = (
        pd.DataFrame({name: [values[0]] * len(ids) for name, values in MART[table].items()})
        for table in ("clients", "transactions")
    )
    clients["client_id"] = pd.Series(given, dtype=object)
    transactions["transaction_id"], transactions["client_id"] = range(len(ids)), ids
    mart = {name: pd.DataFrame(columns) for name, columns in MART.items()}
    assert not verdict({**mart, "clients": clients, "transactions": transactions})


POLARS = {
    "Categorical": (["usage", "b"], pl.Categorical),
    "Enum": (["usage", "b"], pl.Enum(["usage", "b"])),
    "Object": ([time(1), time(2)], pl.Object),
    "Null": ([None, None], pl.Null),
    "Struct": ([{"a": "x"}, {"a": "y"}], pl.Struct({"a": pl.String})),
    "Struct of Enum": ([{"a": "x"}, {"a": "x"}], pl.Struct({"a": pl.Enum(["x"])})),
    "List of Categorical": ([["x"], ["y"]], pl.List(pl.Categorical)),
    "List of Struct": ([[{"a": "x"}], []], pl.List(pl.Struct({"a": pl.Binary}))),
    "Array": ([["x"], ["y"]], pl.Array(pl.String, 1)),
}


@pytest.mark.parametrize("kind", POLARS)
@pytest.mark.parametrize(
    ("table", "column"),
    [one for one in COLUMNS if one[0] == "transactions" or one[1].kind == "tags"],
    ids=str,
)
def test_every_polars_type_is_read_or_a_fault(table: str, column: MartColumn, kind: str) -> None:
    values, dtype = POLARS[kind]
    mart = {name: pl.DataFrame(columns) for name, columns in MART.items()}
    mart[table] = mart[table].with_columns(pl.Series(column.name, values, dtype=dtype))
    found = verdict(mart)
    if isinstance(values[0], dict):
        assert sum(" is not in " not in fault for fault in found) == 2
    elif column.kind == "tags" and isinstance(values[0], list) and isinstance(values[0][0], str):
        assert not found


def test_a_polars_type_that_arrow_lacks_is_named() -> None:
    mart = {name: pl.DataFrame(columns) for name, columns in MART.items()}
    mart["clients"] = mart["clients"].with_columns(pl.Series("name", [1, 2], dtype=pl.Int128))
    with pytest.raises(SourceError, match="Polars type Int128"):
        run_report(QUERY, mart, as_of="2021-04-01")


@pytest.mark.parametrize(
    "sql", ["{'a': n}", "[n]", "map([n], [n])", "n::blob", "n::hugeint", "'1'::bit", "uuid()"]
)
@pytest.mark.parametrize("column", ["client_id", "kind", "at", "package_id"])
def test_every_duckdb_type_is_read_or_a_fault(column: str, sql: str) -> None:
    transactions = pa.table(MART["transactions"])  # DuckDB finds it by this name
    others = {name: pa.table(columns) for name, columns in MART.items()}
    with duckdb.connect() as connection:
        relation = connection.sql(
            f'SELECT * REPLACE ({sql} AS "{column}") '
            "FROM (SELECT *, right(transaction_id, 1) AS n FROM transactions)"
        )
        found = verdict({**others, "transactions": relation.to_arrow_table()})
        assert transactions.num_rows == 2
    if sql[0] in "{[m":
        assert sum(" is not in " not in fault for fault in found) == 2


@pytest.mark.parametrize("kind", [pa.list_view, pa.large_list_view])
def test_list_views_keep_all_their_values(kind: Any) -> None:
    tags = pa.array([["a", "b"], ["c"]], kind(pa.string()))
    stored = from_frames(with_array("clients", "tags", tags)).others["clients"]
    assert stored.data.column("tags").to_pylist() == [["a", "b"], ["c"]]
