"""A run's letter reaches those whom the run did not reach, and nobody twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from custdyn_widgets.cli import main
from custdyn_widgets.errors import RunError, SavedQueryError, StillRunningError
from custdyn_widgets.scheduling.locks import RunLock
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.resend import resend
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import life
from custdyn_widgets.snapshots.store import Store
from tests.mail_server import Received
from tests.scheduling.test_for_each import run_each
from tests.scheduling.test_job import ANNA, BEN, BOARD, EVA, Ask, ask, frozen, keep, received, settings

__all__ = ["ask", "received", "settings"]  # fixtures


def refuse(received: Received, *refused: str) -> None:
    received.at_recipient = lambda _, address: "550 no such person" if address in refused else None


def newest(settings: Settings) -> Run:
    return Runs(settings.runs or Path()).listing()[-1]


def test_only_those_who_were_not_reached_get_the_same_letter(
    ask: Ask, settings: Settings, received: Received
) -> None:
    refuse(received, BEN)
    run = ask()
    assert run.result == "undelivered"
    received.mails.clear()
    refuse(received)
    again = resend(run.id, settings=settings, progress=print)
    assert received.recipients()[-1:] == [BEN]
    assert ANNA not in received.recipients()
    assert (again.result, again.problem, again.where, len(again.resent)) == ("sent", None, None, 1)
    assert [receipt["outcome"] for receipt in again.reports[0].deliveries] == ["sent", "sent"]
    assert Runs(settings.runs or Path()).listing() == [again]
    assert frozen(settings) == [run.reports[0].snapshot]
    [attachment] = received.message().iter_attachments()
    assert attachment.get_content().encode() == Store(settings.snapshots).read(
        str(run.reports[0].snapshot), "report.csv"
    )
    for name in (run.id, "board"):
        with pytest.raises(RunError, match="has no recipients left to send"):
            resend(name, settings=settings, progress=print)
    assert received.recipients()[-1:] == [BEN]


def test_who_is_still_refused_stays_unreached_and_the_command_fails(
    ask: Ask, settings: Settings, received: Received
) -> None:
    refuse(received, ANNA, BEN)
    run = ask()
    refuse(received, BEN)
    done = CliRunner().invoke(main, ["runs", "resend", run.id])
    assert done.exit_code == 1, done.output
    assert "ben@example.org: refused" in done.stderr
    again = newest(settings)
    assert [receipt["outcome"] for receipt in again.reports[0].deliveries] == ["sent", "refused"]
    assert (again.result, again.where) == ("undelivered", "sending the report")
    refuse(received)
    done = CliRunner().invoke(main, ["runs", "resend", "board"])
    assert (done.exit_code, newest(settings).result) == (0, "sent"), done.output
    assert "board: sent" in done.stderr


def test_who_was_removed_from_the_recipients_gets_nothing(
    ask: Ask, settings: Settings, received: Received
) -> None:
    refuse(received, ANNA, BEN)
    run = ask()
    refuse(received)
    received.mails.clear()
    keep(replace(BOARD, recipients=(ANNA, EVA)), settings)
    said: list[str] = []
    assert resend(run.id, settings=settings, progress=said.append).result == "undelivered"
    assert f"{BEN} is no longer a recipient, so nothing will be sent to it." in said
    assert BEN not in received.recipients()
    assert EVA not in received.recipients()[1:]


def test_what_a_killed_run_did_not_send_is_sent(ask: Ask, settings: Settings, received: Received) -> None:
    run = ask(send=False)
    killed = replace(run, result="running", ended=None, reports=(replace(run.reports[0], result="frozen"),))
    Runs(settings.runs or Path()).write(killed)
    again = resend("board", settings=settings, progress=print)
    assert (again.result, received.recipients()) == ("sent", [ANNA, BEN])


def test_a_copy_that_is_resent_is_recorded_before_the_next_is_sent(
    ask: Ask, settings: Settings, received: Received
) -> None:
    ask(send=False)
    found: list[Run] = []

    def look_at_ben(_: Received, address: str) -> None:
        if address == BEN:
            found.append(newest(settings))

    received.at_recipient = look_at_ben
    resend("board", settings=settings, progress=print)
    assert [one["outcome"] for one in found[0].reports[0].deliveries] == ["sent", "given up"]


def test_what_was_held_back_is_sent_after_review(ask: Ask, settings: Settings, received: Received) -> None:
    run = ask(send=False)
    assert resend(run.id, settings=settings, progress=print).result == "sent"
    assert received.recipients() == [ANNA, BEN]


def test_a_companys_letter_goes_to_its_own_address(settings: Settings, received: Received) -> None:
    whole = run_each(settings, send=False)
    assert {one.result for one in whole.reports} == {"held back"}
    again = resend(whole.id, settings=settings, progress=print)
    assert again.result == "sent"
    for one in again.reports:
        assert one.deliveries
    by_run = run_each(settings)
    expected = {one.company: [receipt["recipient"] for receipt in one.deliveries] for one in by_run.reports}
    assert {one.company: [r["recipient"] for r in one.deliveries] for one in again.reports} == expected


def test_a_revoked_report_is_not_sent(ask: Ask, settings: Settings, received: Received) -> None:
    run = ask(send=False)
    life.revoke(Store(settings.snapshots), str(run.reports[0].snapshot))
    with pytest.raises(RunError, match="cannot be sent: There is no snapshot"):
        resend(run.id, settings=settings, progress=print)
    assert received.recipients() == []


def test_nothing_is_resent_while_the_saved_query_runs_or_without_it(
    ask: Ask, settings: Settings, received: Received
) -> None:
    run = ask(send=False)
    with RunLock(settings.runs or Path(), "board"), pytest.raises(StillRunningError):
        resend(run.id, settings=settings, progress=print)
    (settings.queries / "board.json").unlink()
    with pytest.raises(SavedQueryError):
        resend(run.id, settings=settings, progress=print)
    for unknown in ("none", "../locks", "20220214T050001.000000Z-00000000"):
        with pytest.raises(RunError, match="There is no run"):
            resend(unknown, settings=settings, progress=print)
    assert received.recipients() == []


def test_nothing_is_resent_if_it_cannot_be_recorded(
    ask: Ask, settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(send=False)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("custdyn_widgets.scheduling.records.write_whole", full)
    with pytest.raises(RunError, match="cannot be written"):
        resend(run.id, settings=settings, progress=print)
    assert received.recipients() == []


def test_a_run_without_recipients_has_nobody_to_send_to(ask: Ask, settings: Settings) -> None:
    run = ask(replace(BOARD, recipients=()))
    assert run.result == "frozen"
    keep(BOARD, settings)
    with pytest.raises(RunError, match="no recipients left"):
        resend(run.id, settings=settings, progress=print)


def test_a_run_of_several_reports_that_was_killed_stays_killed(
    settings: Settings, received: Received
) -> None:
    whole = run_each(settings, send=False)
    left = tuple(replace(one, result="frozen") for one in whole.reports[:1])
    assert isinstance(left[0], Outcome)
    Runs(settings.runs or Path()).write(replace(whole, result="running", ended=None, reports=left))
    again = resend(whole.id, settings=settings, progress=print)
    assert (again.result, again.reports[0].result) == ("killed", "sent")
    assert received.recipients()
