"""The README says what is so: its columns are the registry's, its commands print what it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

from custdyn_widgets.cli import main
from custdyn_widgets.settings import Settings
from tests.readme_columns import README, columns_markdown

ROOT = README.parent
TEXT = README.read_text(encoding="utf-8")
# What the programs of this package tell one another.
_UNTOLD = {"CUSTDYN_VIEWER_URL", "CUSTDYN_STAGING", "CUSTDYN_STAGING_TOKEN"}
_CONSOLE = re.compile(r"```console\n\$ (.*?)\n(.*?)```", re.DOTALL)


def test_the_table_of_columns_is_the_registrys() -> None:
    assert columns_markdown() in TEXT


@pytest.mark.parametrize(("command", "shown"), _CONSOLE.findall(TEXT))
def test_a_command_prints_what_the_readme_shows(command: str, shown: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "custdyn"
    done = subprocess.run(
        [sys.executable, "-c", "from custdyn_widgets.cli import main; main()", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "CUSTDYN_CACHE": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    assert done.stdout.decode().replace("\r\n", "\n") == shown


def test_every_command_in_the_readme_exists() -> None:
    named = set(
        re.findall(r"custdyn (\w+)", "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", TEXT, re.DOTALL)))
    )
    assert named
    assert named <= set(main.commands)


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", TEXT)) <= targets | {"is"}


def test_every_setting_is_documented_and_no_other() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "custdyn_widgets").rglob("*.py"))
    settings = {f"CUSTDYN_{field.name.upper()}" for field in fields(Settings)}
    settings |= set(re.findall(r"\bCUSTDYN_[A-Z_]*[A-Z]\b", code))
    documented = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(CUSTDYN_\w+)`", documented)) == settings - _UNTOLD


def test_every_picture_in_the_readme_is_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", TEXT)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)


def _commands(group: click.Group) -> list[click.Command]:
    found: list[click.Command] = []
    for command in group.commands.values():
        found += _commands(command) if isinstance(command, click.Group) else [command]
    return found


@pytest.mark.parametrize("command", _commands(main), ids=lambda c: c.name)
def test_every_command_and_option_has_a_help_text(command: click.Command) -> None:
    assert command.help
    assert all(o.help for o in command.params if isinstance(o, click.Option))
