"""What a database sends becomes exact values, and an error of a driver a known problem; without a server."""

from __future__ import annotations

import ssl
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import reduce
from typing import Any
from unittest.mock import Mock

import psycopg
import psycopg.errors
import pyarrow as pa
import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.syncing import mysql, postgresql
from custdyn_widgets.mart.syncing.access import Login
from custdyn_widgets.mart.syncing.problems import explained
from custdyn_widgets.mart.syncing.typed import AMOUNT, Residue, ResultColumn, StaysText, stored_type, typed

EXACT = Context(prec=300, rounding=ROUND_HALF_EVEN)


def amounts(*texts: str | None) -> tuple[list[Any], int, Decimal]:
    """Return the amounts in a mart, the number of rounded ones, and the sum of what was removed."""
    residues = {"amount": Residue()}
    values = pa.array(texts, pa.string())
    found = typed({"amount": values}, pa.schema([("amount", AMOUNT)]), residues).column(0).to_pylist()
    return found, residues["amount"].count, residues["amount"].total


NUMBERS = st.builds(
    "{}{}.{}{}".format,
    st.sampled_from(["", "-"]),
    st.integers(0, 10**12),
    st.sampled_from(["", "5", "12", "000001", "123456"]),
    st.sampled_from(
        ["", "0", "5", "50", "51", "49", "5000000000000000000000000001", "5" + "0" * 60, "0" * 40 + "1"]
    ),
)


@given(st.lists(st.none() | NUMBERS, max_size=6))
def test_amounts_are_rounded_half_to_even_and_what_is_removed_is_told(texts: list[str | None]) -> None:
    texts = [text and text.removesuffix(".") for text in texts]
    exact = [text and Decimal(text) for text in texts]
    rounded = [value if value is None else EXACT.quantize(value, Decimal("0.000001")) for value in exact]
    removed = [
        EXACT.subtract(a, b) for a, b in zip(exact, rounded, strict=True) if a is not None and b is not None
    ]
    assert amounts(*texts) == (rounded, sum(map(bool, removed)), reduce(EXACT.add, removed, Decimal(0)))


@pytest.mark.parametrize("length", [49, 50, 51, 52])
def test_amounts_of_any_length_are_exact(length: int) -> None:
    text = "1.5" + "0" * (length - 4) + "1"
    assert len(text) == length
    assert amounts(text, None, "2") == ([Decimal("1.5"), None, Decimal(2)], 1, Decimal(text) - Decimal("1.5"))


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-inf", "x", "1" * 33, "1." + "0" * 60 + "x", "NaN" + "0" * 60]
)
def test_amounts_that_are_no_numbers_or_too_large_stay_text(text: str) -> None:
    with pytest.raises(StaysText) as caught:
        amounts("1", text)
    assert caught.value.column == "amount"


@pytest.mark.parametrize(
    ("kind", "family", "expected"),
    [
        ("time", "instant", pa.timestamp("us", "UTC")),
        ("time", "naive", pa.timestamp("us")),
        ("date", "date", pa.date32()),
        ("time", "text", pa.string()),
        ("amount", "integer", pa.decimal128(38, 6)),
        ("amount", "decimal", pa.decimal128(38, 6)),
        ("amount", "float", pa.decimal128(38, 6)),
        ("amount", "text", pa.string()),
        ("positive", "float", pa.float64()),
        ("positive", "decimal", pa.string()),
        ("tags", "json", pa.list_(pa.string())),
        ("tags", "text", pa.string()),
        ("text", "json", pa.string()),
        ("text", "float", pa.string()),
        ("text", "instant", pa.string()),
    ],
)
def test_a_type_of_a_database_has_a_type_in_a_mart(kind: Any, family: Any, expected: pa.DataType) -> None:
    assert stored_type(kind, family) == expected


def test_lists_of_strings_are_tags_and_anything_else_stays_text() -> None:
    schema = pa.schema([("tags", pa.list_(pa.string()))])
    texts = pa.array(['["a","b"]', None, "[]", "null"])
    assert typed({"tags": texts}, schema, {}).column(0).to_pylist() == [["a", "b"], None, [], None]
    for text in ('"a"', '{"a": 1}', "[1]", "[null]", "a", "1", "false"):
        with pytest.raises(StaysText):
            typed({"tags": pa.array([text])}, schema, {})


def test_text_that_is_not_utf8_names_its_column() -> None:
    schema = pa.schema([("name", pa.string())])
    with pytest.raises(SourceError, match=r"^column name contains text that is not UTF-8") as caught:
        typed({"name": pa.array([b"\xff"])}, schema, {})
    assert caught.value.field == "name"
    assert typed({"name": pa.array([b"\xc3\xa9", None])}, schema, {}).column(0).to_pylist() == ["é", None]


def test_csv_of_postgresql_tells_blank_text_from_null() -> None:
    data = b'NULL,1\n"",\n"a\nb","x""y"\n\xff,nan\n,NA\n'
    found = postgresql._parsed(bytearray(data), ["a", "b"])
    assert found["a"].to_pylist() == [b"NULL", b"", b"a\nb", b"\xff", None]
    assert found["b"].to_pylist() == [b"1", None, b'x"y', b"nan", b"NA"]
    assert postgresql._parsed(bytearray(b'1\n\n""\n'), ["a"])["a"].to_pylist() == [b"1", None, b""]


@pytest.mark.parametrize(("row", "number"), [(None, 0), ((7,), 7), ((None,), 0)])
def test_a_count_without_a_row_is_0(row: tuple[int] | None, number: int) -> None:
    of_postgresql = postgresql.PostgresqlSession.__new__(postgresql.PostgresqlSession)
    of_postgresql._connection = Mock()
    of_postgresql._connection.cursor.return_value.execute.return_value.fetchone.return_value = row
    assert of_postgresql.number("SELECT 1") == number
    of_mysql = mysql.MysqlSession.__new__(mysql.MysqlSession)
    cursor = Mock(**{"fetchone.return_value": row})
    of_mysql._connection = Mock(
        **{"cursor.return_value.__enter__": lambda _: cursor, "cursor.return_value.__exit__": Mock()}
    )
    assert of_mysql.number("SELECT 1") == number


def test_names_and_types_are_written_for_each_server() -> None:
    assert postgresql.quoted('a"b') == '"a""b"'
    assert mysql.quoted("a`b") == "`a``b`"
    assert postgresql._expression(ResultColumn("a", "text", 25)) == 'q."a"::text'
    assert postgresql._expression(ResultColumn("a", "decimal", 1700)) == 'q."a"'
    assert postgresql._expression(ResultColumn("a", "json", 1009)) == 'to_json(q."a")::text'
    columns = [ResultColumn("a", "float", 4), ResultColumn("b", "float", 5)]
    assert mysql._with_doubles("SELECT 1", columns).startswith(
        "SELECT CAST(q.`a` AS DOUBLE) AS `a`, q.`b` FROM ("
    )
    assert (mysql._family(253, 63), mysql._family(253, 45), mysql._family(246, 63)) == (
        "bytes",
        "text",
        "decimal",
    )
    values = [b"2021-01-05 10:00:00", None]
    instant, naive = (ResultColumn("at", family, 0) for family in ("instant", "naive"))
    assert mysql._array(values, instant).to_pylist() == [b"2021-01-05 10:00:00+00:00", None]
    assert mysql._array(values, naive).to_pylist() == values


def of_state(state: str, words: str = "the words") -> psycopg.Error:
    error = psycopg.OperationalError(words)
    error.sqlstate = state
    return error


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (of_state("28P01"), "login", "the words"),
        (of_state("42501", "denied\nmore"), "denied", "denied"),
        (of_state("57014"), "stopped", "the words"),
        (of_state("57P01"), "dropped", "the words"),
        (of_state("08006"), "dropped", "the words"),
        (of_state("22012"), "sql", "the words"),
        (psycopg.ProgrammingError("odd"), "other", "odd"),
        (psycopg.OperationalError("x: FATAL: password authentication failed"), "login", ""),
        (
            psycopg.OperationalError('x: FATAL: database "y" does not exist\nmore'),
            "no database",
            'database "y" does not exist',
        ),
        (psycopg.OperationalError("server closed the connection unexpectedly"), "dropped", ""),
        (
            psycopg.OperationalError("x: SSL error: certificate verify failed"),
            "tls",
            "certificate verify failed",
        ),
        (
            psycopg.OperationalError("to host: port 1 failed: Connection refused\nIs it?"),
            "unreachable",
            "Connection refused",
        ),
        (psycopg.OperationalError("timeout expired"), "unreachable", "timeout expired"),
    ],
)
def test_errors_of_psycopg_have_a_meaning(error: psycopg.Error, kind: str, detail: str) -> None:
    found = postgresql.driver_problem(error)
    assert found is not None
    assert (found.kind, found.detail) == (kind, detail)
    assert mysql.driver_problem(error) is None


def unreachable(cause: Exception | None) -> pymysql.Error:
    error = pymysql.OperationalError(2003, "Can't connect to MySQL server on 'h' (timed out)")
    error.__cause__ = cause
    return error


refused = ssl.SSLError(1, "[SSL: X] handshake")
refused.reason = "HANDSHAKE_FAILURE"


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (pymysql.OperationalError(1045, "Access denied"), "login", "Access denied"),
        (pymysql.ProgrammingError(1064, "You have an error"), "sql", "You have an error"),
        (pymysql.InterfaceError(0, ""), "dropped", ""),
        (pymysql.InterfaceError("(0, '')"), "dropped", ""),
        (pymysql.OperationalError(), "dropped", ""),
        (pymysql.OperationalError(1064), "sql", ""),
        (unreachable(None), "unreachable", "timed out"),
        (unreachable(ConnectionRefusedError(111, "Connection refused")), "unreachable", "Connection refused"),
        (unreachable(refused), "tls", "HANDSHAKE_FAILURE"),
    ],
)
def test_errors_of_pymysql_have_a_meaning(error: pymysql.Error, kind: str, detail: str | None) -> None:
    found = mysql.driver_problem(error)
    assert found is not None
    assert (found.kind, found.detail) == (kind, detail)
    assert postgresql.driver_problem(error) is None


def test_an_error_shows_its_place_and_no_password() -> None:
    login = Login("shop", "postgresql", "ann", "billing", {"host": "db"}, "s3cret")
    assert "s3cret" not in repr(login)
    assert "'db'" not in repr(login)
    with pytest.raises(SourceError) as caught, explained(login, "own.sql, clients"):
        raise of_state("22012", "division by s3cret")
    assert (
        caught.value.message
        == "own.sql, clients: The database rejected the SELECT: division by ***. Correct the mapping."
    )
    assert caught.value.field == "mapping"
    with pytest.raises(SourceError) as caught, explained(login):
        raise of_state("08006", "lost")
    assert caught.value.message.startswith(
        "The connection to the database of source 'shop' was lost during the sync (lost)."
    )
    assert caught.value.field == "source"
    with pytest.raises(ZeroDivisionError), explained(login):
        raise ZeroDivisionError
