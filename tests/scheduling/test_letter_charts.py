"""Which of a snapshot's charts an email shows, and how each is described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from custdyn_widgets.errors import SnapshotNotFoundError
from custdyn_widgets.mail import Picture
from custdyn_widgets.scheduling import letter_charts as module
from custdyn_widgets.snapshots import Store


class Files:
    """The files of a snapshot; drawing a chart gives its number in so many bytes."""

    def __init__(self, files: dict[str, str], size: int) -> None:
        self.files, self.size = files, size

    def manifest(self, snapshot: str) -> dict[str, Any]:
        if snapshot != "a":
            raise SnapshotNotFoundError(snapshot)
        return {"files": self.files}

    def read(self, _: str, name: str) -> bytes:
        return self.files[name].encode("latin-1")

    def draw(self, svg: str) -> bytes:
        if "broken" in svg:
            raise ValueError("not an SVG")
        return b"x" * self.size


Show = Callable[..., tuple[Picture, ...]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    def shown(
        files: dict[str, str], size: int = 10, snapshot: str = "a", limit: int = 40
    ) -> tuple[Picture, ...]:
        store = Files(files, size)
        monkeypatch.setattr(module, "_drawn", store.draw)
        monkeypatch.setattr(module, "MAX_BYTES", limit)
        return module.letter_charts(cast("Store", store), snapshot)

    return shown


def svg(label: str) -> str:
    return f'<svg aria-label="{label}"></svg>'


def test_the_first_four_charts_are_shown_in_their_order(show: Show) -> None:
    numbers = (10, 2, 1, 9, 3)
    files = {f"chart-{n}-clients.svg": svg(f"Chart {n}") for n in numbers}
    files |= {"report.html": "", "chart-4-data.json": "", "my-chart-0-x.svg": ""}
    assert [picture.name for picture in show(files)] == ["chart-1", "chart-2", "chart-3", "chart-9"]


def test_a_chart_is_described_by_its_label(show: Show) -> None:
    files = {"chart-1-a.svg": svg("Clients &amp; &quot;more&quot;"), "chart-2-b.svg": "<svg></svg>"}
    assert [picture.alternative for picture in show(files)] == [
        'Chart: Clients & "more". Its numbers are in the report.',
        "Chart: Chart. Its numbers are in the report.",
    ]
    assert [picture.data for picture in show(files, 3)] == [b"xxx", b"xxx"]


def test_charts_are_shown_as_long_as_they_are_small_enough_together(show: Show) -> None:
    files = {f"chart-{n}-a.svg": svg("A") for n in (1, 2, 3)}
    assert len(show(files, 20)) == 2  # exactly as large as allowed
    assert len(show(files, 20, limit=39)) == 1
    assert show(files, 41) == ()


def test_a_chart_that_cannot_be_drawn_or_read_is_left_out(show: Show) -> None:
    files = {"chart-1-a.svg": "broken", "chart-2-b.svg": "\xff", "chart-3-c.svg": svg("C")}
    assert [picture.name for picture in show(files)] == ["chart-3"]
    assert show(files, snapshot="b") == ()
