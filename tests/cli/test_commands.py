"""The command `custdyn`: data on stdout, words on stderr, an exit code, and never a traceback."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import openpyxl
import pytest
from click.testing import CliRunner, Result

from custdyn_widgets import engine
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.cli.lazy_commands import LazyGroup
from custdyn_widgets.cli.report_output import discard
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.query.fields import FIELDS
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv, to_excel_csv
from custdyn_widgets.report.report import Report

SMALL = Path(__file__).parents[1] / "golden" / "small" / "mart"
YEAR = "2021-01-01/2021-12-31"
AS_OF = "2022-01-01T00:00:00Z"


def custdyn(*args: object) -> Result:
    result = CliRunner().invoke(cli.main, [str(a) for a in args])
    assert "Traceback" not in result.output
    return result


def query(*args: object) -> Result:
    return custdyn("query", "-s", SMALL, "--interval", YEAR, "--as-of", AS_OF, *args)


def direct(**fields: Any) -> Report:
    start, end = YEAR.split("/")
    asked = {"interval": {"start": start, "end": end}, **fields}
    return run_report(ReportQuery.from_dict(asked), SMALL, as_of=AS_OF)


# query


def test_a_query_prints_an_aligned_table_and_tells_warnings_apart() -> None:
    result = query()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Customer Dynamics in USD: 2021-01-01 00:00:00 to 2021-12-31 23:59:59 (UTC)")
    assert lines[3].split()[:3] == ["Month", "Qty", "Balance"]
    assert lines[-1].startswith("Total")
    assert "Note: 1 refill has an amount of 0 or less" in result.stderr
    assert "Note:" not in result.stdout


def test_csv_is_that_of_the_report_with_the_total_when_asked_for() -> None:
    report = direct()
    assert query("--format", "csv").stdout_bytes == to_csv(report)
    assert query("--format", "csv", "--total").stdout_bytes == to_csv(report, total=True)
    assert query("--format", "csv-excel").stdout_bytes == to_excel_csv(report)
    assert query("--format", "csv-excel", "--total").stdout_bytes == to_excel_csv(report, total=True)


WITHOUT_DATA = {  # these print links, messages, a crontab or SQL, write files, or serve
    "mapping show",
    "run",
    "demo",
    "serve",
    "queries delete",
    "queries crontab",
    "queries systemd-timers",
    "runs resend",
    "snapshots pdf",
    "snapshots revoke",
    "snapshots expire",
    "snapshots export",
    "snapshots key new",
    "snapshots protect",
    "snapshots sign",
    "snapshots verifier",
    "mcp",
}


def _commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def test_every_command_that_prints_data_has_the_option_json() -> None:
    with_json = {
        name
        for name, command in _commands(cli.main)
        if any("--json" in param.opts for param in command.params)
    }
    assert with_json == {name for name, _ in _commands(cli.main)} - WITHOUT_DATA


def test_json_is_short_for_the_format_and_contradicts_any_other() -> None:
    def without_times(result: Result) -> Report:
        report = Report.from_dict(json.loads(result.stdout))
        return replace(report, info=replace(report.info, generated_at="", duration_ms=0))

    assert without_times(query("--json")) == without_times(query("--format", "json", "--json"))
    for form in ("table", "csv", "xlsx", "pdf"):
        result = query("--json", "--format", form)
        assert result.exit_code == 2
        assert f"Give --json or --format {form}, not both." in result.stderr


def test_json_is_the_report_and_reads_back() -> None:
    found = Report.from_dict(json.loads(query("--format", "json").stdout))
    report = direct()
    assert (found.query, found.rows, found.total) == (report.query, report.rows, report.total)


def test_a_workbook_goes_to_stdout_or_a_file(tmp_path: Path) -> None:
    piped = query("--format", "xlsx")
    assert "Total" in {
        c.value for c in openpyxl.load_workbook(io.BytesIO(piped.stdout_bytes)).worksheets[0]["A"]
    }
    written = query("--format", "xlsx", "-o", tmp_path / "r.xlsx")
    assert written.stdout == ""
    assert (
        written.stderr.splitlines()[0]
        == f"Wrote {tmp_path / 'r.xlsx'} ({(tmp_path / 'r.xlsx').stat().st_size:,} bytes)."
    )
    openpyxl.load_workbook(tmp_path / "r.xlsx")


def test_a_query_comes_from_a_file_and_options_override_it(tmp_path: Path) -> None:
    asked = {
        "interval": {"start": "2021-01-01", "end": "2021-12-31"},
        "group_by": ["month"],
        "active_duration": 1,
        "include_descendants": True,
    }
    file = tmp_path / "q.json"
    file.write_text(json.dumps(asked), encoding="utf-8-sig")

    def got(*options: str) -> ReportQuery:
        result = custdyn(
            "query", "-s", SMALL, "--query", file, "--as-of", AS_OF, "--format", "json", *options
        )
        return Report.from_dict(json.loads(result.stdout)).query

    assert got() == ReportQuery.from_dict(asked)
    changed = got(
        "--group-by", "package", "--group-by", "year", "--active-duration", "6", "--no-include-descendants",
        "--interval", "last_month", "--client-type", "all", "--timezone", "Asia/Tokyo", "--currency", "EUR",
    )  # fmt: skip
    assert changed == ReportQuery(
        interval="last_month",
        timezone="Asia/Tokyo",
        client_type="all",
        group_by=("year", "package"),
        currency="EUR",
        active_duration=6,
        include_descendants=False,
    )
    assert got("--group-by", "none").group_by == ()
    assert got("--group-by", "").group_by == ()
    asked |= {"columns": ["payg"], "compare": "previous_month"}
    file.write_text(json.dumps(asked))
    assert (got().columns, got().compare) == (("payg",), "previous_month")
    assert got("--columns", "none").columns == ()
    assert got("--compare", "none").compare is None


def test_none_means_one_row_only_as_a_grouping(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text(
        "client_id,client_type,currency,created_at,company\n"
        "c1,client,USD,2021-01-01,none\nc2,client,USD,2021-01-01,other\n"
    )
    (tmp_path / "transactions.csv").write_text("transaction_id,client_id,at,kind,amount\n")
    filtered = custdyn(
        "query",
        "-s",
        tmp_path,
        "--interval",
        YEAR,
        "--company",
        "none",
        "--group-by",
        "none",
        "--format",
        "json",
    )
    report = Report.from_dict(json.loads(filtered.stdout))
    assert (report.query.company, report.query.group_by) == (("none",), ())
    assert report.info.clients == 1


def test_a_report_of_nothing_is_no_failure() -> None:
    result = custdyn("query", "-s", SMALL, "--interval", "1999-01-01/1999-12-31", "--format", "csv")
    assert result.exit_code == 0
    assert len(list(csv.reader(io.StringIO(result.stdout)))) == 1
    assert "Note: There is nothing to show" in result.stderr
    table = custdyn("query", "-s", SMALL, "--interval", "1999-01-01/1999-12-31")
    assert "There is nothing to show" in table.stdout
    assert "There is nothing to show" not in table.stderr


# partial periods


CUT = (
    "Partial: the figures run up to 2021-10-15 00:00:00 UTC, the time of the report; "
    "the interval ends at 2021-10-31 23:59:59."
)
SHORT = "cut short by the interval's start or end, or by the time of the report."
PERIODS = [
    ("2021-10-01/2021-10-31", "2021-10-15", "month", f"{CUT} 2021-10: {SHORT}"),
    ("2021-10-01/2021-10-31", "2021-10-15", "none", CUT),
    ("2021-10-01/2021-10-31", "2021-10-15", "package", CUT),
    ("2021-08-10/2021-10-10", "2022-01-01", "month", f"2021-08 and 2021-10: {SHORT}"),
    ("2021-08-10/2021-10-10", "2022-01-01", "none", ""),
    ("2021-09-01/2021-10-31", "2022-01-01", "month", ""),
]


@pytest.mark.parametrize(("interval", "as_of", "group_by", "note"), PERIODS)
@pytest.mark.parametrize("command", ["query", "queries run"])
def test_a_partial_period_is_noted_once_where_the_data_goes_elsewhere(
    interval: str, as_of: str, group_by: str, note: str, command: str, tmp_path: Path
) -> None:
    fields: dict[str, Any] = {"interval": dict(zip(("start", "end"), interval.split("/"), strict=True))}
    fields["group_by"] = [] if group_by == "none" else [group_by]
    folder = Path(os.environ["CUSTDYN_QUERIES"])
    folder.mkdir()
    (folder / "x.json").write_text(json.dumps({"format": 1, "title": "X", "query": fields}))
    words = ("query", "--saved", "x") if command == "query" else ("queries", "run", "x")
    asked = (*words, "-s", SMALL, "--as-of", as_of)
    outputs: list[tuple[object, ...]] = [("--format", form) for form in ("csv", "csv-excel", "json", "xlsx")]
    outputs += [("-o", tmp_path / f"p.{ending}") for ending in ("csv", "json", "xlsx", "txt")]
    for output in outputs:
        done = custdyn(*asked, *output)
        assert done.exit_code == 0
        found = [line for line in done.stderr.splitlines() if "Partial: " in line or "cut short" in line]
        assert found == ([f"Note: {note}"] if note else []), output
    assert "Partial" not in (table := custdyn(*asked)).stderr  # the table marks it
    assert ("Partial" in table.stdout or "* cut short" in table.stdout) is bool(note)


# exit codes


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["-s", SMALL], 2, "interval is required"),
        (["--interval", "today"], 2, "Missing option '--source'"),
        (["-s", SMALL, "--interval", "last_moth"], 2, "'last_moth' is not an allowed value. Did you mean"),
        (["-s", SMALL, "--interval", "2021-02-30/2021-03-01"], 2, "'2021-02-30' is not a valid date"),
        (["-s", SMALL, "--interval", "2021-02-01/"], 2, "interval.end must be a wall time"),
        (["-s", SMALL, "--interval", YEAR, "--as-of", "soon"], 2, "as_of must be an ISO 8601 time"),
        (["-s", SMALL, "--interval", YEAR, "--client-tags", "nope"], 2, "the data has no tag 'nope'"),
        (["-s", SMALL, "--interval", YEAR, "--active-duration", "121"], 2, "121 is not between 1 and 120"),
        (["-s", SMALL, "--interval", YEAR, "--format", "xls"], 2, "xls is limited to 65,536 rows"),
        (["-s", SMALL, "--interval", YEAR, "--colour", "red"], 2, "No such option"),
        (["-s", SMALL, "--query", "."], 2, "query: '.' cannot be read: Is a directory"),
        (["-s", SMALL, "--query", "none.json"], 2, "cannot be read: No such file or directory"),
        (["-s", "nowhere", "--interval", YEAR], 1, "Source 'nowhere' is not a folder that exists"),
        (["-s", "a\udcff", "--interval", YEAR], 1, "Source 'a\\udcff' is not a folder that exists"),
        (["-s", SMALL, "--interval", YEAR, "--currency", "JPY"], 1, "There is no quote for JPY on or before"),
        (["-s", SMALL, "--interval", YEAR, "-o", "no/where"], 1, "no/where cannot be written: No such file"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_on_stderr_and_an_exit_code(args: list[Any], code: int, words: str) -> None:
    result = custdyn("query", *args)
    assert result.exit_code == code
    assert result.stdout == ""
    assert words in result.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", 'query: \'q.json\' is empty. Write a query such as {"interval": "last_month"}.'),
        ("\ufeff \n", "query: 'q.json' is empty. "),
        ("{", "query: 'q.json' is not valid JSON: "),
        ("[1]", "query must be an object"),
        ('{"interval":"today","interval":"today"}', "is not valid JSON: the key 'interval' occurs twice"),
        ('{"x":NaN}', "is not valid JSON: NaN is not a JSON number"),
        ("[" * 100_000, "is not valid JSON: "),
        ('{"a":1}', "A query has no field 'a'"),
    ],
)
def test_a_file_that_is_no_query_is_wrong_use(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "q.json").write_text(content)
    result = custdyn("query", "-s", SMALL, "--query", tmp_path / "q.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("custdyn: ")
    assert words in result.stderr


def test_a_fault_of_our_own_is_words_too_and_a_traceback_with_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(engine, "run_report", broken)
    result = query()
    assert result.exit_code == 1
    assert "ZeroDivisionError: of all things" in result.stderr
    assert "--debug shows where" in result.stderr
    shown = CliRunner().invoke(cli.main, ["--debug", "query", "-s", str(SMALL), "--interval", "today"])
    assert shown.exit_code == 1
    assert shown.stderr.startswith("Traceback")
    assert shown.stderr.endswith(
        'in broken\n    raise ZeroDivisionError("of all things")\nZeroDivisionError: of all things\n'
    )


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("custdyn.toml").write_text('cach = "x"\n')
    result = query()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "custdyn.toml has an unknown key 'cach'. Did you mean 'cache'?" in result.stderr


@pytest.mark.parametrize("given", ["2021", "2021-10", "2021-10-01", "2021-10-01 00:00:00"])
def test_an_interval_of_one_date_is_told_to_have_two(given: str) -> None:
    result = custdyn("query", "--source", SMALL, "--interval", given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"interval: '{given}' has no end. " in result.stderr


@pytest.mark.parametrize("given", ["2021-10-01..2021-10-31", "from 2021-10-01 to 2021-10-31"])
def test_an_interval_without_a_slash_is_told_to_have_one(given: str) -> None:
    result = custdyn("query", "--source", SMALL, "--interval", given)
    assert (result.exit_code, result.stdout) == (2, "")
    said = f"interval: '{given}' has no slash between its start and end. Give a start and an end, as dates or"
    assert said in result.stderr
    assert "2021-10-01/2021-10-31." in result.stderr


# --output


def test_output_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "r.csv"
    target.write_text("as it was")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        result = query("--format", "csv", "-o", target)
    assert result.exit_code == 1
    assert "cannot be written: No space left on device" in result.stderr
    assert target.read_text() == "as it was"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert query("--format", "csv", "-o", target).exit_code == 0
    assert target.read_bytes() == to_csv(direct())


def test_the_ending_of_the_output_chooses_the_format_unless_it_is_given(tmp_path: Path) -> None:
    for name, begins in (
        ("r.csv", b"Month,Clients - Active: Qty,"),
        ("R.XLSX", b"PK\x03\x04"),
        ("r.json", b'{\n "format": 1,'),
        ("r.txt", b"Customer Dynamics in USD"),
        ("report", b"Customer Dynamics in USD"),
    ):
        assert query("-o", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(begins), name
    assert query("--format", "csv-excel", "-o", tmp_path / "r.csv").exit_code == 0
    assert (tmp_path / "r.csv").read_bytes().startswith(b"\xef\xbb\xbfMonth;")
    assert query("--format", "table", "-o", tmp_path / "r.xlsx").exit_code == 0
    assert (tmp_path / "r.xlsx").read_bytes().startswith(b"Customer Dynamics in USD")
    assert query("--json", "-o", tmp_path / "r.csv").exit_code == 0
    assert (tmp_path / "r.csv").read_bytes().startswith(b"{")


def test_output_into_a_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    result = query("-o", tmp_path / "taken")
    assert result.exit_code == 1
    assert "taken cannot be written: Is a directory" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "taken", "work"]


def test_output_follows_a_link_and_goes_into_a_device(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("")
    (tmp_path / "link.csv").symlink_to("real.csv")
    assert query("--format", "csv", "-o", tmp_path / "link.csv").exit_code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == to_csv(direct())
    assert query("-o", os.devnull).exit_code == 0
    assert Path(os.devnull).is_char_device()


def test_output_has_the_mode_that_a_new_file_has(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        query("-o", tmp_path / "r.txt")
    finally:
        os.umask(before)
    assert (tmp_path / "r.txt").stat().st_mode & 0o777 == 0o640


# check


FAULTY = {
    "clients": "client_id,client_type,currency,created_at,shoe\n"
    "c1,client,USD,soon,42\nc2,client,USD,later,\n\u00fc</td>,x,USD,2021-01-01,\n",
    "transactions": "transaction_id,client_id,at,kind,amount\nt1,c9,2021-01-01Tx,usage,1\n",
}


def faulty(place: Path) -> Path:
    for name, text in FAULTY.items():
        (place / f"{name}.csv").write_text(text)
    return place


def test_check_of_a_good_source_counts_its_rows() -> None:
    result = custdyn("check", SMALL)
    words = "mart: 6 clients, 19 transactions, 3 packages, 3 companies, 4 rates. No faults.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, words, "")


def test_check_sums_up_the_kinds_of_fault_on_stdout_and_fails(tmp_path: Path) -> None:
    result = custdyn("check", faulty(tmp_path))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.endswith("faults)") or line.endswith("fault)")] == [
        "clients.csv, created_at: is not an ISO 8601 time (2 faults)",
        "clients.csv, client_type: is not a known client_type (1 fault)",
        "transactions.csv, at: is not an ISO 8601 time (1 fault)",
        "transactions.csv, client_id: is not in clients.csv (1 fault)",
    ]
    assert lines[1:3] == [
        "  First: row 2: 'soon'",
        "  Remedy: Write times as 2021-10-01T09:30:00Z, in UTC or with an offset. A mapping can read "
        "other formats: see docs/own-mapping.md.",
    ]
    assert "Note: clients.csv: extra columns are ignored: 'shoe'." in lines
    assert lines[-1].endswith(": 3 clients, 1 transaction. 5 faults of 4 kinds.")
    assert result.stderr == ""


def test_check_lists_every_fault_if_asked(tmp_path: Path) -> None:
    result = custdyn("check", faulty(tmp_path), "--all")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:5]] == [
        "clients.csv, row 2, created_at",
        "clients.csv, row 3, created_at",
        "clients.csv, row 4, client_type",
        "transactions.csv, row 2, at",
        "transactions.csv, row 2, client_id",
    ]
    assert all(line.startswith("Note: ") for line in lines[5:-1])
    assert lines[-1].endswith("5 faults of 4 kinds.")


@pytest.mark.parametrize(("options", "examples"), [((), 3), (("--all",), 5)])
def test_check_prints_json(tmp_path: Path, options: tuple[str, ...], examples: int) -> None:
    faulty(tmp_path)
    rows = "".join(f"t{i},c1,2021-01-01Z,usage,{i}e3\n" for i in range(5))
    (tmp_path / "transactions.csv").write_text("transaction_id,client_id,at,kind,amount\n" + rows)
    result = custdyn("check", tmp_path, "--json", *options)
    assert (result.exit_code, result.stderr) == (1, "")
    found = json.loads(result.stdout)
    assert (found["source"], found["rows"]) == (tmp_path.name, {"clients": 3, "transactions": 5})
    assert (found["verdict"], found["faults"]) == ("13 faults of 4 kinds", 13)
    exponent = next(kind for kind in found["kinds"] if kind["kind"] == "exponent")
    assert len(exponent["examples"]) == examples
    assert exponent["examples"][1] == {
        "row": 3, "column": "amount", "value": "1e3",
        "why": "has an exponent, but amounts must be plain decimals",
    }  # fmt: skip
    assert {name: exponent[name] for name in ("file", "column", "count", "remedy")} == {
        "file": "transactions.csv",
        "column": "amount",
        "count": 5,
        "remedy": "Write all digits: 0.00001, not 1e-5.",
    }
    assert found["notes"][0] == {
        "kind": "extra_columns",
        "text": "clients.csv: extra columns are ignored: 'shoe'.",
        "file": "clients.csv",
        "columns": ["shoe"],
    }


def test_check_prints_json_of_a_good_source() -> None:
    result = custdyn("check", SMALL, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["verdict"], found["faults"]) == (0, "No faults", 0)
    assert (found["kinds"], found["notes"]) == ([], [])


def test_check_refuses_a_balance_that_a_query_would_refuse(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text(
        "client_id,client_type,currency,created_at,opening_balance\n"
        "c1,client,USD,2021-01-01,9223372036854.775807\n"
    )
    (tmp_path / "transactions.csv").write_text(
        "transaction_id,client_id,at,kind,amount\nt1,c1,2021-01-01,refill,1\n"
    )
    words = "clients.csv, row 2, client_id: 'c1' has a balance outside ±9 223 372 036 854.775807\n"
    checked = custdyn("check", tmp_path, "--all")
    assert checked.exit_code == 1
    assert checked.stdout.startswith(words)
    asked = custdyn("query", "-s", tmp_path, "--interval", YEAR)
    assert (asked.exit_code, asked.stdout) == (1, "")
    assert words in asked.stderr


def test_check_of_what_is_no_source_fails() -> None:
    result = custdyn("check", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is not a folder that exists" in result.stderr


# snapshots


def test_a_frozen_report_is_listed_shown_and_verified_until_a_byte_changes(tmp_path: Path) -> None:
    frozen = query("--format", "csv", "--freeze")
    assert frozen.exit_code == 0
    [snapshot] = {line.split("id=")[1] for line in frozen.stderr.splitlines() if "id=" in line}
    assert snapshot[:8] in custdyn("snapshots", "list").stdout
    assert json.loads(custdyn("snapshots", "list", "--json").stdout)[0]["id"] == snapshot
    assert json.loads(custdyn("snapshots", "show", snapshot, "--json").stdout)["currency"] == "USD"
    assert custdyn("snapshots", "show", snapshot).exit_code == 0
    assert custdyn("snapshots", "verify").exit_code == 0
    assert not list((tmp_path / "snapshots").rglob("report.pdf"))  # only made on request
    [page] = (tmp_path / "snapshots").rglob("report.html")
    page.chmod(0o644)
    page.write_bytes(page.read_bytes()[:-1] + b"x")
    for args in ((), (snapshot,)):
        result = custdyn("snapshots", "verify", *args)
        assert result.exit_code == 1
        assert "report.html" in result.stdout


# The process


def test_help_is_there_at_once_and_names_every_command() -> None:
    code = "import sys; from custdyn_widgets.cli import main; main(['--help'], standalone_mode=False)\n"
    code += "heavy = {'pandas', 'numpy', 'altair', 'pyarrow', 'custdyn_widgets.settings'}\n"
    code += (
        "print(sorted(m for m in sys.modules if m in heavy or m.startswith('custdyn_widgets.cli.snapshot')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    for command in ("query", "run", "demo", "check", "serve", "snapshots"):
        assert f"\n  {command} " in done.stdout


def test_no_garbage_is_collected_when_a_command_ends() -> None:
    code = (
        "import atexit, gc\n"
        "from custdyn_widgets.cli import main\n"
        "atexit.register(lambda: print(len(gc.get_objects())))  # called last\n"
        f"main(['check', {str(SMALL)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 1000


def _lazy_groups(group: click.Group) -> Iterator[LazyGroup]:
    if isinstance(group, LazyGroup):
        yield group
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from _lazy_groups(command)


def test_the_summary_of_a_lazy_command_is_the_first_sentence_of_its_help() -> None:
    groups = list(_lazy_groups(cli.main))
    assert {group.name for group in groups} == {"main", "queries", "snapshots"}
    for group in groups:
        assert group.lazy
        for name, lazy in group.lazy.items():
            paragraph = " ".join((group.commands[name].help or "").split("\n\n")[0].split())
            assert f"{paragraph} ".startswith(f"{lazy.summary} "), name
            assert lazy.summary.find(". ") == -1, name


def test_the_help_of_a_group_is_what_click_writes_for_loaded_commands() -> None:
    for group in _lazy_groups(cli.main):
        for width in (40, 80, 120):
            ctx = click.Context(group, info_name="custdyn", terminal_width=width, max_content_width=width)
            lazy, loaded = ctx.make_formatter(), ctx.make_formatter()
            group.format_commands(ctx, lazy)
            click.Group.format_commands(group, ctx, loaded)
            assert lazy.getvalue() == loaded.getvalue() != ""


def test_the_help_of_a_query_lists_every_name_that_a_fixed_choice_takes() -> None:
    words = " ".join(custdyn("query", "--help").stdout.split())
    for field in FIELDS.values():
        for choice in field.choices:
            assert re.search(rf"\b{choice}\b", words), choice
    assert "One of: any, all." in words


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    program = Path(sys.executable).with_name("custdyn")
    command = [str(program), "query", "-s", str(SMALL), "--interval", YEAR, "--group-by", "date"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_behind_stdout_is_words_and_no_fault_of_ours() -> None:
    program = Path(sys.executable).with_name("custdyn")
    command = [str(program), "query", "-s", str(SMALL), "--interval", YEAR, "--as-of", AS_OF]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "custdyn: The output cannot be written: No space left on device."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_output_that_cannot_be_written_is_discarded() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        full.write("text")
        assert discard(full)
        assert not discard(full)  # nor is it written when the stream is closed


def test_a_run_can_only_read_a_database_first_if_its_source_is_named() -> None:
    result = custdyn("run", "--sync", "--interval", YEAR)
    assert result.exit_code == 2
    assert "--sync needs the name of the source: --source NAME." in result.stderr


@pytest.mark.parametrize("full_stream", ["stdout", "stderr"])
def test_a_full_log_does_not_make_a_failure_of_a_run_that_succeeded(tmp_path: Path, full_stream: str) -> None:
    interval = dict(zip(("start", "end"), YEAR.split("/"), strict=True))
    saved = {"format": 1, "title": "Board", "query": {"interval": interval}, "source": str(SMALL)}
    (tmp_path / "board.json").write_text(json.dumps(saved))
    names = {"QUERIES": ".", "MY_QUERIES": "mine", "RUNS": "runs", "SNAPSHOTS": "store"}
    environment = {f"CUSTDYN_{name}": str(tmp_path / folder) for name, folder in names.items()}
    command = [sys.executable, "-m", "custdyn_widgets", "run", "--saved", "board", "--as-of", AS_OF]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Path("/dev/full").open("wb") as full:
        streams[full_stream] = full
        done = subprocess.run(command, **streams, env={**os.environ, **environment}, check=False, text=True)
    assert done.returncode == 0
    if full_stream == "stdout":
        assert "The link cannot be printed: No space left on device." in done.stderr
        assert "board: frozen" in done.stderr
    else:
        assert "/view?id=" in done.stdout


@pytest.mark.slow
def test_demo_says_page_and_link() -> None:
    result = custdyn("demo", "--as-of", "2024-01-01")
    assert result.exit_code == 0
    [link] = result.stdout.splitlines()
    assert link.startswith("http://127.0.0.1:8899/view?id=")
    page = next(
        line.removeprefix("Page: ") for line in result.stderr.splitlines() if line.startswith("Page: ")
    )
    assert Path(page).is_file()


@pytest.mark.parametrize(
    "args",
    [
        ("query", "-s", SMALL, "--query", "mysql://anna:seashore@db/crm"),
        ("query", "-s", SMALL, "--saved", "mysql://anna:seashore@db/crm"),
        ("query", "-s", SMALL, "--interval", YEAR, "--timezone", "mysql://anna:seashore@db/crm"),
        ("query", "-s", SMALL, "--interval", YEAR, "--output", "mysql://anna:seashore@db/crm"),
        ("query", "-s", SMALL, "--interval", YEAR, "--company", "mysql://anna:seashore@db/crm"),
        ("query", "-s", "./mysql://anna:seashore@db/crm", "--interval", YEAR),
        ("run", "mysql://anna:seashore@db/crm", "-s", SMALL, "--interval", YEAR),
        ("check", "./mysql://anna:seashore@db/crm"),
        ("queries", "show", "mysql://anna:seashore@db/crm"),
        ("snapshots", "show", "mysql://anna:seashore@db/crm"),
        ("runs", "list", "--saved", "mysql://anna:seashore@db/crm"),
    ],
    ids=lambda args: " ".join(map(str, args[:2])),
)
def test_a_password_in_any_argument_is_never_printed(args: tuple[object, ...]) -> None:
    result = custdyn(*args)
    assert result.exit_code
    refusals = ("not the address of a database", "must be a path on this machine, not an address")
    assert "anna" in result.output or any(refusal in result.output for refusal in refusals)
    assert "seashore" not in result.output
