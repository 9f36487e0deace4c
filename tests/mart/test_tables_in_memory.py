"""Tables of other libraries as a mart: whatever Arrow can stream, with exact amounts."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.reading.frames import from_frames
from custdyn_widgets.mart.reading.parts import joined_rows
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.query.query import ReportQuery
from tests.mart.test_mart import CSV, EVERYONE, folder, numbers

pytestmark = pytest.mark.usefixtures("own_cache")

TIMES = ("at", "created_at", "closed_at")
CATEGORIES = ("client_id", "kind", "package_id", "currency", "client_type")
# More digits than a double holds.
LARGE, PRECISE = Decimal("-123456789012.345678"), Decimal("0.000001")


class Stream:
    """A table of a library that nobody has heard of."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def polars_tables() -> dict[str, pl.DataFrame]:
    """Return the mart with times, decimals, lists and categories as Polars has them."""
    found = {}
    for name, text in CSV.items():
        table = pl.read_csv(io.StringIO(text), infer_schema=False)
        for column in table.columns:
            values = pl.col(column)
            if column in TIMES:
                times = pd.to_datetime(pd.Series(table[column].to_list()), utc=True, format="ISO8601")
                values = pl.Series([None if pd.isna(time) else time for time in times])
                values = values.cast(pl.Datetime("us", "UTC"))
            elif column in ("amount", "opening_balance", "units_per_base"):
                values = values.cast(pl.Decimal(38, 6))
            elif column == "tags":
                values = values.str.split(";")
            elif column == "date":
                values = values.str.to_date()
            elif column in CATEGORIES:
                values = values.cast(pl.Categorical)
            table = table.with_columns(values.alias(column))
        found[name] = table
    return found


def arrow_tables() -> dict[str, pa.Table]:
    return {name: table.to_arrow() for name, table in polars_tables().items()}


def chunked_streams() -> dict[str, Stream]:
    return {
        name: Stream(pa.concat_tables([table.slice(0, 1), table.slice(1)]))
        for name, table in arrow_tables().items()
    }


CONNECTIONS: list[duckdb.DuckDBPyConnection] = []


def relations() -> dict[str, duckdb.DuckDBPyRelation]:
    connection = duckdb.connect()
    CONNECTIONS.append(connection)  # before DuckDB 1.5, relations do not keep it open
    for name, table in arrow_tables().items():
        connection.register("given", table)
        connection.execute(f"create table {name} as select * from given")
        connection.unregister("given")
    return {name: connection.sql(f"from {name}") for name in CSV}


@pytest.mark.parametrize("tables", [polars_tables, arrow_tables, chunked_streams, relations])
def test_tables_of_any_library_give_the_report_of_the_same_files(
    tmp_path: Path, tables: Callable[[], Mapping[str, Any]]
) -> None:
    source = tables()
    expected = numbers(folder(tmp_path))
    assert numbers(source) == expected
    assert numbers(source) == expected  # a relation can be read again
    assert not check_source(source).faults


@pytest.mark.parametrize("tables", [polars_tables, arrow_tables, relations])
def test_amounts_keep_every_digit(tables: Callable[[], Mapping[str, Any]]) -> None:
    amounts = pl.Series("amount", [LARGE, PRECISE, LARGE, PRECISE, LARGE], dtype=pl.Decimal(38, 6))
    ledger = polars_tables()["transactions"].with_columns(amounts, kind=pl.lit("other"))
    in_form = {
        polars_tables: ledger,
        arrow_tables: ledger.to_arrow(),
        relations: duckdb.sql("from ledger"),
    }
    query = ReportQuery.from_dict({**EVERYONE.to_dict(), "currency": "USD", "group_by": []})
    report = run_report(query, {**tables(), "transactions": in_form[tables]}, as_of="2021-04-01")
    usd = report.rows[0].values[report.column("Clients - All: Balance Neg")]
    assert usd == (Decimal("1.5") + LARGE + PRECISE) + (Decimal("-2") + LARGE)


FLOATS = {
    "of pandas": lambda tables: {name: pd.DataFrame(table.to_pydict()) for name, table in tables.items()},
    "of Polars": lambda tables: {name: pl.DataFrame(table) for name, table in tables.items()},
    "of Arrow": lambda tables: dict(tables),
    "in dictionaries": lambda tables: {
        name: pa.table(
            {
                column: table[column].dictionary_encode() if column in MONEY else table[column]
                for column in table.column_names
            }
        )
        for name, table in tables.items()
    },
}
MONEY = ("opening_balance", "amount", "units_per_base")


def tables_with(**kinds: pa.DataType) -> dict[str, pa.Table]:
    """Return the mart with these types for columns of money; None is a column without values."""
    found = {}
    for name, text in CSV.items():
        table = pa.csv.read_csv(
            io.BytesIO(text.encode()),
            convert_options=pa.csv.ConvertOptions(
                column_types={column: pa.string() for column in text.partition("\n")[0].split(",")}
            ),
        )
        for column, kind in kinds.items():
            if column in table.column_names:
                i = table.column_names.index(column)
                values = [float(value) if value else None for value in table[column].to_pylist()]
                table = table.set_column(i, column, pa.array(values).cast(kind))
        found[name] = table
    return found


@pytest.mark.parametrize("convert", FLOATS.values(), ids=FLOATS)
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["amount"], "transactions, amount"),
        (["opening_balance", "units_per_base"], "clients, opening_balance; rates, units_per_base"),
        (list(MONEY), "clients, opening_balance; transactions, amount; rates, units_per_base"),
    ],
)
def test_a_report_says_once_that_money_came_as_floats(
    convert: Callable[[dict[str, pa.Table]], dict[str, Any]], columns: list[str], words: str
) -> None:
    """As `pandas.read_sql` gives it by default: those who never check their tables are told too."""
    tables = convert(tables_with(**dict.fromkeys(columns, pa.float64())))
    report = run_report(EVERYONE, tables, as_of="2022-01-01")
    [warning] = [warning for warning in report.info.warnings if "float" in warning]
    assert warning == (
        f"Some numbers are binary floats ({words}) and were read as the nearest decimals. For exact "
        "numbers, pass decimals or text (in pandas.read_sql, set coerce_float=False)."
    )
    assert [note.kind for note in check_source(tables).notes].count("binary_floats") == 1


@pytest.mark.parametrize("at", [0, 1, -1], ids="row {}".format)
@pytest.mark.parametrize("exact", [Decimal, str, lambda text: math.ceil(Decimal(text))])
@pytest.mark.parametrize("float_type", [float, np.float32, np.float64])
def test_a_single_float_among_other_values_is_told(
    at: int, exact: Callable[[str], object], float_type: Callable[[int], object]
) -> None:
    """As in a list of rows that a program collected: whatever the first value is, and in every column."""
    tables = {name: table.to_pandas() for name, table in tables_with().items()}
    for name, column in zip(("clients", "transactions", "rates"), MONEY, strict=True):
        texts = [text or None for text in tables[name][column]]
        place = [i for i, text in enumerate(texts) if text][at]
        values = pd.Series([exact(text) if text else None for text in texts], dtype=object)
        values[place] = float_type(round(Decimal(texts[place])))
        tables[name][column] = values
    report = run_report(EVERYONE, tables, as_of="2022-01-01")
    [warning] = [warning for warning in report.info.warnings if "float" in warning]
    assert "(clients, opening_balance; transactions, amount; rates, units_per_base)" in warning
    assert [note.kind for note in check_source(tables).notes].count("binary_floats") == 1


def test_a_float_in_a_sparse_column_a_category_or_a_union_is_told() -> None:
    tables = tables_with()
    ledger = tables["transactions"]
    amounts = pa.array([float(value) for value in ledger["amount"].to_pylist()])
    codes = pa.array([0, *[1] * (len(amounts) - 1)], pa.int8())
    union = pa.UnionArray.from_sparse(codes, [amounts, ledger["amount"].combine_chunks()])
    place = ledger.column_names.index("amount")
    for data in (
        ledger.to_pandas().assign(amount=pd.Series(amounts.to_numpy(), dtype=pd.SparseDtype(float))),
        ledger.to_pandas().assign(amount=pd.Categorical(["10", -2.25, *ledger["amount"].to_pylist()[2:]])),
        ledger.set_column(place, "amount", union),
    ):
        warnings = run_report(EVERYONE, {**tables, "transactions": data}, as_of="2022-01-01").info.warnings
        assert [warning for warning in warnings if "floats (transactions, amount)" in warning]


def test_rows_joined_from_batches_have_had_floats_if_one_batch_had() -> None:
    exact, other = (from_frames(tables_with()).tables()["rates"].without_rows() for _ in range(2))
    floats = other._replace(floats=frozenset({"units_per_base"}))
    for batches in ([exact, floats], [floats, exact]):
        assert joined_rows(batches).has_floats("units_per_base")
    assert not joined_rows([exact, exact]).has_floats("units_per_base")


def test_missing_values_of_pandas_among_exact_ones_are_no_floats() -> None:
    tables = {name: table.to_pandas() for name, table in tables_with().items()}
    for missing in (float("nan"), np.float64("nan"), None, pd.NA):
        values = [Decimal(text) if text else missing for text in tables["clients"]["opening_balance"]]
        assert any(value is missing for value in values)
        clients = tables["clients"].assign(opening_balance=pd.Series([*values[:-1], 3], dtype=object))
        warnings = run_report(EVERYONE, {**tables, "clients": clients}, as_of="2022-01-01").info.warnings
        assert not any("float" in warning for warning in warnings)


def test_exact_money_and_what_a_report_does_not_use_is_not_told() -> None:
    exact = tables_with(**dict.fromkeys(MONEY, pa.decimal128(18, 6)))
    floats = pa.array([1.5] * len(exact["clients"]))
    blank = pa.nulls(len(exact["clients"]), pa.float64())
    clients = exact["clients"].append_column("stored_balance", floats)
    clients = clients.drop_columns("opening_balance").append_column("opening_balance", blank)
    for tables in (exact, {**exact, "clients": clients}):
        warnings = run_report(EVERYONE, tables, as_of="2022-01-01").info.warnings
        assert not any("float" in warning for warning in warnings)


def test_a_fault_is_named_with_its_table_row_and_value() -> None:
    ledger = polars_tables()["transactions"].with_columns(
        pl.Series(
            "amount",
            [Decimal(1), Decimal(1), Decimal("1.0000001"), None, Decimal(1)],
            dtype=pl.Decimal(38, 7),
        )
    )
    found = [str(fault) for fault in check_source({**polars_tables(), "transactions": ledger}).faults]
    assert len(found) == 2
    assert any("row 3" in fault and "1.0000001" in fault for fault in found)
    assert any("row 4" in fault for fault in found)
    clients = polars_tables()["clients"].with_columns(client_type=pl.Series(["client", "nobody", "client"]))
    for tables in ({"transactions": ledger}, {"clients": clients}):
        source = Source({**polars_tables(), **tables}, "quarantine")
        assert run_report(EVERYONE, source, as_of="2021-04-01").info.transactions == 3


def test_unknown_columns_are_ignored_and_doubled_ones_rejected() -> None:
    tables = arrow_tables()
    wide = tables["packages"].append_column("colour", pa.array(["red", "blue"]))
    notes = check_source({**tables, "packages": wide}).notes
    assert any("'colour'" in note for note in notes)
    doubled = tables["packages"].append_column("name", pa.array(["a", "b"]))
    with pytest.raises(SourceError, match="The table packages has the column 'name' twice"):
        check_source({**tables, "packages": doubled})


def invalid_utf8() -> pa.Array:
    return pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )


class Failing:
    """A table whose library fails."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        raise RuntimeError("the connection is closed\nand more")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Failing(), "The table packages cannot be read: the connection is closed"),
        (pa.chunked_array([["p1"]]), "The table packages cannot be read: it is a single column"),
        (pd.Series(["p1"]), r"packages cannot be read: it is a single column\. Pass a table with headings"),
        (pa.table({"package_id": ["1", "2"], "name": invalid_utf8()}), "packages cannot be read: .*UTF"),
        (pl.LazyFrame({"package_id": ["p1", "p2"]}), r"relation, not .*\. Pass the result of \.collect\(\)"),
        (pa.Table, "The table 'packages' must be a pandas DataFrame, "),
        (pa.table({"package_id": ["p1", "p2"]}).to_reader(), r"read only once\. Pass reader\.read_all\(\)"),
    ],
)  # fmt: skip
def test_what_is_not_a_readable_table_is_an_error(table: object, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        check_source({**arrow_tables(), "packages": table})


@pytest.mark.parametrize("table", [pl.DataFrame({"client_id": ["1"]}), pa.table({"client_id": ["1"]}), 5])
def test_a_table_alone_is_no_source_and_its_rows_are_not_printed(table: object) -> None:
    with pytest.raises(SourceError, match=rf"not {type(table).__name__}\. .* as {{'clients': …, ") as error:
        check_source(table)  # type: ignore[arg-type]
    assert "client_id" not in error.value.message


def test_an_index_of_pandas_is_a_column_only_by_its_name() -> None:
    plain = {name: pd.read_csv(io.StringIO(text), dtype=str) for name, text in CSV.items()}
    indexed = {
        "clients": plain["clients"].set_index("client_id"),
        "transactions": plain["transactions"].set_index("transaction_id", drop=False),
        "packages": plain["packages"].set_index(["package_id", "name"]),
        "companies": plain["companies"].rename_axis(index="colour"),
    }
    mart = check_source({**plain, **indexed})
    assert mart.faults == []
    extra = [note for note in mart.notes if "extra columns" in note]
    assert extra == ["companies: extra columns are ignored: 'colour'."]
    assert numbers({**plain, **indexed}) == numbers(plain)


@pytest.mark.parametrize(
    ("amount", "why"),
    [(Decimal("1E+99"), "is too large"), (Decimal("1E+100"), "has an exponent"), (Decimal("1E+2"), None)],
)
def test_long_decimals_keep_their_exponents(amount: Decimal, why: str | None) -> None:
    ledger = pd.read_csv(io.StringIO(CSV["transactions"]), dtype=object).head(1)
    tables = {
        "clients": pd.read_csv(io.StringIO(CSV["clients"]), dtype=str).drop(columns="company"),
        "transactions": pd.concat([ledger.assign(amount="1"), ledger.assign(transaction_id="x")]).assign(
            amount=pd.Series(["1", amount], dtype=object).to_list()
        ),
    }
    found = [fault.why for fault in check_source(tables).faults]
    assert len(found) == (why is not None)
    assert all(str(why) in fault for fault in found)
