"""What options mean together: the format, the PDF, the tables, and what is refused before work."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from custdyn_widgets import settings
from custdyn_widgets.cli import report_output, tables
from custdyn_widgets.cli.commands import main
from custdyn_widgets.cli.report_output import chosen_format
from custdyn_widgets.mart import shipped_mapping
from custdyn_widgets.query import ReportQuery


def custdyn(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(autouse=True)
def own_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))


@pytest.mark.parametrize(
    ("form", "as_json", "default", "output", "chosen"),
    [
        (None, False, "table", None, "table"),
        (None, True, "table", None, "json"),
        ("json", True, "table", None, "json"),
        ("csv", False, "table", "x.json", "csv"),
        (None, True, "table", "x.csv", "json"),
        (None, False, "table", "x.XLSX", "xlsx"),
        (None, False, "table", "x.dat", "table"),
        (None, False, "csv-excel", "x.csv", "csv-excel"),
        (None, False, "csv-excel", "x.json", "json"),
        (None, False, "pdf", None, "pdf"),
    ],
)
def test_a_format_is_given_or_that_of_the_ending_or_the_default(
    form: str | None, as_json: bool, default: str, output: str | None, chosen: str
) -> None:
    assert chosen_format(form, as_json, default, output and Path(output)) == chosen  # type: ignore[arg-type]


def test_json_and_another_format_contradict_each_other() -> None:
    with pytest.raises(click.UsageError, match="Give --json or --format csv, not both"):
        chosen_format("csv", True, "table")


@pytest.mark.parametrize(
    ("form", "frozen", "pdf", "setting", "needed"),
    [
        ("csv", False, False, False, False),
        ("csv", False, False, True, False),
        ("csv", True, False, False, False),
        ("csv", True, False, True, True),
        ("csv", True, True, False, True),
        ("pdf", False, False, False, True),
    ],
)
def test_a_pdf_is_needed_if_it_is_written_or_part_of_a_snapshot(
    monkeypatch: pytest.MonkeyPatch, form: str, frozen: bool, pdf: bool, setting: bool, needed: bool
) -> None:
    required: list[bool] = []
    monkeypatch.setattr("custdyn_widgets.render.require_pdf", lambda: required.append(True))
    monkeypatch.setenv("CUSTDYN_PDF", "on" if setting else "off")
    assert settings.load().pdf is setting
    assert report_output._settings_for(form, frozen=frozen, pdf=pdf).pdf is needed
    assert required == [True] * needed


@pytest.mark.parametrize("form", ["xlsx", "pdf"])
def test_what_a_terminal_cannot_show_needs_a_file(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    query = ReportQuery("last_month")
    given: dict[str, Any] = {"as_of": None, "total": False, "frozen": False}
    with pytest.raises(click.UsageError, match="cannot be printed to a terminal: give --output FILE"):
        report_output.print_report(query, "nowhere", form=form, output=None, **given)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("check", "nowhere", "--all", "--engine", "spark"), "--all needs --engine local"),
        (("mapping", "new", "shop", "s3://bucket/folder"), "Download some of the bucket's files"),
        (("mapping", "new", "shop", "S3A://bucket/folder"), "Download some of the bucket's files"),
        (("query", "-s", "x", "--interval", "last_month", "--pdf"), "--pdf needs --freeze"),
        (("queries", "address", "--revoke"), "Give the NAME"),
        (("queries", "address", "--was", "old"), "Give the NAME"),
        (("queries", "address", "new", "--was", "old", "--revoke"), "not both"),
        (("queries", "crontab", "--zone", "Mars"), "Mars"),
        (("snapshots", "expire", "a", "--in", "3", "--never"), "Give --at TIME, --in DAYS or --never"),
        (("snapshots", "expire", "a"), "Give --at TIME, --in DAYS or --never"),
    ],
)
def test_wrong_use_is_refused_with_the_remedy(args: tuple[str, ...], words: str) -> None:
    done = custdyn(*args)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_setting_of_the_files_is_named_as_the_option_that_sets_it(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "clients.csv").write_text("id;name,x\n1;a,b\n")
    done = custdyn("mapping", "new", "shop", folder)
    assert done.exit_code == 1
    assert done.stderr.rstrip().endswith("With this command, use --delimiter.")
    (folder / "clients.csv").write_text("Client ID;Name;Created\n1;A;01/02/2024\n2;B;03/04/2024\n")
    (folder / "payments.csv").write_text("ID;Client ID;Date;Amount\n1;1;05/06/2024;2,5\n")
    done = custdyn("mapping", "new", "shop", folder, "--currency", "EUR")
    assert done.stderr.rstrip().endswith("Set it with --dates DMY or --dates MDY.")
    (folder / "payments.csv").unlink()
    done = custdyn("mapping", "new", "shop", folder, "--currency", "EUR", "--dates", "DMY")
    assert "With this command" not in done.stderr
    assert "seems to contain transactions" in done.stderr


def test_a_shipped_mapping_is_shown_in_the_dialect_that_is_asked_for() -> None:
    for dialect in ("mysql", "postgresql"):
        shown = custdyn("mapping", "show", "killbill", "--dialect", dialect)
        assert shown.stdout.rstrip("\n") == shipped_mapping("killbill", dialect).text.rstrip("\n")
    assert (
        custdyn("mapping", "show", "killbill").stdout
        == custdyn("mapping", "show", "killbill", "--dialect", "mysql").stdout
    )
    refused = custdyn("mapping", "show", "lago", "--dialect", "mysql")
    assert (refused.exit_code, "is for postgresql, not mysql" in refused.stderr) == (1, True)


# Tables


ROWS: list[tuple[Any, ...]] = [("a", 1, "x"), ("bbb", Decimal("22.5"), None), ("c", None, "\x1b")]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("table", "name     n  note\na        1  x\nbbb   22.5\nc           \ufffd\n"),
        ("csv", "name,n,note\na,1,x\nbbb,22.50,\n"),
    ],
)
def test_numbers_of_a_table_are_aligned_to_the_right(
    capsysbinary: pytest.CaptureFixture[bytes], form: str, text: str
) -> None:
    tables._print(["name", "n", "note"], ROWS, form)
    found = capsysbinary.readouterr().out.decode()
    lines = [line.rstrip() for line in found.splitlines()]
    assert lines[: text.count("\n")] == text.splitlines()


def test_decimals_are_text_in_json_and_keep_their_digits(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    tables._print(["name", "n", "note"], [("\u00e9", Decimal("1.10"), None)], "json")
    found = capsysbinary.readouterr().out
    assert json.loads(found) == [{"name": "\u00e9", "n": "1.10", "note": None}]
    assert found.isascii()


def test_the_largest_change_comes_first_and_none_last() -> None:
    rows = [("a", None), ("b", 0), ("c", -5), ("d", 5), ("e", Decimal("5.5"))]
    assert [row[0] for row in tables._largest_first(rows, 1)] == ["e", "c", "d", "b", "a"]
