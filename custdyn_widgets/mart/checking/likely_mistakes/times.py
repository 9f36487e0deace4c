"""Find times that are probably wrong: those without an offset, in another time zone, or in another unit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart import columns
from custdyn_widgets.mart.arrow_arrays import from_bools, to_bools
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, row_number, time_text
from custdyn_widgets.mart.checking.likely_mistakes.local_times import why_local
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.values import DAY, MICROS

_OFFSET = r"[Z+]|[T ].*-"  # a Z, a plus, or a minus after the date, which occur only in offsets
_HOUR, _QUARTER = 3_600_000_000, 900_000_000
_SAMPLE, _DAYS = 1000, 10  # rows to look at first; days required to rule out coincidence
_FEW = 3
# The years 2000 to 2039 in seconds, read as milliseconds, microseconds and nanoseconds.
_SHRUNK = [(946_684_800 * MICROS // unit, 2_208_988_800 * MICROS // unit) for unit in (10**3, 10**6, 10**9)]


def time_zones(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on times without an offset, and on transaction times that seem to be local."""
    why = why_local(evidence)
    counts = {
        (table.stored.origin, column): count
        for table, column in evidence.stored_columns("time")
        if (count := _count_without_offset(table, column))
    }
    total = sum(counts.values())
    if why and (evidence.file, "at") not in counts:
        yield Note(why, "local_times")
        why = ""
    if not total:
        return
    places = "; ".join(f"{file}, {column}: {count:,}" for (file, column), count in counts.items())
    words = "time without an offset was" if total == 1 else "times without an offset were"
    zones = {table.stored.dialect.timezone or "UTC" for table in evidence.tables.values()}
    sentence = f"{total:,} {words} read as {' or '.join(sorted(zones))} ({places})."
    yield Note(
        f"{sentence} {why}".rstrip(),
        "times_without_offset",
        count=total,
        columns=[{"file": file, "column": column, "count": n} for (file, column), n in counts.items()],
    )


def _count_without_offset(table: CheckedTable, column: str) -> int:
    stored = columns.decoded(columns.plain(table.stored.data.column(column)))
    if pa.types.is_timestamp(stored.type) and stored.type.tz is not None:
        return 0
    local = ~table.blank[column]
    if not columns.is_text(stored.type):
        return int(local.sum())
    left = stored.filter(from_bools(local)) if not local.all() else stored
    # Nearly all times with an offset end with Z or contain a plus, which is faster to check than the pattern.
    for mark in (partial(pc.ends_with, pattern="Z"), partial(pc.match_substring, pattern="+")):
        if len(left):
            left = left.filter(pc.invert(mark(left)))
    return int((~to_bools(pc.match_substring_regex(left, _OFFSET))).sum()) if len(left) else 0


def midnights_elsewhere(evidence: Evidence) -> Iterator[Note]:
    """Yield a note if all transactions seem to be at midnight in another time zone."""
    ledger = evidence.ledger
    at = ledger.columns["at"][~ledger.blank["at"]]
    if len(np.unique(at[:_SAMPLE] % DAY)) > 2:  # the usual case: skip the rest
        return
    clocks = np.unique(at % DAY).tolist()
    apart = (clocks[-1] - clocks[0]) % DAY if clocks else 0
    is_midnight = 0 < len(clocks) <= 2 and clocks != [0] and apart in (0, _HOUR, DAY - _HOUR)
    if not is_midnight or any(clock % _QUARTER for clock in clocks) or len(np.unique(at // DAY)) < _DAYS:
        return
    named = [f"{clock // _HOUR:02}:{clock // 60_000_000 % 60:02}" for clock in clocks]
    yield Note(
        f"{ledger.stored.origin}: all times are at {' or '.join(named)} UTC, which seems to be midnight in "
        "another time zone. Reports assign them to the right day only in that time zone.",
        "midnights_elsewhere",
        clocks=named,
    )


def numbers_as_times(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on columns whose times are all in January 1970: numbers read in a smaller unit."""
    for table, column in evidence.stored_columns("time"):
        at, blank = table.columns[column], table.blank[column]
        if not len(at) or at[np.argmin(blank)] > _SHRUNK[0][1]:  # the usual case: skip the rest
            continue
        at = at[~blank]
        if len(at) < _FEW or not any(at.min() >= low and at.max() <= high for low, high in _SHRUNK):
            continue
        yield Note(
            f"{table.stored.origin}, {column}: all {len(at):,} times are in January 1970, the first at "
            f"{time_text(at[0])}. They seem to be seconds or milliseconds since 1970 that were read as a "
            "smaller unit.",
            "numbers_as_times",
            file=table.stored.origin,
            column=column,
            count=len(at),
        )


def future_times(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on transactions and clients that are dated in the future.

    Times up to a day ahead may be local times in another zone, which `time_zones` reports.
    """
    latest = int(time.time()) * MICROS + DAY
    for table, column in ((evidence.ledger, "at"), (evidence.clients, "created_at")):
        at = table.columns[column]
        later = np.flatnonzero((at > latest) & ~table.blank[column])
        if not len(later):
            continue
        count, file, first = len(later), table.stored.origin, time_text(at[later[0]])
        row = row_number(table, int(later[0]))
        words = "time is in the future:" if count == 1 else "times are in the future; the first is"
        yield Note(
            f"{file}, {column}: {count:,} {words} {first}, in row {row}. Reports ignore a row until its time "
            "has passed. Correct any wrong times.",
            "future_times",
            file=file,
            column=column,
            count=count,
            first={"row": row, "time": first},
        )
