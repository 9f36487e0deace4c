"""A saved query's own run, in order: its time, its report, its mails, its record, and every way to fail.

The notebook's part is `test_notebook_run`'s: most runs here compute their report without a kernel, and only
those marked slow start one. Mails go to a real SMTP server.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shlex
import shutil
import signal
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError, RunError, SnapshotError
from custdyn_widgets.notebook.parameters import parse_parameters
from custdyn_widgets.notebook.run import FinishedRun
from custdyn_widgets.publish.freezing import Frozen, publish
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_excel_csv
from custdyn_widgets.report.report import Report
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.automation import Retention
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling import job as run_module
from custdyn_widgets.scheduling import letter_charts, making
from custdyn_widgets.scheduling.job import dispatch
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.snapshots.store import Store
from tests.mail_server import Received, free_port, mail_server

MART = Path(__file__).parents[1] / "golden" / "small" / "mart"
ANNA, BEN, EVA = "anna@example.com", "ben@example.org", "eva@example.net"
NOW = datetime(2022, 2, 14, 9, 30, tzinfo=UTC)
FIRST = "2022-02-01T05:00:00Z"  # 06:00 in Paris
BOARD = SavedQuery(
    "Board",
    ReportQuery("last_month", timezone="Europe/Paris"),
    "For the board.",
    "csv",
    source=str(MART),
    schedule=Schedule("0 6 1 * *", "Europe/Paris"),
    recipients=(ANNA, BEN),
    failure_recipients=(EVA,),
)
COMMAND = str(Path(sys.executable).with_name("custdyn"))
QUOTED = shlex.quote(COMMAND)
Ask = Callable[..., Run]


def without_kernel(template: object, parameters: Mapping[str, Any], **_: object) -> FinishedRun:
    """Compute what the default template does."""
    given = {name: value for name, value in parameters.items() if value is not None}
    query, source = parse_parameters(given, ())
    return FinishedRun(run_report(query, source, as_of=given["as_of"]), {}, ())


@pytest.fixture
def received() -> Received:
    return Received()


@pytest.fixture
def settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, received: Received, own_cache: None
) -> Iterator[Settings]:
    """Settings in a folder of their own, with a mail server that is up."""
    monkeypatch.setattr(making, "run_notebook", without_kernel)
    for name in ("snapshots", "queries", "my_queries", "runs"):
        monkeypatch.setenv(f"CUSTDYN_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("CUSTDYN_SHARE_URL", "https://reports.example")
    monkeypatch.setenv("CUSTDYN_MAIL_FROM", "reports@example.com")
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "0")
    with mail_server(received) as port:
        monkeypatch.setenv("CUSTDYN_SMTP_URL", f"smtp://127.0.0.1:{port}")
        yield load_settings()


@pytest.fixture
def ask(settings: Settings) -> Ask:
    """Keep a saved query and run it as `board` at a time."""

    def kept_and_run(saved: SavedQuery = BOARD, now: datetime = NOW, **order: Any) -> Run:
        keep(saved, settings)
        return dispatch(
            RunRequest("board", **{"again": True, **order}), settings=load_settings(), progress=print, now=now
        )

    return kept_and_run


def keep(saved: SavedQuery, settings: Settings, name: str = "board") -> None:
    folder = settings.queries
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_bytes(saved.to_bytes())


def frozen(settings: Settings) -> list[str]:
    return Store(settings.snapshots).ids() if settings.snapshots.exists() else []


def text_of(received: Received, at: int = 0) -> str:
    body = received.message(at).get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


def test_a_scheduled_run_freezes_the_last_due_report_sends_it_and_keeps_its_record(
    ask: Ask, settings: Settings, received: Received
) -> None:
    run = ask()
    [one] = run.reports
    assert (run.result, run.problem, run.logical_time, run.asked_for) == ("sent", None, FIRST, False)
    assert frozen(settings) == [one.snapshot]
    manifest = Store(settings.snapshots).manifest(str(one.snapshot))
    assert manifest["as_of"] == FIRST
    assert manifest["interval"]["first"] == "2022-01-01 00:00:00"
    assert manifest["content_digest"] == one.digest
    assert received.recipients() == [ANNA, BEN]
    assert [receipt["outcome"] for receipt in one.deliveries] == ["sent", "sent"]
    [attachment] = received.message().iter_attachments()
    assert attachment.get_filename() == f"board-last-month-2022-01-31-{str(one.snapshot)[:8]}.csv"
    assert attachment.get_content().encode() == Store(settings.snapshots).read(
        str(one.snapshot), "report.csv"
    )
    assert f"https://reports.example/view?id={one.snapshot}" in text_of(received)
    assert Runs(settings.runs or Path()).listing() == [run]


def test_an_older_time_gives_its_own_interval_and_page_and_mail_say_that_it_is_a_later_run(
    ask: Ask, settings: Settings, received: Received
) -> None:
    run = ask(as_of="2021-12-01T05:00:00Z")
    manifest = Store(settings.snapshots).manifest(str(run.reports[0].snapshot))
    assert manifest["interval"]["first"] == "2021-11-01 00:00:00"
    words = "This report for 2021-12-01 06:00:00 +01:00 was made later, at 2022-02-14 10:30:00 +01:00"
    assert words in manifest["warnings"][0]
    assert words in Store(settings.snapshots).read(str(run.reports[0].snapshot), "report.html").decode()
    assert words in text_of(received)
    assert run.asked_for


def test_a_time_of_long_ago_is_told_and_recorded_as_any_other(
    ask: Ask, settings: Settings, received: Received
) -> None:
    run = ask(replace(BOARD, source="none-such"), as_of="0202-02-01T05:00:00Z")
    assert (run.result, run.logical_time) == ("failed", "0202-02-01T05:00:00Z")
    assert received.recipients() == [EVA]
    assert Runs(settings.runs or Path()).listing() == [run]


def test_the_schedules_own_last_time_is_no_later_run(ask: Ask, settings: Settings) -> None:
    run = ask(as_of=FIRST)
    assert not any("was made later" in warning for warning in manifest_of(run, settings)["warnings"])


def manifest_of(run: Run, settings: Settings) -> dict[str, Any]:
    return Store(settings.snapshots).manifest(str(run.reports[0].snapshot))


def test_unchanged_data_is_recorded_and_sends_and_freezes_nothing_if_only_changes_are_wanted(
    ask: Ask, settings: Settings, received: Received
) -> None:
    saved = replace(BOARD, only_if=("changed",))
    first, second = ask(saved), ask(saved)
    assert (first.result, second.result, second.problem) == ("sent", "unchanged", None)
    assert first.reports[0].digest == second.reports[0].digest
    assert frozen(settings) == [first.reports[0].snapshot]
    assert received.recipients() == [ANNA, BEN]
    assert ask(saved, now=datetime(2022, 1, 14, tzinfo=UTC)).result == "sent"


def test_what_did_not_get_to_everybody_is_not_unchanged_the_next_time(ask: Ask, received: Received) -> None:
    saved = replace(BOARD, only_if=("changed",))
    received.at_recipient = lambda _, address: "550 no such person" if address == BEN else None
    assert ask(saved).result == "undelivered"
    received.at_recipient = lambda *_: None
    assert ask(saved).result == "sent"


def test_what_a_killed_run_froze_and_may_not_have_sent_is_not_unchanged_the_next_time(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    saved = replace(BOARD, only_if=("changed",))
    with monkeypatch.context() as patched:
        patched.setattr(run_module, "send_all", kill)
        patched.setattr(run_module.Recorder, "fail", kill)  # killed, it says nothing
        with pytest.raises(KeyboardInterrupt):
            ask(saved)
    assert received.mails == []
    [killed] = Runs(settings.runs or Path()).listing()
    assert [report.snapshot for report in killed.reports] == frozen(settings)
    assert ask(saved).result == "sent"
    assert received.recipients() == [EVA, ANNA, BEN]


def test_a_report_that_nobody_gets_is_unchanged_the_next_time(ask: Ask) -> None:
    saved = replace(BOARD, recipients=(), only_if=("changed",))
    assert [ask(saved).result, ask(saved).result, ask(saved).result] == ["frozen", "unchanged", "unchanged"]


def test_a_report_without_rows_sends_nothing_if_only_others_are_wanted(
    ask: Ask, settings: Settings, received: Received
) -> None:
    run = ask(replace(BOARD, only_if=("not_empty",)), as_of="1999-01-01")
    assert (run.result, run.problem) == ("empty", None)
    assert (frozen(settings), received.mails) == ([], [])


def test_mails_are_kept_back_on_demand(ask: Ask, received: Received) -> None:
    assert ask(send=False).result == "held back"
    assert ask(replace(BOARD, recipients=()), send=False).result == "frozen"
    assert received.mails == []


def test_retention_deletes_old_snapshots_of_this_query_and_source_alone(ask: Ask, settings: Settings) -> None:
    another = replace(BOARD, query=ReportQuery("last_month", group_by=()))
    others = {ask(another).reports[0].snapshot for _ in range(3)}
    saved = replace(BOARD, retention=Retention(keep_last=2))
    kept = [ask(saved).reports[0].snapshot for _ in range(3)]
    left = set(frozen(settings))
    assert len(left) == 5
    assert {*others, kept[-1]} <= left


def test_retention_deletes_no_snapshot_that_anybody_else_made(ask: Ask, settings: Settings) -> None:
    """The same query of the same source, frozen by hand and by another saved query."""
    report = run_report(BOARD.query, str(MART), as_of=FIRST)
    by_hand = [publish(report, settings).id for _ in range(2)]
    keep(BOARD, settings, "other")
    run = dispatch(RunRequest("other"), settings=load_settings(), progress=print, now=NOW)
    other = run.reports[0].snapshot
    saved = replace(BOARD, retention=Retention(keep_last=1))
    made = [ask(saved).reports[0].snapshot for _ in range(2)]
    assert set(frozen(settings)) == {*by_hand, other, made[-1]}
    store = Store(settings.snapshots)
    assert store.manifest(str(other))["saved_query"] == "other"
    assert "saved_query" not in store.manifest(str(by_hand[0]))


def test_retention_deletes_nothing_of_another_user_s_saved_query_of_the_same_name(
    ask: Ask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = replace(BOARD, retention=Retention(keep_last=1))
    with monkeypatch.context() as patched:
        patched.setattr(os, "getuid", lambda: 10_000_019)  # the snapshots below belong to others
        ask(saved)
        run = ask(saved)
    assert run.problem is None
    assert len(Store(settings.snapshots).ids()) == 2
    ask(saved)
    assert len(Store(settings.snapshots).ids()) == 1


def test_retention_deletes_what_an_earlier_version_of_custdyn_made(
    ask: Ask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifests name no saved query; the records of its runs do."""
    saved = replace(BOARD, retention=Retention(keep_last=1))
    real = publish

    def nameless(*args: Any, saved_query: str | None = None, **about: Any) -> Frozen:
        return real(*args, **about)

    with monkeypatch.context() as patched:
        patched.setattr("custdyn_widgets.notebook.run.publish", nameless)
        before = ask(saved).reports[0].snapshot
        by_hand = publish(run_report(BOARD.query, str(MART), as_of=FIRST), settings).id
    assert "saved_query" not in Store(settings.snapshots).manifest(str(before))
    after = ask(saved).reports[0].snapshot
    assert set(frozen(settings)) == {by_hand, after}


def test_a_failure_says_what_where_and_what_to_do_and_no_secret(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_PASSWORD", "hunter2-hunter2")

    def fail(*_: object, progress: Callable[[str], None], **__: object) -> FinishedRun:
        progress("Code cell 3 of 5 with hunter2-hunter2")
        raise RunError("Code cell 3 of 5 failed: hunter2-hunter2 was refused. Ask who keeps the database.")

    monkeypatch.setattr(making, "run_notebook", fail)
    run = ask()
    assert (run.result, run.where, frozen(settings)) == ("failed", "making the report", [])
    assert received.recipients() == [EVA]
    assert "hunter2" not in str(received.mails) + str(run)
    letter = text_of(received)
    assert "It stopped while making the report" in letter
    assert "was refused. Ask who keeps the database." in letter
    assert f"{QUOTED} run --saved board --as-of {FIRST}" in letter
    assert f"cd {shlex.quote(str(Path.cwd()))} && " in letter
    assert f"CUSTDYN_RUNS={settings.runs}" in letter
    assert f"User {getpass.getuser()}" in letter
    assert [receipt["outcome"] for receipt in run.told] == ["sent"]
    assert Runs(settings.runs or Path()).listing() == [run]


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (replace(BOARD, source="none-such"), "not a folder that exists"),
        (replace(BOARD, schedule=None), "schedule is required"),
        (replace(BOARD, query=ReportQuery("last_month", company=("Nobody",))), "no company 'Nobody'"),
    ],
)
def test_what_is_missing_is_told_by_mail_and_record(
    ask: Ask, received: Received, saved: SavedQuery, words: str
) -> None:
    run = ask(saved)
    assert run.result == "failed"
    assert words in str(run.problem)
    assert received.recipients() == [EVA]
    assert words in text_of(received)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"title"', '"titel"'),
        lambda text: text.replace('"0 6 1 * *"', '"6 Uhr"'),
        lambda text: text.replace("Europe/Paris", "Europe/Pariss"),
        lambda text: text.replace('"last_month"', '"lastmonth"'),
        lambda text: text.replace('"title"', "title"),
        lambda text: text.replace(f'[\n    "{EVA}"\n  ]', f'"{EVA}"'),
        lambda text: text.replace('"failure_recipients"', '"Failure-Recipients"'),
        lambda text: text[:-3],
        lambda text: text + "}",
        lambda _: "",
        lambda _: None,
    ],
)
def test_a_saved_query_that_cannot_be_read_is_told_to_its_failure_recipients(
    ask: Ask, settings: Settings, received: Received, damage: Callable[[str], str | None]
) -> None:
    ask(send=False)
    file = settings.queries / "board.json"
    text = damage(file.read_text())
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    run = dispatch(RunRequest("board"), settings=load_settings(), progress=print, now=NOW)
    assert (run.result, run.where) == ("failed", "reading the saved query")
    assert received.recipients() == [EVA]
    assert str(run.problem)[-40:] in text_of(received).replace("\u2060", "")
    assert Runs(settings.runs or Path()).listing()[-1].failure_recipients == (EVA,)


def test_of_a_saved_query_without_readable_recipients_nobody_is_told(
    settings: Settings, received: Received
) -> None:
    settings.queries.mkdir()
    (settings.queries / "board.json").write_text('{"failure_recipients": ["not an address"]')
    run = dispatch(RunRequest("board"), settings=load_settings(), progress=print, now=NOW)
    assert (run.result, received.mails) == ("failed", [])
    (settings.queries / "board.json").write_text('{"failure_recipients": ["eva@example.net"]')
    run = dispatch(RunRequest("board", send=False), settings=load_settings(), progress=print, now=NOW)
    assert (run.result, received.mails) == ("failed", [])


@pytest.mark.parametrize("invalid", ["eva@", EVA, 3, None])
def test_an_invalid_failure_recipient_does_not_keep_the_others_from_being_told(
    settings: Settings, received: Received, invalid: object
) -> None:
    settings.queries.mkdir()
    given = {**BOARD.to_dict(), "failure_recipients": [invalid, EVA, invalid]}
    (settings.queries / "board.json").write_text(json.dumps(given))
    run = dispatch(RunRequest("board"), settings=load_settings(), progress=print, now=NOW)
    assert (run.result, run.where) == ("failed", "reading the saved query")
    assert received.recipients() == [EVA]
    assert "failure_recipients" in text_of(received)


@pytest.fixture
def early(tmp_path: Path) -> Path:
    """A copy of the mart whose transactions end long before the report does."""
    folder = tmp_path / "early"
    shutil.copytree(MART, folder)
    rows = pd.read_csv(folder / "transactions.csv", dtype=str)
    template = rows.iloc[[0] * 40].reset_index(drop=True)
    template["transaction_id"] = [f"daily-{n}" for n in range(40)]
    days = (datetime(2021, 1, 10, tzinfo=UTC) + timedelta(days=n) for n in range(40))
    template["at"] = [f"{day:%Y-%m-%dT12:00:00Z}" for day in days]
    pd.concat([rows[:0], template]).to_csv(folder / "transactions.csv", index=False)
    return folder


def test_data_that_ends_early_is_told_with_what_was_sent(
    ask: Ask, received: Received, settings: Settings, early: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from click.testing import CliRunner

    from custdyn_widgets.cli import main

    run = ask(replace(BOARD, source=str(early)))
    assert run.result == "sent"
    assert "The last transaction in the data is from" in capsys.readouterr().out
    [gap] = Runs(settings.runs or Path()).listing()[-1].data_gaps
    assert "The last transaction in the data is from" in gap
    assert f"    Note: {gap[:60]}" in CliRunner().invoke(main, ["runs", "list"]).stdout
    assert "The last transaction in the data is from" in text_of(received)


def test_a_saved_query_that_wants_fresh_data_sends_nothing_and_tells_the_failure_recipients(
    ask: Ask, settings: Settings, received: Received, early: Path
) -> None:
    saved = replace(BOARD, source=str(early), only_if=("fresh",))
    run = ask(saved)
    assert (run.result, run.where, frozen(settings)) == ("stale", "checking the data", [])
    assert "Check that the data is complete" in str(run.problem)
    assert received.recipients() == [EVA]
    assert ask(replace(saved, source=str(MART))).result == "sent"


def test_one_recipients_refusal_is_a_failure_that_keeps_nobody_elses_mail(
    ask: Ask, settings: Settings, received: Received
) -> None:
    received.at_recipient = lambda _, address: "550 no such person" if address == ANNA else None
    run = ask()
    assert run.result == "undelivered"
    assert len(frozen(settings)) == 1
    assert [receipt["outcome"] for receipt in run.reports[0].deliveries] == ["refused", "sent"]
    assert received.recipients() == [BEN, EVA]
    assert "550 no such person" in text_of(received, 1)


def test_a_mail_server_that_is_down_leaves_a_snapshot_and_a_record_that_says_so(
    ask: Ask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    run = ask()
    assert run.result == "undelivered"
    assert [receipt["outcome"] for receipt in run.reports[0].deliveries] == ["given up", "given up"]
    assert "Cannot connect to the mail server" in str(run.problem)
    assert len(frozen(settings)) == 1
    assert [receipt["outcome"] for receipt in run.told] == ["given up"]


def test_without_a_mail_server_nothing_is_begun_that_could_not_be_sent(
    ask: Ask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUSTDYN_SMTP_URL")
    run = ask()
    assert "CUSTDYN_SMTP_URL is not set" in str(run.problem)
    assert frozen(settings) == []


def test_a_run_that_sends_nothing_needs_no_mail_server(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUSTDYN_SMTP_URL")
    assert ask(send=False).result == "held back"
    assert ask(replace(BOARD, recipients=(), failure_recipients=())).result == "frozen"


def test_a_full_disk_is_told_by_mail_even_where_no_record_can_be_kept(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("custdyn_widgets.scheduling.records.write_whole", full)
    monkeypatch.setattr("custdyn_widgets.snapshots.staging.new_folder", full)
    run = ask()
    assert run.result == "failed"
    assert "No space left on device" in text_of(received)
    assert received.recipients() == [EVA]
    assert str(run.problem).count("record of this run cannot be written") == 1
    assert f"cannot be written to {settings.runs}: No space left" in str(run.problem)


def test_a_full_snapshot_store_is_named_by_its_setting_and_not_its_path(
    ask: Ask, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("custdyn_widgets.snapshots.staging.new_folder", full)
    run = ask()
    said = "the snapshot store (CUSTDYN_SNAPSHOTS) cannot be written to (No space left on device)"
    assert said in str(run.problem)
    assert said in " ".join(text_of(received).split())


def test_a_run_that_finds_the_one_before_still_going_on_begins_nothing_and_is_told(
    ask: Ask, settings: Settings, received: Received
) -> None:
    assert settings.runs is not None
    with RunLock(settings.runs, "board"):
        run = ask()
    assert (run.result, run.logical_time, frozen(settings)) == ("failed", FIRST, [])
    assert "already running" in str(run.problem)
    assert received.recipients() == [EVA]
    assert f"{QUOTED} run --saved board --as-of {FIRST}" in text_of(received)
    assert Runs(settings.runs).listing() == [run]


def test_a_log_that_cannot_be_written_keeps_no_report_from_its_recipients(
    settings: Settings, received: Received
) -> None:
    def full(line: str) -> None:
        raise OSError(28, "No space left on device")

    keep(BOARD, settings)
    run = dispatch(RunRequest("board"), settings=load_settings(), progress=full, now=NOW)
    assert (run.result, run.problem) == ("sent", None)
    assert received.recipients() == [ANNA, BEN]


@pytest.mark.parametrize(
    ("step", "number"),
    [("run_notebook", signal.SIGTERM), ("send_all", signal.SIGTERM), ("run_notebook", signal.SIGHUP)],
)
def test_a_run_that_is_told_to_end_says_so_before_it_ends(
    ask: Ask,
    settings: Settings,
    received: Received,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    number: signal.Signals,
) -> None:
    def end(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)

    with monkeypatch.context() as patched:
        patched.setattr(making if step == "run_notebook" else run_module, step, end)
        with pytest.raises(SystemExit) as caught:
            ask()
    assert caught.value.code == 128 + number
    [run] = Runs(settings.runs or Path()).listing()
    assert run.result == ("failed" if step == "run_notebook" else "undelivered")
    assert f"was stopped ({number.name})" in str(run.problem)
    assert received.recipients() == [EVA]
    assert ask().result == "sent"
    assert received.recipients() == [EVA, ANNA, BEN]


def test_a_run_that_is_told_to_end_while_it_sends_keeps_the_receipts(
    ask: Ask, settings: Settings, received: Received
) -> None:
    def end_at_ben(_: Received, address: str) -> None:
        if address == BEN:
            received.at_recipient = lambda *_: None
            os.kill(os.getpid(), signal.SIGTERM)

    received.at_recipient = end_at_ben
    with pytest.raises(SystemExit):
        ask()
    [run] = Runs(settings.runs or Path()).listing()
    anna, ben = run.reports[0].deliveries
    assert (run.result, run.reports[0].result) == ("undelivered", "undelivered")
    assert (anna["recipient"], anna["outcome"]) == (ANNA, "sent")
    assert (ben["recipient"], ben["outcome"]) == (BEN, "given up")
    assert "may have arrived" in ben["words"]
    assert "stopped (SIGTERM)" in str(run.problem)
    letter = text_of(received, -1)
    assert "given up. The run ended while this copy was being sent" in letter
    assert "anna" not in letter


def test_a_run_that_is_told_to_end_after_the_last_copy_was_sent(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    quit_connection = smtplib.SMTP.quit

    def quit_and_end(smtp: smtplib.SMTP) -> None:
        monkeypatch.setattr(smtplib.SMTP, "quit", quit_connection)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(smtplib.SMTP, "quit", quit_and_end)
    with pytest.raises(SystemExit):
        ask()
    [run] = Runs(settings.runs or Path()).listing()
    assert run.result == "sent"
    assert "stopped (SIGTERM)" in str(run.problem)
    assert [one["outcome"] for one in run.reports[0].deliveries] == ["sent", "sent"]


def test_a_copy_that_was_accepted_is_recorded_before_the_next_is_sent(
    ask: Ask, settings: Settings, received: Received
) -> None:
    """What a process that is killed, or a machine that goes down, leaves behind."""
    found: list[Run] = []

    def look_at_ben(_: Received, address: str) -> None:
        if address == BEN:
            found.extend(Runs(settings.runs or Path()).listing())

    received.at_recipient = look_at_ben
    ask()
    [run] = found
    assert [one["outcome"] for one in run.reports[0].deliveries] == ["sent", "given up"]
    assert f"{BEN}: given up. The run ended before this copy was sent." in str(run.reports[0].problem)
    assert ANNA not in str(run.reports[0].problem)


def test_a_metric_that_ends_python_is_a_failure(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> None:
        sys.exit()

    monkeypatch.setattr(making, "run_notebook", end)
    with pytest.raises(SystemExit) as caught:
        ask()
    assert caught.value.code == 1
    assert [run.result for run in Runs(settings.runs or Path()).listing()] == ["failed"]
    assert received.recipients() == [EVA]


def test_whoever_is_told_of_an_undelivered_report_gets_its_link_and_the_command_for_the_rest(
    ask: Ask, received: Received
) -> None:
    received.at_recipient = lambda _, address: "550 no such person" if address == ANNA else None
    run = ask()
    letter = text_of(received, -1)
    assert f"https://reports.example/view?id={run.reports[0].snapshot}" in letter
    assert "send the same report to the recipients who did not get it" in letter
    assert f"{QUOTED} runs resend {run.id}" in letter


def test_a_report_that_everybody_got_is_not_offered_to_those_who_missed_it(
    ask: Ask, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_module, "prune", full)
    run = ask(replace(BOARD, retention=Retention(keep_last=1)))
    assert (run.result, run.where) == ("sent", "deleting old snapshots")
    letter = text_of(received, -1)
    assert str(run.reports[0].snapshot) in letter
    assert "did not get it" not in letter
    assert "sends the report to all recipients, including those who already have it" in letter


def test_what_is_recorded_of_a_report_before_anything_is_sent_has_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_PASSWORD", "hunter2-hunter2")
    recorder = run_module.Recorder(Run.begun("board"), settings, print, print)
    recorder.add_report(Outcome("failed", "Northwind", problem="hunter2-hunter2 was refused"))
    recorder.fail("stopped")
    assert recorder.run.reports[0].problem == "[the value of BILLING_PASSWORD] was refused"


def test_an_extension_that_ends_the_process_is_not_taken_for_a_signal(
    ask: Ask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(making, "run_notebook", leave)
    with pytest.raises(SystemExit):
        ask()
    [run] = Runs(settings.runs or Path()).listing()
    assert run.result == "failed"
    assert "(exit)" in str(run.problem)


def test_the_command_of_a_failures_letter_asks_what_the_run_asked(
    ask: Ask, received: Received, tmp_path: Path
) -> None:
    ask(
        replace(BOARD, source="none-such"),
        source="other one",
        template=Path("mine.ipynb"),
        parameters={"a": "b c"},
    )
    assert (
        f"{QUOTED} run mine.ipynb --saved board --as-of {FIRST} --source 'other one' -p a 'b c'"
        in text_of(received)
    )


def test_a_killed_run_is_told_of_once_by_the_next_which_works(
    ask: Ask, settings: Settings, received: Received
) -> None:
    assert settings.runs is not None
    Runs(settings.runs).write(Run.begun("board", logical_time="2022-01-01T05:00:00Z"))
    assert ask(send=False).result == "held back"
    assert received.mails == []
    assert [ask().result, ask().result] == ["sent", "sent"]
    results = [run.result for run in Runs(settings.runs).listing()]
    assert results == ["killed", "held back", "sent", "sent"]
    assert received.recipients() == [EVA, ANNA, BEN, ANNA, BEN]
    assert "did not finish" in text_of(received)
    assert "--as-of 2022-01-01T05:00:00Z" in text_of(received)


def test_a_clock_that_was_moved_back_is_told_and_keeps_no_report_back(
    ask: Ask, settings: Settings, received: Received, capsys: pytest.CaptureFixture[str]
) -> None:
    ask()
    assert "moved back" not in capsys.readouterr().out
    ask()  # its clock tells 2022, and the record of the run before it today
    assert "moved back" in capsys.readouterr().out
    assert received.recipients() == [ANNA, BEN] * 2


def test_a_failure_is_recorded_even_where_nobody_can_say_what_is_secret(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise SnapshotError("connections.ini is not to be understood.")

    monkeypatch.setattr("custdyn_widgets.scheduling.recorder.known_secrets", unknown)
    run = ask(replace(BOARD, source="none-such"))
    assert run.result == "failed"
    assert "none-such" not in str(run) + str(received.mails)
    assert "is not to be understood" in text_of(received)
    assert Runs(settings.runs or Path()).listing() == [run]


def test_a_saved_query_that_is_gone_or_broken_is_recorded(ask: Ask, settings: Settings) -> None:
    run = dispatch(RunRequest("gone"), settings=settings, progress=print, now=NOW)
    assert run.result == "failed"
    assert "no saved query 'gone'" in str(run.problem)
    assert [run.saved for run in Runs(settings.runs or Path()).listing()] == ["gone"]


def test_a_name_that_leads_elsewhere_leaves_no_record(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(CustDynError, match="cannot be the name"):
        dispatch(RunRequest("../../elsewhere"), settings=settings, progress=print, now=NOW)
    assert not list(tmp_path.rglob("*elsewhere*"))


def custdyn(*arguments: str, **about: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False, **about)


@pytest.mark.slow
def test_the_command_runs_sends_and_says_the_link(settings: Settings, received: Received) -> None:
    keep(BOARD, settings)
    done = custdyn("run", "--saved", "board", "--as-of", FIRST)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"https://reports.example/view?id={frozen(settings)[0]}\n"
    assert received.recipients() == [ANNA, BEN]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "timeout", "words"),
    [
        ("import time; time.sleep(600)", "5", "still running after 5 seconds"),
        ("import os; os.kill(os.getpid(), 9)", "60", "kernel died"),
    ],
    ids=["hung", "killed"],
)
def test_a_kernel_that_hangs_or_is_killed_is_told(
    settings: Settings, received: Received, tmp_path: Path, cell: str, timeout: str, words: str
) -> None:
    from tests.notebook.test_notebook_run import template

    keep(BOARD, settings)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    path = template(tmp_path, cell, parameters=_PARAMETERS)
    done = custdyn("run", str(path), "--saved", "board", "--as-of", FIRST, "--timeout", timeout)
    assert done.returncode == 1
    assert words in done.stderr
    assert words in text_of(received)
    [run] = Runs(settings.runs or Path()).listing()
    took = datetime.fromisoformat(str(run.ended)) - datetime.fromisoformat(run.began)
    assert took.total_seconds() < 40
    assert frozen(settings) == []
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


@pytest.mark.slow
def test_a_run_lets_no_second_one_begin_and_killed_publishes_nothing_and_the_next_one_works(
    settings: Settings, received: Received, tmp_path: Path
) -> None:
    from tests.notebook.test_notebook_run import template

    keep(BOARD, settings)
    path = template(tmp_path, "import time; time.sleep(600)", parameters=_PARAMETERS)
    command = [COMMAND, "run", str(path), "--saved", "board", "--as-of", FIRST]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("Code cell 2"):
                break
        second = custdyn("run", "--saved", "board", "--as-of", FIRST)
        assert second.returncode == 1
        assert "already running" in second.stderr
        kernels = psutil.Process(run.pid).children(recursive=True)
        os.kill(run.pid, 9)
    for kernel in kernels:
        kernel.kill()
    assert frozen(settings) == []
    assert custdyn("run", "--saved", "board", "--as-of", FIRST).returncode == 0
    results = [run.result for run in Runs(settings.runs or Path()).listing()]
    assert results == ["killed", "failed", "sent"]
    assert received.recipients() == [EVA, EVA, ANNA, BEN]
    assert "already running" in text_of(received)
    assert "did not finish" in text_of(received, 1)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="mounting takes root")
@pytest.mark.parametrize("full", ["snapshots", "runs"])
def test_a_real_full_disk_is_told_by_mail_and_exit_code(
    settings: Settings, received: Received, full: str
) -> None:
    """A disk for runs that takes one record and no second one keeps no report from its recipients."""
    keep(BOARD, settings)
    assert settings.runs is not None
    disk = getattr(settings, full)
    disk.mkdir()
    run = f"exec {shlex.quote(COMMAND)} run --saved board --as-of {FIRST}"
    mounted = f"mount -t tmpfs -o size=4k none '{disk}' && {run}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "No space left on device" in text_of(received, -1)
    if full == "snapshots":
        assert received.recipients() == [EVA]
        assert [run.result for run in Runs(settings.runs).listing()] == ["failed"]
    else:
        assert received.recipients() == [ANNA, BEN, EVA]
        assert len(frozen(settings)) == 1


_PARAMETERS = "\n".join(f"{name} = None" for name in ["source", "as_of", *BOARD.query.to_dict()]) + (
    "\ninterval_start = None\ninterval_end = None"
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scheduled"],
        ["--no-send"],
        ["--saved", "board", "--no-send"],
        ["--saved", "board", "--scheduled", "--as-of", FIRST],
        ["--saved", "board", "--scheduled", "--currency", "EUR"],
        ["--saved", "board", "--scheduled", "-p", "currency", "EUR"],
        ["--saved", "board", "--as-of", "yesterday"],
    ],
)
def test_options_that_do_not_fit_together_are_wrong_use(settings: Settings, arguments: list[str]) -> None:
    from click.testing import CliRunner

    from custdyn_widgets.cli import main

    keep(BOARD, settings)
    assert CliRunner().invoke(main, ["run", *arguments]).exit_code == 2
    assert not (settings.runs or Path()).exists()


@pytest.mark.parametrize("options", [["--again"], ["--within", "1h"], ["--no-send"], ["--quiet"]])
def test_the_options_of_a_recorded_run_are_refused_for_any_other(
    settings: Settings, options: list[str]
) -> None:
    from click.testing import CliRunner

    from custdyn_widgets.cli import main

    keep(BOARD, settings)
    done = CliRunner().invoke(main, ["run", "--saved", "board", *options])
    assert done.exit_code == 2
    assert "A recorded run needs --saved NAME and either --scheduled or --as-of TIME." in done.stderr


def test_a_quiet_run_says_nothing_unless_something_goes_wrong_and_then_all(
    settings: Settings, received: Received
) -> None:
    """Cron mails whatever a job says."""
    from click.testing import CliRunner

    from custdyn_widgets.cli import main

    keep(BOARD, settings)
    quiet = ["run", "--saved", "board", "--as-of", FIRST, "--quiet"]
    good = CliRunner().invoke(main, quiet)
    assert (good.exit_code, good.output) == (0, "")
    assert received.recipients() == [ANNA, BEN]
    received.at_data = lambda _, to: "550 no such user" if to == BEN else None
    bad = CliRunner().invoke(main, quiet)
    assert bad.exit_code == 1
    loud = CliRunner().invoke(main, quiet[:-1])
    assert masked(bad.output) == masked(loud.output)
    assert "Sending to 2 recipients" in bad.output
    assert "no such user" in bad.output


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--no-send"]])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_failure_of_which_nobody_is_notified_says_so_and_what_to_set(
    settings: Settings, received: Received, options: list[str], damaged: bool
) -> None:
    from click.testing import CliRunner

    from custdyn_widgets.cli import main

    keep(replace(BOARD, source="nowhere", failure_recipients=()), settings)
    if damaged:
        (settings.queries / "board.json").write_text("{")
    done = CliRunner().invoke(main, ["run", "--saved", "board", "--as-of", FIRST, *options])
    assert (done.exit_code, received.mails) == (1, [])
    said = (
        "Nobody was notified of this failure. List failure_recipients in the saved query, or in the settings"
    )
    assert done.stderr.count(said) == (options != ["--no-send"])


def masked(output: str) -> str:
    return re.sub("id=[a-z2-7]{52}", "id=…", output)


def test_a_quiet_run_still_says_that_the_clock_was_moved_back(ask: Ask, settings: Settings) -> None:
    steps: list[str] = []
    warnings: list[str] = []
    keep(BOARD, settings)
    for now in (NOW, NOW - timedelta(days=400)):  # the first one's record tells the machine's clock
        about: dict[str, Any] = {"progress": steps.append, "warn": warnings.append, "now": now}
        dispatch(RunRequest("board"), settings=settings, **about)
    assert warnings
    assert all("clock was moved back" in line for line in warnings)
    assert not any("moved back" in line for line in steps)


def test_a_wait_for_the_mail_server_is_said(
    ask: Ask, received: Received, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUSTDYN_SMTP_WAITS", "0.25")
    received.at_data = lambda *_: "451 try later"
    ask(replace(BOARD, recipients=(ANNA,), failure_recipients=()))
    [told] = [line for line in capsys.readouterr().out.splitlines() if "Trying again" in line]
    assert told.startswith("Trying again in 0.25 s. ")
    assert told.endswith("451 try later")


def test_a_workbook_goes_with_the_mail_where_the_saved_query_in_force_says_so(
    ask: Ask, settings: Settings, received: Received
) -> None:
    saved_queries.save(replace(BOARD, output="xlsx"), "mine", over=None, settings=settings)
    run = ask()
    [attachment] = received.message().iter_attachments()
    snapshot = str(run.reports[0].snapshot)
    assert attachment.get_filename() == f"board-last-month-2022-01-31-{snapshot[:8]}.xlsx"
    frozen_file = Store(settings.snapshots).read(str(run.reports[0].snapshot), "report.xlsx")
    assert attachment.get_content() == frozen_file


def test_the_frozen_charts_are_in_the_letter(ask: Ask, settings: Settings, received: Received) -> None:
    run = ask(replace(BOARD, subject="{name}: {interval}", opening="Dear board,"))
    message = received.message()
    assert message["Subject"] == "board: 2022-01-01 to 2022-01-31"
    assert "Dear board," in text_of(received)
    files = Store(settings.snapshots).manifest(str(run.reports[0].snapshot))["files"]
    frozen_charts = [name for name in files if name.startswith("chart-")]
    pictures = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert 0 < len(pictures) == min(len(frozen_charts), letter_charts.MAX_CHARTS)
    assert all(part.get_payload(decode=True).startswith(b"\x89PNG\r\n") for part in pictures)
    html = message.get_body(("html",))
    assert html is not None
    assert 'alt="Chart: Clients - Active: Qty' in html.get_content()


def test_charts_that_are_too_large_or_cannot_be_drawn_are_left_out(
    ask: Ask, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> bytes:
        raise ValueError("not an SVG")

    monkeypatch.setattr(letter_charts, "MAX_BYTES", 1_000)
    assert ask().result == "sent"
    monkeypatch.setattr(letter_charts, "_drawn", broken)
    monkeypatch.setattr(letter_charts, "MAX_BYTES", 1_000_000)
    assert ask().result == "sent"
    assert len(received.mails) == 4
    assert not any(b"image/png" in data for _, data in received.mails)


def test_a_pdf_is_frozen_and_goes_with_the_mail_where_the_saved_query_says_so(
    ask: Ask, settings: Settings, received: Received
) -> None:
    saved_queries.save(replace(BOARD, output="pdf"), "mine", over=None, settings=settings)
    run = ask()
    assert run.result == "sent"
    [attachment] = received.message().iter_attachments()
    snapshot = str(run.reports[0].snapshot)
    assert attachment.get_filename() == f"board-last-month-2022-01-31-{snapshot[:8]}.pdf"
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_content() == Store(settings.snapshots).read(snapshot, "report.pdf")
    assert "The report is attached as a PDF file." in received.message().get_body(("plain",)).get_content()


def test_a_run_can_be_asked_for_a_pdf(settings: Settings, received: Received, ask: Ask) -> None:
    saved_queries.save(replace(BOARD, recipients=()), "mine", over=None, settings=settings)
    request = RunRequest("board", pdf=True)
    assert request.repeat_command(None) == "custdyn run --saved board --scheduled --pdf"
    run = dispatch(request, settings=settings, progress=lambda _: None, now=NOW)
    assert Store(settings.snapshots).read(str(run.reports[0].snapshot), "report.pdf").startswith(b"%PDF")


def test_a_run_that_cannot_make_its_pdf_fails_before_it_starts(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    saved_queries.save(replace(BOARD, output="pdf"), "mine", over=None, settings=settings)
    run = ask()
    assert (run.result, run.where) == ("failed", "preparing the run")
    assert "pip install 'custdyn-widgets[pdf]'" in str(run.problem)
    assert not list(Store(settings.snapshots).ids())
    assert "custdyn-widgets[pdf]" in received.message().get_body(("plain",)).get_content()


def test_a_csv_for_excel_goes_with_the_mail_where_the_saved_query_says_so(
    ask: Ask, settings: Settings, received: Received
) -> None:
    saved_queries.save(replace(BOARD, output="csv-excel"), "mine", over=None, settings=settings)
    run = ask()
    [attachment] = received.message().iter_attachments()
    snapshot = str(run.reports[0].snapshot)
    assert attachment.get_filename() == f"board-last-month-2022-01-31-{snapshot[:8]}-excel.csv"
    frozen = Store(settings.snapshots).read(str(run.reports[0].snapshot), "report.json")
    assert attachment.get_payload(decode=True) == to_excel_csv(Report.from_dict(json.loads(frozen)))


def test_the_password_of_an_address_given_as_a_source_is_told_to_nobody(
    ask: Ask, received: Received, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ask(source="mysql+pymysql://anna:sea-and-sand@db/crm", parameters={"link": "ftp://anna:sand@host"})
    assert (run.result, run.where) == ("failed", "making the report")
    assert "not a URL ('mysql+pymysql://'…)" in str(run.problem)
    letter = text_of(received)
    assert "ftp://anna:***@host" in letter
    records = "".join(path.read_text() for path in (settings.runs or Path()).rglob("*.json"))
    for told in (letter, str(received.mails), records, str(run), *capsys.readouterr()):
        assert "sea-and-sand" not in told
        assert "anna:sand" not in told


@pytest.mark.parametrize(
    "source",
    ["anna:sand@db/crm", "anna/sand@//db/xe", "Server=db;Uid=anna;Pwd=sand;", "Pwd={sand}", "//a:sand@h/s"],
)
def test_the_password_of_a_connection_string_given_as_a_source_is_told_to_nobody(
    ask: Ask, received: Received, settings: Settings, source: str
) -> None:
    run = ask(source=source, parameters={"dsn": "host=db password=sand"})
    assert "not the address of a database with a login" in str(run.problem)
    records = "".join(path.read_text() for path in (settings.runs or Path()).rglob("*.json"))
    assert "password=***" in text_of(received)
    for told in (text_of(received), records, str(run)):
        assert "sand" not in told


def test_a_password_in_the_title_or_description_is_sent_to_nobody(ask: Ask, received: Received) -> None:
    saved = replace(BOARD, title="Board ftp://anna:sand@host", description="see mysql://anna:sand@db/crm")
    assert ask(saved).result == "sent"
    assert "mysql://anna:***@db/crm" in text_of(received).replace("\u2060", "")
    assert "sand" not in "".join(map(str, received.mails))


def test_the_name_of_a_file_says_until_when_a_running_month_counts(ask: Ask, received: Received) -> None:
    """Otherwise, the files of every day of a month have the same name, that of the whole month."""
    run = ask(replace(BOARD, query=ReportQuery("this_month", timezone="Europe/Paris")))
    [attachment] = received.message().iter_attachments()
    snapshot = str(run.reports[0].snapshot)
    assert attachment.get_filename() == f"board-this-month-2022-02-28-until-2022-02-01-{snapshot[:8]}.csv"
