"""Find client ids that are shifted by one row relative to the other columns of their table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.schema import KINDS

_ROWS, _CLIENTS = 500, 30
_BETTER = 0.6  # share of clients whose balance is closer to 0 with the id from the row above or below
_DESCENTS, _FEWER = 20, 10
_MISPLACED, _MISPLACED_SHARE = 20, 0.1  # clients with transactions before creation or after closing
LONG_AGO = np.iinfo(np.int64).min // 2


def shifted_clients(evidence: Evidence) -> Iterator[Note]:
    """Yield a note if the ledger makes more sense with each row's client taken from the row above or below.

    Clients spend most of what they refill, so balances are closer to 0 with the right ids. If the ledger is
    sorted by client and then by time, only the right ids preserve that order.
    """
    if len(evidence.rows) < _ROWS:
        return
    nearer = _with_nearer_balances(evidence)
    for shift, where in ((1, "below"), (-1, "above")):
        if shift == nearer or _order_is_kept(evidence, shift):
            other = "up" if shift == 1 else "down"
            yield Note(
                f"{evidence.file}, client_id: the ids seem to be shifted by one row relative to "
                f"the other columns. If each row had the id of the row {where}, balances would be closer to "
                f"0 or times would be in order. Move the ids {other} by one row.",
                "shifted_clients",
                rows=shift,
            )
            return


def shifted_lifetimes(evidence: Evidence) -> Iterator[Note]:
    """Yield a note if moving ids by a row leaves far fewer clients active outside their lifetimes."""
    if shift := shift_of_lifetimes(evidence):
        where, other = ("below", "down") if shift == 1 else ("above", "up")
        file, count = evidence.clients.stored.origin, len(evidence.clients)
        yield Note(
            f"{file}, client_id: the ids seem to be shifted by one row relative to the other columns: "
            f"{_misplaced(evidence):,} of {count:,} clients have transactions before created_at or after "
            f"closed_at, but only {_misplaced(evidence, shift):,} would if they had the times from "
            f"the row {where}. Move the ids {other} by one row.",
            "shifted_clients",
            rows=shift,
        )


def shift_of_lifetimes(evidence: Evidence) -> int:
    """Return the shift of ids, in rows, that makes transactions fit clients' lifetimes, or 0 if none does."""
    misplaced = _misplaced(evidence)
    if misplaced < max(_MISPLACED, _MISPLACED_SHARE * len(evidence.clients)):
        return 0
    return next((shift for shift in (1, -1) if _misplaced(evidence, shift) * _FEWER < misplaced), 0)


def _misplaced(evidence: Evidence, shift: int = 0) -> int:
    """Return how many clients have transactions before they were created or after they were closed.

    The times of each client are taken from the row that is `shift` rows below its own.
    """
    clients, rows = evidence.clients, evidence.rows
    created = np.where(clients.blank["created_at"], LONG_AGO, clients.columns["created_at"])
    closed = np.where(clients.blank["closed_at"], -LONG_AGO, clients.columns["closed_at"])
    if shift:
        created, closed = np.roll(created, -shift), np.roll(closed, -shift)
        end = -1 if shift > 0 else 0
        created[end], closed[end] = LONG_AGO, -LONG_AGO
    outside = rows.at < created.take(rows.client)
    outside |= rows.at > closed.take(rows.client)
    return len(np.unique(rows.client[outside]))


def _with_nearer_balances(evidence: Evidence) -> int:
    """Return the shift of ids, in rows, that brings balances much closer to 0, or 0 if there is none."""
    if not evidence.signs[KINDS.index("refill")].any():
        return 0
    amount, client = evidence.rows.amount.astype(np.float64), evidence.rows.client.astype(np.intp)
    opening = evidence.clients.columns["opening_balance"].astype(np.float64)

    def balances(client: npt.NDArray[np.intp], amount: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        found: npt.NDArray[np.float64] = np.abs(opening + np.bincount(client, amount, len(opening)))
        return found

    own = balances(client, amount)
    for shift, other in ((1, balances(client[1:], amount[:-1])), (-1, balances(client[:-1], amount[1:]))):
        differ = np.abs(own - other) > 1
        if (
            int(differ.sum()) >= _CLIENTS
            and 2 * other.sum() < own.sum()
            and (other < own)[differ].mean() >= _BETTER
        ):
            return shift
    return 0


def _order_is_kept(evidence: Evidence, shift: int) -> bool:
    """Return whether each client's times are in order if client ids are taken from `shift` rows below."""
    client, at = evidence.rows.client, evidence.rows.at
    back = at[1:] < at[:-1]
    if int(back.sum()) < _DESCENTS:  # the usual case: most ledgers are sorted by time
        return False
    same = client[1:] == client[:-1]
    descents = int((same & back).sum())
    if descents < _DESCENTS:
        return False
    left = (same[1:] & back[:-1]) if shift > 0 else (same[:-1] & back[1:])
    return int(left.sum()) * _FEWER < descents
