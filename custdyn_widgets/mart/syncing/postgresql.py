"""Reading PostgreSQL: COPY streams the rows as CSV, which Arrow parses without converting any values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from custdyn_widgets.mart.mapping.sql_file import whole_number
from custdyn_widgets.mart.syncing import session
from custdyn_widgets.mart.syncing.access import CONNECT_TIMEOUT_S, Login, invalid_url, needs_packages
from custdyn_widgets.mart.syncing.copying import CopyStream
from custdyn_widgets.mart.syncing.session import DriverProblem, ReadableTable
from custdyn_widgets.mart.syncing.typed import Family, ResultColumn

if TYPE_CHECKING:
    import psycopg

_FAMILIES: dict[int, Family] = {
    20: "integer", 21: "integer", 23: "integer", 26: "integer", 1700: "decimal", 700: "float", 701: "float",
    1114: "naive", 1184: "instant", 1082: "date", 1009: "json", 1015: "json", 1002: "json", 114: "json",
    3802: "json", 17: "bytes",
}  # fmt: skip
_ARRAYS = (1009, 1015, 1002)  # arrays of text, varchar and char
_KEEPALIVE: dict[str, Any] = {  # to detect a lost connection within minutes, not hours
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 60,
    "keepalives_interval": 15,
    "keepalives_count": 4,
}
_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL TIME ZONE 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)
_PROBLEMS = {
    "28P01": "login", "28000": "login", "3D000": "no database", "42P01": "no table", "3F000": "no table",
    "42703": "no column", "42501": "denied", "55P03": "waited", "57014": "stopped", "40001": "stopped",
}  # fmt: skip
_DROPPED_WORDS = ("closed the connection", "connection is lost", "closed unexpectedly", "SSL SYSCALL error")
_TLS_WORDS = ("certificate", "SSL")
_LOGIN_WORDS = ("password", "no pg_hba.conf entry", "authentication", 'role "')


class PostgresqlSession:
    """A transaction in PostgreSQL.

    Parameters
    ----------
    connection
        An open connection; the session closes it.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._copy = CopyStream(connection.pgconn)
        if not connection.autocommit:
            connection.rollback()
            connection.autocommit = True
        for statement in (*_BEGIN, f"SET LOCAL lock_timeout = '{session.LOCK_WAIT_S}s'"):
            connection.execute(statement.encode())
        began, version, self._user = self._one(
            "SELECT extract(epoch FROM transaction_timestamp())::float8, current_setting('server_version'), "
            "current_user"
        )
        self.read_at = datetime.fromtimestamp(began, UTC)
        self.server = f"PostgreSQL {version.split()[0]}"

    @classmethod
    def connect(cls, login: Login) -> PostgresqlSession:
        """Open a session; raise the driver's error if that fails."""
        try:
            import psycopg  # imported late: an optional dependency
            import psycopg.conninfo
        except ImportError:
            raise needs_packages() from None
        arguments = {**_KEEPALIVE, **login.arguments}
        if login.password is not None:
            arguments["password"] = login.password
        try:
            psycopg.conninfo.make_conninfo(**arguments)
        except psycopg.ProgrammingError:
            raise invalid_url("it contains an option that libpq does not support") from None
        return cls(psycopg.connect(**arguments, application_name="custdyn sync", autocommit=True))

    def __enter__(self) -> PostgresqlSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def columns(self, select: str) -> list[ResultColumn]:
        """Return the columns of a SELECT without running it."""
        # With the binary protocol, the server accepts only a single statement.
        cursor = self._connection.cursor(binary=True).execute(_limited(select).encode())
        assert cursor.description is not None
        return [
            ResultColumn(column.name, _FAMILIES.get(column.type_code, "text"), column.type_code)
            for column in cursor.description
        ]

    def rows(self, select: str, columns: Sequence[ResultColumn]) -> Iterator[dict[str, pa.Array]]:
        """Yield the rows of a SELECT in chunks: the values of each column as text, by name."""
        wanted = ", ".join(_expression(column) for column in columns)
        copy = f"COPY (SELECT {wanted} FROM (\n{select}\n) AS q) TO STDOUT (FORMAT csv)"  # noqa: S608
        names = [column.name for column in columns]
        self._copy.finish()
        for data in self._copy.chunks(copy.encode()):
            yield _parsed(data, names)

    def number(self, select: str) -> int:
        """Return the number that a SELECT returns, or 0 if it returns no rows."""
        row = self._connection.cursor(binary=True).execute(select.encode()).fetchone()
        return whole_number(row[0]) if row else 0

    def readable_tables(self) -> list[ReadableTable]:
        """Return the tables and views on the search path that the user may read, sorted by name."""
        found = self._connection.execute(
            "SELECT relname, relkind NOT IN ('r', 'p') FROM pg_class "
            "WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition AND pg_table_is_visible(oid) "
            "AND relnamespace <> 'pg_catalog'::regnamespace AND has_table_privilege(oid, 'SELECT') "
            "ORDER BY relname"
        )
        return [ReadableTable(name, is_view) for name, is_view in found]

    def table_columns(self, tables: Sequence[str]) -> Mapping[str, list[str]]:
        """Return the columns of the given tables, if they exist."""
        found = self._connection.execute(
            "SELECT relname, attname FROM unnest(%s::text[]) AS wanted "
            "JOIN pg_class ON pg_class.oid = to_regclass(quote_ident(wanted)) "
            "JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped "
            "ORDER BY relname, attnum",
            (list(tables),),
        )
        by_table: dict[str, list[str]] = {}
        for table, column in found:
            by_table.setdefault(table, []).append(column)
        return by_table

    def grantee(self) -> str:
        """Return the user, as written in a GRANT statement."""
        return quoted(self._user)

    def _one(self, select: str) -> tuple[Any, ...]:
        row = self._connection.execute(select.encode()).fetchone()
        assert row is not None
        return tuple(row)


def quoted(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def driver_problem(error: Exception) -> DriverProblem | None:
    """Return the meaning of a driver error, or None for any other error."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    detail = (error.diag.message_primary or str(error).partition("\n")[0]).strip()
    if kind := _PROBLEMS.get(state):
        return DriverProblem(kind, detail)
    if state[:2] in ("08", "57"):
        return DriverProblem("dropped", detail)
    if state:
        return DriverProblem("sql", detail)
    if not isinstance(error, psycopg.OperationalError):
        return DriverProblem("other", detail)
    if any(words in str(error) for words in _LOGIN_WORDS):
        return DriverProblem("login")
    if 'database "' in str(error) and "does not exist" in str(error):
        return DriverProblem("no database", _reason(str(error)))
    if any(words in str(error) for words in _DROPPED_WORDS):
        return DriverProblem("dropped")
    is_tls = any(words in str(error) for words in _TLS_WORDS)
    return DriverProblem("tls" if is_tls else "unreachable", _reason(str(error)))


def _reason(message: str) -> str:
    """Return why a connection failed: the end of the driver's message, without the host."""
    first = message.strip().partition("\n")[0]
    return first.rpartition(": ")[2] or first


def _limited(select: str) -> str:
    return f"SELECT * FROM (\n{select}\n) AS q LIMIT 0"  # noqa: S608 (the mapping is SQL by design)


def _expression(column: ResultColumn) -> str:
    name = f"q.{quoted(column.name)}"
    if column.code in _ARRAYS:
        return f"to_json({name})::text"
    return f"{name}::text" if column.family == "text" else name


def _parsed(data: bytearray, names: Sequence[str]) -> dict[str, pa.Array]:
    """Parse CSV into columns of text; an empty value without quotes is null."""
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=False,
        ),
    )
    return {name: table.column(name).combine_chunks() for name in names}
