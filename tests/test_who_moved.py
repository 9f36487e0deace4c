"""The page docs/who-moved.md: its commands, on its ledger, print what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from custdyn_widgets.cli.commands import main

pytestmark = pytest.mark.usefixtures("own_cache")
PAGE = (Path(__file__).parents[1] / "docs" / "who-moved.md").read_text(encoding="utf-8")
FILES = re.findall(r"`ledger/(\w+\.csv)`:\n\n```csv\n(.*?)```", PAGE, re.DOTALL)
SHOWN = re.findall(r"```sh\ncustdyn (.*?)\n```\n\n```\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_its_ledger_and_five_commands() -> None:
    assert [name for name, _ in FILES] == ["clients.csv", "transactions.csv"]
    assert len(SHOWN) == 5


@pytest.mark.parametrize(("command", "printed"), SHOWN)
def test_its_commands_print_what_it_shows(
    command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ledger").mkdir()
    for name, text in FILES:
        (tmp_path / "ledger" / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, shlex.split(command))
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.replace("\r\n", "\n") == printed
