"""What a saved notebook keeps: one output of plain HTML, small, and without a script."""

from __future__ import annotations

from custdyn_widgets.render.charts.specs import preset_spec
from custdyn_widgets.widgets.static_view import MAX_ROWS, StaticView, static_html
from tests.make_report import make_report


def test_two_years_and_a_chart_stay_small() -> None:
    report = make_report(24)
    html = static_html(report, preset_spec(report, "Clients - Active: Qty"))
    assert len(html.encode()) < 120_000
    assert html.count("<tr") == 2 + 24 + 1
    assert 'src="data:image/svg+xml;base64,' in html
    assert "<script" not in html


def test_it_keeps_the_first_hundred_rows_and_says_so() -> None:
    html = static_html(make_report(MAX_ROWS + 7))
    assert html.count("<tr") == 2 + MAX_ROWS + 1
    assert f"The first {MAX_ROWS} rows are shown" in html


def test_a_living_form_hides_it_and_a_dead_one_does_not() -> None:
    assert static_html(make_report(1)).startswith(
        "<style>.jp-OutputArea:has(.custdyn-live) .custdyn-static { display: none; }</style>"
    )


def test_before_it_is_displayed_it_is_only_remembered(monkeypatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda html, **_: shown.append(html.data))
    view = StaticView()
    view.show(make_report(1))
    assert shown == []
    view.display()
    assert "2021-01" in shown[0]


def test_a_form_shown_in_two_cells_writes_both(monkeypatch) -> None:
    places: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda _html, display_id: places.append(display_id))
    view = StaticView()
    view.display()
    view.display()
    assert len(places) == 2
    assert isinstance(places[0], str)
    assert places[0] == places[1] != StaticView()._id
