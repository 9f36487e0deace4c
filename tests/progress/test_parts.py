"""A part of the work reports its progress as a part of the whole."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from custdyn_widgets import ReportQuery, progress, run_report

MIXED = Path(__file__).parents[1] / "golden" / "mixed" / "mart"


class Recorded:
    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []
        self.notes: list[str] = []

    def step(self, words: str, done: float) -> None:
        self.steps.append((words, done))

    def note(self, words: str) -> None:
        self.notes.append(words)


def test_progress_of_a_part_is_a_part_of_the_progress() -> None:
    told = Recorded()
    with progress.report_to(told):
        progress.step("one", 0.1)
        with progress.part(0.5, 0.75):
            progress.step("two", 0.0)
            progress.step("three", 1.0)
            progress.note("a note")
        progress.step("four", 0.9)
    assert told.steps == [("one", 0.1), ("two", 0.5), ("three", 0.75), ("four", 0.9)]
    assert told.notes == ["a note"]


def test_without_a_listener_a_part_is_silent() -> None:
    with progress.part(0.5, 0.75):
        progress.step("one", 0.1)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_progress_of_a_report_never_goes_back(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    mart = MIXED
    if form == "parquet":
        mart = tmp_path / "mart"
        mart.mkdir()
        for table in MIXED.glob("*.csv"):
            text = pd.read_csv(table, dtype=str, keep_default_na=False, na_values=[""])
            text.to_parquet(mart / f"{table.stem}.parquet", row_group_size=50)
    recorded = Recorded()
    with progress.report_to(recorded):
        run_report(ReportQuery.from_dict({"interval": "last_12_months", "currency": "USD"}), mart)
    done = [fraction for _, fraction in recorded.steps]
    assert len(done) > 3
    assert done == sorted(done)
    assert 0 <= done[0] < done[-1] <= 1
