"""The input to the search for likely mistakes: the checked tables and the files that they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.columns import Codes, Int64s
from custdyn_widgets.mart.schema import KINDS, Kind

_HOUR = 3_600_000_000
_LONGEST = 7300  # days: times further from the median are left out of counts by day or hour


@dataclass(frozen=True)
class LedgerRows:
    """The transactions without faulty values, as arrays of equal length.

    `client` contains the position of the client, and `kind` the position of the kind in `KINDS`; `at` is in
    microseconds and `amount` in millionths. `positions` contains the positions of the rows in the ledger; it
    is None if no row is left out.
    """

    positions: Int64s | None
    client: Codes
    at: Int64s
    kind: Codes
    amount: Int64s

    def __len__(self) -> int:
        return len(self.at)

    def position(self, row: int) -> int:
        """Return the position of one of these rows in the ledger."""
        return int(row if self.positions is None else self.positions[row])


@dataclass(frozen=True)
class Evidence:
    """The tables of a mart, the files that they were read from, and when these last changed, as a Unix time.

    For tables in memory, there are no files, and the time is the current time.
    """

    tables: Mapping[str, CheckedTable]
    files: Sequence[Path]
    written: float

    @property
    def clients(self) -> CheckedTable:
        """The table of clients."""
        return self.tables["clients"]

    @property
    def ledger(self) -> CheckedTable:
        """The table of transactions."""
        return self.tables["transactions"]

    @property
    def file(self) -> str:
        """The name of the ledger's file."""
        return self.ledger.stored.origin

    @property
    def rows_have_clients(self) -> bool:
        """Whether both tables have the `client_id` column; otherwise, no transaction belongs to a client."""
        given = self.ledger.stored.data.column_names
        return "client_id" in given and "client_id" in self.ledger.codes

    @cached_property
    def rows(self) -> LedgerRows:
        """The transactions whose client, time, kind and amount are not faulty."""
        ledger = self.ledger
        missing = np.full(len(ledger), -1, np.int32)
        client, kind = ledger.codes.get("client_id", missing), ledger.codes.get("kind", missing)
        at, amount = ledger.columns["at"], ledger.columns["amount"]
        good = (client >= 0) & (kind >= 0) & ~ledger.blank["at"] & ~ledger.blank["amount"]
        if good.all():
            return LedgerRows(None, client, at, kind, amount)
        return LedgerRows(np.flatnonzero(good), client[good], at[good], kind[good], amount[good])

    @cached_property
    def signs(self) -> Int64s:
        """The number of negative, zero and positive amounts of each kind, as an array of shape (kinds, 3)."""
        rows = self.rows
        signs = (rows.amount > 0).view(np.int8) - (rows.amount < 0).view(np.int8)
        place = rows.kind * np.int32(3) + signs + np.int32(1)
        return np.bincount(place, minlength=3 * len(KINDS)).reshape(len(KINDS), 3)

    @cached_property
    def hours(self) -> Codes:
        """The hour of each row, counted from 1970 in UTC."""
        return (self.rows.at // _HOUR).astype(np.int32)

    @cached_property
    def days(self) -> Codes:
        """The day of each row, counted from 1970 in UTC."""
        return self.hours // np.int32(24)

    @cached_property
    def range_of_days(self) -> tuple[int, int]:
        """The first and last days with transactions, at most twenty years from the median."""
        days = self.days
        if not len(days):
            return 0, -1
        first, last = int(days.min()), int(days.max())
        if last - first > _LONGEST:
            middle = int(np.partition(days, len(days) // 2)[len(days) // 2])
            near = days[np.abs(days - middle) <= _LONGEST]
            first, last = int(near.min()), int(near.max())
        return first, last

    @cached_property
    def hourly(self) -> Int64s:
        """The number of transactions in each hour of the range of days."""
        first, last = self.range_of_days
        length = (last - first + 1) * 24
        hour = self.hours - np.int32(first * 24)
        if len(hour) and (hour.min() < 0 or hour.max() >= length):
            hour = hour[(hour >= 0) & (hour < length)]
        return np.bincount(hour, minlength=length)

    def number(self, row: int) -> int:
        """Return the row number of one of `rows`, as shown in messages."""
        return row_number(self.ledger, self.rows.position(row))

    def stored_columns(self, *kinds: Kind) -> Iterator[tuple[CheckedTable, str]]:
        """Yield the columns of the given kinds that are in the data, with their tables."""
        for table in self.tables.values():
            for spec in table.stored.spec.columns:
                if spec.kind in kinds and spec.name in table.stored.data.column_names:
                    yield table, spec.name


def row_number(table: CheckedTable, position: int) -> int:
    """Return the number of a row in a table, as shown in messages."""
    return int(position) + table.stored.first_row


def day_text(day: int) -> str:
    """Return a day, counted from 1970, as a date."""
    return str(date(1970, 1, 1) + timedelta(days=int(day)))


def time_text(micros: int) -> str:
    """Return a time in microseconds since 1970 as text in UTC, to the second."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, which is plural unless the count is 1."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
