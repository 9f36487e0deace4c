"""Find evidence that times read as UTC are local times in another time zone.

Evidence comes from transactions around clock changes (see `clock_changes`), transactions later than the file
that contains them, and transactions a few hours before their client was created.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from custdyn_widgets.mart.checking.likely_mistakes.clock_changes import moved_hours, skipped_hours
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, time_text
from custdyn_widgets.mart.checking.likely_mistakes.shifted_clients import LONG_AGO, shift_of_lifetimes
from custdyn_widgets.mart.checking.values import DAY, MICROS

_OFFSETS = 14 * 3600 * MICROS  # the largest UTC offset of any zone
_MOMENT = 15 * 60 * MICROS
_FEW_ROWS, _FEW_CLIENTS = 3, 10


def why_local(evidence: Evidence) -> str:
    """Return a message that says why the transactions' times seem to be local, or an empty string."""
    finders = (skipped_hours, moved_hours, _future, _early)
    return next((why for find in finders for why in find(evidence)), "")


def _future(evidence: Evidence) -> Iterator[str]:
    """Compare the last transactions with the time at which the file was written."""
    written = int(evidence.written * MICROS)
    if not len(evidence.rows) or evidence.rows.at.max() <= written:
        return
    ahead = evidence.rows.at - written
    late = ahead > 60 * MICROS
    # Rows that summarize a whole day, such as those at 23:59:59, all have the same time.
    if len(np.unique(ahead[late] // MICROS)) < _FEW_ROWS or ahead.max() > _OFFSETS:
        return
    yield (
        f"{evidence.file}, at: these may be local times rather than UTC: {late.sum():,} transactions are "
        f"up to {_hours(int(ahead.max()))} later than the file itself, the last at "
        f"{time_text(evidence.rows.at.max())}. Convert them to UTC, or write them without an offset and set "
        "timezone."
    )


def _early(evidence: Evidence) -> Iterator[str]:
    """Compare each transaction with the time at which its client was created."""
    rows, clients = evidence.rows, evidence.clients
    created = np.where(clients.blank["created_at"], LONG_AGO, clients.columns["created_at"])
    # A fee may be charged seconds before the account exists, and a date without a time is read as midnight.
    early = np.flatnonzero(rows.at < (created - _MOMENT).take(rows.client))
    if len(np.unique(rows.at[early] % DAY)) < _FEW_CLIENTS:
        return
    ahead = created[rows.client[early]] - rows.at[early]
    far = len(np.unique(rows.client[early[ahead > _OFFSETS]]))
    count = len(np.unique(rows.client[early])) - far
    if count < _FEW_CLIENTS or count < 10 * far or 20 * count < len(clients) or shift_of_lifetimes(evidence):
        return
    first = evidence.number(int(early[0]))
    yield (
        f"{evidence.file}, at: these times, or those in created_at, may be local times rather than UTC: "
        f"{count:,} clients have transactions up to {_hours(int(ahead[ahead <= _OFFSETS].max()))} before "
        f"they were created, the first in row {first}. Convert both to UTC."
    )


def _hours(micros: int) -> str:
    minutes = -(-micros // (60 * MICROS))
    return f"{minutes // 60} h {minutes % 60:02} min"
