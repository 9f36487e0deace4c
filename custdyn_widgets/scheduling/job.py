"""The whole of one run, in order, with an end in words whatever happens."""

from __future__ import annotations

import contextlib
import platform
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.mail import FailureLetter, MailServer, deliver
from custdyn_widgets.notebook import terminated_as_exit
from custdyn_widgets.publish import watched, without_secrets
from custdyn_widgets.report import format_instant
from custdyn_widgets.saved_queries import SavedQuery, is_name
from custdyn_widgets.scheduling.for_each import make_each
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.making import Made, Task, make_one
from custdyn_widgets.scheduling.order import Order
from custdyn_widgets.scheduling.records import KILLED, Outcome, Run, Runs, instant_text
from custdyn_widgets.scheduling.retention import prune
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store

_LINES = 30
_LISTED = 20
# From the worst on: of several reports, the run's result is the first of these that one has.
_RESULTS = ("failed", "undelivered", "sent", "held back", "frozen", "unchanged", "empty")


def dispatch(
    order: Order,
    *,
    settings: Settings,
    progress: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    now: datetime | None = None,
) -> Run:
    """Run a saved query: freeze it, send it, record it, and tell those who are told of failures.

    Parameters
    ----------
    order
        What is to be run.
    settings
        Where things are.
    progress
        Called with a line of text for each step, from another thread too.
    warn
        Called with a line that somebody has to see even if all goes well; default: as `progress`.
    now
        The instant that it is; default: the clock's.

    Returns
    -------
    Run
        The record as it was kept. It has a `problem` if anything went wrong.

    Raises
    ------
    SavedQueryError
        If no saved query can have this name. Nothing was begun, recorded or sent.
    SystemExit, KeyboardInterrupt
        If the process was told to end: after that was recorded and told.
    """
    if not is_name(order.name):
        saved_queries.load(order.name, settings=settings)  # says what names there are
    return _Dispatch(order, settings, progress, warn or progress, now or datetime.now(UTC)).done()


class _Dispatch:
    """A run that is going on: its record so far, in which step it is, and its last lines."""

    def __init__(
        self,
        order: Order,
        settings: Settings,
        progress: Callable[[str], None],
        warn: Callable[[str], None],
        now: datetime,
    ) -> None:
        assert settings.runs is not None
        self._order, self._settings, self._now = order, settings, now
        self._say, self._warn = progress, warn
        self._runs = Runs(settings.runs)
        self._run = Run.begun(order.name, asked_for=order.as_of is not None)
        self._saved: SavedQuery | None = None
        self._server: MailServer | None = None
        self._where = "the saved query was read"
        self._lines: deque[str] = deque(maxlen=_LINES)

    def done(self) -> Run:
        with contextlib.ExitStack() as held:
            try:
                with terminated_as_exit():
                    self._work(held)
            except Exception as error:
                self._fail(error)
                self._end()
            except (SystemExit, KeyboardInterrupt) as ending:
                self._fail(RunError(_ended_words(ending)))
                if self._server:
                    self._server = replace(self._server, waits=())
                self._end()
                if isinstance(ending, SystemExit) and not ending.code:
                    raise SystemExit(1) from ending  # an own metric that ends Python is no success
                raise
            else:
                self._end()
        return self._run

    def _end(self) -> None:
        """Keep the record, and tell what went wrong if anything did."""
        self._keep_at_last()
        if self._run.problem and (told := self._tell(self._run)):
            self._run = replace(self._run, told=told)
            self._keep_at_last()

    def _work(self, held: contextlib.ExitStack) -> None:
        stored = saved_queries.load(self._order.name, settings=self._settings)
        saved = stored.saved
        self._saved, self._run = saved, replace(self._run, title=saved.title)
        self._where = "the run was prepared"
        if self._order.send and (saved.recipients or saved.failure_recipients or saved.for_each):
            self._server = MailServer.from_settings(self._settings)
        logical_time = self._order.logical_time(saved, self._now)
        self._run = replace(self._run, logical_time=instant_text(logical_time))
        held.enter_context(RunLock(self._runs.folder, self._order.name))
        self._look_back()
        folder = saved_queries.folder_of(stored.place, settings=self._settings)
        task = self._task(saved, folder, logical_time)
        self._runs.keep(self._run)
        self._where = "the report was made"
        made: list[Made] = []
        for one in (make_each if saved.for_each else make_one)(task, self._note):
            made.append(one)
            self._run = replace(self._run, reports=(*self._run.reports, one.outcome))
        with contextlib.suppress(RunError):  # what is frozen is sent all the same; the last record tells
            self._runs.keep(self._run)
        self._where = "the report was sent"
        self._send(task, made)
        self._where = "old snapshots were deleted"
        self._prune(saved, made)

    def _task(self, saved: SavedQuery, folder: Path, logical_time: datetime) -> Task:
        return Task(
            self._order,
            saved,
            self._settings,
            folder,
            logical_time,
            self._order.note(saved, logical_time, self._now),
            self._runs.digests(self._order.name, instant_text(logical_time)) if saved.only_if else {},
        )

    def _send(self, task: Task, made: Sequence[Made]) -> None:
        count = sum(len(one.recipients) for one in made)
        if count and self._server:
            self._note(f"Sending to {count:,} recipient{'' if count == 1 else 's'}")
        outcomes = [
            replace(one, problem=one.problem and self._open(one.problem))
            for one in send_all(task, made, self._server, self._note)
        ]
        self._lose_patience(receipt for one in outcomes for receipt in one.deliveries)
        self._run = self._run.finished(
            _result_of(outcomes),
            reports=tuple(outcomes),
            problem=self._open(_problems_of(outcomes)) or None,
            where=_where_of(outcomes),
        )

    def _prune(self, saved: SavedQuery, made: Sequence[Made]) -> None:
        reports = {str(one.outcome.snapshot): one.report for one in made if one.report is not None}
        if saved.retention is None or not reports:
            return
        deleted = prune(Store(self._settings.snapshots), saved.retention, reports)
        if deleted:
            self._note(f"Deleted {deleted:,} old snapshot{'' if deleted == 1 else 's'}")

    def _look_back(self) -> None:
        """Note which runs before this one never told their end, and tell of them; note a clock moved back."""
        for run in self._runs.left_open(self._order.name):
            killed = replace(run, result="killed", problem=KILLED, where="it ran")
            self._runs.keep(killed)
            self._runs.keep(replace(killed, told=self._tell(killed)))
        last = self._runs.listing(1, saved=self._order.name)
        if last and last[0].began > instant_text(self._now):
            self._note(
                f"The clock has been moved back: the run before this one began at {last[0].began}, which is "
                "still to come. What is sent now may have been sent before.",
                self._warn,
            )

    def _fail(self, error: Exception) -> None:
        """Note what went wrong; what was frozen and sent before stays noted."""
        result = self._run.result
        if result == "running":
            result = "undelivered" if any(one.snapshot for one in self._run.reports) else "failed"
        words = "\n".join(filter(None, (self._run.problem, _words_of(error))))
        self._run = self._run.finished(result, where=self._where, problem=self._open(words))

    def _tell(self, run: Run) -> tuple[dict[str, Any], ...]:
        """Send the letter that tells of a run's failure, and return its receipt."""
        to = self._saved.failure_recipients if self._saved else ()
        if not to or self._server is None:
            return ()
        is_own = run.id == self._run.id
        order = self._order if is_own else Order(run.saved)  # how another was asked, nobody knows
        alone = [one.snapshot for one in run.reports if one.snapshot and not one.company]
        settled = ("sent",) if self._saved and "changed" in self._saved.only_if else ()
        times = (("For", run.logical_time), ("Began", run.began), ("Ended", run.ended))
        facts = (
            *((label, format_instant(at, "UTC")) for label, at in times if at),
            ("Machine", platform.node()),
            *(("Snapshot", snapshot) for snapshot in alone),
        )
        letter = FailureLetter(
            run.title,
            run.saved,
            run.problem or "",
            run.where or "",
            facts,
            self._open(order.again(run.logical_time)),
            tuple(map(self._open, self._lines)) if is_own else (),
            link=self._settings.link(alone[0]) if alone and run.result != "sent" else "",
            is_sent_again=any(one.snapshot and one.result not in settled for one in run.reports),
        )
        try:
            [deliveries] = deliver([(letter, to)], self._server)
        except Exception as error:  # the record of what went wrong is worth more than this letter
            self._note(self._open(f"The letter about it was not sent: {_words_of(error)}"))
            return ()
        for delivery in deliveries:
            if delivery.outcome != "sent":
                self._note(f"{delivery.recipient} was not told: {delivery.words}")
        receipts = tuple(delivery.to_dict() for delivery in deliveries)
        self._lose_patience(receipts)
        return receipts

    def _lose_patience(self, receipts: Iterable[dict[str, Any]]) -> None:
        """Wait no more for a mail server that let every mail wait to the last try."""
        if self._server and {receipt["outcome"] for receipt in receipts} == {"given up"}:
            self._server = replace(self._server, waits=())

    def _keep_at_last(self) -> None:
        try:
            self._runs.keep(self._run)
        except CustDynError as error:
            told = (self._run.problem or "").split("\n")
            if error.message not in told:
                words = "\n".join(filter(None, (*told, error.message)))
                where = self._run.where or "the record of the run was written"
                self._run = replace(self._run, problem=words, where=where)

    def _note(self, line: str, say: Callable[[str], None] | None = None) -> None:
        self._lines.append(f"{datetime.now(UTC):%H:%M:%S} {line}")
        with contextlib.suppress(OSError):  # a log on a full disk is no reason to send nothing
            (say or self._say)(line)

    def _open(self, words: str) -> str:
        """Return words without what only this machine may know."""
        try:
            return without_secrets(words, watched(self._settings))
        except CustDynError as error:
            return f"{error.message} Until then no other words of this run are told."


def _result_of(outcomes: Sequence[Outcome]) -> str:
    results = {one.result for one in outcomes}
    return next(result for result in _RESULTS if result in results)


def _where_of(outcomes: Sequence[Outcome]) -> str | None:
    words = {"failed": "the reports were made", "undelivered": "the report was sent"}
    return words.get(_result_of(outcomes))


def _problems_of(outcomes: Sequence[Outcome]) -> str:
    """Return the problems of a run's reports, the first of many, each with the company that it is about."""
    problems = [
        f"{one.company}: {one.problem}" if one.company else one.problem for one in outcomes if one.problem
    ]
    more = len(problems) - _LISTED
    told = [*problems[:_LISTED], *([f"… and {more:,} more: `custdyn runs list --json`."] if more > 0 else [])]
    return "\n".join(told)


def _ended_words(ending: SystemExit | KeyboardInterrupt) -> str:
    code = ending.code if isinstance(ending, SystemExit) else 128 + signal.SIGINT
    number = code - 128 if isinstance(code, int) else 0
    name = signal.Signals(number).name if number in set(signal.Signals) else "by itself"
    return f"It was told to end ({name}). What had not been sent by then was not sent."


def _words_of(error: Exception) -> str:
    if isinstance(error, CustDynError):
        return error.message
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}."
    return f"{type(error).__name__}: {error}. This is a fault of custdyn."
