"""Sessions with a database: the interface for reading a mart from any kind of server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol

import pyarrow as pa

from custdyn_widgets.mart.syncing.typed import ResultColumn

CHUNK_ROWS = 2**16
LOCK_WAIT_S = 60


@dataclass(frozen=True)
class DriverProblem:
    """The meaning of a driver's error.

    Attributes
    ----------
    kind
        A short name: `login`, `unreachable`, `tls`, `no database`, `dropped`, `no table`, `no column`,
        `denied`, `waited`, `stopped`, `sql` or `other`.
    detail
        The server's own message, if it is useful.
    """

    kind: str
    detail: str = ""


@dataclass(frozen=True)
class ReadableTable:
    """A table or a view that the user may read."""

    name: str
    is_view: bool


class Session(Protocol):
    """A read-only transaction, which sees the data as it was at the start of the transaction."""

    read_at: datetime
    server: str

    def __enter__(self) -> Session:
        """Return the session."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""

    def columns(self, select: str) -> list[ResultColumn]:
        """Return the columns of a SELECT without running it."""

    def rows(self, select: str, columns: Sequence[ResultColumn]) -> Iterator[dict[str, pa.Array]]:
        """Yield the rows of a SELECT in chunks: the values of each column as text, by name."""

    def number(self, select: str) -> int:
        """Return the number that a SELECT returns, or 0 if it returns no rows."""

    def readable_tables(self) -> list[ReadableTable]:
        """Return the tables and views that can be named without a schema, sorted by name."""

    def table_columns(self, tables: Sequence[str]) -> Mapping[str, list[str]]:
        """Return the columns of the given tables, if they exist."""

    def grantee(self) -> str:
        """Return the user, as written in a GRANT statement."""
