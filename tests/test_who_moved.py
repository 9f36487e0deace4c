"""The page docs/who-moved.md: its commands, on its ledger, print what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from custdyn_widgets.cli.commands import main
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.publish.freezing import freeze

pytestmark = pytest.mark.usefixtures("own_cache")
PAGE = (Path(__file__).parents[1] / "docs" / "who-moved.md").read_text(encoding="utf-8")
FILES = re.findall(r"`ledger/(\w+\.csv)`:\n\n```csv\n(.*?)```", PAGE, re.DOTALL)
ALL_SHOWN = re.findall(r"```sh\ncustdyn ([^\n]*)\n```\n\n```\n(.*?)```", PAGE, re.DOTALL)
SHOWN = [shown for shown in ALL_SHOWN if " OLD " not in shown[0]]
DIFFERENCES = [shown for shown in ALL_SHOWN if " OLD " in shown[0]]
MARCH = {"interval": {"start": "2026-03-01", "end": "2026-03-31"}, "active_duration": 1, "columns": ["payg"]}


def test_the_page_has_its_ledger_and_five_commands() -> None:
    assert [name for name, _ in FILES] == ["clients.csv", "transactions.csv"]
    assert (len(SHOWN), len(DIFFERENCES)) == (5, 2)


def write_ledger(folder: Path) -> None:
    (folder / "ledger").mkdir()
    for name, text in FILES:
        (folder / "ledger" / name).write_text(text, encoding="utf-8")


def test_after_a_rerating_the_cells_and_clients_are_printed_as_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ledger(tmp_path)
    monkeypatch.chdir(tmp_path)
    frozen = freeze(run_report(MARCH, "ledger", as_of="2026-04-01T00:00:00Z"))
    transactions = tmp_path / "ledger" / "transactions.csv"
    transactions.write_text(transactions.read_text().replace("09,usage,-5", "09,usage,-7"))
    for command, printed in DIFFERENCES:
        ran = CliRunner().invoke(main, shlex.split(command.replace("OLD", str(frozen.id))))
        assert ran.exit_code == 0, ran.output
        assert ran.stdout.replace("\r\n", "\n") == printed


@pytest.mark.parametrize(("command", "printed"), SHOWN)
def test_its_commands_print_what_it_shows(
    command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ledger(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, shlex.split(command))
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.replace("\r\n", "\n") == printed
