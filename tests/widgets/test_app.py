"""The form, its result, chart and saved queries together, without a browser: what a person sees and hears."""

from __future__ import annotations

import asyncio
import shutil
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

from custdyn_widgets import CustomerDynamics
from custdyn_widgets.errors import SourceError
from custdyn_widgets.progress import listener as progress
from custdyn_widgets.query.checks import Period
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.charts.live import live_spec
from custdyn_widgets.render.charts.presets import PRESETS, Preset
from custdyn_widgets.render.charts.specs import BLANK
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.automation import ForEach
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.widgets.download import Download
from custdyn_widgets.widgets.publishing import SHARED, PublishingProcess

MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
QUERY = ReportQuery(interval=Period(datetime(2021, 1, 1), datetime(2021, 12, 31, 23, 59, 59)))
NOBODY = ReportQuery(interval=Period(datetime(1950, 1, 1), datetime(1950, 12, 31, 23, 59, 59)))
REFILLS = {"preset": "Balance Refill: Total"}
ACTIVE = "Clients - Active: Qty"


class Person:
    """Somebody at the form: what they do, and what they are told."""

    def __init__(self, source: Any = MART) -> None:
        self.dynamics = CustomerDynamics(source, publish=False)
        self.form, self.result = self.dynamics._form, self.dynamics._result
        self.view, self.charts = self.dynamics._view, self.dynamics._view.charts
        self.dialog = self.dynamics._saving.dialog

    def query(self, output: str = "web") -> None:
        self.form._choices.output.value = output
        self.form._query_button.click()

    def load(self, label: str) -> None:
        self.form._saved.value = {text: key for key, text in self.form._saved.options}[label]
        self.form._load_button.click()

    def save(self, title: str, place: str = "mine") -> None:
        self.form._save_button.click()
        view = self.dialog.widget
        fields = {**view.fields, "title": title, "place": place}
        view._handle_custom_msg({"do": "save", "fields": fields}, [])

    def show_chart(self, name: str) -> None:
        self.result._handle_custom_msg({"chart": name}, [])

    def close_chart(self) -> None:
        self.charts._download._handle_custom_msg({"ask": "close"}, [])

    @property
    def error(self) -> str:
        return str(self.result._error)

    @property
    def status(self) -> str:
        return str(self.result._status["words"])

    @property
    def outdated(self) -> str:
        return str(self.result._outdated)

    @property
    def offered(self) -> list[str]:
        return [text for _, text in self.form._saved.options]


@pytest.fixture
def person() -> Person:
    somebody = Person()
    somebody.form.load(QUERY)
    return somebody


def keep(title: str, query: ReportQuery = QUERY, place: Any = "mine", **more: Any) -> saved_queries.Stored:
    return saved_queries.save(SavedQuery(title, query, **more), place, over=None)


# What goes wrong is told.


def test_an_interrupt_while_a_report_is_shown_is_no_end_of_the_kernel(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(person.result, "set_download_only", stopped)
    person.query("csv")
    assert person.status == "Stopped."
    assert not person.form._query_button.disabled


def test_what_nobody_foresaw_while_a_report_is_shown_is_told(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(person.result, "show", broken)
    person.query()
    assert "MemoryError: no room" in person.error


@pytest.mark.parametrize("output", ["csv", "xlsx"])
def test_a_file_that_cannot_be_made_is_told(
    person: Person, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    person.query()
    monkeypatch.setattr("custdyn_widgets.widgets.result.report_file", broken)
    person.result._handle_custom_msg({"ask": output}, [])
    assert (person.error, person.status) == (
        f"The {output.upper()} cannot be created: MemoryError: no room", "",
    )  # fmt: skip


def test_a_chart_or_a_picture_of_it_that_fails_is_told(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("<no ink>")

    person.query()
    person.show_chart(REFILLS["preset"])
    monkeypatch.setattr("custdyn_widgets.widgets.chart_panel.chart_file", broken)
    person.charts._download._handle_custom_msg({"ask": "png"}, [])
    assert "ValueError: &lt;no ink&gt;" in person.charts._message.value
    person.charts._message.value = ""
    monkeypatch.setattr("custdyn_widgets.widgets.chart_panel.live_spec", broken)
    person.show_chart(REFILLS["preset"])
    assert "ValueError: &lt;no ink&gt;" in person.charts._message.value


def test_a_static_view_that_cannot_be_written_is_told(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(person.view.static, "show", broken)
    person.query()
    assert len(person.dynamics.table) == 12
    assert person.error == "The table in the saved notebook is out of date: OSError: no room"


@pytest.mark.parametrize("act", ["save", "load"])
def test_settings_that_cannot_be_read_any_more_are_told_at_a_click(
    person: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: str
) -> None:
    keep("Refills")
    person.form.set_saved([("mine/refills", "Refills")])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUSTDYN_CONFIG", "gone.toml")
    if act == "save":
        person.save("Another")
        assert "gone.toml" in person.dialog.widget.error[0] + person.error
    else:
        person.load("Refills")
        assert "gone.toml" in person.error


def test_a_file_goes_to_the_page_in_which_query_was_clicked(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(Download, "send", lambda _self, told, _buffers: sent.append(told))
    person.form._choices.output.value = "csv"
    person.form._query_button._handle_custom_msg({"clicked": True, "page": "1-2"}, [])
    person.dynamics.run()
    assert [told["page"] for told in sent] == ["1-2", ""]


def test_the_reading_before_there_is_a_form_is_told_in_one_output_that_ends_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], **_: object) -> None:
            told.append(data["text/plain"])

    def display(data: dict[str, str], **_: object) -> Handle:
        told.append(data["text/plain"])
        return Handle()

    def slow(_source: object) -> Any:
        progress.step("Reading <transactions>", 0.25)
        progress.note("Some rows are left out.")
        raise SourceError("There is nothing.")

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("custdyn_widgets.progress.bar._AFTER", 0)
    monkeypatch.setattr("custdyn_widgets.widgets.form_sources.open_mart", slow)

    async def in_a_kernel() -> CustomerDynamics:
        return CustomerDynamics(MART, publish=False)

    dynamics = asyncio.run(in_a_kernel())
    assert (told[0], told[-1]) == ("Reading <transactions> (25% done)", "")
    assert dynamics._result._status["words"] == "Some rows are left out."
    assert dynamics._result._error == "There is nothing."
    assert capsys.readouterr() == ("", "")


def test_the_form_shown_in_a_kernel_starts_publishing_ahead_of_the_first_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[PublishingProcess] = []
    monkeypatch.setattr(PublishingProcess, "start", lambda process: started.append(process))
    monkeypatch.setattr("IPython.display.display", lambda *_args, **_options: None)
    monkeypatch.setattr("custdyn_widgets.widgets.report_view._QUIET_S", 0)

    async def in_a_kernel(*, publish: bool) -> None:
        dynamics = CustomerDynamics(MART, publish=publish)
        await asyncio.sleep(0.05)
        assert started == []
        dynamics._ipython_display_()
        await asyncio.sleep(0.05)
        if publisher := dynamics._view._publisher:
            publisher.submit(lambda: None).result(60)

    asyncio.run(in_a_kernel(publish=False))
    assert started == []
    asyncio.run(in_a_kernel(publish=True))
    assert started == [SHARED]


# What is on screen is told apart from what the form says.


def test_a_report_is_marked_while_the_form_has_another_query(person: Person) -> None:
    person.form._choices.months.value = 5
    assert person.outdated == ""
    person.query()
    for name, other in (("months", 7), ("months", None), ("client_type", "all"), ("currency", "EUR")):
        control = getattr(person.form._choices, name)
        before, control.value = control.value, other
        assert "The form has changed" in person.outdated
        control.value = before
        assert person.outdated == ""
    person.form._filters.add("company")
    assert person.outdated == ""
    person.form._choices.months.value = 7
    person.query("csv")
    assert person.outdated == ""


def test_a_report_that_was_not_shown_does_not_unmark_the_one_before(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise SourceError("Gone.")

    person.query()
    person.form._choices.months.value = 7
    monkeypatch.setattr("custdyn_widgets.widgets.app.report_on", broken)
    person.query()
    assert person.outdated
    assert person.error == "Gone. The table below is from the last successful query."


@pytest.mark.parametrize("output", ["", "csv"])
def test_a_table_from_before_is_told_only_where_there_is_one(
    person: Person, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    def broken(*_: object) -> None:
        raise SourceError("Gone.")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    if output:
        person.query(output)
    monkeypatch.setattr("custdyn_widgets.widgets.app.report_on", broken)
    person.query()
    assert person.error == "Gone."
    monkeypatch.setattr("custdyn_widgets.widgets.app.report_on", stopped)
    person.query()
    assert person.status == "Stopped."


def test_a_status_ends_with_what_it_speaks_of(person: Person) -> None:
    person.query()
    rows = person.status
    person.show_chart(REFILLS["preset"])
    assert person.status == "Balance Refill: Total is below the table."
    person.close_chart()
    assert person.status == rows
    person.show_chart(BLANK)
    assert person.status == "Blank Chart is below the table. Choose its columns."
    person.close_chart()
    keep("Refills")
    person.dynamics._saving.after_saving(saved_queries.load("refills"))
    person.load("Refills")
    assert person.status == "Loaded: Refills. Click Query to run it."
    person.form._choices.months.value = 9
    assert person.status == rows
    person.query("csv")
    assert person.status.startswith("Saved as customer-dynamics")
    person.form._choices.months.value = 8
    assert person.status.startswith("12 rows in ")


def test_the_blank_charts_status_asks_for_columns_while_there_are_none(person: Person) -> None:
    chart, columns = "Blank Chart is below the table.", ["Clients - Active: Qty"]
    person.query()
    person.show_chart(BLANK)
    assert person.status == f"{chart} Choose its columns."
    person.charts._editor._y.value = columns
    assert person.status == chart
    person.charts._editor._mark.value = "pie"  # an error of the panel, which keeps the last chart
    assert person.status == chart
    person.charts._editor._y.value = []
    assert person.status == f"{chart} Choose its columns."
    person.charts._editor._mark.value = "bar"
    person.charts._editor._y.value = columns
    assert person.status == chart


@pytest.mark.parametrize("wanted", [ACTIVE, BLANK])
@pytest.mark.parametrize("earlier", [REFILLS["preset"], None])
def test_a_chart_that_cannot_be_drawn_is_not_announced_as_shown(
    person: Person, monkeypatch: pytest.MonkeyPatch, wanted: str, earlier: str | None
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    person.query()
    if wanted == BLANK:
        person.show_chart(BLANK)
        person.charts._editor._y.value = [ACTIVE]
        person.close_chart()
    if earlier:
        person.show_chart(earlier)
    for name in ("preset_spec", "blank_spec"):
        monkeypatch.setattr(f"custdyn_widgets.widgets.chart_panel.{name}", broken)
    person.show_chart(wanted)
    assert "no room" in person.charts._message.value
    still = f", where {earlier} is still shown" if earlier else ""
    assert person.status == f"{wanted} cannot be drawn. The reason is below the table{still}."
    person.close_chart()
    assert person.status.startswith("12 rows in ")


def test_a_status_about_something_else_stays_while_a_chart_is_edited(person: Person) -> None:
    person.query()
    person.show_chart(BLANK)
    person.result._handle_custom_msg({"ask": "csv"}, [])
    assert person.status.startswith("Saved as ")
    for columns in (["Clients - Active: Qty"], []):
        person.charts._editor._y.value = columns
        assert person.status.startswith("Saved as ")


def test_an_edit_that_is_being_drawn_when_a_new_report_arrives_is_kept(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.query()
    person.show_chart(BLANK)
    person.charts._editor._y.value = ["Clients - Active: Qty"]
    waits, drawn = threading.Event(), threading.Event()

    def slow(spec: dict[str, Any]) -> dict[str, Any]:
        waits.set()
        assert drawn.wait(20)
        return live_spec(spec)

    monkeypatch.setattr("custdyn_widgets.widgets.chart_panel.live_spec", slow)
    edit = threading.Thread(target=lambda: setattr(person.charts._editor._title, "value", "Ours"))
    edit.start()
    assert waits.wait(20)
    threading.Timer(0.5, drawn.set).start()
    person.view._redraw(person.dynamics.report, "web")
    edit.join(20)
    assert person.charts._editor._title.value == "Ours"
    assert person.charts.choice() == person.charts._editor.choice()


# Charts are kept.


def test_a_chart_comes_back_after_a_report_that_cannot_be_drawn(person: Person) -> None:
    person.query()
    person.show_chart(REFILLS["preset"])
    person.form.load(NOBODY)
    person.query()
    assert (person.charts.spec(), person.charts.widget.layout.display) == (None, None)
    assert "the report has no rows" in person.charts._message.value
    person.form.load(QUERY)
    person.query("csv")
    assert person.charts.spec() is None
    person.query()
    assert person.charts.choice() == REFILLS


def test_a_chart_that_a_report_lacks_comes_back_with_the_next_that_has_it(person: Person) -> None:
    person.query()
    own = {"x": "Month", "y": ["Own: Column"], "mark": "bar", "second_axis": [], "title": None}
    person.view.wanted_chart = own
    person.query()
    assert person.charts.choice() is None
    assert person.view.wanted_chart == own
    person.show_chart(REFILLS["preset"])
    person.query()
    assert person.charts.choice() == REFILLS


GONE = "Clients - Movement: New"
CHOICES: list[dict[str, Any]] = [
    {"x": "Month", "y": [ACTIVE, GONE], "mark": "bar", "second_axis": [GONE], "title": "Ours"},
    {"preset": "Own"},
]


@pytest.mark.parametrize("choice", CHOICES, ids=["Blank Chart", "Own"])
def test_a_new_query_draws_the_open_chart_again_or_says_what_it_lacks(
    person: Person, monkeypatch: pytest.MonkeyPatch, choice: dict[str, Any]
) -> None:
    monkeypatch.setitem(PRESETS, "Own", Preset("Own", (ACTIVE, GONE), "bar", "Ours."))
    moved, name = replace(QUERY, columns=("active", "movement")), choice.get("preset", BLANK)
    person.view.wanted_chart = choice
    person.form.load(moved)
    person.query()
    assert person.charts.choice() == choice
    spec = person.charts.spec()
    person.form._choices.months.value = 1
    person.query()
    assert person.charts.choice() == choice
    assert person.charts.spec() != spec
    person.form.load(QUERY)
    person.query()
    assert (person.charts.spec(), person.charts.widget.layout.display) == (None, None)
    assert f"lacks the column &#x27;{GONE}&#x27;" in person.charts._message.value
    assert person.status.startswith("12 rows in ")
    assert person.status.endswith(f". {name} cannot be drawn. The reason is below the table.")
    person.form.load(moved)
    person.query()
    assert person.charts.choice() == choice


def test_changes_to_a_chart_that_cannot_be_drawn_are_not_undone_by_the_next_query(person: Person) -> None:
    person.view.wanted_chart = {
        "x": "Month",
        "y": [ACTIVE, GONE],
        "mark": "bar",
        "second_axis": [],
        "title": None,
    }
    person.query()
    editor = person.charts._editor
    editor._title.value = "Ours"
    assert person.charts.choice() is None
    changed = editor.choice()
    person.query()
    assert (editor.choice(), person.view.chart()) == (changed, changed)
    editor._y.value = []
    person.query()
    assert (editor.choice()["y"], person.view.chart()) == ([], None)
    assert person.charts.widget.layout.display is None


def test_a_blank_chart_without_columns_stays_open_after_a_query_until_it_is_closed(person: Person) -> None:
    person.query()
    person.show_chart(BLANK)
    person.query()
    editor = person.charts._editor
    assert (person.charts.widget.layout.display, editor.is_shown()) == (None, True)
    assert person.charts._message.value == ""
    editor._y.value = [ACTIVE]
    assert person.charts.choice() == editor.choice()
    editor._y.value = []
    person.show_chart(BLANK)
    person.close_chart()
    person.query()
    assert person.charts.widget.layout.display == "none"


def test_a_chart_is_announced_where_it_stands_out_of_sight(person: Person) -> None:
    person.query()
    told: list[str] = []
    person.result.observe(lambda change: told.append(change["new"]["words"]), "_status")
    person.show_chart(REFILLS["preset"])
    assert told == ["Drawing Balance Refill: Total …", "Balance Refill: Total is below the table."]


def test_a_closed_chart_stays_closed(person: Person) -> None:
    person.query()
    person.show_chart(REFILLS["preset"])
    person.close_chart()
    person.query()
    assert (person.charts.choice(), person.charts.widget.layout.display) == (None, "none")
    person.view.wanted_chart = {"preset": "Gone"}
    person.query()
    person.close_chart()
    person.query()
    assert person.charts.widget.layout.display == "none"


def test_closing_a_chart_gives_the_cursor_back(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    person.query()
    person.show_chart(REFILLS["preset"])
    monkeypatch.setattr(person.result, "send", lambda told, *_: sent.append(told))
    person.close_chart()
    assert sent == [{"kind": "chart closed"}]


# Saved queries.


def test_a_loaded_querys_chart_is_saved_again_before_it_was_drawn() -> None:
    keep("Refills", chart=REFILLS)
    person = Person()
    person.load("Refills")
    person.save("Refills again")
    assert saved_queries.load("refills-again").saved.chart == REFILLS


def test_loading_and_saving_again_brings_back_all_that_runs_by_itself() -> None:
    told, by = ("eva@example.com",), ForEach("company", "resellers.csv")
    schedule = Schedule("0 7 1 * *", "Asia/Tokyo")
    automation = {"source": str(MART), "schedule": schedule, "failure_recipients": told, "for_each": by}
    before = keep("Each", place="shared", description="For all", output="csv", chart=REFILLS, **automation)
    person = Person()
    person.load("Each")
    person.save("Each", place="shared")
    assert person.dialog.widget.question[0].endswith("Overwrite it?")
    person.dialog.widget._handle_custom_msg({"do": "overwrite", "fields": person.dialog.widget.fields}, [])
    assert saved_queries.load("each") == before


def test_of_one_name_in_both_places_each_can_be_loaded() -> None:
    keep("Same", QUERY)
    keep("Same", NOBODY, "shared")
    person = Person()
    assert person.offered == ["Same (mine/same)", "Same (shared/same)"]
    person.load("Same (shared/same)")
    assert person.dynamics.query == NOBODY
    person.load("Same (mine/same)")
    assert person.dynamics.query == QUERY


def test_a_saved_query_that_cannot_be_used_is_listed_last_and_loading_it_says_why(tmp_path: Path) -> None:
    keep("Zero")
    for name in ("broken", "Bad Name"):
        (tmp_path / "mine" / f"{name}.json").write_text("<<<<<<< HEAD")
    (tmp_path / "shared").write_text("no folder")
    person = Person()
    assert person.offered[0] == "Zero"
    assert set(person.offered[1:]) == {
        "Bad Name (cannot be used)", "broken (cannot be used)", "The shared saved queries (cannot be used)",
    }  # fmt: skip
    for label, words in (
        ("broken (cannot be used)", "'broken.json' is not valid JSON"),
        ("Bad Name (cannot be used)", "rename it, using up to 80 lowercase letters"),
        ("The shared saved queries (cannot be used)", "cannot be read: Not a directory"),
    ):
        person.load(label)
        assert words in person.error
    assert person.dynamics.query != QUERY
    person.load("Zero")
    assert (person.dynamics.query, person.error) == (QUERY, "")


def test_what_was_deleted_mended_or_added_meanwhile_is_told_when_one_is_loaded(tmp_path: Path) -> None:
    keep("Gone")
    keep("Here")
    person = Person()
    saved_queries.delete("gone")
    keep("New")
    person.load("Gone")
    assert "There is no saved query 'gone'" in person.error
    assert person.offered == ["Here", "New"]


def test_an_edit_by_somebody_else_since_it_was_loaded_is_told_before_it_is_overwritten() -> None:
    mine = keep("Team", place="shared")
    person = Person()
    person.load("Team")
    other = saved_queries.save(SavedQuery("Team", NOBODY), "shared", over=mine.revision)
    person.save("Team", "shared")
    words, yes, no = person.dialog.widget.question
    assert words == "Someone else has changed the saved query 'Team' since you last saw it. Overwrite it?"
    assert (yes, no) == ("Overwrite anyway", "Cancel")
    assert saved_queries.load("team") == other


def test_ones_own_edit_is_nobody_elses() -> None:
    person = Person()
    person.save("Team")
    person.save("Team")
    view = person.dialog.widget
    assert view.question[0] == "A saved query with this name already exists: 'Team'. Overwrite it?"
    view._handle_custom_msg({"do": "overwrite", "fields": view.fields}, [])
    person.save("Team")
    assert view.question[0] == "A saved query with this name already exists: 'Team'. Overwrite it?"


def test_a_query_loaded_while_the_data_were_away_is_judged_by_what_is_there_now(tmp_path: Path) -> None:
    mart = tmp_path / "mart"
    person = Person(mart)
    assert "not a folder that exists" in person.error
    shutil.copytree(MART, mart)
    company = Person().form._names.companies[0]
    keep("Of a company", ReportQuery(interval=QUERY.interval, company=(company,)))
    person.dynamics._saving.after_saving(saved_queries.load("of-a-company"))
    person.load("Of a company")
    assert not person.form._query_button.disabled
    person.query()
    assert person.dynamics.report.query.company == (company,)


def test_the_dialog_tells_what_it_saves_whatever_the_form_says_meanwhile(person: Person) -> None:
    person.form._save_button.click()
    person.form._choices.time.value = "year"
    assert person.dialog.widget.asked == QUERY.describe()
    fields = {**person.dialog.widget.fields, "title": "By month"}
    person.dialog.widget._handle_custom_msg({"do": "save", "fields": fields}, [])
    assert saved_queries.load("by-month").saved.query == QUERY


def test_the_retention_triangle_stands_below_a_table_by_cohort_and_goes_with_it(person: Person) -> None:
    [heat_map] = [widget for widget in person.view.widgets if isinstance(widget, ipywidgets.HTML)]
    person.form.load(replace(QUERY, group_by=("cohort",)))
    person.query()
    assert "custdyn-cohorts" in heat_map.value
    assert 'tabindex="0" data-lm-suppress-shortcuts="true"' in heat_map.value
    person.query("csv")
    assert heat_map.value == ""
    person.query()
    person.form.load(QUERY)
    person.query()
    assert heat_map.value == ""
