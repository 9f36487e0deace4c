"""The files that a form offers for download, and what the browser may ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from custdyn_widgets.render import blank_spec, to_csv, to_excel_csv
from custdyn_widgets.widgets.download import Download, File, chart_file, report_file
from tests.make_report import make_report

REPORT = make_report(2, ("A",))
CSV = "text/csv;charset=utf-8"


@pytest.mark.parametrize("total", [False, True])
def test_a_file_is_named_after_the_interval_and_the_snapshot(total: bool) -> None:
    named = "customer-dynamics-2021-01-01-to-2022-12-31"
    assert report_file(REPORT, "csv", total=total) == File(f"{named}.csv", to_csv(REPORT, total=total), CSV)
    assert report_file(REPORT, "csv-excel", total=total) == File(
        f"{named}-excel.csv", to_excel_csv(REPORT, total=total), CSV
    )
    link = "https://reports.example.com/view?id=abcdefghijkl"
    linked = report_file(REPORT, "xlsx", link=link)
    assert linked.name == f"{named}-abcdefgh.xlsx"
    assert linked.content.startswith(b"PK")
    assert linked.media_type == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.mark.parametrize(
    ("title", "name"),
    [({"text": "My title"}, "my-title"), ("Plain", "plain"), ({}, "chart"), (None, "chart"), ("", "chart")],
)
def test_a_chart_is_named_after_its_title(title: Any, name: str) -> None:
    spec = {**blank_spec(REPORT, "Month"), "title": title}
    preset = replace(REPORT, query=replace(REPORT.query, interval="last_month"))
    file = chart_file(preset, {key: part for key, part in spec.items() if part is not None}, "svg")
    assert (file.name, file.media_type) == (f"{name}-last-month-2022-12-31.svg", "image/svg+xml")
    assert file.content.startswith(b"<svg")
    link = "https://reports.example.com/view?id=abcdefghijkl"
    named = chart_file(preset, spec, "png", link=link).name
    assert named.endswith("-last-month-2022-12-31-abcdefgh.png")


def test_only_the_buttons_that_are_shown_can_be_asked_for() -> None:
    asked: list[str] = []
    sent: list[Any] = []

    def on_ask(key: str) -> File | None:
        asked.append(key)
        return File("a.csv", b"x", CSV) if key == "csv" else None

    download = Download(on_ask, buttons=[["csv", "CSV"], ["none", "Nothing"]])
    download.send = lambda message, buffers: sent.append((message, buffers))  # type: ignore[method-assign]
    for message in (
        {"ask": "pdf"},
        {},
        "csv",
        None,
        {"ask": "none"},
        {"ask": "csv"},
        {"ask": "csv", "page": "p"},
    ):
        download._handle_message(download, message, [])
    assert asked == ["none", "csv", "csv"]
    assert [(message["page"], buffers) for message, buffers in sent] == [("", [b"x"]), ("p", [b"x"])]
    assert sent[0][0] == {"kind": "file", "name": "a.csv", "type": CSV, "page": ""}
