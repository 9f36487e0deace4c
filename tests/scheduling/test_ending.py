"""The end of a run: what is reported and what is sent, by how it ended. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import RunError, StillRunningError
from custdyn_widgets.scheduling import ending
from custdyn_widgets.scheduling.ending import describe_stop, end_locked, wait_unlocked
from custdyn_widgets.scheduling.locks import RunLock, is_running
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.run_record import SENDING, Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.webhook import Webhook
from custdyn_widgets.settings import Settings

AT = "2022-02-14T05:00:00Z"
SCHEDULED, AGAIN = RunRequest("board"), RunRequest("board", again=True)


class Ended:
    """A run that has ended, and what was done about it, in order."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.said: list[str] = []
        settings = Settings(folder, folder, folder, runs=folder / "runs")
        run = Run.begun("board", logical_time=AT)
        self.recorder = Recorder(run, settings, self.said.append, self.said.append)
        self.recorder.lock = RunLock(folder / "runs", "board")
        self.recorder.is_recorded = True
        for name in ("send_unsent", "send_unsent_failures"):
            monkeypatch.setattr(ending, name, self._doing(name))
        monkeypatch.setattr(ending, "post_event", self._post_event)
        monkeypatch.setattr(ending, "report_failure", self._report_failure)

    def _doing(self, name: str) -> Callable[[Recorder], None]:
        return lambda _: self.done.append(name)

    def _post_event(self, recorder: Recorder, run: Run, kind: str) -> Run:
        assert recorder is self.recorder
        self.done.append(kind)
        return replace(run, webhook=({"type": kind},))

    def _report_failure(self, recorder: Recorder, run: Run, command: str, lines: object) -> Run:
        assert (recorder, command, lines) == (self.recorder, "repeat", recorder.last_lines())
        self.done.append("report_failure")
        return replace(run, told=({"recipient": "eva@x.example", "outcome": "sent"},))

    def end(self, request: RunRequest = SCHEDULED, *, is_stopped: bool = False, **about: Any) -> list[str]:
        self.recorder.repeat_command = "repeat"
        self.recorder.run = replace(self.recorder.run, result="failed", **about)
        with RunLock(self.recorder.runs.folder, "board") as lock:
            self.recorder.lock = lock if self.recorder.lock else None
            end_locked(self.recorder, request, is_stopped=is_stopped)
        return self.done


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ended:
    return Ended(tmp_path, monkeypatch)


def test_a_failure_is_reported_recorded_and_followed_by_what_is_unsent(ended: Ended) -> None:
    assert ended.end(problem="No.") == ["report_failure", "send_unsent"]
    assert ended.recorder.runs.listing() == [ended.recorder.run]
    assert ended.recorder.run.told


def test_a_run_that_has_sent_leaves_only_failures_to_send(ended: Ended) -> None:
    ended.recorder.has_sent = True
    assert ended.end(problem="No.") == ["report_failure", "send_unsent_failures"]


def test_a_success_is_not_reported(ended: Ended) -> None:
    assert ended.end() == ["send_unsent"]
    assert ended.recorder.runs.listing() == []  # it was written before


@pytest.mark.parametrize(("events", "posted"), [("failures", []), ("all", ["run.succeeded"])])
def test_a_success_is_posted_if_all_events_are_wanted(ended: Ended, events: str, posted: list[str]) -> None:
    ended.recorder.webhook = Webhook("https://a.example", b"k" * 16, events)
    assert ended.end() == [*posted, "send_unsent"]
    assert bool(ended.recorder.runs.listing()) is bool(posted)


def test_a_report_that_is_still_to_be_sent_is_not_reported_as_failed(ended: Ended) -> None:
    assert ended.end(problem="Down.", waiting=True, where=SENDING) == []


@pytest.mark.parametrize(
    "about", [{"waiting": True, "where": "deleting old snapshots"}, {"waiting": False, "where": SENDING}]
)
def test_any_other_problem_is_reported(ended: Ended, about: dict[str, Any]) -> None:
    assert ended.end(problem="No.", **about)[0] == "report_failure"


def test_a_waiting_run_that_could_not_be_recorded_is_reported(ended: Ended) -> None:
    ended.recorder.is_recorded = False
    assert ended.end(problem="Full.", waiting=True, where=SENDING) == ["report_failure"]


def test_a_stopped_run_is_reported_and_sends_nothing_else(ended: Ended) -> None:
    about = {"problem": "Stopped.", "waiting": True, "where": SENDING}
    assert ended.end(is_stopped=True, **about) == ["report_failure"]


@pytest.mark.parametrize("about", [{"waiting": True}, {"failure_unsent": True}])
def test_nothing_more_is_tried_while_the_mail_server_is_down(ended: Ended, about: dict[str, Any]) -> None:
    assert ended.end(problem="No.", **about) == ["report_failure"]


def test_without_its_lock_a_run_sends_nothing_of_others(ended: Ended) -> None:
    ended.recorder.lock = None
    assert ended.end(problem="No.") == ["report_failure"]


def test_a_failure_is_reported_once(ended: Ended) -> None:
    assert ended.end(problem="No.", told=({"recipient": "eva@x.example"},)) == ["send_unsent"]


def test_a_failure_that_cannot_be_recorded_is_reported_once_for_its_time(ended: Ended) -> None:
    for request, about, reported in (
        (SCHEDULED, {}, True),
        (SCHEDULED, {}, False),
        (AGAIN, {}, True),
        (SCHEDULED, {"logical_time": None}, True),
        (SCHEDULED, {"logical_time": "2022-02-15T05:00:00Z"}, True),
        (SCHEDULED, {"logical_time": "2022-02-15T05:00:00Z"}, False),
    ):
        ended.recorder.is_recorded = False
        ended.recorder.run = Run.begun("board", logical_time=AT)
        ended.done.clear()
        assert ended.end(request, problem="Full.", **about)[:-1] == ["report_failure"] * reported
    ended.recorder.is_recorded = True
    for _ in range(2):  # once recorded, the records tell whether it was reported
        ended.recorder.run = Run.begun("board", logical_time=AT)
        ended.done.clear()
        assert ended.end(problem="No.") == ["report_failure", "send_unsent"]


@pytest.mark.parametrize(
    ("stop", "name"),
    [
        (SystemExit(143), "SIGTERM"),
        (SystemExit(129), "SIGHUP"),
        (KeyboardInterrupt(), "SIGINT"),
        (SystemExit(), "exit"),
        (SystemExit(1), "exit"),
        (SystemExit("a message"), "exit"),
    ],
)
def test_a_stop_is_described_by_its_signal(stop: SystemExit | KeyboardInterrupt, name: str) -> None:
    told = f"The run was stopped ({name}). Emails that had not been sent yet will not be sent."
    assert describe_stop(stop) == told


def waiting_with(ended: Ended, monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> Any:
    """Wait with a wait that ends in an error, while the record says that the run has failed."""
    ended.recorder.repeat_command = "repeat"
    ended.recorder.runs.write(replace(ended.recorder.run, result="undelivered", problem="Down."))

    def wait(recorder: Recorder, close: Callable[[], None], sleep: object) -> None:
        assert (recorder, sleep) == (ended.recorder, print)
        if error:
            raise error
        close()

    monkeypatch.setattr(ending, "wait_and_send", wait)
    return wait_unlocked(ended.recorder, SCHEDULED, print)


def test_a_run_that_waited_reports_what_is_left(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    ended.recorder.run = replace(ended.recorder.run, problem="Down.")
    assert waiting_with(ended, monkeypatch, None) is None
    assert ended.done == ["report_failure"]
    assert ended.said == []


def test_a_run_that_is_stopped_while_it_waits_says_so_and_is_reported(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = SystemExit(143)
    assert waiting_with(ended, monkeypatch, stop) is stop
    assert ended.said == ["The run was stopped (SIGTERM) while it waited for the mail server."]
    assert ended.done == ["report_failure"]
    assert ended.recorder.run.result == "undelivered"  # as recorded
    assert not is_running(ended.recorder.runs.folder, "board")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StillRunningError("board is already running."), "board is already running."),
        (RunError("It cannot be written."), "It cannot be written."),
        (OSError(28, "No space left on device"), "No space left on device."),
    ],
)
def test_a_run_whose_rest_another_run_sends_leaves_it_to_that(
    ended: Ended, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    assert waiting_with(ended, monkeypatch, error) is None
    assert (ended.said, ended.done) == ([words], [])
    assert ended.recorder.run.result == "undelivered"
