"""A column of client ids that is a row too high or too low beside the other columns of the ledger."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.schema import KINDS

_ROWS, _CLIENTS = 500, 30
_BETTER = 0.6  # share of clients whose balance is closer to 0 with the ids of the row beside
_DESCENTS, _FEWER = 20, 10


def shifted_clients(evidence: Evidence) -> Iterator[Note]:
    """Note that the ledger makes more sense if each row has the client of the row above or below.

    Clients mostly spend what they refill, so the right ids give balances nearer to 0; and where the ledger
    has client after client, each in the order of time, only the right ids keep that order.
    """
    if len(evidence.rows) < _ROWS:
        return
    for shift, where in ((1, "below"), (-1, "above")):
        if _balances_are_nearer(evidence, shift) or _order_is_kept(evidence, shift):
            other = "up" if shift == 1 else "down"
            yield Note(
                f"{evidence.file}, client_id: the ids seem to be shifted by one row against the "
                f"other columns: with the id of the row {where}, balances are nearer to 0 or times in order. "
                f"Move the column {other} by one row.",
                "shifted_clients",
                rows=shift,
            )
            return


def _balances_are_nearer(evidence: Evidence, shift: int) -> bool:
    """Return whether balances are nearer to 0 if each row has the client of the row `shift` below."""
    rows = evidence.rows
    if not (rows.kind == KINDS.index("refill")).any():
        return False
    amount = rows.amount.astype(np.float64)
    opening = evidence.clients.columns["opening_balance"].astype(np.float64)
    own = np.abs(opening + np.bincount(rows.client, amount, len(opening)))
    low, high = (
        (slice(shift, None), slice(None, -shift)) if shift > 0 else (slice(None, shift), slice(-shift, None))
    )
    other = np.abs(opening + np.bincount(rows.client[low], amount[high], len(opening)))
    differ = np.abs(own - other) > 1
    if int(differ.sum()) < _CLIENTS or 2 * other.sum() >= own.sum():
        return False
    return bool((other < own)[differ].mean() >= _BETTER)


def _order_is_kept(evidence: Evidence, shift: int) -> bool:
    """Return whether each client's times are in order with the client of the row `shift` below."""
    client, at = evidence.rows.client, evidence.rows.at
    same, back = client[1:] == client[:-1], at[1:] < at[:-1]
    descents = int((same & back).sum())
    if descents < _DESCENTS:
        return False
    left = (same[1:] & back[:-1]) if shift > 0 else (same[:-1] & back[1:])
    return int(left.sum()) * _FEWER < descents
