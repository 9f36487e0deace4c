"""The email about a failed run: its facts, link and command, and earlier failures. Nothing is sent here."""

from __future__ import annotations

import getpass
import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.mail import Delivery, FailureLetter, MailServer
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.alerts.condition import parse_alert_if
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.scheduling import crontab, failure
from custdyn_widgets.scheduling.failure import (
    failure_letter,
    post_event,
    report_failure,
    send_unsent_failures,
)
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.recorder import Recorder
from custdyn_widgets.scheduling.run_record import SENDING, Run
from custdyn_widgets.scheduling.webhook import Webhook
from custdyn_widgets.settings import Settings

EVA, BEN = "eva@x.example", "ben@x.example"
SAVED = SavedQuery("Board", ReportQuery("last_month"))
RUN = Run(
    "20220214T050001.000000Z-0", "board", "Board", "2022-02-14T05:00:01Z", "failed",
    "2022-02-14T05:00:09Z", "2022-02-14T05:00:00Z", where="making the report", problem="No source.",
)  # fmt: skip
A, B = "a" * 52, "b" * 52


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path, tmp_path, tmp_path, share_url="https://reports.example", runs=tmp_path / "runs")


def letter(settings: Settings, saved: SavedQuery | None = SAVED, **about: Any) -> FailureLetter:
    return failure_letter(replace(RUN, **about), saved, settings, "the command", ["one", "two"])


def _unquoted(command: str) -> str:
    """Return a shell's command without quotes: the folder of the checkout may contain a blank."""
    return " ".join(shlex.split(command))


def test_the_letter_says_what_failed_when_and_where(settings: Settings) -> None:
    told = letter(settings)
    assert (told.title, told.name, told.problem, told.where) == (
        "Board", "board", "No source.", "making the report"
    )  # fmt: skip
    assert (told.command, told.log) == ("the command", ("one", "two"))
    assert told.facts == (
        ("For", "2022-02-14 05:00:00 UTC"),
        ("Began", "2022-02-14 05:00:01 UTC"),
        ("Ended", "2022-02-14 05:00:09 UTC"),
        ("Machine", platform.node()),
        ("User", getpass.getuser()),
    )
    unknown = letter(settings, logical_time=None, ended=None, problem=None, where=None)
    assert [label for label, _ in unknown.facts] == ["Began", "Machine", "User"]
    assert (unknown.problem, unknown.where) == ("", "")


def test_an_account_without_a_name_is_told_by_its_number(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert ("User", str(os.getuid())) in letter(settings).facts


@pytest.mark.parametrize(("result", "has_link"), [("undelivered", True), ("failed", True), ("sent", False)])
def test_the_letter_links_to_a_report_that_somebody_did_not_get(
    settings: Settings, result: str, has_link: bool
) -> None:
    reports = (Outcome("undelivered", None, A), Outcome("failed"))
    told = letter(settings, result=result, reports=reports)
    assert told.link == (f"https://reports.example/view?id={A}" if has_link else "")
    assert told.facts[-1] == ("Snapshot", A)
    assert letter(settings, result=result).link == ""


def test_the_letter_shows_no_company_s_report(settings: Settings) -> None:
    told = letter(settings, reports=(Outcome("sent", "Blue", A), Outcome("sent", "Red", B)))
    assert told.link == ""
    assert "Snapshot" not in dict(told.facts)


@pytest.mark.parametrize(
    ("saved", "result", "is_sent_again"),
    [
        (SAVED, "sent", True),
        (None, "sent", True),
        (replace(SAVED, only_if=("not_empty",)), "sent", True),
        (replace(SAVED, only_if=("changed",)), "sent", False),
        (replace(SAVED, only_if=("changed",)), "undelivered", True),
        ("alert", "not sent", False),
        ("alert", "sent", False),
        ("alert", "undelivered", True),
    ],
)
def test_repeating_a_run_is_said_to_send_again_what_was_sent(
    settings: Settings, saved: Any, result: str, is_sent_again: bool
) -> None:
    if saved == "alert":
        saved = replace(SAVED, alert_if=parse_alert_if([{"column": "A: B", "row": "total", "below": 1}]))
    assert letter(settings, saved, reports=(Outcome(result, None, A),)).is_sent_again is is_sent_again
    assert letter(settings, saved, reports=(Outcome(result),)).is_sent_again is False


def test_the_letter_says_what_is_still_sent_and_who_gets_it(settings: Settings) -> None:
    plain = letter(settings)
    assert (plain.is_for_the_rest, plain.is_waiting, plain.is_for_operators) == (False, False, True)
    rest = letter(
        settings,
        result="undelivered",
        reports=(Outcome("undelivered", None, A),),
        waiting=True,
        failure_recipients=(EVA,),
    )
    assert (rest.is_for_the_rest, rest.is_waiting, rest.is_for_operators) == (True, True, False)


class Post:
    """A mail server whose deliveries are made up: `outcomes` by recipient, or an error."""

    def __init__(self) -> None:
        self.letters: list[tuple[FailureLetter, tuple[str, ...]]] = []
        self.outcomes: dict[str, Any] = {}
        self.error: Exception | None = None

    def deliver(
        self, letters: Sequence[tuple[FailureLetter, Sequence[str]]], server: MailServer
    ) -> list[list[Delivery]]:
        assert server.host == "localhost"
        [(told, recipients)] = letters
        if self.error:
            raise self.error
        self.letters.append((told, tuple(recipients)))
        return [
            [
                Delivery(to, self.outcomes.get(to, "sent"), "451 later", RUN.began, 1, f"<{to}>", False)
                for to in recipients
            ]
        ]


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    found = Post()
    monkeypatch.setattr(failure, "deliver", found.deliver)
    return found


@pytest.fixture
def recorder(settings: Settings, post: Post) -> Recorder:
    said: list[str] = []
    made = Recorder(replace(RUN, failure_recipients=(EVA, BEN)), settings, said.append, said.append)
    made.server = MailServer("localhost", 25, "none", None)  # type: ignore[arg-type]
    made.saved = SAVED
    return made


def lines_of(recorder: Recorder) -> list[str]:
    return [line.partition(" ")[2] for line in recorder.last_lines()]


def test_a_failure_is_reported_to_each_recipient_and_recorded(recorder: Recorder, post: Post) -> None:
    post.outcomes = {BEN: "given up"}
    run = report_failure(recorder, replace(recorder.run, told=({"old": 1},)), "custdyn run", ["line"])
    [(told, recipients)] = post.letters
    assert recipients == (EVA, BEN)
    assert (told.log, _unquoted(told.command).endswith("/custdyn run")) == (("line",), True)
    assert f"cd {shlex.quote(str(Path.cwd()))} && " in told.command
    assert [one.get("recipient") for one in run.told] == [None, EVA, BEN]
    assert run.failure_unsent
    assert lines_of(recorder) == [f"{BEN} did not get the failure email: 451 later"]


@pytest.mark.parametrize("outcome", ["sent", "refused"])
def test_a_refused_failure_email_is_not_tried_again(recorder: Recorder, post: Post, outcome: str) -> None:
    post.outcomes = {EVA: outcome, BEN: outcome}
    assert report_failure(recorder, recorder.run, "c").failure_unsent is False
    assert len(lines_of(recorder)) == (2 if outcome == "refused" else 0)


def test_without_recipients_or_a_server_nobody_is_told(recorder: Recorder, post: Post) -> None:
    run = replace(recorder.run, failure_recipients=())
    recorder.run = run
    assert report_failure(recorder, run, "c") is run
    recorder.run, recorder.server = replace(run, failure_recipients=(EVA,)), None
    assert report_failure(recorder, run, "c") is run
    assert post.letters == []
    assert lines_of(recorder) == []  # as with --no-send
    recorder.read_notice_settings()
    report_failure(recorder, recorder.run, "c")
    [line] = lines_of(recorder)
    assert line.startswith("Nobody was notified of this failure. Email cannot be sent: CUSTDYN_SMTP_URL is")


def test_a_mail_server_not_read_yet_when_the_run_failed_is_read_for_the_failure_email(
    recorder: Recorder, post: Post
) -> None:
    recorder.server, recorder.explains_silence = None, True
    recorder.settings = replace(
        recorder.settings, smtp_url="smtp://localhost:25", mail_from="reports@x.example"
    )
    report_failure(recorder, recorder.run, "c")
    [(_, recipients)] = post.letters
    assert (recipients, lines_of(recorder)) == ((EVA, BEN), [])


def test_an_error_in_the_failure_email_keeps_no_record_from_being_written(
    recorder: Recorder, post: Post
) -> None:
    post.error = ValueError("odd")
    assert report_failure(recorder, recorder.run, "c") is recorder.run
    words = "The failure email was not sent: ValueError: odd. This is a bug in custdyn."
    assert lines_of(recorder) == [words]


def test_the_command_only_sends_the_rest_if_that_is_possible(recorder: Recorder, post: Post) -> None:
    undelivered = replace(recorder.run, result="undelivered", where=SENDING)
    report_failure(recorder, replace(undelivered, reports=(Outcome("undelivered", None, A),)), "custdyn run")
    report_failure(recorder, undelivered, "custdyn run")
    first, second = (told.command for told, _ in post.letters)
    assert _unquoted(first).endswith(f"/custdyn runs resend {RUN.id}")
    assert _unquoted(second).endswith("/custdyn run")


def test_a_command_is_told_even_without_an_installed_program_or_a_folder(
    recorder: Recorder, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise SettingsError("The custdyn command is not installed.")

    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(crontab, "program", missing)
    monkeypatch.setattr(crontab, "needed_environment", lambda _: {"CUSTDYN_RUNS": "a b", "CUSTDYN_X": "y"})
    monkeypatch.setattr(Path, "cwd", gone)
    report_failure(recorder, recorder.run, "custdyn run --saved board")
    assert post.letters[0][0].command == "CUSTDYN_RUNS='a b' CUSTDYN_X=y custdyn run --saved board"


def told(recipient: str, outcome: str) -> dict[str, Any]:
    return {
        "recipient": recipient, "outcome": outcome, "words": "451 later", "tries": 1,
        "message_id": f"<{recipient}>", "at": RUN.began, "attached": False,
    }  # fmt: skip


def unsent_run(at: int, *receipts: dict[str, Any], **about: Any) -> Run:
    time = f"2022-02-{at:02}T05:00:00Z"
    return replace(
        RUN, id=f"202202{at:02}T050001.000000Z-0", began=time, told=receipts, failure_unsent=True,
        **{"logical_time": time, **about},
    )  # fmt: skip


def test_earlier_failures_are_told_in_one_email_to_those_who_do_not_know(
    recorder: Recorder, post: Post
) -> None:
    first = unsent_run(1, told(EVA, "sent"), told(BEN, "given up"), problem="First.")
    second = unsent_run(2, told(EVA, "sent"), told(BEN, "given up"), problem="Second.", logical_time=None)
    last = unsent_run(3, told("gone@x.example", "given up"), told(BEN, "given up"), problem="Third.")
    solved = unsent_run(4, told(EVA, "given up"), problem=None)
    for run in (last, first, second, solved):
        recorder.runs.write(run)
    post.outcomes = {BEN: "sent"}
    send_unsent_failures(recorder)
    [(letter, recipients)] = post.letters
    assert recipients == (BEN,)
    assert letter.problem == "Third."
    assert letter.earlier == ("2022-02-02T05:00:00Z: Second.", "2022-02-01T05:00:00Z: First.")
    assert letter.command.endswith("run --saved board --as-of 2022-02-03T05:00:00Z")
    written = recorder.runs.listing()
    assert [run.failure_unsent for run in written] == [False, False, True, False]
    assert [[one["outcome"] for one in run.told] for run in written] == [
        ["sent", "sent"], ["sent", "sent"], ["given up", "sent"], ["given up"]
    ]  # fmt: skip
    assert written[0].told[1]["tries"] == 2


def test_an_own_failure_keeps_its_command_and_its_record(recorder: Recorder, post: Post) -> None:
    recorder.run = replace(unsent_run(5, told(BEN, "given up")), failure_recipients=(BEN,))
    recorder.repeat_command = "custdyn run mine.ipynb"
    recorder.runs.write(recorder.run)
    post.outcomes = {BEN: "given up"}
    send_unsent_failures(recorder)
    assert _unquoted(post.letters[0][0].command).endswith("/custdyn run mine.ipynb")
    assert post.letters[0][0].earlier == ()
    assert recorder.run.failure_unsent
    assert recorder.run.told[0]["tries"] == 2
    assert recorder.runs.listing() == [recorder.run]


def test_whoever_is_no_longer_a_failure_recipient_is_told_nothing(recorder: Recorder, post: Post) -> None:
    recorder.runs.write(unsent_run(1, told("gone@x.example", "given up"), told(BEN, "refused")))
    send_unsent_failures(recorder)
    assert post.letters == []
    recorder.run = replace(recorder.run, failure_recipients=())  # the saved query cannot be read
    send_unsent_failures(recorder)
    assert [recipients for _, recipients in post.letters] == [("gone@x.example",)]
    recorder.server = None
    recorder.runs.write(unsent_run(1, told(BEN, "given up")))
    send_unsent_failures(recorder)
    assert len(post.letters) == 1


def test_an_event_has_the_facts_of_the_run(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert post_event(recorder, recorder.run, "run.failed") is recorder.run
    recorder.webhook = Webhook("https://a.example", b"k" * 16)
    sent: list[tuple[str, dict[str, Any]]] = []
    outcome = "sent"

    def posted(webhook: Webhook, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        assert webhook is recorder.webhook
        sent.append((kind, data))
        return {"host": "a.example", "outcome": outcome, "words": "It replied with status 500.", "type": kind}

    monkeypatch.setattr(failure, "post", posted)
    monkeypatch.setenv("BILLING_PASSWORD", "hunter2-hunter2")
    run = post_event(recorder, replace(recorder.run, problem="hunter2-hunter2 failed"), "run.failed", "again")
    facts = {
        "saved": "board", "title": "Board", "result": "failed", "logical_time": "2022-02-14T05:00:00Z",
        "began": "2022-02-14T05:00:01Z", "ended": "2022-02-14T05:00:09Z", "where": "making the report",
        "problem": "[the value of BILLING_PASSWORD] failed", "run": RUN.id, "machine": platform.node(),
    }  # fmt: skip
    assert sent == [("run.failed", {**facts, "command": "again"})]
    assert [one["type"] for one in run.webhook] == ["run.failed"]
    assert lines_of(recorder) == []
    outcome = "refused"
    run = post_event(recorder, replace(run, problem=None), "run.succeeded")
    assert sent[1] == ("run.succeeded", {**facts, "problem": None})
    assert [one["type"] for one in run.webhook] == ["run.failed", "run.succeeded"]
    assert lines_of(recorder) == [
        "The webhook at a.example was not notified of this run. It replied with status 500."
    ]
