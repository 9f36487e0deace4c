"""Building facts from the tables of a mart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import from_numpy, scalar, to_numpy
from custdyn_widgets.mart.checking.checked import CheckedMart, CheckedTable
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Codes, Int64s
from custdyn_widgets.mart.facts.by_client import Merged, Times
from custdyn_widgets.mart.facts.facts import NEVER, Facts, Names
from custdyn_widgets.mart.facts.ledger import Ledger, no_ledger, package_ids, whole_ledger
from custdyn_widgets.mart.positions import positions


def build(mart: CheckedMart) -> Facts:
    """Build the facts of a mart that was read completely.

    Raises
    ------
    MartError
        If the mart has faults.
    """
    mart.reject_faults()
    ledger = mart.tables["transactions"]
    clients = ClientOrder.of(mart.tables)
    packages = packages_of(mart.tables, package_ids(ledger))
    ids = tuple(i for i, _ in packages)
    return facts_of(mart.tables, clients, whole_ledger(ledger, clients.place, ids))


def build_without_ledger(tables: Mapping[str, CheckedTable], packages: Sequence[str]) -> tuple[Facts, Int64s]:
    """Build the facts of tables without faults, as if no client had any transactions.

    Parameters
    ----------
    tables
        All tables except the transactions.
    packages
        The package ids in the ledger; used only if there is no packages table.

    Returns
    -------
    The facts and, for each client in them, its row in the clients table.
    """
    clients = ClientOrder.of(tables)
    return facts_of(tables, clients, no_ledger(len(clients.order), packages)), clients.order


def with_rows(facts: Facts, rows: Merged) -> Facts:
    """Return the facts with these rows."""
    return replace(facts, **_of_rows(rows, facts.exists))


def _of_rows(rows: Merged, exists: Int64s) -> dict[str, Any]:
    """Return the arrays of facts that depend on rows.

    A client exists from its time in `exists` or from its first row, whichever is earlier.
    """
    return {
        "offset": rows.offset,
        "time": rows.time,
        "running": np.cumsum(rows.amount, out=rows.amount),
        "paid_at": rows.paid_at,
        "flow": rows.flow,
        "package": rows.package,
        "exists": _exists_from(exists, rows.offset, rows.time),
    }


class ClientOrder(NamedTuple):
    """The order of clients: the rows of their table in order, and each row's place and codes."""

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
    def of(cls, tables: Mapping[str, CheckedTable]) -> ClientOrder:
        """Return the order of the clients in tables without faults."""
        table, companies = tables["clients"], _companies(tables)
        owners, owner = _named(table, "owner_user")
        currencies, currency = _named(table, "currency")
        company, client_type = positions(table.columns["company"], companies), table.codes["client_type"]
        order = np.lexsort((owner, company, client_type, currency))
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order))
        return cls(order, place, client_type, currency, company, owner, currencies, companies, owners)


def facts_of(tables: Mapping[str, CheckedTable], clients: ClientOrder, ledger: Ledger) -> Facts:
    """Return the facts, given tables without faults and their sorted ledger."""
    table, order = tables["clients"], clients.order
    tags, tag_offset, tag = _tags(table, order)
    closed = np.where(table.blank["closed_at"], NEVER, table.columns["closed_at"] // MICROS)
    created = table.columns["created_at"] // MICROS
    return Facts(
        **_of_rows(ledger.rows, created[order]),
        closed=closed[order],
        opening=table.columns["opening_balance"][order],
        client_type=clients.client_type[order],
        currency=clients.currency[order],
        company=clients.company[order],
        owner=clients.owner[order],
        tag_offset=tag_offset,
        tag=tag,
        **_ids_and_names(table, order),
        names=Names(
            clients.currencies,
            clients.companies,
            clients.owners,
            tags,
            packages_of(tables, ledger.packages),
            _parents(tables),
            *_rates(tables.get("rates")),
        ),
    )


def _exists_from(created: Int64s, offset: Int64s, time: Times) -> Int64s:
    """Return the time of each client's creation or first transaction, whichever is earlier."""
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
    """Return the tag names, and the offsets and codes of each client's tags, in the given order."""
    lists = clients.columns["tags"].take(from_numpy(order))
    flat = lists.flatten()
    names = tuple(sorted(pc.unique(flat).to_pylist()))
    return (
        names,
        np.asarray(to_numpy(lists.offsets), np.int64) - lists.offsets[0].as_py(),
        positions(flat, names),
    )


def _ids_and_names(clients: CheckedTable, order: Int64s) -> dict[str, Any]:
    """Return the arrays of ids and names, in the given order. A missing name is replaced by the id."""
    ids, names = (clients.columns[c].take(from_numpy(order)) for c in ("client_id", "name"))
    empty = scalar("", names.type)
    names = pc.if_else(pc.equal(pc.fill_null(names, empty), empty), ids, names)
    found: dict[str, Any] = {}
    for prefix, texts in (("id", ids), ("name", names)):
        whole = pa.concat_arrays([texts.cast(pa.large_string())])
        _, offset, text = whole.buffers()
        first = np.frombuffer(offset, np.int64)[whole.offset : whole.offset + len(whole) + 1]
        octets = np.frombuffer(text or b"", np.uint8)[int(first[0]) : int(first[-1])]
        found |= {f"{prefix}_offset": first - first[0], f"{prefix}_text": octets}
    return found


def packages_of(tables: Mapping[str, CheckedTable], named: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the id and name of each package; without a table, use the ids in the ledger as names."""
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
    """Return the quotes by currency and day, and the base currency."""
    if table is None or not len(table):
        return {}, ""
    quotes: dict[str, list[tuple[int, str]]] = {}
    columns: dict[str, Any] = table.columns
    currencies, days = columns["currency"].to_pylist(), columns["date"].tolist()
    for currency, day, quote in zip(currencies, days, columns["units_per_base"], strict=True):
        quotes.setdefault(currency, []).append((day, format(Decimal(quote), "f")))
    return {c: tuple(sorted(q)) for c, q in sorted(quotes.items())}, columns["base"][0].as_py()
