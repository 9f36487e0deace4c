"""Facts: a mart as compact arrays sorted by client and time, which every report is computed from.

Per ledger row: the time in whole seconds (every edge of a report is a whole second, so nothing is lost),
the running sum of amounts in millionths, a flow class, a package code and the last paid use so far. Rows of
a client stand together, in order of time, so that one row tells the balance and the last paid use at any
moment, and a report reads no row before its start. Beside them stand the clients in the order of their
rows, packages, companies and quotes.

Clients are in order of currency, so that a run of them adds up without asking for the currency of each,
then of type, company and owner, so that what a filter chooses mostly lies together.

`FlowClass` tells what a row counts as: its kind together with what its sign means for it. The
class, not the kind, is stored, so that a report never looks at an amount to decide what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.by_client import ByClient
from custdyn_widgets.mart.checked import CheckedMart, CheckedTable
from custdyn_widgets.mart.schema import KINDS
from custdyn_widgets.mart.values import MICROS, Int64s, positions

NEVER = np.iinfo(np.int64).max
_BLOCK = 2**18  # rows


Times = npt.NDArray[np.uint32] | Int64s


class FlowClass(IntEnum):
    """What a ledger row counts as. `PAID` ones keep a client active."""

    OTHER = 0
    REFILL = 1
    REFILL_NOT_COUNTED = 2
    USAGE_PAID = 3
    USAGE_NOT_PAID = 4
    ACTIVATION_PAID = 5
    ACTIVATION_FREE = 6
    ACTIVATION_REVERSED = 7
    RENEWAL_PAID = 8
    RENEWAL_FREE = 9
    RENEWAL_REVERSED = 10


_C = FlowClass
# By kind, the class of a negative, a zero and a positive amount.
_CLASS_BY_KIND = {
    "refill": (_C.REFILL_NOT_COUNTED, _C.REFILL_NOT_COUNTED, _C.REFILL),
    "usage": (_C.USAGE_PAID, _C.USAGE_NOT_PAID, _C.USAGE_NOT_PAID),
    "package_activation": (_C.ACTIVATION_PAID, _C.ACTIVATION_FREE, _C.ACTIVATION_REVERSED),
    "package_renewal": (_C.RENEWAL_PAID, _C.RENEWAL_FREE, _C.RENEWAL_REVERSED),
    "other": (_C.OTHER, _C.OTHER, _C.OTHER),
}
PAID = np.zeros(len(FlowClass), np.bool_)
PAID[[_C.USAGE_PAID, _C.ACTIVATION_PAID, _C.RENEWAL_PAID]] = True
PACKAGE_FEE = np.zeros(len(FlowClass), np.bool_)
PACKAGE_FEE[_C.ACTIVATION_PAID :] = True


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
        uint8 `FlowClass`; int32 code, or -1.
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
    flow: npt.NDArray[np.uint8]
    package: npt.NDArray[np.int32]
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
    """Make the facts of a mart without faults.

    Raises
    ------
    MartError
        If the mart has faults.
    """
    mart.refuse_faults()
    clients, ledger = mart.tables["clients"], mart.tables["transactions"]
    packages, companies = _packages(mart.tables), _companies(mart.tables)
    owners, owner = _named(clients, "owner_user")
    currencies, currency = _named(clients, "currency")
    company, client_type = positions(clients.columns["company"], companies), clients.codes["client_type"]
    order = np.lexsort((owner, company, client_type, currency))
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    rows = ByClient(place[ledger.codes["client_id"]], ledger.columns["at"], len(clients))
    seconds, amount, flow, package = rows.arrange(
        ledger.columns["at"] // MICROS,
        ledger.columns["amount"],
        _flows(ledger),
        positions(ledger.columns["package_id"], [p for p, _ in packages]),
    )
    time = _compact(seconds)
    tags, tag_offset, tag = _tags(clients, order)
    closed = np.where(clients.blank["closed_at"], NEVER, clients.columns["closed_at"] // MICROS)
    return Facts(
        offset=rows.offset,
        time=time,
        running=np.cumsum(amount),
        paid_at=_last_paid(time, flow, rows.offset),
        flow=flow,
        package=package,
        exists=_exists_from((clients.columns["created_at"] // MICROS)[order], rows.offset, time),
        closed=closed[order],
        opening=clients.columns["opening_balance"][order],
        client_type=client_type[order],
        currency=currency[order],
        company=company[order],
        owner=owner[order],
        tag_offset=tag_offset,
        tag=tag,
        names=Names(
            currencies,
            companies,
            owners,
            tags,
            packages,
            _parents(mart.tables),
            *_rates(mart.tables.get("rates")),
        ),
    )


def _compact(seconds: Int64s) -> Times:
    """Return times in half the memory where that holds them; 0 is left for "never"."""
    fits = seconds.min(initial=1) >= 1 and seconds.max(initial=1) < 2**32
    return seconds.astype(np.uint32) if fits else seconds


def _last_paid(time: Times, flow: npt.NDArray[np.uint8], offset: Int64s) -> Times:
    """Return, for each row, when its client's last paid use up to it was."""
    never = np.iinfo(time.dtype).min
    out = np.empty_like(time)
    low = 0
    while low < len(offset) - 1:  # whole clients, so many at a time that they stay in a processor's cache
        high = max(low + 1, int(np.searchsorted(offset, offset[low] + _BLOCK, "right")) - 1)
        begin, end = int(offset[low]), int(offset[high])
        paid = np.where(PAID[flow[begin:end]], np.arange(begin, end), -1)
        last = np.maximum.accumulate(paid)
        of_client = last >= np.repeat(offset[low:high], np.diff(offset[low : high + 1]))
        out[begin:end] = np.where(of_client, time[last], never)
        low = high
    return out


def _flows(ledger: CheckedTable) -> npt.NDArray[np.uint8]:
    by_kind = np.array([_CLASS_BY_KIND[kind] for kind in KINDS], np.uint8)
    flows: npt.NDArray[np.uint8] = by_kind.ravel()[
        ledger.codes["kind"] * 3 + 1 + np.sign(ledger.columns["amount"])
    ]
    return flows


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


def _packages(tables: Mapping[str, CheckedTable]) -> tuple[tuple[str, str], ...]:
    """Return id and name of each package; without the table, the ids of the ledger name themselves."""
    if "packages" not in tables:
        ids = pc.unique(tables["transactions"].columns["package_id"]).to_pylist()
        return tuple((i, i) for i in sorted(i for i in ids if i and not i.isspace()))
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
