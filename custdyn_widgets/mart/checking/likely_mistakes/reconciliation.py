"""Compare the balances computed from the ledger with those stored by the billing system."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.arrow_arrays import from_numpy
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, counted
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.columns import Bools, Int64s
from custdyn_widgets.mart.schema import KINDS
from custdyn_widgets.text import format_millionths

_CENT = 10_000  # millionths: balances agree if they differ by at most this
_LISTED = 3
_FEW, _MOST = 3, 0.9  # the minimum number of differing balances, and the share that a cause must explain
_FACTORS = (10, 100, 1000, 10_000)

Floats = npt.NDArray[np.float64]


def stored_balances(evidence: Evidence) -> Iterator[Note]:
    """Yield a note on balances that differ from `stored_balance` by more than 0.01, with the likely cause.

    Clients with a faulty transaction are left out.
    """
    clients = evidence.clients
    if "stored_balance" not in clients.stored.data.column_names or not evidence.rows_have_clients:
        return
    stored = clients.columns["stored_balance"]
    known = ~clients.blank["stored_balance"] & ~_with_faults(evidence)
    derived = clients.columns["opening_balance"] + _sums(evidence)
    near = np.abs(derived.astype(np.float64) - stored) > _CENT / 2  # with a margin: doubles are not exact
    differing = [
        i for i in np.flatnonzero(known & near).tolist() if abs(int(derived[i]) - int(stored[i])) > _CENT
    ]
    if not differing:
        return
    rows = np.array(differing)
    first = [_compared(evidence, i, int(derived[i]), int(stored[i])) for i in differing[:_LISTED]]
    sums = _sums_by_currency(evidence, rows, derived, stored)
    cause = _cause(evidence, rows, derived, stored)
    listed = "; ".join(f"{shown(c['client_id'])} {c['derived']}, stored {c['stored']}" for c in first)
    total = ", ".join(f"{amount} {currency}" for currency, amount in sums.items())
    of = int(known.sum())
    yield Note(
        f"{clients.stored.origin}, stored_balance: the ledger gives a different balance for {len(rows):,} of "
        f"{counted(of, 'client')} ({listed}{'; …' if len(rows) > _LISTED else ''}). The differences "
        f"(derived minus stored) add up to {total}." + (f" {cause}" if cause else ""),
        "stored_balances",
        count=len(rows),
        of=of,
        sums=sums,
        first=first,
        cause=cause,
    )


def _with_faults(evidence: Evidence) -> Bools:
    """Return a mask of the clients that have a transaction with a faulty time, kind or amount."""
    client = evidence.ledger.codes["client_id"]
    bad = client >= 0
    bad[slice(None) if evidence.rows.positions is None else evidence.rows.positions] = False
    return np.bincount(client[bad], minlength=len(evidence.clients)) > 0


def _sums(evidence: Evidence, kind: str = "") -> Int64s:
    """Return the exact sum of each client's amounts of one kind, or of all kinds."""
    rows = evidence.rows
    sums = np.zeros(len(evidence.clients), np.int64)
    chosen = rows.kind == KINDS.index(kind) if kind else slice(None)
    np.add.at(sums, rows.client[chosen], rows.amount[chosen])
    return sums


def _compared(evidence: Evidence, row: int, derived: int, stored: int) -> dict[str, str]:
    return {
        "client_id": evidence.clients.columns["client_id"][row].as_py() or "",
        "currency": evidence.clients.columns["currency"][row].as_py() or "",
        "derived": format_millionths(derived),
        "stored": format_millionths(stored),
        "difference": format_millionths(derived - stored),
    }


def _sums_by_currency(evidence: Evidence, rows: Int64s, derived: Int64s, stored: Int64s) -> dict[str, str]:
    """Return the sums of derived minus stored balances by currency."""
    sums: dict[str, int] = {}
    names = evidence.clients.columns["currency"].take(from_numpy(rows)).to_pylist()
    for currency, one, other in zip(names, derived[rows].tolist(), stored[rows].tolist(), strict=True):
        sums[currency or ""] = sums.get(currency or "", 0) + one - other
    return {currency: format_millionths(total) for currency, total in sorted(sums.items())}


def _cause(evidence: Evidence, rows: Int64s, derived: Int64s, stored: Int64s) -> str:
    """Return a sentence with the likely cause of most differences, or an empty string if none is found."""
    if len(rows) < _FEW:
        return ""
    ours, theirs = derived[rows].astype(np.float64), stored[rows].astype(np.float64)
    opening = evidence.clients.columns["opening_balance"][rows].astype(np.float64)
    for words, explained in _causes(evidence, rows, ours, theirs, opening):
        if np.mean(np.abs(explained - theirs) <= np.maximum(_CENT, np.abs(theirs) * 1e-12)) >= _MOST:
            return words
    if not opening.any() and 2 * len(rows) > len(evidence.clients):
        return (
            "None of these clients has an opening_balance. If the ledger does not go back to the first "
            "transaction, set opening_balance to stored_balance minus the sum of the ledger."
        )
    return ""


def _causes(
    evidence: Evidence, rows: Int64s, ours: Floats, theirs: Floats, opening: Floats
) -> Iterator[tuple[str, Floats]]:
    """Yield possible causes, each with the stored balances that it would produce."""
    yield "Stored balances have the opposite sign: they may be the amounts that clients owe.", -ours
    for factor in _FACTORS:
        yield f"Stored balances are {factor:,} times as large: they may be in a smaller unit.", ours * factor
        yield (
            f"Stored balances are smaller by a factor of {factor:,}: amounts may be in a smaller unit.",
            ours / factor,
        )
    yield "The differences equal the opening balances: the ledger may already include them.", ours - opening
    usage = _sums(evidence, "usage")[rows]
    yield "The differences equal half the usage: usage may be in the ledger twice.", ours - usage / 2
    for kind in KINDS:
        of_kind = _sums(evidence, kind)[rows].astype(np.float64)
        yield (
            f"The differences equal the amounts of kind {kind}: they may be left out of stored balances.",
            ours - of_kind,
        )
        yield (
            f"The differences equal twice the amounts of kind {kind}: their sign may be reversed.",
            ours - 2 * of_kind,
        )
    same = np.full(len(ours), np.median(theirs - ours))
    yield "The difference is the same for these clients: it may be a credit limit.", ours + same
