"""Building the facts of a mart while reading its ledger in pieces, with bounded memory.

Rows in doubt are set aside in each pass over the ledger, and then checked with the other tables as if they
were the whole ledger. What this reveals, such as the format of numbers, is used in the next pass. Most
ledgers need only one pass, and ledgers with faulty rows need two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from custdyn_widgets import progress
from custdyn_widgets.mart.arrow_arrays import from_numpy
from custdyn_widgets.mart.checking.balances import any_overflow
from custdyn_widgets.mart.checking.checked import CheckedMart, CheckedTable
from custdyn_widgets.mart.checking.checks import check_others, check_tables
from custdyn_widgets.mart.checking.guessed_formats import guessed_dialects
from custdyn_widgets.mart.checking.other_formats import may_have_other_formats
from custdyn_widgets.mart.checking.quarantine import (
    Quarantine,
    leave_out_faulty_rows,
    others_without_faulty_rows,
)
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.facts.by_client import fit_uint32, in_fewest_bits
from custdyn_widgets.mart.facts.doubts import Doubt, Known, OtherTables
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.from_tables import ClientOrder, facts_of, packages_of
from custdyn_widgets.mart.facts.ledger import Ledger
from custdyn_widgets.mart.facts.ledger_pass import LedgerPass, read_ledger
from custdyn_widgets.mart.facts.origin import Base, ReadLedger
from custdyn_widgets.mart.facts.threads import in_threads, threads
from custdyn_widgets.mart.reading.parts import joined_rows
from custdyn_widgets.mart.reading.read_ahead import read_ahead
from custdyn_widgets.mart.reading.stored import Piece, StoredMart, StoredTable
from custdyn_widgets.mart.schema import TABLES


class BuiltMart(NamedTuple):
    """The facts of a mart.

    Attributes
    ----------
    facts
        The facts.
    left_out
        The rows left out of the facts, if any.
    ledger
        What is known about the ledger, if rows can be added to it later.
    """

    facts: Facts
    left_out: Quarantine | None = None
    ledger: ReadLedger | None = None


def build_in_pieces(stored: StoredMart, *, leave_out_faults: bool = False) -> BuiltMart | None:
    """Build the facts of a mart; return None if that requires all rows at once.

    The result and the errors are the same as when building from all rows.

    Raises
    ------
    SourceError
        If the ledger cannot be read.
    MartError
        If the mart has faults, unless `leave_out_faults` is set.
    """
    with read_ahead(stored.ledger, threads()) as ledger:
        return _built_in_passes(stored._replace(ledger=ledger), leave_out_faults)


def _built_in_passes(stored: StoredMart, leave_out_faults: bool) -> BuiltMart | None:
    known = Known()
    while True:
        others = _Others.of(check_others(stored), leave_out_faults=leave_out_faults)
        done = read_ledger(stored.ledger, others.prepared, known)
        if done is Doubt.ROWS:
            if stored.ledger.recounted is None:
                return None
            stored, known = stored._replace(ledger=stored.ledger.recounted()), Known(known.is_guessed)
            continue
        if done is Doubt.TIMES:
            known = known._replace(has_early_or_late_times=True)
            continue
        if not known.is_guessed and (done is Doubt.FORMAT or _may_have_other_formats(others, done)):
            stored, known = _in_guessed_format(stored), Known(is_guessed=True)
            continue
        assert isinstance(done, LedgerPass)
        result = _settled(stored, others, done, known)
        if not isinstance(result, Known):
            return result
        known = result


def build_with_base(stored: StoredMart, base: Base) -> BuiltMart | None:
    """Build the facts of a mart from cached facts and the added rows; return None if there is any doubt.

    The ledger of `stored` has only the added rows. All other tables may have changed.

    Raises
    ------
    SourceError
        If the ledger cannot be read.
    """
    from custdyn_widgets.mart.facts.merging import merge, used_packages  # imported late: for added rows only

    others = _Others.of(check_others(stored), leave_out_faults=False)
    if others.tables is None or others.order is None:
        return None
    if stored.ledger.columns != base.ledger.columns or not base.ledger.ids.are_comparable:
        return None
    done = read_ledger(stored.ledger, others.prepared, Known(), base.ledger.ids)
    if not isinstance(done, LedgerPass) or done.doubtful or done.ids_depend_on_batches:
        return None
    repeated = done.repeated_ids()
    if repeated is None or len(repeated):
        return None
    added, used = done.sorted(), used_packages(base.facts)
    packages = others.prepared.packages
    if packages is None:
        packages = sorted({*used, *added.packages})
    elif not set(used) <= set(packages):
        return None
    clients = others.tables["clients"].columns["client_id"].take(from_numpy(others.order.order))
    ledger = merge(base.facts, added, clients, packages, comes_first=base.comes_first)
    largest = max(base.ledger.largest, done.largest)
    return None if ledger is None else _built(others, ledger, largest, _read(done, largest), None)


class _Others(NamedTuple):
    """The tables other than the ledger.

    Attributes
    ----------
    mart
        The checked tables with all their rows.
    tables
        The tables without faulty rows; None if there are faults that cannot or must not be left out.
    order
        The order of the clients in `tables`.
    prepared
        What a pass over the ledger needs.
    leave_out_faults
        Whether faulty rows are left out.
    """

    mart: CheckedMart
    tables: Mapping[str, CheckedTable] | None
    order: ClientOrder | None
    prepared: OtherTables
    leave_out_faults: bool

    @classmethod
    def of(cls, mart: CheckedMart, *, leave_out_faults: bool) -> _Others:
        found = others_without_faulty_rows(mart) if leave_out_faults or not mart.faults else None
        if found is None:
            return cls(mart, None, None, OtherTables(mart.tables, {}, None, 1, None), leave_out_faults)
        tables, left_out = found
        order = ClientOrder.of(tables)
        place = np.full(len(mart.tables["clients"]), -1, np.int32)
        place[~left_out["clients"] if left_out else slice(None)] = order.place
        packages = [i for i, _ in packages_of(tables, ())] if "packages" in tables else None
        prepared = OtherTables(mart.tables, left_out, place, len(order.place), packages)
        return cls(mart, tables, order, prepared, leave_out_faults)


def _may_have_other_formats(others: _Others, done: LedgerPass | Doubt) -> bool:
    """Return whether any faults in a mart may be due to values in a different format."""
    in_ledger = isinstance(done, LedgerPass) and done.may_have_other_formats
    return in_ledger or may_have_other_formats(others.mart.faults)


def _in_guessed_format(stored: StoredMart) -> StoredMart:
    """Return a mart to be read in the formats detected in its values."""
    from custdyn_widgets.mart.checking.guessing import guess_dialects  # imported late: rarely needed

    pieces = stored.ledger.pieces

    def each_batch(function: Callable[[StoredTable], Any]) -> Iterator[Any]:
        def of_piece(piece: Piece) -> list[Any]:
            return [function(batch) for batch in piece()]

        for found in in_threads(of_piece, pieces):
            yield from found

    head = next(batch for piece in pieces for batch in piece())
    guessed = guess_dialects(_all_tables(stored, head), {"transactions": each_batch})
    ledger = stored.ledger
    if changed := guessed.pop("transactions", None):
        ledger = ledger.with_changes(dialect=changed.dialect, guessed=changed.guessed)
    return stored._replace(others={**stored.others, **guessed}, ledger=ledger)


def _all_tables(stored: StoredMart, ledger: StoredTable) -> dict[str, StoredTable]:
    """Return all tables in schema order, with these rows of the ledger."""
    found = {**stored.others, "transactions": ledger}
    return {name: found[name] for name in TABLES if name in found}


def _settled(stored: StoredMart, others: _Others, done: LedgerPass, known: Known) -> BuiltMart | Known | None:
    """Return the facts after a pass, or what the next pass needs to know; None as in `build_in_pieces`."""
    if done.ids_depend_on_batches:
        return None
    if known.repeated is None:
        repeated = done.repeated_ids()
        if repeated is None:
            return known._replace(ids_as_text=True)
        if len(repeated):
            return known._replace(repeated=repeated)
    if others.tables is not None and not others.mart.faults and not done.doubtful:
        if known.is_guessed or len(known.kept):
            _note_formats(_all_tables(stored, done.no_rows))
        read = _read(done, done.largest) if known.is_plain else None
        return _built(others, done.sorted(), done.largest, read, None)
    if not stored.ledger.is_uniform:
        return None
    tables = _all_tables(stored, joined_rows([done.no_rows, *done.doubtful]))
    mart, left_out = check_tables(stored.name, tables, whole_ledger=False), None
    if mart.faults and not others.leave_out_faults:
        _note_formats(tables)
        mart.reject_faults()
    if others.leave_out_faults:
        mart, left_out = leave_out_faulty_rows(mart, whole_ledger=False)
    ledger = mart.tables["transactions"]
    if len(ledger):  # these rows have no faults after all
        numbers = ledger.stored.numbers
        assert numbers is not None
        is_wide = known.has_early_or_late_times or not fit_uint32(ledger.columns["at"] // MICROS)
        kept = np.union1d(known.kept, numbers)
        if len(kept) == len(known.kept):  # another pass would have the same result
            return None
        return known._replace(kept=kept, has_early_or_late_times=is_wide)
    _note_formats(tables)
    return _built(others, done.sorted(), done.largest, None, left_out)


def _note_formats(tables: Mapping[str, StoredTable]) -> None:
    """Report the formats that were detected in the data."""
    for note in guessed_dialects(tables):
        progress.note(note)


def _read(done: LedgerPass, largest: int) -> ReadLedger | None:
    """Return what is known about a ledger without rows in doubt; None if its files must be read together."""
    if not done.stored.is_uniform:
        return None
    return ReadLedger(done.stored.columns, largest, done.ids.found())


def _built(
    others: _Others, ledger: Ledger, largest: int, read: ReadLedger | None, left_out: Quarantine | None
) -> BuiltMart | None:
    """Return the facts of rows without faults, or None if a balance is too large.

    `largest` is the largest absolute amount.
    """
    assert others.tables is not None
    assert others.order is not None
    rows = in_fewest_bits(ledger.rows)
    ledger = ledger._replace(rows=rows)
    opening = others.tables["clients"].columns["opening_balance"][others.order.order]
    if any_overflow(rows.offset, rows.time, rows.amount, opening, largest):
        return None
    return BuiltMart(facts_of(others.tables, others.order, ledger), left_out, read)
