"""Find gaps in ledgers with transactions on most days, and ledgers that end too early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, counted, day_text
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.values import DAY, MICROS
from custdyn_widgets.mart.columns import Int64s
from custdyn_widgets.mart.schema import KINDS

_WEEKS = 4  # the number of weeks to compare before and after a gap
# The days in a long gap, and the minimum number of transactions expected in a long or a shorter gap.
_LONG, _FEW, _MANY = 14, 30, 200
_LONGEST = 20  # the number of gaps to look at
# The maximum number of stray transactions in a gap, and the maximum on one day, as a share of a typical day.
_STRAYS, _STRAY_SHARE = 3, 0.1
_HOLIDAYS = 2  # the maximum number of days at the end that may be holidays
_REGULAR = ("usage", "refill", "package_renewal")
_EVENTS = 3  # the minimum number of clients created after the end of the ledger


@dataclass(frozen=True)
class Gap:
    """A run of days without transactions, except perhaps for a few strays.

    `end` is the day after the last one, and `expected` is the number of transactions that would be expected.
    `usual_days` is the number of these days on which there are usually more than a few transactions, not
    counting the ledger's last day.
    """

    begin: int
    end: int
    expected: float
    strays: int
    usual_days: int

    @property
    def words(self) -> str:
        """The days of the gap, as a phrase with dates, and the number of strays if there are any."""
        first, last = day_text(self.begin), day_text(self.end - 1)
        return (f"on {first}" if first == last else f"from {first} to {last}") + self.apart

    @property
    def apart(self) -> str:
        """The number of strays, as a phrase that begins with a space; empty if there are none."""
        return f" (apart from {self.strays})" if self.strays else ""

    @property
    def daily(self) -> str:
        """The expected number of transactions per day, formatted."""
        return f"{max(self.expected / (self.end - self.begin), 1):,.0f}"


def missing_days(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on days without transactions, or without transactions of one kind, between days with many.

    A pause at the end that may be due to holidays is not noted, nor is a kind that stopped when that pause
    began.
    """
    first, last = evidence.range_of_days
    by_kind = _daily(evidence)
    total = by_kind.sum(axis=0)
    whole, pauses = _gaps(evidence, total, _runs(total, until=len(total)))
    found = {"transactions": whole} if whole else {}
    for name in _REGULAR:
        kind = KINDS.index(name)
        runs = [
            run
            for run in _runs(by_kind[kind], until=last - first + 1)
            if not _overlaps(run, whole, first) and all(run[0] + first < pause.begin for pause in pauses)
        ]
        gaps, _ = _gaps(evidence, by_kind[kind], runs, kind)
        if gaps:
            found[name] = gaps
    for what, gaps in found.items():
        gap, more = gaps[0], len(gaps) - 1
        others = f" There {'is' if more == 1 else 'are'} {counted(more, 'more such gap')}." if more else ""
        of_kind = "transactions" if what == "transactions" else f"transactions of kind {what}"
        yield Note(
            f"{evidence.file}: no {of_kind} {gap.words}, although about {gap.daily} a day would "
            f"be expected.{others} Part of the export seems to be missing.",
            "missing_days",
            of=what,
            gaps=[{"first": day_text(gap.begin), "last": day_text(gap.end - 1)} for gap in gaps],
        )


def early_end(evidence: Evidence) -> tuple[Gap, int] | None:
    """Return the gap after the end of the ledger, and the number of clients created since the ledger ended.

    Return None if there is no gap, or if there are too few transactions before it. (`closed_at` is ignored,
    because it may be in the future.)
    """
    first, last = evidence.range_of_days
    if last < first:
        return None
    daily = _daily(evidence).sum(axis=0)
    length = _length_without_strays(daily)
    last = first + length - 1
    created = evidence.clients.columns["created_at"]
    later = np.sort(created[(created // DAY > last) & (created <= evidence.written * MICROS)]) // DAY
    if len(later) < _EVENTS:
        return None
    end = int(later[-_EVENTS]) + 1 - first
    until_then = np.pad(daily, (0, max(end - len(daily), 0)))[:end]
    gap = _gap(until_then, length, end, first)
    return (gap, len(later)) if gap else None


def _daily(evidence: Evidence) -> Int64s:
    """Return the number of transactions of each kind on each day, as an array of shape (kinds, days)."""
    first, last = evidence.range_of_days
    length = last - first + 1
    day = evidence.days - np.int32(first)
    kind = evidence.rows.kind
    if len(day) and (int(day.min()) < 0 or int(day.max()) >= length):
        near = (day >= 0) & (day < length)
        day, kind = day[near], kind[near]
    place = kind * np.int32(length) + day
    return np.bincount(place, minlength=len(KINDS) * length).reshape(len(KINDS), length)


def _runs(daily: Int64s, until: int = 0) -> list[tuple[int, int]]:
    """Return the longest runs of days without transactions, in order, including one that ends at `until`.

    A run may include days with stray transactions, but not as its first or last day.
    """
    runs: list[tuple[int, int]] = []
    for begin, end in _runs_of_up_to(_few(daily), daily, until):
        empty = begin + np.flatnonzero(daily[begin:end] == 0)
        whole = (int(empty[0]), int(empty[-1]) + 1) if len(empty) else (begin, begin)
        if daily[slice(*whole)].sum() <= _STRAYS:
            runs.append(whole)
        else:
            before = begin - 1  # a typical day; the first run may begin right after it
            runs += [(before + i, before + j) for i, j in _runs_of_up_to(0, daily[before:end], end - before)]
    return [run for run in runs if run[0] < run[1]]


def _runs_of_up_to(few: int, daily: Int64s, until: int) -> list[tuple[int, int]]:
    """Return the longest runs of days with at most `few` transactions, in order.

    Days before the first one with more transactions are ignored.
    """
    days = np.flatnonzero(daily > few)
    if not len(days):
        return []
    days = np.append(days, until) if until else days
    lengths = np.diff(days) - 1
    longest = np.argsort(-lengths, kind="stable")[:_LONGEST]
    return [(int(days[i]) + 1, int(days[i + 1])) for i in np.sort(longest) if lengths[i] > 0]


def _few(daily: Int64s) -> int:
    """Return the maximum number of stray transactions on a day: few compared with a typical day."""
    some = daily[daily > 0]
    return min(_STRAYS, int(_STRAY_SHARE * np.median(some))) if len(some) else 0


def _length_without_strays(daily: Int64s) -> int:
    """Return the number of days, not counting a final pause that only strays interrupt."""
    length = int(np.flatnonzero(daily > _few(daily))[-1]) + 1
    is_pause = length < len(daily) and not daily[length]
    return length if is_pause and daily[length:].sum() <= _STRAYS else len(daily)


def _gaps(
    evidence: Evidence, daily: Int64s, runs: list[tuple[int, int]], kind: int | None = None
) -> tuple[list[Gap], list[Gap]]:
    """Return the runs of days, for one kind or for all, that are gaps, and those that may just be pauses."""
    first, _ = evidence.range_of_days
    gaps: list[Gap] = []
    pauses: list[Gap] = []
    for run in runs:
        if gap := _gap(daily, *run, first):
            is_at_end = run[1] >= _length_without_strays(daily)
            (pauses if is_at_end and _may_be_pause(evidence, gap, kind) else gaps).append(gap)
    return gaps, pauses


def _may_be_pause(evidence: Evidence, gap: Gap, kind: int | None) -> bool:
    """Return whether a gap at the end of the ledger may just be a pause, such as a holiday.

    It may be one if it is short, or if the file was written less than a day after the first transaction that
    follows it.
    """
    _, last = evidence.range_of_days
    later = (evidence.days >= gap.end) & (evidence.days <= last)
    if kind is not None:
        later &= evidence.rows.kind == kind
    at = evidence.rows.at[later]
    is_back = len(at) > 0 and int(at.min()) > evidence.written * MICROS - DAY
    return is_back or gap.usual_days <= _HOLIDAYS


def _gap(daily: Int64s, begin: int, end: int, first: int) -> Gap | None:
    """Return a run of days as a gap, if many transactions would be expected in it.

    If only strays follow it, the weeks before it are enough.
    """
    goes_on = end < _length_without_strays(daily)
    weeks = [
        _typical_week(daily[max(begin - 7 * _WEEKS, 0) : begin], 0),
        _typical_week(daily[end : end + 7 * _WEEKS], end - begin) if goes_on else None,
    ]
    if weeks[0] is None or (weeks[1] is None and goes_on):
        return None
    usual = np.min([week for week in weeks if week is not None], axis=0)
    each = usual[np.arange(end - begin) % 7]
    expected, usual_days = float(each.sum()), int((each[: len(daily) - 1 - begin] > _few(daily)).sum())
    enough = _FEW if end - begin >= _LONG else _MANY
    strays = int(daily[begin:end].sum())
    return Gap(begin + first, end + first, expected, strays, usual_days) if expected >= enough else None


def _typical_week(daily: Int64s, apart: int) -> npt.NDArray[np.float64] | None:
    """Return each weekday's median, starting with the gap's first day; None if there are too few weeks.

    `daily` ends just before the gap, or begins `apart` days after the gap's first day.
    """
    weeks = len(daily) // 7
    if weeks < 2:
        return None
    whole = daily[: 7 * weeks] if apart else daily[len(daily) - 7 * weeks :]
    week: npt.NDArray[np.float64] = np.roll(np.median(whole.reshape(weeks, 7), axis=0), apart % 7)
    return week


def _overlaps(run: tuple[int, int], gaps: list[Gap], first: int) -> bool:
    return any(run[0] + first < gap.end and gap.begin < run[1] + first for gap in gaps)
