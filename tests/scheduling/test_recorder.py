"""The record of a run while it takes place: what it has when the run is stopped at any point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from custdyn_widgets.errors import RunError, SettingsError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.scheduling import recorder as recorder_module
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.recorder import Recorder, parse_failure_recipients
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.webhook import Webhook
from custdyn_widgets.settings import Settings

EVA = "eva@x.example"
A = "a" * 52
FROZEN, SENT = Outcome("frozen", None, A), Outcome("sent", None, A)
SECRET = "hunter2-hunter2"


def receipt(outcome: str) -> dict[str, Any]:
    return {"recipient": "anna@x.example", "outcome": outcome, "words": "", "tries": 1, "message_id": "<1@x>"}


def undelivered(outcome: str) -> Outcome:
    return Outcome("undelivered", None, A, None, (receipt(outcome),), "No.")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Recorder:
    for name in ("SMTP_URL", "MAIL_FROM", "SMTP_USER", "SMTP_PASSWORD", "SMTP_WAITS"):
        monkeypatch.delenv(f"CUSTDYN_{name}", raising=False)
    monkeypatch.setenv("BILLING_PASSWORD", SECRET)
    settings = Settings(tmp_path / "s", tmp_path / "q", tmp_path, runs=tmp_path / "runs")
    return Recorder(Run.begun("board"), settings, said.append, lambda line: said.append(f"! {line}"))


@pytest.mark.parametrize(
    ("outcome", "result", "where", "waiting"),
    [
        (SENT, "sent", None, False),
        (Outcome("unchanged"), "unchanged", None, False),
        (Outcome("failed", problem="No."), "failed", "making the reports", False),
        (Outcome("stale", problem="No."), "stale", "checking the data", False),
        (undelivered("refused"), "undelivered", "sending the report", False),
        (undelivered("given up"), "undelivered", "sending the report", True),
    ],
)  # fmt: skip
def test_a_run_ends_with_the_result_of_its_reports(
    recorder: Recorder, outcome: Outcome, result: str, where: str | None, waiting: bool
) -> None:
    recorder.finish_sending([outcome])
    run = recorder.run
    assert (run.result, run.where, run.waiting, run.problem) == (result, where, waiting, outcome.problem)
    assert (run.reports, recorder.has_sent, run.ended is None) == ((outcome,), True, False)


def test_what_was_sent_so_far_is_written_at_most_once_a_second(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 100.0
    monkeypatch.setattr(recorder_module.time, "monotonic", lambda: clock)
    outcomes: list[Outcome] = [FROZEN]
    assert recorder.record_sending(lambda: outcomes) is True
    assert recorder.runs.listing()[0].reports == (FROZEN,)
    outcomes = [SENT]
    clock += 0.75
    assert recorder.record_sending(lambda: outcomes) is False
    assert recorder.runs.listing()[0].reports == (FROZEN,)
    clock += 0.5
    assert recorder.record_sending(lambda: outcomes) is True
    assert recorder.runs.listing()[0].reports == (SENT,)


def failed(recorder: Recorder, **about: Any) -> Run:
    recorder.step = "the step"
    recorder.run = replace(recorder.run, **about)
    recorder.fail("Stopped.")
    assert recorder.run.where == "the step"
    assert recorder.run.ended
    return recorder.run


def test_a_run_that_failed_before_it_froze_anything_has_failed(recorder: Recorder) -> None:
    run = failed(recorder, reports=(Outcome("failed", "Blue"),))
    assert (run.result, run.problem) == ("failed", "Stopped.")


def test_a_run_that_failed_after_it_froze_a_report_did_not_deliver_it(recorder: Recorder) -> None:
    run = failed(recorder, reports=(Outcome("failed", "Blue"), FROZEN))
    assert (run.result, run.problem) == ("undelivered", "Stopped.")


def test_a_run_that_failed_after_it_sent_keeps_its_result_and_earlier_problem(recorder: Recorder) -> None:
    run = failed(recorder, result="sent", reports=(SENT,), problem="Before.")
    assert (run.result, run.problem, run.reports) == ("sent", "Before.\nStopped.", (SENT,))


def test_a_run_that_failed_while_it_sent_keeps_the_receipts_so_far(recorder: Recorder) -> None:
    so_far = Outcome("undelivered", None, A, None, (receipt("sent"),), f"{SECRET}: given up.")

    def outcomes() -> Sequence[Outcome]:
        return [so_far]

    recorder.record_sending(outcomes)
    recorder.record_sending(outcomes)
    run = failed(recorder, reports=())
    assert (run.result, run.reports[0].deliveries) == ("undelivered", (receipt("sent"),))
    assert run.problem == "Stopped.\n[the value of BILLING_PASSWORD]: given up."
    assert run.reports[0].problem == "[the value of BILLING_PASSWORD]: given up."
    recorder.finish_sending([SENT])
    assert failed(recorder).reports == (SENT,)


def test_the_final_record_is_written_or_the_error_is_told_once(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.finish("sent")
    recorder.write_final()
    assert recorder.is_recorded
    assert recorder.runs.listing() == [recorder.run]

    def full(_: Run) -> None:
        raise RunError("The record cannot be written.")

    monkeypatch.setattr(recorder.runs, "write", full)
    recorder.write_if_possible()
    for _ in range(2):
        recorder.write_final()
        assert not recorder.is_recorded
        assert recorder.run.problem == "The record cannot be written."
        assert recorder.run.where == "writing the record of the run"
    recorder.update(problem="Not sent.", where="sending the report")
    recorder.write_final()
    assert recorder.run.problem == "Not sent.\nThe record cannot be written."
    assert recorder.run.where == "sending the report"
    with pytest.raises(RunError):
        recorder.write()


def test_warnings_and_progress_are_told_apart_and_kept_without_secrets(
    recorder: Recorder, said: list[str]
) -> None:
    recorder.say("one")
    recorder.warn(f"two {SECRET}")
    assert said == ["one", f"! two {SECRET}"]
    assert [line[9:] for line in recorder.last_lines()] == ["one", "two [the value of BILLING_PASSWORD]"]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    settings = Settings(tmp_path, tmp_path, tmp_path, runs=tmp_path)
    recorder = Recorder(Run.begun("board"), settings, full, full)
    recorder.say("one")
    recorder.warn("two")
    assert len(recorder.last_lines()) == 2


@pytest.mark.parametrize(
    ("setting", "expected"),
    [(None, ()), ("", ()), (" , ", ()), (f" {EVA} ,ben@x.example,", (EVA, "ben@x.example"))],
)
def test_failure_recipients_in_the_settings_are_separated_by_commas(
    recorder: Recorder, setting: str | None, expected: tuple[str, ...]
) -> None:
    assert parse_failure_recipients(replace(recorder.settings, failure_recipients=setting)) == expected


def test_an_invalid_failure_recipient_in_the_settings_is_told_with_the_setting(recorder: Recorder) -> None:
    with pytest.raises(SettingsError, match="CUSTDYN_FAILURE_RECIPIENTS: 'eva' is not a plain") as wrong:
        parse_failure_recipients(replace(recorder.settings, failure_recipients="eva"))
    assert wrong.value.field == "CUSTDYN_FAILURE_RECIPIENTS"


def with_mail(recorder: Recorder, **about: Any) -> None:
    recorder.settings = replace(
        recorder.settings, smtp_url="smtp://localhost:25", mail_from="reports@x.example", **about
    )


def test_those_of_the_saved_query_are_told_before_those_of_the_settings(
    recorder: Recorder, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "7 8")
    recorder.read_notice_settings()
    assert (recorder.failure_recipients, recorder.server, recorder.webhook) == ((), None, None)
    with_mail(recorder, failure_recipients=EVA)
    recorder.read_notice_settings()
    assert recorder.failure_recipients == (EVA,)
    assert recorder.server is not None
    assert (recorder.server.waits, recorder.waits) == ((), (7.0, 8.0))
    recorder.update(failure_recipients=("own@x.example",))
    assert recorder.failure_recipients == ("own@x.example",)
    assert said == []


def test_notice_settings_that_cannot_be_used_are_warned_of(recorder: Recorder, said: list[str]) -> None:
    recorder.settings = replace(recorder.settings, webhook_url="http://a.example", failure_recipients=EVA)
    recorder.read_notice_settings()
    assert [line.partition(".")[0] for line in said] == [
        "! The webhook cannot be used",
        "! The failure recipients in the settings cannot be notified",
    ]
    assert recorder.server is None


def test_failure_recipients_are_recovered_from_the_file_or_the_last_record(recorder: Recorder) -> None:
    recorder.recover_failure_recipients()
    assert (recorder.failure_recipients, recorder.server) == ((), None)
    before = Run.begun("board", failure_recipients=("last@x.example",)).finished("sent")
    recorder.runs.write(before)
    recorder.recover_failure_recipients()
    assert (recorder.failure_recipients, recorder.server) == (("last@x.example",), None)
    with_mail(recorder)
    recorder.settings.queries.mkdir()
    broken = SavedQuery("Board", ReportQuery("last_month"), failure_recipients=(EVA,)).to_bytes()[:-3]
    (recorder.settings.queries / "board.json").write_bytes(broken)
    recorder.recover_failure_recipients()
    assert recorder.failure_recipients == (EVA,)
    assert recorder.server is not None


NOBODY = "! Nobody was notified of this failure. "
NONE_LISTED = "List failure_recipients in the saved query, or in the settings (CUSTDYN_FAILURE_RECIPIENTS)."


def test_a_failure_of_which_nobody_can_be_notified_says_so_once(recorder: Recorder, said: list[str]) -> None:
    recorder.prepare_failure_email(recorder.run)  # with --no-send
    assert said == []
    recorder.read_notice_settings()
    recorder.prepare_failure_email(recorder.run)
    recorder.prepare_failure_email(recorder.run)
    assert said == [NOBODY + NONE_LISTED]


def test_recipients_without_a_mail_server_are_told_apart_from_none(
    recorder: Recorder, said: list[str]
) -> None:
    recorder.read_notice_settings()
    recorder.update(failure_recipients=(EVA,))
    recorder.prepare_failure_email(recorder.run)
    [line] = said
    assert line.startswith(NOBODY + "Email cannot be sent: CUSTDYN_SMTP_URL is not set")
    recorder.explains_silence = True
    recorder.prepare_failure_email(replace(recorder.run, problem=line.removeprefix(NOBODY)))
    assert len(said) == 1  # the problem says it
    with_mail(recorder)
    recorder.prepare_failure_email(recorder.run)
    assert (len(said), recorder.server is None) == (1, False)


def test_the_mail_server_is_read_for_a_failure_whether_or_not_there_is_a_webhook(
    recorder: Recorder, said: list[str]
) -> None:
    recorder.read_notice_settings()
    recorder.webhook = cast(Webhook, object())
    recorder.update(failure_recipients=(EVA,))
    recorder.prepare_failure_email(recorder.run)
    assert (said, recorder.server) == ([], None)  # the webhook is notified
    with_mail(recorder)
    recorder.prepare_failure_email(recorder.run)
    assert recorder.server is not None


def test_an_earlier_run_of_which_nobody_was_notified_is_named(recorder: Recorder, said: list[str]) -> None:
    recorder.read_notice_settings()
    missed = Run.begun("board", logical_time="2022-02-14T05:00:00Z").finished("missed", problem="Off.")
    recorder.prepare_failure_email(missed)
    [line] = said
    assert line.startswith("! Nobody was notified of the run for 2022-02-14T05:00:00Z (missed). List")


def test_a_setting_that_cannot_be_used_already_says_why_nobody_is_notified(
    recorder: Recorder, said: list[str]
) -> None:
    recorder.settings = replace(recorder.settings, webhook_url="http://a.example")
    recorder.read_notice_settings()
    recorder.prepare_failure_email(recorder.run)
    assert len(said) == 1
