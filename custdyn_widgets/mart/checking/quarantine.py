"""Leave out faulty rows, for sources with `on_fault = "quarantine"`.

A row is left out if it has a fault (as all duplicates do), if it refers to a row that is left out, or if it
is a client whose balance exceeds an int64. This is repeated until every reference points to a remaining row.
The result is the same as if those rows had been deleted from the source.

Rows are never left out silently: every report gives their number in a warning, and a CSV file lists them.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from custdyn_widgets.mart.checking.balances import balance_faults
from custdyn_widgets.mart.checking.checked import CheckedMart, CheckedTable, stored_text
from custdyn_widgets.mart.checking.fault_kinds import lost_reference
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.references import REFERENCES
from custdyn_widgets.mart.columns import Bools, Codes, Int64s
from custdyn_widgets.mart.positions import positions
from custdyn_widgets.text import format_millionths, guard_formula

_HEADINGS = ("file", "row", "column", "value", "why", "whole row")
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)

RowsLeftOut = dict[str, Bools]  # for each table, a mask of the rows left out


class Quarantine(NamedTuple):
    """The warning about the rows left out, and the content of the CSV file that lists them."""

    warning: str
    listing: bytes


def leave_out_faulty_rows(
    mart: CheckedMart, *, whole_ledger: bool = True
) -> tuple[CheckedMart, Quarantine | None]:
    """Return a mart without its faulty rows, and the quarantine of these rows (None if there are none).

    Balances are checked only if the transactions table is complete (`whole_ledger`).

    Raises
    ------
    MartError
        If a table lacks a required column, which leaving out rows cannot fix.
    """
    tables = mart.tables
    replace(mart, faults=_in_headings(mart)).reject_faults()
    left_out, found = _left_out(tables, mart.faults)
    too_large = list(balance_faults(tables, ~left_out["transactions"])) if found and whole_ledger else []
    _mark(tables, left_out, too_large)
    found += too_large
    found += _referrers(tables, left_out)
    if not found:
        return mart, None
    order = {table.stored.origin: i for i, table in enumerate(tables.values())}
    found.sort(key=lambda fault: (order[fault.file], fault.row))
    quarantine = Quarantine(_warning(tables, left_out), _listing(tables, found))
    return replace(mart, tables=_remaining_tables(tables, left_out), faults=[]), quarantine


def others_without_faulty_rows(mart: CheckedMart) -> tuple[dict[str, CheckedTable], RowsLeftOut] | None:
    """Return all tables but the ledger, without faulty rows, and each table's mask of the rows left out.

    If there are no faults, there are no masks. The result is None if a table lacks a required column.
    """
    if not mart.faults:
        return mart.tables, {}
    if _in_headings(mart):
        return None
    left_out, _ = _left_out(mart.tables, mart.faults)
    return _remaining_tables(mart.tables, left_out), left_out


def _in_headings(mart: CheckedMart) -> list[Fault]:
    return [f for f in mart.faults if f.column and f.column not in _columns_of(mart.tables, f)]


def _left_out(tables: Mapping[str, CheckedTable], faults: list[Fault]) -> tuple[RowsLeftOut, list[Fault]]:
    """Return the rows with faults and the rows that refer to them, and the faults of both."""
    left_out = {name: np.zeros(len(table), np.bool_) for name, table in tables.items()}
    found = list(faults)
    _mark(tables, left_out, found)
    found += _referrers(tables, left_out)
    return left_out, found


def _by_origin(tables: Mapping[str, CheckedTable]) -> dict[str, str]:
    return {table.stored.origin: name for name, table in tables.items()}


def _columns_of(tables: Mapping[str, CheckedTable], fault: Fault) -> list[str]:
    columns: list[str] = tables[_by_origin(tables)[fault.file]].stored.data.column_names
    return columns


def _mark(tables: Mapping[str, CheckedTable], left_out: RowsLeftOut, faults: list[Fault]) -> None:
    names = _by_origin(tables)
    for fault in faults:
        name = names[fault.file]
        left_out[name][tables[name].position(fault)] = True


def _referrers(tables: Mapping[str, CheckedTable], left_out: RowsLeftOut) -> Iterator[Fault]:
    """Leave out the rows that refer to a row left out, and yield a fault for each of them.

    Only companies refer to their own table, so the loop runs once per level of companies. References
    from each table are processed before references to it.
    """
    for name, column, other, _ in REFERENCES:
        if not _refers(tables, name, column):
            continue
        table = tables[name]
        codes, kind = table.codes[column], lost_reference(tables[other].stored.origin)
        refers = np.flatnonzero(~table.blank[column] & (codes >= 0))
        while len(lost := refers[~left_out[name][refers] & left_out[other][codes[refers]]]):
            left_out[name][lost] = True
            yield from (table.fault(int(i), column, kind) for i in lost)


def _refers(tables: Mapping[str, CheckedTable], name: str, column: str) -> bool:
    """Return whether a mart has both tables of a reference."""
    return name in tables and column in tables[name].codes


def _remaining_tables(tables: Mapping[str, CheckedTable], left_out: RowsLeftOut) -> dict[str, CheckedTable]:
    """Return the tables without the rows left out, with codes that refer to the remaining rows."""
    left = {name: table.rows(~left_out[name]) for name, table in tables.items()}
    for name, column, other, _ in REFERENCES:
        if _refers(left, name, column):
            codes = left[name].codes[column]
            place = np.cumsum(~left_out[other], dtype=np.int32) - 1
            left[name].codes[column] = np.append(place, np.int32(-1))[codes]
    return left


# The warning


def _warning(tables: Mapping[str, CheckedTable], left_out: RowsLeftOut) -> str:
    """Return the warning, with the number of rows left out and the sums of their amounts by currency."""
    counts = {name: int(rows.sum()) for name, rows in left_out.items() if rows.any()}
    count = sum(counts.values())
    places = ", ".join(f"{n:,} in {name}" for name, n in counts.items())
    words = f"{count:,} faulty row{'s are' if count > 1 else ' is'} left out ({places})."
    names, own, of_id = _currencies(tables["clients"], left_out["clients"])
    ledger, rows = tables["transactions"], left_out["transactions"]
    if rows.any():
        client = np.where(ledger.blank["client_id"], -1, ledger.codes["client_id"])[rows]
        currency = np.append(of_id, np.int32(-1))[client]
        sums = _sums(ledger.columns["amount"][rows], ledger.blank["amount"][rows], currency, names)
        words += f" The sum of their amounts: {sums}."
    clients, rows = tables["clients"], left_out["clients"] & ~_absent(tables["clients"], "opening_balance")
    if rows.any():
        opening, blank = clients.columns["opening_balance"][rows], clients.blank["opening_balance"][rows]
        words += f" Opening balances left out: {_sums(opening, blank, own[rows], names)}."
    return words


def _absent(table: CheckedTable, column: str) -> Bools:
    """Return a mask of the rows in which an optional column is blank rather than faulty."""
    if column not in table.stored.data.column_names:
        return np.ones(len(table), np.bool_)
    stored = table.stored.data.column(column)
    absent = table.blank[column].copy()
    for i in np.flatnonzero(absent):
        absent[i] = not stored_text(stored[int(i)]).strip()
    return absent


def _currencies(clients: CheckedTable, left_out: Bools) -> tuple[list[str], Codes, Codes]:
    """Return the currencies and, for each client row, the indexes of its currency and of its id's currency.

    An index is -1 if the currency is unknown; an id's currency is unknown if its rows have different ones.
    """
    texts = clients.columns["currency"].to_pylist()
    names = sorted({text for text in texts if text and _CURRENCY.fullmatch(text)})
    own = positions(clients.columns["currency"], names)
    of_id = own.copy()
    ids = {int(i): clients.columns["client_id"][int(i)].as_py() for i in np.flatnonzero(left_out)}
    given: dict[str, set[int]] = {}
    for i, client in ids.items():
        given.setdefault(client, set()).add(int(own[i]))
    of_id[[i for i, client in ids.items() if len(given[client]) > 1]] = -1
    return names, own, of_id


def _sums(amount: Int64s, unreadable: Bools, currency: Codes, names: list[str]) -> str:
    """Return a phrase with the sums of amounts by currency, and how many amounts are not included."""
    known = ~unreadable & (currency >= 0)
    words = [
        f"{format_millionths(_exact_sum(amount[known & (currency == code)]))} {names[code]}"
        for code in np.unique(currency[known])
    ]
    for count, what in (
        (int(unreadable.sum()), "that cannot be read"),
        (int((~unreadable & (currency < 0)).sum()), "in a currency that is not known"),
    ):
        if count:
            words.append(f"{count:,} amount{'s' if count > 1 else ''} {what}")
    return ", ".join(words)


def _exact_sum(amount: Int64s) -> int:
    return (int((amount >> 32).sum()) << 32) + int((amount & 0xFFFF_FFFF).sum())


# The listing


def _listing(tables: Mapping[str, CheckedTable], faults: list[Fault]) -> bytes:
    """Return the faults as a CSV file, each with its full row as stored."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_HEADINGS)
    names = _by_origin(tables)
    for fault in faults:
        table = tables[names[fault.file]]
        row = table.position(fault)
        data = table.stored.data
        whole = {column: stored_text(data.column(column)[row]) for column in data.column_names}
        writer.writerow(
            (
                fault.file,
                fault.row,
                fault.column,
                guard_formula(fault.value, numbers_stay=True),
                guard_formula(fault.why),
                json.dumps({name: text for name, text in whole.items() if text}, ensure_ascii=False),
            )
        )
    return out.getvalue().encode("utf-8", "backslashreplace")
