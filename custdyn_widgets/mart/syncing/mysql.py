"""Reading MySQL and MariaDB: an unbuffered cursor streams the rows as raw bytes from the server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from custdyn_widgets.mart.mapping.sql_file import whole_number
from custdyn_widgets.mart.syncing import session
from custdyn_widgets.mart.syncing.access import CONNECT_TIMEOUT_S, Login, invalid_url, needs_packages
from custdyn_widgets.mart.syncing.session import CHUNK_ROWS, DriverProblem, ReadableTable
from custdyn_widgets.mart.syncing.typed import Family, ResultColumn

if TYPE_CHECKING:
    import pymysql
    from pymysql.cursors import SSCursor

_FAMILIES: dict[int, Family] = {
    1: "integer", 2: "integer", 3: "integer", 8: "integer", 9: "integer", 0: "decimal", 246: "decimal",
    4: "float", 5: "float", 7: "instant", 12: "naive", 10: "date", 14: "date",
}  # fmt: skip
_STRINGS = (15, 249, 250, 251, 252, 253, 254)
_FLOAT = 4
_BINARY = 63  # the number of the character set for binary data
_WRITE_WAIT_S = 3_600
# Detects a lost connection within minutes.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
_BEGIN = (
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION group_concat_max_len = 16777216",  # otherwise, long lists would be silently truncated
    f"SET SESSION net_write_timeout = {_WRITE_WAIT_S}",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
)
_PROBLEMS = {
    1045: "login", 1044: "denied", 1698: "login", 1049: "no database", 1146: "no table", 1054: "no column",
    1142: "denied", 1143: "denied", 1370: "denied", 1205: "waited", 1969: "stopped", 3024: "stopped",
    1317: "stopped", 2003: "unreachable", 2002: "unreachable", 2026: "tls", 2006: "dropped", 2013: "dropped",
    1927: "dropped", 1053: "dropped", 2014: "dropped", 1159: "dropped", 1160: "dropped", 1161: "dropped",
}  # fmt: skip


class MysqlSession:
    """A transaction in MySQL or MariaDB.

    Parameters
    ----------
    connection
        An open connection that returns bytes; the session closes it.
    """

    def __init__(self, connection: pymysql.Connection[Any]) -> None:
        self._connection = connection
        self._streaming: SSCursor | None = None
        for statement in (*_BEGIN, f"SET SESSION lock_wait_timeout = {session.LOCK_WAIT_S}"):
            self._execute(statement)
        began, version, user, self._database = self._texts(
            "SELECT UTC_TIMESTAMP(6), VERSION(), CURRENT_USER(), DATABASE()"
        )
        self._execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        self.read_at = datetime.fromisoformat(began).replace(tzinfo=UTC)
        self.server = f"{'MariaDB' if 'maria' in version.lower() else 'MySQL'} {version.partition('-')[0]}"
        name, _, host = user.rpartition("@")
        self._user = f"{_text(name)}@{_text(host)}"

    @classmethod
    def connect(cls, login: Login) -> MysqlSession:
        """Open a session; raise the driver's error if that fails."""
        try:
            import pymysql  # imported late: an optional dependency
            from pymysql.converters import conversions
        except ImportError:
            raise needs_packages() from None
        arguments = {"connect_timeout": CONNECT_TIMEOUT_S, **login.arguments}
        if login.password is not None:
            arguments["password"] = login.password.encode()  # PyMySQL would encode text as Latin-1
        # Without decoders, no value becomes a float or a datetime.
        encoders = {kind: encode for kind, encode in conversions.items() if not isinstance(kind, int)}
        arguments |= {"charset": "utf8mb4", "use_unicode": False, "conv": encoders, "autocommit": True}
        try:
            connection = pymysql.connect(**arguments)
        except TypeError:
            raise invalid_url("it contains an option that PyMySQL does not support") from None
        except OSError as error:  # for network problems, PyMySQL raises its own errors
            why = getattr(error, "reason", None) or error.strerror
            raise invalid_url(f"a file named in its TLS options cannot be read ({why})") from None
        if _requires_tls(login) and not connection._secure:  # older versions of PyMySQL continue without TLS
            connection._force_close()
            raise pymysql.OperationalError(2026, "the server does not support TLS")
        _keep_alive(connection._sock)
        return cls(connection)

    @classmethod
    def of_engine(cls, connection: pymysql.Connection[Any]) -> MysqlSession:
        """Make an engine's connection return bytes, and open a session with it."""
        connection.use_unicode, connection.decoders = False, {}
        connection.set_character_set("utf8mb4")
        return cls(connection)

    def __enter__(self) -> MysqlSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing normally, or ending an unfinished result, would first read all remaining rows.
        if self._streaming is not None and self._streaming._result is not None:
            self._streaming._result.unbuffered_active = False
        self._connection._force_close()

    def columns(self, select: str) -> list[ResultColumn]:
        """Return the columns of a SELECT without running it."""
        with self._connection.cursor() as cursor:
            cursor.execute(_limited(select))
            assert cursor._result is not None
            return [
                ResultColumn(field.name, _family(field.type_code, field.charsetnr), field.type_code)
                for field in cursor._result.fields
            ]

    def rows(self, select: str, columns: Sequence[ResultColumn]) -> Iterator[dict[str, pa.Array]]:
        """Yield the rows of a SELECT in chunks: the values of each column as text, by name."""
        from pymysql.cursors import SSCursor

        if self._streaming:  # reads the rest of an unfinished result
            self._streaming.close()
        returned = self.columns(select)
        places = {column.name: place for place, column in enumerate(returned)}
        if any(column.code == _FLOAT for column in returned):  # servers send only six digits of a FLOAT
            select = _with_doubles(select, returned)
        self._streaming = cursor = self._connection.cursor(SSCursor)
        cursor.execute(select)
        while rows := cursor.fetchmany(CHUNK_ROWS):
            values = list(zip(*rows, strict=True))
            yield {c.name: _array(values[places[c.name]], c) for c in columns}
        cursor.close()
        self._streaming = None

    def number(self, select: str) -> int:
        """Return the number that a SELECT returns, or 0 if it returns no rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(select)
            row = cursor.fetchone()
        return whole_number(row[0]) if row else 0

    def readable_tables(self) -> list[ReadableTable]:
        """Return the tables and views of the database, sorted by name."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, table_type <> 'BASE TABLE' FROM information_schema.tables "
                "WHERE table_schema = DATABASE() ORDER BY table_name"
            )
            return [ReadableTable(name.decode(), kind == b"1") for name, kind in cursor.fetchall()]

    def table_columns(self, tables: Sequence[str]) -> Mapping[str, list[str]]:
        """Return the columns of the given tables, if they exist and the user can read them."""
        by_table: dict[str, list[str]] = {}
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = DATABASE() AND table_name IN %s ORDER BY table_name, ordinal_position",
                (list(tables),),
            )
            for table, column in cursor.fetchall():
                by_table.setdefault(table.decode(), []).append(column.decode())
        return by_table

    def grantee(self) -> str:
        """Return the user, as written in a GRANT statement."""
        return self._user

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def _texts(self, select: str) -> list[str]:
        with self._connection.cursor() as cursor:
            cursor.execute(select)
            return [(value or b"").decode() for value in cursor.fetchone()]


def _requires_tls(login: Login) -> bool:
    return any(option.startswith("ssl") and option != "ssl_disabled" for option in login.arguments)


def quoted(name: str) -> str:
    """Return a name quoted for SQL."""
    return "`" + name.replace("`", "``") + "`"


def driver_problem(error: Exception) -> DriverProblem | None:
    """Return the meaning of a driver error, or None for any other error."""
    import pymysql

    if not isinstance(error, pymysql.Error):
        return None
    code = error.args[0] if error.args else 0
    detail = str(error.args[1]) if len(error.args) > 1 else ""
    if code == 2003:
        cause = error.__cause__ or getattr(error, "original_exception", None)
        if isinstance(cause, ssl.SSLError):
            return DriverProblem("tls", getattr(cause, "verify_message", None) or cause.reason)
        detail = getattr(cause, "strerror", None) or detail.rpartition(" (")[2].rstrip(")")
    if kind := _PROBLEMS.get(code):
        return DriverProblem(kind, detail)
    if isinstance(error, pymysql.InterfaceError) or code == 0:
        return DriverProblem("dropped")
    return DriverProblem("sql", detail)


def _keep_alive(link: Any) -> None:
    """Enable TCP keepalive to detect a lost connection; macOS may lack some of the options."""
    if link.family != socket.AF_UNIX:
        for option, value in _KEEPALIVE.items():
            if hasattr(socket, option):
                link.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _family(code: int, charset: int) -> Family:
    if code in _STRINGS and charset == _BINARY:
        return "bytes"
    return _FAMILIES.get(code, "text")


def _limited(select: str) -> str:
    return f"SELECT * FROM (\n{select}\n) AS q LIMIT 0"  # noqa: S608 (the mapping is SQL by design)


def _with_doubles(select: str, returned: Sequence[ResultColumn]) -> str:
    names = [(f"q.{quoted(column.name)}", column) for column in returned]
    wanted = ", ".join(
        f"CAST({name} AS DOUBLE) AS {quoted(column.name)}" if column.code == _FLOAT else name
        for name, column in names
    )
    return f"SELECT {wanted} FROM (\n{select}\n) AS q"  # noqa: S608 (the mapping is SQL by design)


def _array(values: Sequence[bytes | None], column: ResultColumn) -> pa.Array:
    array = pa.array(values, pa.binary())
    if column.family != "instant":
        return array
    # The session's time zone is UTC, so this is the offset of every TIMESTAMP.
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(array, b"+00:00", b"")


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
