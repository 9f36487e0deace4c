"""What takes long to read is told on stderr: a bar on a terminal, lines elsewhere, nothing to a library."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from custdyn_widgets import run_report
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.progress import bar as progress_bar
from custdyn_widgets.progress import listener as progress
from custdyn_widgets.progress.bar import ProgressBar

SMALL = Path(__file__).parents[1] / "golden" / "small" / "mart"
ASKED = ("query", "-s", str(SMALL), "--interval", "2021-01-01/2021-12-31", "--as-of", "2022-01-01")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path))


def test_a_library_call_says_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_bar, "_AFTER", 0.0)
    run_report({"interval": "today"}, SMALL)
    assert capfd.readouterr() == ("", "")


def test_what_is_quick_is_not_told() -> None:
    assert "Reading" not in CliRunner().invoke(cli.main, ASKED).stderr


def test_elsewhere_than_on_a_terminal_each_step_is_a_line_and_stdout_stays_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = CliRunner().invoke(cli.main, ASKED)
    monkeypatch.setattr(progress_bar, "_AFTER", 0.0)
    monkeypatch.setenv("CUSTDYN_CACHE", "/dev/null/nowhere")  # so that the facts are built again
    slow = CliRunner().invoke(cli.main, ASKED)
    assert slow.stdout == quick.stdout
    lines = [line for line in slow.stderr.splitlines() if line.endswith("done)")]
    assert lines[0] == "Reading clients.csv (0% done)"
    assert lines[5] == "Reading and checking the transactions (40% done)"
    assert lines[-1] == "Grouping the transactions by client (80% done)"
    shares = [int(line.rsplit("(", 1)[1].split("%")[0]) for line in lines]
    assert shares == sorted(shares)


def test_on_a_terminal_a_bar_is_drawn_over_itself_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress_bar, "_AFTER", 0.0)
    with ProgressBar():
        progress.step("Reading \x1b[31mclients", 0.0)
        progress.step("Checking", 0.5)
        progress.note("A file is here")
    said = terminal.getvalue()
    assert "\x1b" not in said
    assert "\r[############............]  50%  Checking" in said
    assert said.splitlines()[-1] == "A file is here"
    assert said.split("A file")[0].endswith("\r")


def test_a_step_that_lasts_is_told_after_a_second_though_no_other_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_bar, "_AFTER", 0.05)
    with ProgressBar():
        progress.step("Reading transactions.csv", 0.1)
        assert capsys.readouterr().err == ""
        deadline = time.monotonic() + 10
        while not (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said == "Reading transactions.csv (10% done)\n"
    progress.step("nobody listens any more", 0.2)
    assert capsys.readouterr().err == ""


def test_a_timer_that_fires_late_draws_nothing_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar() as bar:
        progress.step("Reading clients", 0.0)
    bar._show()
    assert terminal.getvalue() == ""
