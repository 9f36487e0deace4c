"""Sessions with a database: what reading a mart needs of a server, whatever its kind."""

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
class Trouble:
    """What a driver's error means.

    Attributes
    ----------
    kind
        A short name: `login`, `unreachable`, `no database`, `dropped`, `no table`, `no column`, `no right`,
        `waited`, `stopped`, `sql` or `other`.
    detail
        The server's own words, if they help.
    """

    kind: str
    detail: str = ""


class Session(Protocol):
    """One read-only transaction, which sees the data as it was when it began."""

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
        """Return the number that a SELECT returns; 0 for none."""

    def table_columns(self, tables: Sequence[str]) -> Mapping[str, list[str]]:
        """Return the columns of those tables that exist."""

    def grantee(self) -> str:
        """Return the user, as GRANT names it."""
