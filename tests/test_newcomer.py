"""The README's way from exported files, and from a database, to a report: its own commands, in order."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import new_database
from tests.mart.mappings import mysql_support, test_astpp
from tests.readme_columns import README

ROOT = README.parent
TEXT = README.read_text(encoding="utf-8")
MOST = 6  # commands


def commands(containing: str) -> list[list[str]]:
    """Return the commands of the README's block that contains some words."""
    [block] = [b for b in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if containing in b]
    return [shlex.split(line) for line in block.splitlines()]


def run(arguments: list[str], folder: Path) -> str:
    """Run the command line in a folder with its own settings, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "custdyn_widgets", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "CUSTDYN_SOURCES": str(folder / "sources.toml"),
             "CUSTDYN_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    return tmp_path


def test_exported_files_become_a_report_in_at_most_six_commands(folder: Path) -> None:
    lines = commands("mapping new billing")
    assert len(lines) <= MOST
    printed = {words[1]: run(words[1:], folder) for words in lines if words[0] == "custdyn"}
    assert "No faults." in printed["check"]
    assert "read as Europe/Kyiv" in printed["check"]
    total = next(line for line in printed["query"].splitlines() if line.startswith("Total"))
    assert "1,200.41" in total  # 1250 / 1.085 + 20 / 1.091 + 30, by hand
    assert "2026-03" in printed["query"]


def test_a_new_astpp_database_becomes_a_report_in_at_most_six_commands(folder: Path) -> None:
    lines = commands("mapping new operator")
    assert len(lines) <= MOST
    with new_database("mysql", "CHARACTER SET utf8mb4") as database, database.connect() as connection:
        mysql_support.execute(connection, "SET time_zone = '+00:00', sql_mode = ''")
        mysql_support.fill(connection, test_astpp.SCHEMA, test_astpp.ROWS)
        printed = {}
        for words in lines:
            words = [database.url if word.startswith("mysql://") else word for word in words]
            if words[0] == "custdyn":
                printed[" ".join(words[1:3])] = run(words[1:], folder)
    assert "'astpp' mapping reads." in printed["mapping new"]
    assert "Read from MariaDB" in printed["sync operator"]
    assert "No faults." in printed["check operator"]
    assert "Total" in printed["query --source"]
