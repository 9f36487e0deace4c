"""While the mail server is not available, no run is refused, and everybody gets one letter in the end."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import NotDueError
from custdyn_widgets.publish import freezing
from custdyn_widgets.saved_queries.automation import Retention
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling import making
from custdyn_widgets.scheduling.job import dispatch
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.resend import resend
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.snapshots import life
from custdyn_widgets.snapshots.store import Store
from tests.mail_server import Received, free_port, mail_server
from tests.scheduling.test_job import (
    ANNA,
    BEN,
    BOARD,
    EVA,
    NOW,
    Ask,
    ask,
    frozen,
    keep,
    received,
    settings,
    text_of,
    without_kernel,
)
from tests.scheduling.test_webhook import Receiver, hooked, receiver

__all__ = ["ask", "hooked", "received", "receiver", "settings"]  # fixtures

SIX = datetime(2022, 2, 14, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MINUTELY = replace(BOARD, schedule=Schedule("* * * * *", "UTC"))
DAILY = replace(BOARD, schedule=Schedule("0 6 * * *", "UTC"))
WAITS = "5 30 120 300"  # the default


class Time:
    """A clock that runs as fast as it can: processes, as threads, take turns, and sleep without waiting."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.outcomes: list[Run | BaseException] = []
        self._order = itertools.count()
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._turn = threading.Event()

    def at(self, when: datetime, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def sleep(self, seconds: float) -> None:
        awake = threading.Event()
        self.at(self.now + timedelta(seconds=seconds), awake.set)
        self._turn.set()
        assert awake.wait(60)

    def start(self, process: Callable[[], Run]) -> None:
        def live() -> None:
            try:
                self.outcomes.append(process())
            except BaseException as error:  # the test looks at it
                self.outcomes.append(error)
            self._turn.set()

        threading.Thread(target=live, daemon=True).start()

    def pass_until_nothing_is_left(self, *, instant: Callable[[Callable[[], None]], bool]) -> None:
        while self._events:
            self.now, _, what = heapq.heappop(self._events)
            self._turn.clear()
            what()
            assert instant(what) or self._turn.wait(60)


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute, draw and search the first report alone: the others are frozen with the same files."""
    monkeypatch.setattr(freezing, "refuse_secrets", lambda *_: None)
    made = without_kernel(
        None, {**BOARD.query.to_dict(), "source": BOARD.source, "as_of": "2022-02-14T06:00:00Z"}
    )
    monkeypatch.setattr(making, "run_notebook", lambda *_, **__: made)
    real, files = freezing.report_files, {}

    def first(*args: Any, **how: Any) -> dict[str, bytes]:
        if not files:
            files.update(real(*args, **how))
        return dict(files)

    monkeypatch.setattr(freezing, "report_files", first)


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> int:
    """Have the settings name a mail server that is down; return its port."""
    port = free_port()
    monkeypatch.setenv("CUSTDYN_SMTP_URL", f"smtp://127.0.0.1:{port}")
    return port


def results(settings: Settings) -> list[str]:
    return [run.result for run in Runs(settings.runs or Path()).listing()]


def run_through(
    time: Time,
    starts: list[datetime],
    up: datetime,
    port: int,
    received: Received,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trigger the saved query `board` at each time, with a mail server that comes up at a time."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return time.now.astimezone(tz)

    monkeypatch.setattr("custdyn_widgets.scheduling.run_record.datetime", Clock)
    request = RunRequest("board", within=timedelta(hours=1))

    def trigger() -> None:
        now = time.now
        time.start(
            lambda: dispatch(
                request, settings=load_settings(), progress=lambda _: None, now=now, sleep=time.sleep
            )
        )

    for start in starts:
        time.at(start, trigger)
    with contextlib.ExitStack() as servers:

        def come_up() -> None:
            servers.enter_context(mail_server(received, port=port))

        time.at(up, come_up)
        time.pass_until_nothing_is_left(instant=lambda what: what is come_up)


@pytest.mark.parametrize(
    ("waits", "up", "minutes"),
    [
        (WAITS, 2, 10),
        ("", -0.5, 10),
        pytest.param("", -0.5, 60, marks=pytest.mark.slow),
    ],
)
def test_mail_down_for_an_hour_under_a_minutely_schedule_is_one_letter_in_the_end_and_no_run_refused(
    settings: Settings,
    received: Received,
    monkeypatch: pytest.MonkeyPatch,
    down: int,
    drawn_once: None,
    hooked: Receiver,
    waits: str,
    up: float,
    minutes: int,
) -> None:
    """Every second minute of an hour, or every minute of ten."""
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", waits)
    step = 2 if minutes > 10 else 1
    keep(replace(BOARD, schedule=Schedule(f"*/{step} * * * *", "UTC")), settings)
    time = Time(SIX)
    starts = [SIX + n * MINUTE for n in range(0, minutes + 1, step)]
    count = len(starts)
    run_through(time, starts, SIX + (minutes + up) * MINUTE, down, received, monkeypatch)
    assert [one for one in time.outcomes if not isinstance(one, Run)] == []
    assert received.recipients() == [ANNA, BEN]
    assert results(settings) == ["sent"] * count
    runs = Runs(settings.runs or Path()).listing()
    assert not any(run.waiting or run.failure_unsent or run.problem for run in runs)
    message = text_of(received).replace("\u2060", "")
    assert (
        f"{count - 1} earlier reports could not be sent because the mail server was not available." in message
    )
    for run in runs:
        assert f"https://reports.example/view?id={run.reports[0].snapshot}" in message
    assert "For 2022-02-14 06:00:00 UTC" in message
    assert received.message()["Subject"].startswith("Board: 2022-01-01")
    assert [one["outcome"] for run in runs for one in run.reports[0].deliveries] == ["sent"] * 2 * count
    told = {message["data"]["run"] for message in hooked.messages()}
    assert len(told) >= count - 9  # the mail server cannot say that it is down; the webhook can


def test_the_letter_of_a_daily_time_is_sent_by_the_next_minutely_trigger(
    settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch, down: int, drawn_once: None
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", WAITS)
    keep(DAILY, settings)
    time = Time(SIX)
    run_through(time, [SIX + n * MINUTE for n in range(63)], SIX + 59.5 * MINUTE, down, received, monkeypatch)
    assert received.recipients() == [ANNA, BEN]
    assert list(received.message().iter_attachments())
    [run] = Runs(settings.runs or Path()).listing()
    assert (run.result, run.waiting, run.problem) == ("sent", False, None)
    refusals = [one for one in time.outcomes if isinstance(one, NotDueError)]
    assert len(refusals) == 62
    assert [one.failed for one in refusals[-3:]] == [False] * 3


def test_a_run_that_waits_lets_go_of_its_lock_and_finds_what_another_has_sent(
    settings: Settings, received: Received, down: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "60")
    keep(BOARD, settings)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        [waiting] = Runs(settings.runs or Path()).listing()
        assert (waiting.result, waiting.waiting) == ("undelivered", True)
        with RunLock(settings.runs or Path(), "board"):
            pass
        with mail_server(received, port=down):
            assert resend("board", settings=load_settings(), progress=print).result == "sent"

    run = dispatch(RunRequest("board"), settings=load_settings(), progress=print, now=NOW, sleep=sleep)
    assert (slept, run.result, run.told) == ([60.0], "sent", ())
    assert received.recipients() == [ANNA, BEN]
    assert len(run.resent) == 1


def test_a_copy_that_is_tried_again_keeps_its_message_id(
    ask: Ask, settings: Settings, received: Received
) -> None:
    received.at_recipient = lambda own, to: "451 later" if to == BEN and own.told.count(to) < 3 else None
    seen: list[str] = []
    run = ask()  # one attempt more after no wait
    seen.append(run.reports[0].deliveries[1]["message_id"])
    assert (run.result, run.waiting, run.reports[0].deliveries[1]["tries"]) == ("undelivered", True, 2)
    assert received.recipients() == [ANNA, EVA]
    again = resend("board", settings=settings, progress=print)
    assert (again.result, again.waiting) == ("sent", False)
    assert received.message(-1)["Message-ID"] == seen[0]
    assert again.reports[0].deliveries[1]["tries"] == 3


def test_what_waits_is_sent_by_the_next_run_even_if_that_sends_nothing_of_its_own(
    ask: Ask, settings: Settings, received: Received, down: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask()
    assert first.waiting
    with mail_server(received, port=down):
        failed = ask(replace(BOARD, source="none-such"))
        assert failed.result == "failed"
        assert sorted(received.recipients()) == [ANNA, BEN, EVA]
        assert Runs(settings.runs or Path()).listing()[0].result == "sent"
        ask()
    assert received.recipients().count(ANNA) == 2


def test_a_copy_of_an_earlier_run_is_recorded_before_the_next_is_sent(
    ask: Ask, settings: Settings, received: Received, down: int
) -> None:
    """What a process that is killed leaves behind: nobody gets the earlier report again."""
    runs, found = Runs(settings.runs or Path()), []

    def look_at_ben(_: Received, address: str) -> None:
        if address == BEN:
            found.extend(runs.listing())

    received.at_recipient = look_at_ben
    ask(MINUTELY)
    with mail_server(received, port=down):
        ask(MINUTELY, now=NOW + MINUTE)
    outcomes = [[one["outcome"] for one in run.reports[0].deliveries] for run in found]
    assert outcomes == [["sent", "given up"]] * 2


def test_a_run_that_sends_nothing_sends_nothing_of_earlier_runs(
    ask: Ask, settings: Settings, received: Received, down: int
) -> None:
    ask()
    with mail_server(received, port=down):
        request = RunRequest("board", send=False)
        with pytest.raises(NotDueError):
            dispatch(request, settings=load_settings(), progress=print, now=NOW)
        assert ask(send=False).result == "held back"
        assert received.mails == []
        with pytest.raises(NotDueError, match="already done"):
            dispatch(RunRequest("board"), settings=load_settings(), progress=print, now=NOW)
    assert received.recipients() == [ANNA, BEN]


def test_whoever_got_it_or_was_refused_is_not_asked_again(ask: Ask, received: Received) -> None:
    received.at_recipient = lambda _, to: {ANNA: "451 later", BEN: "550 no such person"}.get(to)
    assert ask().waiting
    received.at_recipient = lambda *_: None
    received.told.clear()
    received.mails.clear()
    assert ask(replace(BOARD, source="none-such")).result == "failed"
    assert sorted(received.told) == [ANNA, EVA]
    received.told.clear()
    assert ask().result == "sent"
    assert received.told == [ANNA, BEN]


def test_the_letter_names_an_earlier_alert_and_its_link(
    ask: Ask, settings: Settings, received: Received, down: int
) -> None:
    condition = {"column": "Balance Refill: Total", "row": "total", "above": -1}
    saved = SavedQuery.from_dict({**MINUTELY.to_dict(), "alert_if": [condition]})
    first = ask(saved)
    same = ask(saved)
    with mail_server(received, port=down):
        run = ask(saved, now=NOW + MINUTE)
    assert (run.result, received.recipients()) == ("sent", [ANNA, BEN])
    message = text_of(received).replace("\u2060", "")
    assert "2 earlier reports could not be sent" in message
    assert (
        f"Alert: For 2022-02-14 09:30:00 UTC https://reports.example/view?id={first.reports[0].snapshot}"
        in message
    )
    assert str(same.reports[0].snapshot) in message
    assert "Became true" in message


def test_the_letter_has_no_link_to_another_report_for_the_same_time(
    ask: Ask, settings: Settings, received: Received, down: int
) -> None:
    first = ask()
    with mail_server(received, port=down):
        assert ask().result == "sent"
    assert received.recipients() == [ANNA, BEN]
    assert str(first.reports[0].snapshot) not in text_of(received)
    assert results(settings) == ["sent", "sent"]


def test_a_snapshot_that_somebody_is_still_to_be_sent_is_not_deleted(
    ask: Ask, settings: Settings, received: Received, down: int
) -> None:
    saved = replace(MINUTELY, retention=Retention(keep_last=1))
    made = [ask(saved, now=NOW + n * MINUTE).reports[0].snapshot for n in range(3)]
    assert set(frozen(settings)) == set(made)
    with mail_server(received, port=down):
        last = ask(saved, now=NOW + 3 * MINUTE)
        assert last.result == "sent"
        made.append(ask(saved, now=NOW + 4 * MINUTE).reports[0].snapshot)
    assert frozen(settings) == [made[-1]]


def test_a_report_that_was_revoked_while_it_waited_is_not_sent(
    ask: Ask, settings: Settings, received: Received, down: int, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ask(replace(BOARD, failure_recipients=()))
    life.revoke(Store(settings.snapshots), str(first.reports[0].snapshot))
    with mail_server(received, port=down):
        assert ask(replace(BOARD, source="none-such")).result == "failed"
    assert received.recipients() == [EVA, EVA]  # about this run, and about the first, of which nobody knew
    assert any("There is no snapshot" in text_of(received, n) for n in range(2))
    now = Runs(settings.runs or Path()).listing()[0]
    assert (now.waiting, now.result) == (False, "undelivered")
    assert "There is no snapshot" in str(now.problem)
    assert "cannot be sent: There is no snapshot" in capsys.readouterr().out


def test_failures_that_could_not_be_told_are_told_in_one_letter_by_the_next_run(
    ask: Ask, settings: Settings, received: Received, down: int
) -> None:
    broken = replace(MINUTELY, source="none-such")
    for n in range(3):
        run = ask(broken, now=NOW + n * MINUTE)
        assert (run.result, run.failure_unsent) == ("failed", True)
    with mail_server(received, port=down):
        assert ask(MINUTELY, now=NOW + 3 * MINUTE).result == "sent"
        assert received.recipients() == [ANNA, BEN, EVA]
        letter = text_of(received, 2).replace("\u2060", "")
        assert "2 earlier runs also failed while the mail server was not available." in letter
        assert "2022-02-14T09:31:00Z: Source 'none-such'" in letter
        assert "run --saved board --as-of 2022-02-14T09:32:00Z" in letter
        assert ask(MINUTELY, now=NOW + 4 * MINUTE).result == "sent"
    assert received.recipients().count(EVA) == 1
    assert not any(run.failure_unsent for run in Runs(settings.runs or Path()).listing())


def test_a_saved_query_that_cannot_be_read_is_told_as_soon_as_the_mail_server_is_back(
    settings: Settings, received: Received, down: int
) -> None:
    settings.queries.mkdir()
    (settings.queries / "board.json").write_text('{"failure_recipients": ["eva@example.net"]')
    request = RunRequest("board")
    run = dispatch(request, settings=load_settings(), progress=print, now=datetime.now(UTC))
    assert (run.result, run.failure_unsent) == ("failed", True)
    with mail_server(received, port=down):
        for _ in range(2):
            with pytest.raises(NotDueError):
                dispatch(request, settings=load_settings(), progress=print, now=datetime.now(UTC))
    assert received.recipients() == [EVA]
    assert results(settings) == ["failed"]


def test_a_failed_letter_says_that_the_next_run_sends_the_report(ask: Ask, received: Received) -> None:
    received.at_recipient = lambda _, to: "451 later" if to == ANNA else None
    run = ask()
    assert (run.result, received.recipients()) == ("undelivered", [BEN, EVA])
    letter = text_of(received, 1)
    assert "The next run sends the report to the recipients who did not get it. To send it now" in letter
    assert f"runs resend {run.id}" in letter


def test_a_run_that_is_stopped_while_it_waits_leaves_its_letter_to_the_next(
    settings: Settings, received: Received, down: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "60")
    keep(BOARD, settings)

    def sleep(_: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    request = RunRequest("board", again=True)
    said: list[str] = []
    with pytest.raises(SystemExit) as caught:
        dispatch(request, settings=load_settings(), progress=said.append, now=NOW, sleep=sleep)
    assert caught.value.code == 128 + signal.SIGTERM
    assert "The run was stopped (SIGTERM) while it waited for the mail server." in said
    assert len(said) == len(set(said))
    with mail_server(received, port=down):
        assert dispatch(request, settings=load_settings(), progress=print, now=NOW).result == "sent"
    assert received.recipients() == [ANNA, BEN]


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing of it handles this."""


def killed_while_it_waited() -> RunRequest:
    """Begin a run of the saved query and kill it while it waits for the mail server; return its request."""

    def sleep(_: float) -> None:
        raise Killed

    request = RunRequest("board", again=True)
    with pytest.raises(Killed):
        dispatch(request, settings=load_settings(), progress=print, now=NOW, sleep=sleep)
    return request


def test_a_refusal_is_reported_although_the_run_was_killed_while_it_waited(
    settings: Settings, received: Received, down: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "60")
    keep(BOARD, settings)

    request = killed_while_it_waited()
    runs = Runs(settings.runs or Path())
    [killed] = runs.listing()
    assert (killed.waiting, killed.told) == (True, ())
    received.at_recipient = lambda _, to: "550 no such person" if to == BEN else None
    keep(replace(BOARD, source="none-such"), settings)
    with mail_server(received, port=down):
        for _ in range(2):
            dispatch(request, settings=load_settings(), progress=print, now=NOW)
    first = runs.listing()[0]
    assert (first.result, first.waiting, [one["recipient"] for one in first.told]) == (
        "undelivered",
        False,
        [EVA],
    )
    assert received.recipients() == [EVA, ANNA, EVA, EVA]  # of each later run once, and of the first once


def test_a_run_that_still_waits_is_not_reported_as_failed_by_the_next(
    settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "60")
    keep(BOARD, settings)
    received.at_recipient = lambda _, to: "451 later" if to == ANNA else None

    request = killed_while_it_waited()
    keep(replace(BOARD, source="none-such"), settings)
    dispatch(request, settings=load_settings(), progress=print, now=NOW)
    first = Runs(settings.runs or Path()).listing()[0]
    assert (first.result, first.waiting, first.told) == ("undelivered", True, ())
    assert received.recipients() == [BEN, EVA]
    assert "none-such" in text_of(received, 1)


def test_a_run_whose_letter_the_next_run_sends_is_not_reported_as_failed(
    settings: Settings, received: Received, down: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "60")
    keep(BOARD, settings)

    request = killed_while_it_waited()
    keep(replace(BOARD, source="none-such"), settings)
    with mail_server(received, port=down):
        dispatch(request, settings=load_settings(), progress=print, now=NOW)
    first = Runs(settings.runs or Path()).listing()[0]
    assert (first.result, first.waiting, first.told) == ("sent", False, ())
    assert received.recipients() == [EVA, ANNA, BEN]  # EVA gets only the failure of the second run


def test_a_run_that_is_refused_at_its_second_attempt_is_reported_once_with_its_last_lines(
    ask: Ask, received: Received
) -> None:
    received.at_recipient = lambda own, to: (
        None if to != ANNA else "451 later" if own.told.count(to) < 2 else "550 no such person"
    )
    run = ask()
    assert (run.result, run.waiting, [one["recipient"] for one in run.told]) == ("undelivered", False, [EVA])
    assert received.recipients() == [BEN, EVA]
    assert "Sending unsent reports to 1 recipient" in text_of(received, 1)


def test_a_run_waits_for_one_that_is_only_sending_and_not_for_one_that_computes(
    ask: Ask, settings: Settings
) -> None:
    folder = settings.runs or Path()
    holding, done = threading.Event(), threading.Event()

    def send() -> None:
        with RunLock(folder, "board") as lock, lock.sending():
            holding.set()
            done.wait(2)

    thread = threading.Thread(target=send)
    thread.start()
    assert holding.wait(5)
    threading.Timer(1.5, done.set).start()  # longer than the second that a run waits anyway
    assert ask().result == "sent"
    thread.join()
    assert not list(folder.rglob("*.sending"))


def test_records_of_before_have_nothing_to_send(
    ask: Ask, settings: Settings, received: Received, down: int
) -> None:
    """What an earlier version gave up was reported then, and may have been sent by hand."""
    run = ask()
    record = run.to_dict()
    for name in ("waiting", "failure_unsent", "webhook"):
        del record[name]
    old = Run.from_dict(record)
    assert not old.waiting
    Runs(settings.runs or Path()).write(old)
    with mail_server(received, port=down):
        assert ask(replace(BOARD, source="none-such")).result == "failed"
    assert received.recipients() == [EVA]


@pytest.fixture(autouse=True)
def quiet_threads() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before + 4  # servers that are stopping
