"""Who is still to get a recorded run's reports, and what its record says afterwards. Nothing is sent here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import RunError, SnapshotNotFoundError, StillRunningError
from custdyn_widgets.mail import MailServer
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.automation import ForEach
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.scheduling import unsent
from custdyn_widgets.scheduling.locks import is_running
from custdyn_widgets.scheduling.making import MadeReport, Task
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.run_record import SENDING, Run
from custdyn_widgets.scheduling.unsent import (
    Unsent,
    after_sending,
    find_unsent,
    record_unsent,
    send_unsent,
    task_of,
    unreached,
    wait_and_send,
)
from custdyn_widgets.settings import Settings

ANNA, BEN, EVA = "anna@x.example", "ben@x.example", "eva@x.example"
A, B = "a" * 52, "b" * 52
SAVED = SavedQuery(
    "Board", ReportQuery("last_month"), output="csv", recipients=(ANNA, BEN), failure_recipients=(EVA,)
)
SERVER = MailServer("localhost", 25, "none", None)  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        tmp_path / "s", tmp_path / "q", tmp_path, share_url="https://reports.example", runs=tmp_path / "runs"
    )


@pytest.fixture(autouse=True)
def gone(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Snapshots that were deleted; all others exist."""
    deleted: set[str] = set()

    class Store:
        def __init__(self, folder: Path) -> None:
            self.folder = folder

        def manifest(self, snapshot: str) -> None:
            if snapshot in deleted:
                raise SnapshotNotFoundError(snapshot)

    monkeypatch.setattr(unsent, "Store", Store)
    return deleted


def task(settings: Settings, saved: SavedQuery = SAVED) -> Task:
    settings.queries.mkdir(exist_ok=True)
    (settings.queries / "board.json").write_bytes(saved.to_bytes())
    return task_of(run_of(1), settings)


def receipt(recipient: str, outcome: str, words: str = "451 later") -> dict[str, Any]:
    return {
        "recipient": recipient, "outcome": outcome, "words": words, "tries": 1, "message_id": f"<{recipient}>"
    }  # fmt: skip


def outcome(
    result: str, *receipts: dict[str, Any], snapshot: str | None = A, company: str | None = None
) -> Outcome:
    return Outcome(result, company, snapshot, "d", receipts, "Not all." if result == "undelivered" else None)


def run_of(day: int, *reports: Outcome, **about: Any) -> Run:
    at = f"2022-02-{day:02}T05:00:00Z"
    return Run(
        f"202202{day:02}T050001.000000Z-0", "board", "Board", at,
        **{"result": "undelivered", "logical_time": at, "reports": reports, "where": SENDING, **about},
    )  # fmt: skip


def left(found: Outcome, settings: Settings, saved: SavedQuery = SAVED, **about: Any) -> MadeReport:
    return unreached(found, run_of(1, found, **about), task(settings, saved), print)


@pytest.mark.parametrize(
    ("found", "recipients"),
    [
        (outcome("undelivered", receipt(ANNA, "sent"), receipt(BEN, "refused")), (BEN,)),
        (
            outcome("undelivered", receipt(ANNA, "given up"), receipt("ben@X.example", "refused")),
            (ANNA, "ben@X.example"),
        ),
        (outcome("undelivered"), (ANNA, BEN)),
        (outcome("held back"), (ANNA, BEN)),
        (outcome("frozen"), (ANNA, BEN)),  # of a run that was killed
        (outcome("sent", receipt(ANNA, "sent")), ()),
        (outcome("not sent"), ()),
        (outcome("undelivered", snapshot=None), ()),
        (outcome("undelivered", receipt(ANNA, "sent"), receipt(BEN, "sent")), ()),
    ],
)  # fmt: skip
def test_whoever_did_not_get_a_report_is_left(
    settings: Settings, found: Outcome, recipients: tuple[str, ...]
) -> None:
    made = left(found, settings)
    assert (made.outcome, made.recipients, made.report) == (found, recipients, None)
    assert made.made_for == "2022-02-01T05:00:00Z"
    link = f"https://reports.example/view?id={A}"
    assert (made.frozen and (made.frozen.id, made.frozen.link)) == ((A, link) if recipients else None)


def test_a_report_without_recipients_stays_so(settings: Settings) -> None:
    assert left(outcome("frozen"), settings, result="frozen").recipients == ()


def test_whoever_was_removed_is_named_and_gets_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    found = outcome("undelivered", receipt(ANNA, "given up"), receipt(BEN, "given up"))
    saved = replace(SAVED, recipients=("anna@X.example", EVA))
    assert left(found, settings, saved).recipients == (ANNA,)
    assert capsys.readouterr().out == f"{BEN} is no longer a recipient, so nothing will be sent to it.\n"


def test_a_company_s_report_is_left_to_the_addresses_in_its_file(settings: Settings) -> None:
    saved = replace(SAVED, recipients=(), for_each=ForEach("company", "a.csv"))
    settings.queries.mkdir()
    (settings.queries / "a.csv").write_text(f"company,address\nBlue,{BEN}\nRed,{EVA}\n")
    assert left(outcome("held back", company="Blue"), settings, saved).recipients == (BEN,)
    assert left(outcome("held back", company="Green"), settings, saved).recipients == ()


def test_a_report_whose_snapshot_is_gone_cannot_be_sent(settings: Settings, gone: set[str]) -> None:
    gone.add(A)
    words = "The report of run 20220201T050001.000000Z-0 cannot be sent: There is no snapshot"
    with pytest.raises(RunError, match=words):
        left(outcome("held back"), settings)
    assert left(outcome("sent"), settings).recipients == ()


def test_a_recorded_run_is_a_task_for_its_own_time(settings: Settings) -> None:
    found = task(settings)
    assert (found.saved, found.folder, found.request.name) == (SAVED, settings.queries, "board")
    assert found.logical_time == datetime(2022, 2, 1, 5, tzinfo=UTC)
    assert task_of(run_of(3, logical_time=None), settings).logical_time == datetime(2022, 2, 3, 5, tzinfo=UTC)
    assert (
        unreached(outcome("sent"), run_of(3, logical_time=None), found, print).made_for
        == "2022-02-03T05:00:00Z"
    )


@pytest.fixture
def recorder(settings: Settings) -> Recorder:
    said: list[str] = []
    found = Recorder(run_of(9, result="running"), settings, said.append, said.append)
    found.server = SERVER
    task(settings)
    return found


def lines_of(recorder: Recorder) -> list[str]:
    return [line.partition(" ")[2] for line in recorder.last_lines()]


WAITING = outcome("undelivered", receipt(ANNA, "given up"), receipt(BEN, "refused"))


def test_the_reports_of_runs_that_wait_are_found_by_their_times(recorder: Recorder) -> None:
    for run in (
        run_of(3, WAITING, waiting=True, logical_time="2022-02-01T05:00:00Z"),
        run_of(2, WAITING, outcome("sent", company="Blue"), waiting=True),
        run_of(1, WAITING, waiting=True, logical_time=None),
        run_of(4, WAITING, failure_unsent=True),
    ):
        recorder.runs.write(run)
    found = find_unsent(recorder, task(recorder.settings))
    assert [one.run.id[6:8] for one in found] == ["01", "03", "02"]
    assert [[made.recipients for made in one.made] for one in found] == [[(ANNA,)], [(ANNA,)], [(ANNA,), ()]]


def test_a_report_that_waited_until_its_snapshot_was_deleted_is_refused(
    recorder: Recorder, gone: set[str]
) -> None:
    gone.add(A)
    recorder.runs.write(run_of(2, WAITING, waiting=True))
    [one] = find_unsent(recorder, task(recorder.settings))
    [made] = one.made
    words = "The report of run 20220202T050001.000000Z-0 cannot be sent: There is no snapshot"
    assert made.recipients == ()
    assert [(each["outcome"], each["words"][: len(words)]) for each in made.outcome.deliveries] == [
        ("refused", words),
        ("refused", "451 later"),
    ]
    assert [line[: len(words)] for line in lines_of(recorder)] == [words]


SENT = outcome("sent", receipt(ANNA, "sent"), receipt(BEN, "sent"))


def test_the_record_of_a_run_follows_from_its_new_outcomes() -> None:
    run = run_of(1, WAITING, waiting=True, problem="Not all.")
    made = [MadeReport(WAITING, (ANNA,))]
    sent = after_sending(run, made, [SENT], is_complete=True)
    assert (sent.result, sent.problem, sent.where, sent.waiting, sent.reports) == (
        "sent",
        None,
        None,
        False,
        (SENT,),
    )
    assert len(sent.resent) == 1
    still = after_sending(run, made, [WAITING], is_complete=True, again=False)
    assert (still.result, still.problem, still.where) == ("undelivered", "Not all.", SENDING)
    assert (still.waiting, still.resent) == (True, ())
    refused = outcome("undelivered", receipt(ANNA, "refused"), receipt(BEN, "given up"))
    assert after_sending(run, made, [refused], is_complete=True).waiting is False  # nobody tries Ben again
    incomplete = after_sending(
        replace(run, result="killed", where="running"), made, [SENT], is_complete=False
    )
    assert (incomplete.result, incomplete.problem, incomplete.where) == ("killed", "Not all.", "running")
    assert incomplete.reports == (SENT,)


def unsent_of(run: Run, *recipients: str) -> Unsent:
    return Unsent(run, tuple(MadeReport(one, recipients) for one in run.reports))


def test_each_run_gets_the_outcomes_of_its_own_reports(recorder: Recorder) -> None:
    two = run_of(1, WAITING, replace(WAITING, company="Blue"), waiting=True, problem="hunter2-hunter2")
    one = run_of(2, WAITING, waiting=True, where="running", result="killed")
    nobody = run_of(3, WAITING, waiting=True)
    own = replace(recorder.run, reports=(WAITING,), where=SENDING)
    for run in (two, one, nobody, own):
        recorder.runs.write(run)
    blue = replace(SENT, company="Blue")
    each = [unsent_of(run, ANNA) for run in (two, one, nobody, own)]
    record_unsent(recorder, each, [WAITING, blue, SENT, WAITING, SENT])
    first, second, third, last = recorder.runs.listing()
    assert (first.reports, first.result, first.waiting, len(first.resent)) == (
        (WAITING, blue),
        "undelivered",
        True,
        1,
    )
    assert (second.reports, second.result, second.where) == ((SENT,), "killed", "running")
    assert third == nobody
    assert (last.reports, last.result, last.resent) == ((SENT,), "sent", ())
    assert recorder.run == last


def test_what_is_recorded_has_no_secret(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_PASSWORD", "hunter2-hunter2")
    run = run_of(1, WAITING, waiting=True)
    told = replace(SENT, result="undelivered", problem="hunter2-hunter2 said no")
    record_unsent(recorder, [unsent_of(run, ANNA)], [told])
    assert recorder.runs.listing()[0].problem == "[the value of BILLING_PASSWORD] said no"


class Sender:
    """What would be sent, with made-up outcomes for the recipients."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.reported: list[tuple[str, str]] = []
        self.failures = 0
        self.outcome = SENT
        monkeypatch.setattr(unsent, "send_all", self.send_all)
        monkeypatch.setattr(unsent, "report_failure", self.report_failure)
        monkeypatch.setattr(unsent, "send_unsent_failures", self.send_failures)

    def send_all(
        self,
        _task: Task,
        made: Sequence[MadeReport],
        server: MailServer,
        _progress: object,
        record: Callable[[Callable[[], list[Outcome]]], None],
    ) -> list[Outcome]:
        assert server is SERVER
        outcomes = [self.outcome if one.recipients else one.outcome for one in made]
        self.sent += [one.recipients for one in made]
        if self.outcome is SENT:  # as after each copy that was accepted
            record(lambda: outcomes)
        return outcomes

    def report_failure(self, _: Recorder, run: Run, command: str) -> Run:
        self.reported.append((run.id[6:8], command))
        return replace(run, told=(receipt(EVA, "sent"),))

    def send_failures(self, _: Recorder) -> None:
        self.failures += 1


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Sender:
    return Sender(monkeypatch)


def test_what_waits_is_sent_recorded_and_said(recorder: Recorder, sender: Sender) -> None:
    for day in (1, 2):
        recorder.runs.write(run_of(day, WAITING, waiting=True))
    send_unsent(recorder)
    assert (sender.sent, sender.reported, sender.failures) == ([(ANNA,), (ANNA,)], [], 1)
    assert [run.result for run in recorder.runs.listing()] == ["sent", "sent"]
    assert lines_of(recorder) == ["Sending unsent reports to 1 recipient"]
    both = outcome("undelivered", receipt(ANNA, "given up"), receipt(BEN, "given up"))
    recorder.runs.write(run_of(3, both, waiting=True))
    send_unsent(recorder)
    assert lines_of(recorder)[1:] == ["Sending unsent reports to 2 recipients"]


def test_a_run_that_will_never_reach_everybody_is_reported_once(recorder: Recorder, sender: Sender) -> None:
    sender.outcome = outcome("undelivered", receipt(ANNA, "refused"), receipt(BEN, "refused"))
    reported = (receipt(EVA, "sent"),)
    for day, about in ((1, {}), (2, {"told": reported}), (3, {"logical_time": None})):
        recorder.runs.write(run_of(day, WAITING, waiting=True, **about))
    recorder.run = run_of(9, WAITING, waiting=True)
    recorder.runs.write(recorder.run)
    send_unsent(recorder)
    assert sender.reported == [
        ("01", "custdyn run --saved board --as-of 2022-02-01T05:00:00Z"),
        ("03", "custdyn run --saved board --scheduled"),
    ]
    assert [bool(run.told) for run in recorder.runs.listing()] == [True, True, True, False]


def test_a_run_that_still_waits_or_has_reached_everybody_is_not_reported(
    recorder: Recorder, sender: Sender
) -> None:
    recorder.runs.write(run_of(1, WAITING, waiting=True))
    sender.outcome = WAITING
    send_unsent(recorder)
    sender.outcome = SENT
    send_unsent(recorder)
    assert sender.reported == []


def test_without_a_server_or_a_saved_query_nothing_is_sent(recorder: Recorder, sender: Sender) -> None:
    recorder.runs.write(run_of(1, WAITING, waiting=True))
    recorder.server = None
    send_unsent(recorder)
    assert (sender.sent, sender.failures, lines_of(recorder)) == ([], 0, [])
    recorder.server = SERVER
    (recorder.settings.queries / "board.json").write_text("{")
    send_unsent(recorder)
    assert (sender.sent, sender.failures) == ([], 1)
    [line] = lines_of(recorder)
    assert line.startswith("Earlier reports cannot be sent yet. 'board.json' is not valid JSON")


class Waited:
    """The waits of a run, and how often it tried to send; at its last attempt, it succeeds."""

    def __init__(self, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
        self.recorder, self.attempts = recorder, attempts
        self.slept: list[float] = []
        self.tried = self.closed = 0
        monkeypatch.setattr(unsent, "send_unsent", self.send)

    def send(self, recorder: Recorder) -> None:
        assert is_running(recorder.runs.folder, "board")
        self.tried += 1
        if self.tried == self.attempts:
            recorder.run = replace(recorder.run, waiting=False, failure_unsent=False)
            recorder.runs.write(recorder.run)

    def sleep(self, seconds: float) -> None:
        assert not is_running(self.recorder.runs.folder, "board")
        self.slept.append(seconds)

    def close(self) -> None:
        assert is_running(self.recorder.runs.folder, "board")
        self.closed += 1


def waited(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, *, attempts: int = 99, **about: Any
) -> Waited:
    recorder.run = run_of(9, **about)
    recorder.runs.write(recorder.run)
    recorder.waits = (0.0, 5.0, 0.25)
    found = Waited(recorder, monkeypatch, attempts)
    wait_and_send(recorder, found.close, found.sleep)
    return found


@pytest.mark.parametrize("about", [{"waiting": True}, {"failure_unsent": True}])
def test_a_run_waits_until_everything_is_sent_or_its_waits_are_over(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, about: dict[str, Any]
) -> None:
    for attempts, slept in ((1, []), (2, [5.0]), (3, [5.0, 0.25]), (4, [5.0, 0.25])):
        found = waited(recorder, monkeypatch, attempts=attempts, **about)
        assert (found.tried, found.slept, found.closed) == (min(attempts, 3), slept, 1)


def test_a_wait_is_said_with_the_reason(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcome("undelivered", receipt(ANNA, "sent", "250 OK"), receipt(BEN, "given up", "451 busy"))
    waited(recorder, monkeypatch, waiting=True, reports=(found,))
    assert lines_of(recorder) == ["Trying again in 5 s. 451 busy", "Trying again in 0.25 s. 451 busy"]
    told = (receipt(EVA, "given up", "451 full"),)
    waited(recorder, monkeypatch, failure_unsent=True, told=told)
    assert lines_of(recorder)[2:] == ["Trying again in 5 s. 451 full", "Trying again in 0.25 s. 451 full"]
    waited(recorder, monkeypatch, failure_unsent=True)
    assert lines_of(recorder)[4:] == ["Trying again in 5 s.", "Trying again in 0.25 s."]


def test_a_run_that_another_has_finished_only_ends(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.run = run_of(9, waiting=True)
    recorder.runs.write(replace(recorder.run, waiting=False, result="sent"))
    recorder.waits = (0.0, 5.0)
    found = Waited(recorder, monkeypatch, 1)
    wait_and_send(recorder, found.close, found.sleep)
    assert (found.tried, found.slept, found.closed) == (0, [], 1)
    assert recorder.run.result == "sent"


def test_an_attempt_while_another_run_holds_the_lock_is_left_out(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = itertools.chain([True], itertools.repeat(False))
    real = unsent.RunLock

    @contextmanager
    def locked(*about: Any) -> Iterator[Any]:
        if next(busy):
            raise StillRunningError("board is already running.")
        with real(*about) as lock:
            yield lock

    monkeypatch.setattr(unsent, "RunLock", locked)
    found = waited(recorder, monkeypatch, attempts=1, waiting=True)
    assert (found.tried, found.slept, found.closed) == (1, [5.0], 1)
