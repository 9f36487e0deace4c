"""Find usage that is in the ledger twice: as calls, and as daily or monthly summaries of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.values import DAY, MICROS
from custdyn_widgets.mart.columns import Bools, Int64s
from custdyn_widgets.mart.schema import KINDS

_USAGE = KINDS.index("usage")
_SAMPLE = 10_000  # usage rows to look at first
_SCATTER = 2_654_435_761  # multiplying positions by this scrambles the order of the clients
_FEW = 10  # the minimum number of summaries
_MOST_CALLS = 3  # the minimum number of rows that rules out coincidence: two calls and their sum
_ALONE = 0.1  # the maximum share of days with a single row, which is a call without a summary
_DISTINCT = 20


def summaries(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on usage that equals the sum of the client's other usage for the same day or month."""
    rows = evidence.rows
    if int(evidence.signs[_USAGE, [0, 2]].sum()) < _MOST_CALLS * _FEW:
        return
    usage = rows.kind == _USAGE
    sample = _in_order(evidence, np.flatnonzero(usage & _of_some_clients(evidence, usage)))
    shifts = _shifts(rows.at[sample])
    for period in ("day", "month"):
        for shift in shifts:
            if not len(_summary_rows(evidence, sample, period, shift)):
                continue
            found = _summary_rows(evidence, _in_order(evidence, np.flatnonzero(usage)), period, shift)
            first = evidence.number(int(found.min()))
            yield Note(
                f"{evidence.file}: {len(found):,} usage rows, starting with row {first}, seem to be "
                f"summaries: each equals the sum of the client's other usage for the same {period}. Usage "
                "that is also in a summary counts twice, so leave the summaries out.",
                "summaries",
                count=len(found),
                period=period,
                first=first,
            )
            return


def _of_some_clients(evidence: Evidence, usage: Bools) -> Bools:
    """Return a mask of all rows of a sample of clients, with enough usage for a first look."""
    counts = np.bincount(evidence.rows.client[usage], minlength=len(evidence.clients))
    mixed = np.argsort(np.arange(len(counts)) * _SCATTER % 2**32, kind="stable")
    enough = int(np.searchsorted(np.cumsum(counts[mixed]), _SAMPLE)) + 1
    chosen = np.zeros(len(counts), np.bool_)
    chosen[mixed[:enough]] = True
    return chosen.take(evidence.rows.client)


def _in_order(evidence: Evidence, rows: Int64s) -> Int64s:
    """Return rows sorted by client and time."""
    return rows[np.lexsort((evidence.rows.at[rows], evidence.rows.client[rows]))]


def _shifts(at: Int64s) -> list[int]:
    """Return how far back times may have to be moved so that summaries fall on the days that they summarize.

    A summary may be at the start or the end of its day, and the day may be in another time zone.
    """
    clocks, counts = np.unique(at // (60 * MICROS) % (24 * 60), return_counts=True)
    common = int(clocks[np.argmax(counts)]) * 60 * MICROS if len(clocks) else 0
    return list(dict.fromkeys((0, 1, common, common + 60 * MICROS)))


def _summary_rows(evidence: Evidence, chosen: Int64s, period: str, shift: int) -> Int64s:
    """Return the rows that equal the sum of the client's other rows in a period, if most periods contain one.

    `chosen` contains rows sorted by client and time.
    """
    client, at = evidence.rows.client[chosen], evidence.rows.at[chosen]
    amount = evidence.rows.amount[chosen]
    bucket = (at - shift) // DAY
    if period == "month":
        bucket = bucket.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    starts = np.flatnonzero(np.append(True, (np.diff(client) != 0) | (np.diff(bucket) != 0)))
    sizes = np.diff(np.append(starts, len(chosen)))
    total = np.add.reduceat(amount, starts)
    low, high = np.minimum.reduceat(amount, starts), np.maximum.reduceat(amount, starts)
    largest = np.where(-low > high, low, high)
    equal = (2 * largest == total) & (largest != 0)
    several, pair = sizes >= _MOST_CALLS, sizes == 2
    most = int((equal & several).sum()) >= max(_FEW, 0.5 * several.sum())
    apart = pair & (at[starts + sizes - 1] > at[starts])  # otherwise the second row may be a repeat
    pairs = (
        int((equal & apart).sum()) >= max(5 * _FEW, 0.9 * pair.sum())
        and len(np.unique(largest[equal & pair])) >= _DISTINCT
        and (sizes == 1).mean() <= _ALONE
    )
    if not (most or pairs):
        return chosen[:0]
    is_summary = np.repeat(equal & (several if most else pair), sizes) & (amount == np.repeat(largest, sizes))
    _, once = np.unique(np.repeat(np.arange(len(starts)), sizes)[is_summary], return_index=True)
    return chosen[np.flatnonzero(is_summary)[once]]
