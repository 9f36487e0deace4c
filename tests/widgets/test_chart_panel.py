"""The chart under the table: presets, the Blank Chart and its editor, what a saved query keeps, pictures."""

from __future__ import annotations

import threading
import unicodedata
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.render.charts.live import live_spec
from custdyn_widgets.render.charts.presets import PRESETS
from custdyn_widgets.render.charts.specs import BLANK, blank_spec, preset_spec
from custdyn_widgets.report.report import Report
from custdyn_widgets.widgets import chart_panel, live_chart
from custdyn_widgets.widgets.chart_panel import ChartPanel
from custdyn_widgets.widgets.download import Download
from tests.make_report import make_report

REFILLS, ACTIVE, RENEWED = "Balance Refill: Total", "Clients - Active: Qty", "Packages: Renew Total"
HOSTILE = "</p><script>window.pwned = 1</script>"


class Shown(ChartPanel):
    """The panel, and what a person sees and does there."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        self.on_change = self._count

    def _count(self) -> None:
        self.changes += 1

    @property
    def visible(self) -> bool:
        """Whether the panel is shown."""
        return self.widget.layout.display != "none"

    @property
    def editing(self) -> bool:
        """Whether the editor is shown."""
        return self._editor.widget.layout.display != "none"

    @property
    def words(self) -> str:
        """What is said above the chart, as HTML."""
        return str(self._message.value)

    @property
    def drawn(self) -> Mapping[str, Any] | None:
        """What the browser is given to draw."""
        return None if self._live is None else self._live.spec

    def draw_blank(self, report: Report) -> None:
        """Choose the Blank Chart and its first column."""
        self.draw(report, BLANK)
        self.compose(y=[ACTIVE])

    def compose(self, **values: object) -> None:
        """Change controls of the editor as the person does: x, y, mark, right, title."""
        for name, value in values.items():
            getattr(self._editor, f"_{name}").value = value


@pytest.fixture
def panel() -> Shown:
    return Shown()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], bytes]]:
    found: list[tuple[dict[str, Any], bytes]] = []
    monkeypatch.setattr(Download, "send", lambda _self, told, buffers: found.append((told, buffers[0])))
    return found


def corner(png: bytes) -> tuple[int, ...]:
    """Return the first pixel of a PNG of 8-bit RGBA: the only one that no filter changes."""
    assert png[24:26] == bytes([8, 6])
    data, at = b"", 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(data)[1:5])


def without_grouping() -> Report:
    report = make_report(1)
    row = replace(report.rows[0], labels=(), partial=False)
    return replace(report, headings=(), rows=(row,), total=None, query=replace(report.query, group_by=()))


def test_before_a_chart_there_is_nothing(panel: Shown) -> None:
    assert (panel.visible, panel.spec(), panel.choice(), panel.drawn) == (False, None, None, None)


@pytest.mark.parametrize("name", [*PRESETS])
def test_a_preset_is_drawn_as_on_the_page_and_kept_by_its_name(panel: Shown, name: str) -> None:
    report = make_report(6)
    panel.draw(report, name)
    assert panel.spec() == preset_spec(report, name)
    assert panel.drawn == live_spec(preset_spec(report, name))
    assert panel.choice() == {"preset": name}
    assert (panel.visible, panel.editing, panel.changes) == (True, False, 1)


def test_one_chart_is_swapped_and_the_page_offers_no_way_out(panel: Shown) -> None:
    report = make_report(6)
    panel.draw(report, ACTIVE)
    first = panel._live
    panel.draw(report, REFILLS)
    panel.draw(report, BLANK)
    assert panel._live is not None
    assert panel._live is first
    assert panel._live._options["actions"] is False
    assert "https://esm.sh" not in panel._live._library
    assert panel.changes == 3


def test_no_widget_loads_a_large_module(panel: Shown) -> None:
    """anywidget ignores all changes of a widget whose module takes more than two seconds to load."""
    panel.draw(make_report(6), ACTIVE)
    assert panel._live is not None
    modules = [path.read_text("utf-8") for path in Path(chart_panel.__file__).parent.glob("*.js")]
    assert str(panel._live._esm) in modules
    assert max(map(len, modules)) < 50_000


def test_hiding_takes_the_chart_away(panel: Shown) -> None:
    report = make_report(6)
    panel.draw(report, ACTIVE)
    panel.hide()
    assert (panel.visible, panel.spec(), panel.choice(), panel.changes) == (False, None, None, 2)
    panel.hide()
    assert panel.changes == 2
    panel.draw(report, ACTIVE)
    assert panel.drawn is not None


def test_the_blank_chart_begins_blank_and_a_column_draws_it_over_time(panel: Shown) -> None:
    report = make_report(6)
    panel.draw(report, REFILLS)
    panel.draw(report, BLANK)
    assert panel.editing
    assert (panel.choice(), panel.spec(), panel.drawn, panel.words) == (None, None, None, "")
    assert "Choose the columns" in panel._hint.value
    assert [key for key, _ in panel._download.buttons] == ["close"]
    panel.compose(y=[ACTIVE])
    assert panel.choice() == {"x": "Month", "y": [ACTIVE], "mark": "line", "second_axis": [], "title": None}
    assert panel.spec() == blank_spec(report, "Month", [ACTIVE], "line")


def test_the_blank_chart_takes_the_cursor_before_it_is_drawn_and_a_kept_one_does_not(
    panel: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    focused: list[bool] = []
    monkeypatch.setattr(panel, "_compose", lambda: focused.append(panel._editor._y.wants_focus))
    panel.restore(make_report(6), {"y": [ACTIVE], "mark": "bar"})
    panel._editor._y.value = [ACTIVE]
    panel.draw(make_report(6), BLANK)
    assert focused == [False, True]


def test_each_change_in_the_editor_draws_anew(panel: Shown) -> None:
    report = make_report(6)
    panel.draw_blank(report)
    panel.compose(y=[REFILLS, ACTIVE], mark="bar", title="  Refills and clients ")
    panel.compose(right=[ACTIVE])
    assert panel.spec() == blank_spec(
        report, "Month", [REFILLS, ACTIVE], "bar", [ACTIVE], "Refills and clients"
    )
    panel.compose(x=RENEWED, mark="point")
    assert panel.spec() == blank_spec(
        report, RENEWED, [REFILLS, ACTIVE], "point", [ACTIVE], "Refills and clients"
    )


def test_the_second_axis_is_for_chosen_columns_alone(panel: Shown) -> None:
    panel.draw_blank(make_report(6))
    panel.compose(y=[REFILLS, ACTIVE])
    panel.compose(right=[ACTIVE])
    changes = panel.changes
    panel.compose(y=[REFILLS])
    assert (panel._editor._right.options, panel._editor._right.value) == ([[REFILLS, REFILLS]], [])
    assert panel.choice() is not None
    assert panel.choice()["second_axis"] == []
    assert panel.changes == changes + 1


def while_the_first_chart_loads(
    panel: Shown, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]
) -> None:
    """Choose a column, and act in a second thread while the first waits for the drawing library.

    Lab gives the kernel the messages of two controls in two threads.
    """
    waits, loaded, calls = threading.Event(), threading.Event(), []

    def slow() -> str:
        calls.append(1)
        if len(calls) == 1:
            waits.set()
            assert loaded.wait(20)
        return ""

    monkeypatch.setattr(live_chart, "browser_library", slow)
    first = threading.Thread(target=lambda: panel.compose(y=[ACTIVE]))
    second = threading.Thread(target=act)
    first.start()
    assert waits.wait(20)
    second.start()
    second.join(0.5)
    loaded.set()
    for thread in (first, second):
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "change",
    [{"mark": "bar"}, {"y": [ACTIVE, REFILLS]}, {"x": RENEWED}, {"title": "Ours"}, {"right": [ACTIVE]}],
)
def test_what_changes_while_the_first_chart_loads_is_drawn(
    panel: Shown, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    report = make_report(6)
    panel.draw(report, BLANK)
    while_the_first_chart_loads(panel, monkeypatch, lambda: panel.compose(**change))
    spec = blank_spec(report, **panel._editor.choice())
    assert panel._place.children == (panel._live,)
    assert (panel.drawn, panel.spec(), panel.choice()) == (live_spec(spec), spec, panel._editor.choice())
    for name, value in change.items():
        assert getattr(panel._editor, f"_{name}").value == value


def test_another_chart_chosen_while_the_first_loads_is_the_one_that_stays(
    panel: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make_report(6)
    panel.draw(report, BLANK)
    while_the_first_chart_loads(panel, monkeypatch, lambda: panel.draw(report, REFILLS))
    assert (panel.drawn, panel.editing) == (live_spec(preset_spec(report, REFILLS)), False)
    panel.compose(mark="bar")  # arrives late, because the editor is hidden now
    assert panel.choice() == {"preset": REFILLS}


def test_a_chart_closed_while_it_loads_stays_closed(panel: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.draw(make_report(6), BLANK)
    while_the_first_chart_loads(panel, monkeypatch, panel.hide)
    assert (panel.visible, panel.spec(), panel.drawn) == (False, None, None)
    panel.compose(mark="bar")
    assert (panel.visible, panel.spec(), panel.drawn) == (False, None, None)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"y": []}, "Choose at least one column to draw."),
        ({"y": [HOSTILE]}, "The report lacks the column"),
        ({"mark": "pie"}, "stacked bar"),
        ({"x": "Week"}, "Week"),
    ],
)
def test_a_wrong_combination_is_said_and_the_last_chart_stays(
    panel: Shown, wrong: dict[str, object], words: str
) -> None:
    panel.draw_blank(make_report(6))
    before = (panel.spec(), panel.drawn, panel.choice())
    panel.compose(**wrong)
    assert words in panel.words
    assert 'role="alert"' in panel.words
    assert "<script" not in panel.words
    assert (panel.spec(), panel.drawn, panel.choice()) == before
    panel.compose(x="Month", y=[REFILLS], mark="area")
    assert panel.words == ""
    assert panel.spec() != before[0]


def test_what_a_saved_query_keeps_draws_the_same_chart_again(panel: Shown) -> None:
    report = make_report(6, packages=("a", "b"))
    panel.draw_blank(report)
    panel.compose(x="Package Name", y=[REFILLS, RENEWED], mark="bar", title="Money")
    panel.compose(right=[RENEWED])
    kept, spec = panel.choice(), panel.spec()
    again = Shown()
    assert kept is not None
    again.restore(report, kept)
    assert (again.spec(), again.choice(), again.editing) == (spec, kept, True)
    assert again._editor._title.value == "Money"


def test_the_editor_remembers_what_was_composed(panel: Shown) -> None:
    report = make_report(6)
    panel.draw_blank(report)
    panel.compose(y=[REFILLS, RENEWED], mark="bar", title="Money")
    panel.compose(right=[RENEWED])
    kept = panel.choice()
    panel.draw(report, ACTIVE)
    panel.draw(report, BLANK)
    assert panel.choice() == kept


def test_after_another_grouping_the_chart_runs_along_the_new_one(panel: Shown) -> None:
    panel.draw_blank(make_report(6))
    kept = panel.choice()
    assert kept is not None
    panel.restore(without_grouping(), kept)
    assert panel.choice() == {**kept, "x": "Columns"}
    assert panel.words == ""


@pytest.mark.parametrize("choice", [{"preset": HOSTILE}, {"y": ["Own: Metric"]}, {"mark": "pie"}])
def test_what_a_report_lacks_is_said_and_no_chart_of_another_report_stays(
    panel: Shown, choice: dict[str, object]
) -> None:
    panel.draw(make_report(6), ACTIVE)
    panel.restore(make_report(7), choice)
    assert 'role="alert"' in panel.words
    assert "<script" not in panel.words
    assert panel.visible
    assert (panel.spec(), panel.choice(), panel.drawn) == (None, None, None)


@pytest.mark.parametrize(("gone", "words"), [(1, "the column 'A'"), (3, "the columns 'A', 'B' and 'C'")])
def test_every_column_that_a_report_lacks_is_named(panel: Shown, gone: int, words: str) -> None:
    panel.restore(make_report(7), {"y": [ACTIVE, *"ABC"[:gone]]})
    assert f"The report lacks {words}. Choose other columns." in unescape(panel.words)
    panel.compose(y=[ACTIVE])
    assert panel.words == ""


def test_a_picture_is_offered_while_there_is_a_chart(panel: Shown) -> None:
    def offered() -> list[str]:
        return [key for key, _ in panel._download.buttons]

    panel.draw(make_report(6), ACTIVE)
    assert offered() == ["png", "svg", "close"]
    panel.restore(make_report(7), {"preset": "Gone"})
    assert offered() == ["close"]
    panel.draw(make_report(7), ACTIVE)
    assert offered() == ["png", "svg", "close"]


def test_a_report_of_one_row_has_bars_for_its_columns(panel: Shown) -> None:
    report = without_grouping()
    panel.draw_blank(report)
    panel.compose(y=[REFILLS, RENEWED], mark="bar")
    assert panel.choice() is not None
    assert panel.choice()["x"] == "Columns"
    assert panel.spec() == blank_spec(report, "Columns", [REFILLS, RENEWED], "bar")


def test_a_report_without_rows_is_not_drawn(panel: Shown) -> None:
    panel.draw(make_report(0, total=None, message="Nobody was there."), ACTIVE)
    assert "nothing to draw" in panel.words
    assert panel.spec() is None


def test_the_hint_on_zooming_stands_only_under_charts_that_zoom(panel: Shown) -> None:
    report = make_report(6, packages=("a", "b"))
    panel.draw(report, ACTIVE)
    assert "zoom" in panel._hint.value
    panel.restore(report, {"x": "Package Name", "y": [ACTIVE], "mark": "bar"})
    assert panel._hint.value == ""


def test_pictures_hold_the_chart_and_are_named_after_it(panel: Shown, sent) -> None:
    panel.draw(make_report(6), REFILLS)
    for kind in ("svg", "png"):
        panel._download._handle_custom_msg({"ask": kind, "page": "1-2"}, [])
    (svg, drawing), (png, picture) = sent
    assert svg["name"] == "balance-refill-total-2021-01-01-to-2022-12-31.svg"
    assert drawing.startswith(b"<svg")
    assert b"2021-01" in drawing
    assert png["name"].endswith(".png")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert {svg["page"], png["page"]} == {"1-2"}


def test_a_name_of_a_file_keeps_no_path_and_no_markup(panel: Shown, sent) -> None:
    panel.draw_blank(make_report(6))
    panel.compose(title="../../etc/<b>passwd</b>\\: Übersicht")
    panel._download._handle_custom_msg({"ask": "svg"}, [])
    assert sent[0][0]["name"] == "etc-b-passwd-b-übersicht-2021-01-01-to-2022-12-31.svg"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Пополнения: Москва", "пополнения-москва"),
        ("यूज़र 2021", "यूज़र-2021"),
        ("客户 / 充值", "客户-充值"),
        ("I\u0308_x.y", "ï_x.y"),
        ("...", "chart"),
        ("\u202eabc\x00\ud800", "abc"),
        ("Ж" * 300, "ж" * 90),
    ],
)
def test_a_name_of_a_file_keeps_letters_of_every_script(panel: Shown, sent, title: str, name: str) -> None:
    panel.draw_blank(make_report(6))
    panel.compose(title=title)
    panel._download._handle_custom_msg({"ask": "svg"}, [])
    assert sent[0][0]["name"] == unicodedata.normalize("NFC", name) + "-2021-01-01-to-2022-12-31.svg"


def test_a_picture_brings_its_own_white_ground(panel: Shown, sent) -> None:
    panel.draw(make_report(6), REFILLS)
    panel._download._handle_custom_msg({"ask": "png"}, [])
    assert corner(sent[0][1]) == (255, 255, 255, 255)


def test_the_button_closes_the_chart(panel: Shown, sent) -> None:
    panel.draw(make_report(6), REFILLS)
    panel._download._handle_custom_msg({"ask": "close"}, [])
    assert (panel.visible, panel.spec(), sent) == (False, None, [])
    panel._download._handle_custom_msg({"ask": "png"}, [])
    assert sent == []


def test_hostile_names_reach_the_drawing_as_text(panel: Shown, sent) -> None:
    panel.draw(make_report(3, packages=(HOSTILE, "href")), ACTIVE)
    panel._download._handle_custom_msg({"ask": "svg"}, [])
    assert b"<script" not in sent[0][1]
    assert b"&lt;script&gt;" in sent[0][1]
