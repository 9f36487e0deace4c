"""Deciding whether a scheduled time is due: each gets one run, on time or, with `catch_up`, later.

A trigger may fire every minute, twice in a second or days late, so the records determine which times have had
a run. A run counts whatever its result, so that a failure is reported once rather than at every trigger. Only
a run that was killed before it sent anything is tried again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from custdyn_widgets.errors import NotDueError, QueryError, RunError
from custdyn_widgets.report import format_instant
from custdyn_widgets.saved_queries import SavedQuery, Schedule
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.text import format_instant_utc

WAITING = "waiting for an earlier run to end"  # the step of a run that was refused the lock
BAD = ("failed", "undelivered", "stale", "killed", "missed")
_TRIES = 3  # how many runs a scheduled time gets if each is killed before sending anything
_REPORT_AGAIN = timedelta(days=1)
_DELAY = re.compile(r"([1-9][0-9]{0,4})(min|h|d|w)", re.ASCII)
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Due:
    """What a trigger has to do for a scheduled time.

    Attributes
    ----------
    missed
        The scheduled times without a run, sorted and in UTC, possibly including this one.
    refusal
        Why this time gets no run; None if it gets one.
    """

    missed: tuple[datetime, ...] = ()
    refusal: NotDueError | None = None


def parse_delay(text: str, field: str) -> timedelta:
    """Parse a duration such as `15min`, `1h`, `3d` or `2w`.

    Raises
    ------
    QueryError
        If it does not have this form.
    """
    match = _DELAY.fullmatch(text)
    if match is None:
        units = "minutes, hours, days or weeks, such as 15min, 1h, 3d or 2w"
        why = f"is not a duration: give a whole number of {units}"
        raise QueryError.invalid(field, text, why)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def schedule_text(schedule: Schedule | None) -> str:
    """Return a schedule in the form used in records."""
    return f"{schedule.cron} {schedule.timezone}" if schedule else ""


def check_due(request: RunRequest, saved: SavedQuery, runs: Runs, now: datetime, *, locked: bool) -> Due:
    """Return what to do for the most recent scheduled time.

    Parameters
    ----------
    request, saved
        The request and the saved query. A request whose `is_once` is False is always due.
    runs
        The records.
    now
        The current time.
    locked
        Whether the caller holds the lock; if so, a run without an end was killed.

    Raises
    ------
    RunError
        If a record that may be for this time cannot be read.
    """
    if not request.is_once or saved.schedule is None:
        return Due()
    instant = saved.schedule.last(now)
    of_instant, last = _recorded(request.name, runs, instant, now, locked=locked)
    if not locked and any(run.is_unreported for run in of_instant):
        return Due()
    if refusal := _refusal(request, saved, instant, of_instant, locked=locked):
        return Due(refusal=refusal)
    if last and str(last.logical_time) > format_instant_utc(instant):
        return Due(refusal=_done(request, saved, last, "already run for this later time"))
    if request.within is None:
        return Due()
    is_late = now - instant > request.within
    has_begun = last is not None and last.schedule == schedule_text(saved.schedule)
    missed: tuple[datetime, ...] = ()
    if last and has_begun and not of_instant:
        missed = (*saved.schedule.between(datetime.fromisoformat(str(last.logical_time)), instant),)
    if not is_late or (saved.catch_up and (has_begun or of_instant)):
        return Due(missed)
    if not has_begun and not of_instant:
        first = format_instant(format_instant_utc(saved.schedule.next(now)), saved.schedule.timezone)
        return Due(
            refusal=NotDueError(
                f"{request.name} has not run on this schedule yet; its first run is due at {first}."
            )
        )
    return Due((*missed, instant), _missed(request, saved, instant, request.within))


def check_busy(request: RunRequest, saved: SavedQuery, runs: Runs, now: datetime) -> None:
    """Check that the run that holds the lock is not for this scheduled time.

    Raises
    ------
    NotDueError
        If it is, or if the records show that this time must wait.
    """
    assert saved.schedule is not None
    instant = saved.schedule.last(now)
    of_instant, _ = _recorded(request.name, runs, instant, now, locked=False)
    if refusal := _refusal(request, saved, instant, of_instant, locked=False):
        raise refusal
    if any(run.where == WAITING for run in of_instant):
        raise NotDueError(
            f"{request.name} for {_shown(saved, instant)} is still waiting for an earlier run.", failed=True
        )


def check_reported(name: str, problem: str, runs: Runs, now: datetime) -> None:
    """Check that the same problem with an unreadable saved query was not reported within the last day.

    Raises
    ------
    NotDueError
        If it was reported.
    """
    last = next(runs.newest_first(name), None)
    if last is None or last.result != "failed" or last.logical_time or last.problem != problem:
        return
    if format_instant_utc(now - _REPORT_AGAIN) < last.began <= format_instant_utc(now):
        raise NotDueError(f"{problem} This was recorded at {last.began}.", failed=True)


def describe_missed(saved: SavedQuery, missed: Sequence[datetime]) -> str:
    """Describe the scheduled times for which no run was started."""
    first, last = _shown(saved, missed[0]), _shown(saved, missed[-1])
    if len(missed) == 1:
        return f"No run was started for {first}: the machine was off, or its scheduler did not run."
    return (
        f"No run was started for {len(missed):,} scheduled times, from {first} to {last}: the machine was "
        "off, or its scheduler did not run."
    )


def _recorded(
    name: str, runs: Runs, instant: datetime, now: datetime, *, locked: bool
) -> tuple[list[Run], Run | None]:
    """Return the runs of a scheduled time, newest first, and the latest other run of the schedule.

    A record with a future time was written while the clock was wrong, so it does not count as a later run. An
    unreadable record raises an error only under the lock, where it can be reported.
    """
    at, present = format_instant_utc(instant), format_instant_utc(now)
    of_instant: list[Run] = []
    last: Run | None = None
    for run in runs.newest_first(name):
        if run.result == "unreadable":
            if locked and run.id >= f"{instant:%Y%m%dT%H%M%S}":
                raise RunError(
                    f"A record cannot be read ({run.problem}), so custdyn cannot tell whether there was a "
                    f"run for {at}. Delete the record, and use --again if nobody received the report."
                )
            continue
        if run.logical_time == at:
            of_instant.append(run)
        elif not run.asked_for and run.logical_time and run.logical_time <= present:
            last = max(filter(None, (last, run)), key=lambda one: str(one.logical_time))
        if last and run.began < at:
            break
    return of_instant, last


def _refusal(
    request: RunRequest, saved: SavedQuery, instant: datetime, of_instant: Sequence[Run], *, locked: bool
) -> NotDueError | None:
    """Return why a scheduled time, given its runs, needs no further run, or None if it needs one."""
    if not locked and (under_way := next((r for r in of_instant if r.result == "running"), None)):
        return NotDueError(
            f"{request.name} for {_shown(saved, instant)} has been running since {under_way.began}; it was "
            "not started again."
        )
    killed = [run for run in of_instant if run.result in ("killed", "running")]
    counted = [run for run in of_instant if _counts(run, request, len(killed))]
    if not counted:
        return None
    return _done(request, saved, next((run for run in counted if run.result not in BAD), counted[0]))


def _counts(run: Run, request: RunRequest, killed: int) -> bool:
    """Return whether a run counts as done and is therefore not repeated for its scheduled time."""
    if run.result in ("killed", "running"):
        was_sent = any(receipt["outcome"] == "sent" for one in run.reports for receipt in one.deliveries)
        return was_sent or killed >= _TRIES
    if run.result == "held back":
        return not request.send
    return run.where != WAITING


def _done(request: RunRequest, saved: SavedQuery, run: Run, why: str = "") -> NotDueError:
    """Return the error for a scheduled time that has already had this run."""
    run = run.killed() if run.result == "running" else run  # under the lock, nothing is running
    at = _shown(saved, datetime.fromisoformat(str(run.logical_time)))
    what = why or {"missed": "not run", "killed": "already run"}.get(run.result, "already done")
    hint = ""
    if run.can_be_resent:
        hint = f" To reach the other recipients, use `custdyn runs resend {run.id}`."
    return NotDueError(
        f"{request.name} for {at}: {what} at {run.began} ({run.result}).{hint} Use --again to repeat the run "
        "for all recipients.",
        failed=run.result in BAD,
    )


def _missed(request: RunRequest, saved: SavedQuery, instant: datetime, within: timedelta) -> NotDueError:
    again = f"custdyn run --saved {request.name} --as-of {format_instant_utc(instant)}"
    return NotDueError(
        f"{request.name} for {_shown(saved, instant)} was missed: it is more than "
        f"{within / timedelta(hours=1):g} h late. To run it now, use `{again}`.",
        failed=True,
    )


def _shown(saved: SavedQuery, instant: datetime) -> str:
    assert saved.schedule is not None
    return format_instant(format_instant_utc(instant), saved.schedule.timezone)
