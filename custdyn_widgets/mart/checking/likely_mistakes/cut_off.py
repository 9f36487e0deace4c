"""Find exports that seem to be cut off, and clients without transactions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, day_text
from custdyn_widgets.mart.checking.likely_mistakes.gaps import early_end
from custdyn_widgets.mart.checking.notes import Note

_SAMPLE = 1000  # rows to look at first
_FEW_CLIENTS, _SHARE = 20, 0.03
# Row counts at which tools stop: round numbers, and the limits of Excel sheets.
_LIMITS = {digit * 10**zeros for digit, zeros in product((1, 2, 5), range(3, 9))} | {65_536, 1_048_576}


def cut_off(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on tables that end in the middle of a row, at a row limit, or too early."""
    for table in evidence.tables.values():
        reasons = list(_reasons(table))
        if table is evidence.ledger and (tail := _clients_at_the_end(evidence)):
            reasons.append(
                f"its rows are sorted by client, but none of the last {tail:,} clients has a transaction"
            )
        if table is evidence.ledger and (found := early_end(evidence)):
            gap, events = found
            reasons.append(
                f"its last transaction was on {day_text(gap.begin - 1)}{gap.apart}, although {events:,} "
                f"clients were created later and about {gap.daily} transactions a day would be expected"
            )
        if reasons:
            yield Note(
                f"{table.stored.origin} seems to be cut off: {'; '.join(reasons)}. Export it again in full.",
                "cut_off",
                file=table.stored.origin,
            )


def _reasons(table: CheckedTable) -> Iterator[str]:
    stored, rows = table.stored, len(table)
    short = [row for row in stored.misshapen if row.cells < row.columns]
    if len(short) == 1 and short[0].number == stored.first_row + rows - 1:
        yield f"its last row has only {short[0].cells} of {short[0].columns} cells"
    if stored.spec.name == "transactions" and not _LIMITS.isdisjoint((rows, rows + 1)):
        limit = rows if rows in _LIMITS else rows + 1
        with_headings = "" if limit == rows else " including its headings"
        yield f"it has exactly {limit:,} rows{with_headings}, a limit at which many tools stop"


def _clients_at_the_end(evidence: Evidence) -> int:
    """Return how many of the last clients have no transactions, if the ledger is sorted by client.

    Clients created after the last transaction are not counted. If there are only a few, return 0.
    """
    client, count = evidence.rows.client, len(evidence.clients)
    if not len(client) or (np.diff(client[:_SAMPLE]) < 0).any() or (np.diff(client) < 0).any():
        return 0
    last = int(client[-1])
    created = evidence.clients.columns["created_at"][last + 1 :]
    tail = int((created <= evidence.rows.at.max()).sum())
    served = len(np.unique(client))
    enough = max(_FEW_CLIENTS, _SHARE * count)
    return tail if tail >= enough and 2 * served > last else 0


def clients_without_transactions(evidence: Evidence) -> Iterator[Note]:
    """Yield a note if most clients have no transactions."""
    clients = evidence.clients
    if not evidence.rows_have_clients:
        return
    codes = evidence.ledger.codes["client_id"]
    idle = int(np.count_nonzero(np.bincount(codes[codes >= 0], minlength=len(clients)) == 0))
    if 2 * idle > len(clients) and not _clients_at_the_end(evidence):
        yield Note(
            f"{clients.stored.origin}: most clients ({idle:,} of {len(clients):,}) have no transactions. The "
            "ledger may be incomplete.",
            "clients_without_transactions",
            count=idle,
            of=len(clients),
        )
