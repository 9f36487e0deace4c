"""Runs of saved queries with conditions: when they send, what letters, records and lists say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from custdyn_widgets.cli import main
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.engine.report import report_on
from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.report.report import Report, Value
from custdyn_widgets.saved_queries.alerts.condition import parse_alert_if
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.scheduling import making
from custdyn_widgets.scheduling.job import dispatch
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from tests.mail_server import Received, free_port
from tests.scheduling.test_for_each import ACME, BLUE, EACH, NORTH, run_each
from tests.scheduling.test_job import (
    ANNA,
    BEN,
    BOARD,
    EVA,
    FIRST,
    NOW,
    frozen,
    keep,
    received,
    settings,
    text_of,
    without_kernel,
)

__all__ = ["received", "settings"]  # fixtures
QTY, AVG = "Clients - Active: Qty", "Balance Refill: Avg"
YEAR = replace(BOARD.query, interval="last_12_months")


def with_conditions(
    *conditions: Mapping[str, object], saved: SavedQuery = BOARD, **changes: Any
) -> SavedQuery:
    changed = replace(saved, query=YEAR, **changes)
    return replace(changed, alert_if=parse_alert_if(conditions))


BELOW = {"column": QTY, "row": "total", "below": 100}
FALLS = {"column": QTY, "row": "last", "falls_by": "5%"}
Turn = Callable[..., Run]


def with_values(report: Report, column: str, total: Value, rows: tuple[Value, ...] = ()) -> Report:
    """Return a report with other values in a column: its Total and its last rows."""
    at = report.column(column)

    def row_with(row: Any, value: Value) -> Any:
        return replace(row, values=(*row.values[:at], value, *row.values[at + 1 :]))

    assert report.total is not None
    old, last = report.rows[: len(report.rows) - len(rows)], report.rows[len(report.rows) - len(rows) :]
    changed = (row_with(row, value) for row, value in zip(last, rows, strict=True))
    return replace(report, rows=(*old, *changed), total=row_with(report.total, total))


@pytest.fixture
def turn(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Run a saved query in which the Total of active clients, or another column, has a given value."""
    days = iter(range(1, 28))

    def run_with(
        total: Value, saved: SavedQuery, *, column: str = QTY, rows: tuple[Value, ...] = (), **order: Any
    ) -> Run:
        def made(template: object, parameters: Mapping[str, Any], **more: object) -> object:
            finished = without_kernel(template, parameters, **more)
            return replace(finished, report=with_values(finished.report, column, total, rows))

        monkeypatch.setattr(making, "run_notebook", made)
        keep(saved, settings)
        given = {"as_of": f"2022-01-{next(days):02}T05:00:00Z", **order}
        return dispatch(
            RunRequest("board", **{"again": True, **given}), settings=load_settings(), progress=print, now=NOW
        )

    return run_with


def state(run: Run, at: int = 0) -> str:
    return str(run.reports[0].conditions[at]["state"])


def subject_of(received: Received, at: int = 0) -> str:
    return str(received.message(at)["Subject"]).strip()


def listed(*options: str) -> str:
    done = CliRunner().invoke(main, ["runs", "list", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_run_sends_when_a_condition_becomes_true_and_once_when_it_has_passed(
    turn: Turn, settings: Settings, received: Received
) -> None:
    saved = with_conditions(BELOW, recipients=(ANNA,))
    turns = [turn(value, saved) for value in (100, 99, 98, 100, 101, 99)]
    assert [run.result for run in turns] == ["not sent", "sent", "not sent", "sent", "not sent", "sent"]
    assert [state(run) for run in turns] == [
        "not true", "became true", "still true", "passed", "not true", "became true",
    ]  # fmt: skip
    assert [subject_of(received, at).split(":")[0] for at in range(3)] == ["Alert", "Passed", "Alert"]
    assert f"Became true: {QTY}, Total: is below 100. - Total (partial): 99" in text_of(received)
    assert f"Passed: {QTY}, Total: is below 100. - Total (partial): 100" in text_of(received, 1)
    # Only sending is held back.
    assert len(frozen(settings)) == len(turns)
    assert all(run.problem is None for run in turns)


def test_without_conditions_nothing_changes(turn: Turn, received: Received) -> None:
    run = turn(50, replace(with_conditions(BELOW), alert_if=()))
    assert run.result == "sent"
    assert "conditions" not in run.to_dict()["reports"][0]
    assert subject_of(received).startswith("Board:")


def test_each_condition_has_its_own_state(turn: Turn) -> None:
    other = {**BELOW, "below": 50}
    saved = with_conditions(BELOW, other)
    assert [state(turn(60, saved), at) for at in (0, 1)] == ["became true", "not true"]
    run = turn(40, saved)
    assert (run.result, state(run, 0), state(run, 1)) == ("sent", "still true", "became true")
    run = turn(60, saved)
    assert (run.result, state(run, 0), state(run, 1)) == ("sent", "still true", "passed")


def test_runs_that_failed_neither_set_nor_clear_a_condition(turn: Turn, settings: Settings) -> None:
    saved = with_conditions(BELOW)
    broken = replace(saved, source="none-such")
    assert turn(99, broken, source="none-such").result != "sent"
    assert state(turn(99, saved)) == "became true"
    lost = with_conditions({**BELOW, "column": "Clients - Gone: Qty"})
    assert turn(99, lost).result == "failed"
    assert state(turn(99, saved)) == "still true"
    assert turn(99, lost).result == "failed"
    assert state(turn(100, saved)) == "passed"


def test_an_alert_that_reached_nobody_is_sent_by_the_next_run(
    turn: Turn, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = with_conditions(BELOW)
    up = load_settings().smtp_url
    monkeypatch.setenv("CUSTDYN_SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    run = turn(99, saved)
    assert (run.result, state(run)) == ("undelivered", "became true")
    monkeypatch.setenv("CUSTDYN_SMTP_URL", str(up))
    run = turn(98, saved)
    assert (run.result, state(run)) == ("sent", "became true")


def test_a_run_that_does_not_send_neither_sets_nor_clears(turn: Turn) -> None:
    saved = with_conditions(BELOW)
    assert turn(99, saved, send=False).result == "held back"
    assert state(turn(99, saved)) == "became true"
    assert turn(99, saved, send=False).result == "not sent"
    assert turn(100, saved, send=False).result == "held back"
    assert state(turn(100, saved)) == "passed"


def test_a_report_without_recipients_is_frozen_and_its_conditions_are_recorded(turn: Turn) -> None:
    saved = with_conditions(BELOW, recipients=())
    turns = [turn(value, saved) for value in (99, 99, 100)]
    assert [(run.result, state(run)) for run in turns] == [
        ("frozen", "became true"), ("frozen", "still true"), ("frozen", "passed"),
    ]  # fmt: skip


def test_changed_conditions_start_as_not_true(turn: Turn) -> None:
    saved = with_conditions(BELOW)
    assert state(turn(40, saved)) == "became true"
    other = with_conditions({**BELOW, "below": 50}, BELOW)
    run = turn(40, other)
    assert (state(run, 0), state(run, 1)) == ("became true", "still true")
    assert turn(40, replace(saved, alert_if=())).result == "sent"
    assert state(turn(40, saved)) == "became true"  # it was removed in between
    assert state(turn(40, saved)) == "still true"
    assert state(turn(40, replace(saved, query=replace(YEAR, currency="EUR")))) == "became true"
    renamed = replace(saved, title="New title", description="Or a new description.")
    assert state(turn(40, saved)) == "became true"
    assert state(turn(40, renamed)) == "still true"


def test_a_repeated_run_for_an_earlier_time_looks_at_what_was_before_it(turn: Turn) -> None:
    saved = with_conditions(BELOW)
    turn(100, saved, as_of="2021-10-01T00:00:00Z")
    turn(99, saved, as_of="2021-12-01T00:00:00Z")
    run = turn(98, saved, as_of="2021-11-01T00:00:00Z")
    assert (run.result, state(run)) == ("sent", "became true")
    assert state(turn(97, saved, as_of="2021-12-01T00:00:00Z")) == "still true"
    assert state(turn(100, saved, as_of="2021-12-02T00:00:00Z")) == "passed"


def test_a_null_meets_nothing_and_is_told_in_record_list_and_letter(turn: Turn, received: Received) -> None:
    saved = with_conditions({"column": AVG, "row": "last", "above": 5}, BELOW)
    run = turn(None, saved, column=AVG, rows=(None,))
    [found, _] = run.reports[0].conditions
    assert (found["state"], found["unknown"]) == ("not true", 1)
    words = "not met, because there is no value"
    assert words in found["lines"][0]
    assert words in listed()
    assert words in text_of(received)  # which went out for the other condition
    assert subject_of(received).startswith("Alert: ")


def test_a_condition_that_turns_into_a_null_has_passed(turn: Turn) -> None:
    saved = with_conditions({"column": QTY, "row": "total", "below": 100})
    assert state(turn(99, saved)) == "became true"
    run = turn(None, saved)
    assert (run.result, state(run), run.reports[0].conditions[0]["unknown"]) == ("sent", "passed", 1)


def test_the_letter_lists_the_first_rows_that_meet_a_condition_and_counts_the_others(
    turn: Turn, received: Received
) -> None:
    saved = with_conditions({**BELOW, "row": "any", "below": 50}, FALLS)
    run = turn(1_000, saved, rows=(1, 2, 100, 3, 4, 5, 6, 7, 100, 95))
    lines = run.reports[0].conditions[0]["lines"]
    assert run.reports[0].conditions[0]["rows"] >= 7
    assert len(lines) == 6
    assert lines[-1].startswith("and ")
    told = text_of(received)
    assert all(line in told for line in lines)
    assert "last row: falls by 5% or more from the previous row. - 2022-01 (partial): 95, after 100" in told
    html = received.message().get_body(("html",))
    assert html is not None
    assert "falls by 5% or more" in html.get_content()


def test_a_column_that_the_report_lacks_fails_the_run_before_anything_is_frozen(
    turn: Turn, settings: Settings, received: Received
) -> None:
    run = turn(99, with_conditions({**BELOW, "column": "Clients - Activ: Qty"}))
    assert run.result == "failed"
    assert "alert_if[0].column: the report has no column 'Clients - Activ: Qty'" in str(run.problem)
    assert repr(QTY) in str(run.problem)
    assert frozen(settings) == []
    assert received.recipients() == [EVA]


def test_a_report_that_only_if_skips_leaves_conditions_as_they_were(turn: Turn) -> None:
    saved = with_conditions(BELOW, only_if=("changed",))
    day = "2022-01-01T05:00:00Z"
    assert state(turn(99, saved, as_of=day)) == "became true"
    assert turn(99, saved, as_of=day).result == "unchanged"
    run = turn(98, saved, as_of=day)
    assert (run.result, state(run)) == ("not sent", "still true")
    assert turn(98, saved, as_of=day).result == "unchanged"
    assert state(turn(100, saved, as_of=day)) == "passed"


def test_the_list_of_runs_says_which_condition_which_value_and_which_bound(turn: Turn) -> None:
    saved = with_conditions(BELOW)
    turn(100, saved)
    assert "not sent" in listed()
    assert "    No condition became true or stopped being true." in listed()
    turn(99, saved)
    assert f"    Became true: {QTY}, Total: is below 100. Total (partial): 99." in listed("--last", "1")
    [record] = json.loads(listed("--json", "--last", "1"))
    [found] = record["reports"][0]["conditions"]
    assert found["condition"] == BELOW
    assert (found["state"], found["rows"], found["unknown"]) == ("became true", 1, 0)


def test_a_row_whose_period_is_over_is_not_called_partial(turn: Turn) -> None:
    saved = with_conditions(BELOW)
    run = turn(99, replace(saved, query=BOARD.query), as_of=FIRST)
    assert run.reports[0].conditions[0]["lines"] == ["Total: 99"]


def test_a_damaged_record_is_listed_and_sets_nothing(turn: Turn, settings: Settings) -> None:
    saved = with_conditions(BELOW)
    run = turn(99, saved)
    file = (settings.runs or Path()) / "records" / "board" / f"{run.id}.json"
    for damage in ({"state": 5}, {"state": "new"}, {"lines": [5]}, {"key": None}):
        record = run.to_dict()
        record["reports"][0]["conditions"] = [{**run.reports[0].conditions[0], **damage}]
        file.write_text(json.dumps(record))
        assert "unreadable" in listed()
    record["reports"][0]["conditions"] = ["true"]
    file.write_text(json.dumps(record))
    assert "unreadable" in listed()
    assert state(turn(99, saved)) == "became true"


def test_a_printed_run_says_that_nothing_was_sent(turn: Turn, capsys: pytest.CaptureFixture[str]) -> None:
    turn(100, with_conditions(BELOW))
    assert "No condition became true or stopped being true." in capsys.readouterr().out


def test_each_company_has_its_own_states(
    settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, int] = {}

    def reported(query: Any, mart: Any, as_of: Any) -> Report:
        return with_values(report_on(query, mart, as_of), QTY, values[query.company[0]])

    monkeypatch.setattr("custdyn_widgets.engine.report_on", reported)
    saved = with_conditions(BELOW, saved=EACH)
    values |= {ACME: 99, BLUE: 100, NORTH: 100}
    run = run_each(settings, saved=saved)
    assert [one.result for one in run.reports] == ["sent", "not sent", "not sent"]
    assert run.result == "sent"
    values |= {BLUE: 99}
    run = run_each(settings, saved=saved)
    assert [one.result for one in run.reports] == ["not sent", "sent", "not sent"]
    assert received.recipients() == ["anna@acme.example", "eve@acme.example", "ben@blue.example"]
    assert f"{BLUE}: Became true" in listed("--last", "1")
    values |= {ACME: 100}
    run = run_each(settings, saved=saved)
    assert [one.conditions[0]["state"] for one in run.reports] == ["passed", "still true", "not true"]
    assert len(Runs(settings.runs or Path()).true_conditions("board", "9999")) == 3


def test_a_column_that_no_companys_report_has_fails_the_run_before_the_first_one(
    settings: Settings, received: Received
) -> None:
    saved = with_conditions({**BELOW, "column": "Clients - Activ: Qty"}, saved=EACH)
    run = run_each(settings, saved=saved)
    assert (run.result, run.reports, frozen(settings)) == ("failed", (), [])
    assert "alert_if[0].column" in str(run.problem)
    assert received.recipients() == [EVA]


def test_a_report_that_cannot_be_published_sets_nothing(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = with_conditions(BELOW)

    def refuse(*_: object, **__: object) -> None:
        raise SnapshotError.not_published("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("custdyn_widgets.notebook.run.FinishedRun.publish", refuse)
        assert turn(99, saved).result == "failed"
    assert state(turn(99, saved)) == "became true"


def test_a_computed_report_is_judged_as_it_is(settings: Settings) -> None:
    report = run_report(YEAR, BOARD.source or "", as_of="2022-02-01T05:00:00Z")
    assert report.total is not None
    value = report.total.values[report.column(QTY)]
    keep(with_conditions({**BELOW, "below": value}, {**BELOW, "below": int(value or 0) + 1}), settings)
    run = dispatch(RunRequest("board"), settings=load_settings(), progress=print, now=NOW)
    assert [state(run, at) for at in (0, 1)] == ["not true", "became true"]
    assert [delivery["recipient"] for delivery in run.reports[0].deliveries] == [ANNA, BEN]
