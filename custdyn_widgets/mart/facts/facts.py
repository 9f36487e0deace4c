"""Facts: a mart as compact arrays sorted by client and time, which every report is computed from.

Per ledger row: the time in whole seconds (every edge of a report is a whole second, so nothing is lost),
the running sum of amounts in millionths, a flow class, a package code and the last paid use so far. Rows of
a client stand together, in order of time, so that one row tells the balance and the last paid use at any
moment, and a report reads no row before its start. Beside them stand the clients in the order of their
rows, packages, companies and quotes.

Clients are in order of currency, so that a run of them adds up without asking for the currency of each,
then of type, company and owner, so that what a filter chooses mostly lies together.

A row's `FlowClass`, not its kind, is stored, so that a report never looks at an amount to decide what the
row is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.checking.checked import CheckedMart, CheckedTable
from custdyn_widgets.mart.checking.checks import check_others
from custdyn_widgets.mart.checking.values import MICROS, Int64s
from custdyn_widgets.mart.columns import Codes, positions
from custdyn_widgets.mart.facts.by_client import Packages, Times
from custdyn_widgets.mart.facts.flow_class import Flows
from custdyn_widgets.mart.facts.ledger import Ledger, checked_ledger, package_ids, whole_ledger
from custdyn_widgets.mart.reading.stored import StoredMart

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Names:
    """The names that codes in the arrays stand for, and what belongs to them.

    Attributes
    ----------
    currencies, companies, owners, tags
        Names by code.
    packages
        Id and name by code.
    parents
        The company above each company that has one.
    quotes
        Per currency, (day since 1970, units per base as text), by day.
    base
        The currency of the quotes' base; empty without rates.
    """

    currencies: tuple[str, ...]
    companies: tuple[str, ...]
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]
    parents: Mapping[str, str]
    quotes: Mapping[str, tuple[tuple[int, str], ...]]
    base: str


@dataclass(frozen=True)
class Facts:
    """The arrays. Row arrays have one value for each ledger row, client arrays one for each client.

    Attributes
    ----------
    offset
        int64[clients + 1]: the rows of client i are `offset[i]:offset[i + 1]`, in order of time.
    time
        Seconds since 1970 in UTC: uint32 where all lie from 1970 to 2106, else int64.
    running
        int64: the sum of the amounts of all rows up to this one, over all clients, in millionths. It may
        wrap around; the difference of two of a client's rows is exact, because a balance fits an int64.
    paid_at
        As `time`: of the client's last paid use up to this row; the least value of the type if none was.
    flow, package
        uint8 `FlowClass`; code, or -1, as int8, int16 or int32: the least that has codes for all packages.
    exists, closed, opening
        int64: seconds from which the client exists; at which it closed, or `NEVER`; opening balance.
    client_type, currency, company, owner
        int32 codes (type: position in `CLIENT_TYPES`), -1 for none.
    tag_offset, tag
        Tags of client i: codes `tag[tag_offset[i]:tag_offset[i + 1]]`.
    names
        What the codes stand for.
    """

    offset: Int64s
    time: Times
    running: Int64s
    paid_at: Times
    flow: Flows
    package: Packages
    exists: Int64s
    closed: Int64s
    opening: Int64s
    client_type: npt.NDArray[np.int32]
    currency: npt.NDArray[np.int32]
    company: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int32]
    tag_offset: Int64s
    tag: npt.NDArray[np.int32]
    names: Names

    @property
    def client_count(self) -> int:
        """How many clients there are."""
        return len(self.exists)

    @property
    def amount(self) -> Int64s:
        """The amount of each row, int64 millionths of the client's currency."""
        return np.diff(self.running, prepend=np.int64(0))


def build(mart: CheckedMart) -> Facts:
    """Make the facts of a mart that was read as a whole.

    Raises
    ------
    MartError
        If the mart has faults.
    """
    mart.refuse_faults()
    ledger = mart.tables["transactions"]
    clients = _Clients.of(mart.tables)
    packages = _packages(mart.tables, package_ids(ledger))
    ids = tuple(i for i, _ in packages)
    return _facts(mart.tables, clients, whole_ledger(ledger, clients.place, ids))


def build_in_pieces(stored: StoredMart) -> Facts | None:
    """Make the facts of a mart while its ledger is read; None if it may have faults.

    Parameters
    ----------
    stored
        The mart.

    Raises
    ------
    SourceError
        If the ledger cannot be read.
    """
    mart = check_others(stored)
    if mart.faults:
        return None
    clients = _Clients.of(mart.tables)
    packages = [i for i, _ in _packages(mart.tables, ())] if "packages" in mart.tables else None
    ledger = checked_ledger(stored.ledger, mart.tables, clients.place, packages)
    return _facts(mart.tables, clients, ledger) if ledger else None


@dataclass(frozen=True)
class _Clients:
    """The order of clients: which row of their table comes next, and each row's place; codes by row."""

    order: Int64s
    place: Codes
    client_type: Codes
    currency: Codes
    company: Codes
    owner: Codes
    currencies: tuple[str, ...]
    companies: tuple[str, ...]
    owners: tuple[str, ...]

    @classmethod
    def of(cls, tables: Mapping[str, CheckedTable]) -> _Clients:
        table, companies = tables["clients"], _companies(tables)
        owners, owner = _named(table, "owner_user")
        currencies, currency = _named(table, "currency")
        company, client_type = positions(table.columns["company"], companies), table.codes["client_type"]
        order = np.lexsort((owner, company, client_type, currency))
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order))
        return cls(order, place, client_type, currency, company, owner, currencies, companies, owners)


def _facts(tables: Mapping[str, CheckedTable], clients: _Clients, ledger: Ledger) -> Facts:
    rows = ledger.rows
    table, order = tables["clients"], clients.order
    tags, tag_offset, tag = _tags(table, order)
    closed = np.where(table.blank["closed_at"], NEVER, table.columns["closed_at"] // MICROS)
    created = table.columns["created_at"] // MICROS
    return Facts(
        offset=rows.offset,
        time=rows.time,
        running=np.cumsum(rows.amount, out=rows.amount),
        paid_at=rows.paid_at,
        flow=rows.flow,
        package=rows.package,
        exists=_exists_from(created[order], rows.offset, rows.time),
        closed=closed[order],
        opening=table.columns["opening_balance"][order],
        client_type=clients.client_type[order],
        currency=clients.currency[order],
        company=clients.company[order],
        owner=clients.owner[order],
        tag_offset=tag_offset,
        tag=tag,
        names=Names(
            clients.currencies,
            clients.companies,
            clients.owners,
            tags,
            _packages(tables, ledger.packages),
            _parents(tables),
            *_rates(tables.get("rates")),
        ),
    )


def _exists_from(created: Int64s, offset: Int64s, time: Times) -> Int64s:
    """Return when each client was created or had its first transaction, whichever is earlier."""
    exists = created.copy()
    some = offset[1:] > offset[:-1]
    exists[some] = np.minimum(exists[some], time[offset[:-1][some]])
    return exists


def _named(clients: CheckedTable, column: str) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Return the sorted distinct values of a column and each client's code."""
    text = clients.columns[column]
    names = tuple(sorted(n for n in pc.unique(text).to_pylist() if n))
    return names, positions(text, names)


def _tags(
    clients: CheckedTable, order: npt.NDArray[np.int64]
) -> tuple[tuple[str, ...], Int64s, npt.NDArray[np.int32]]:
    """Return the tags' names, and each client's tags, for clients in this order."""
    lists = clients.columns["tags"].take(pa.array(order))
    flat = lists.flatten()
    names = tuple(sorted(pc.unique(flat).to_pylist()))
    return (
        names,
        np.asarray(lists.offsets.to_numpy(), np.int64) - lists.offsets[0].as_py(),
        positions(flat, names),
    )


def _packages(tables: Mapping[str, CheckedTable], named: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return id and name of each package; without the table, those that the ledger names are their names."""
    if "packages" not in tables:
        return tuple((i, i) for i in named)
    table = tables["packages"]
    ids, names = table.columns["package_id"].to_pylist(), table.columns["name"].to_pylist()
    return tuple(sorted((i, n or i) for i, n in zip(ids, names, strict=True)))


def _companies(tables: Mapping[str, CheckedTable]) -> tuple[str, ...]:
    names = set(pc.unique(tables["clients"].columns["company"]).to_pylist())
    if "companies" in tables:
        names.update(tables["companies"].columns["company"].to_pylist())
    return tuple(sorted(n for n in names if n))


def _parents(tables: Mapping[str, CheckedTable]) -> dict[str, str]:
    if "companies" not in tables:
        return {}
    columns = tables["companies"].columns
    pairs = zip(columns["company"].to_pylist(), columns["parent"].to_pylist(), strict=True)
    return {company: parent for company, parent in pairs if parent}


def _rates(table: CheckedTable | None) -> tuple[dict[str, tuple[tuple[int, str], ...]], str]:
    """Return the quotes by currency and day, and the base."""
    if table is None or not len(table):
        return {}, ""
    quotes: dict[str, list[tuple[int, str]]] = {}
    columns: dict[str, Any] = table.columns
    currencies, days = columns["currency"].to_pylist(), columns["date"].tolist()
    for currency, day, quote in zip(currencies, days, columns["units_per_base"], strict=True):
        quotes.setdefault(currency, []).append((day, format(Decimal(quote), "f")))
    return {c: tuple(sorted(q)) for c, q in sorted(quotes.items())}, columns["base"][0].as_py()
