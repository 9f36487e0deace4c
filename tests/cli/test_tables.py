"""The commands that print the clients behind a row and the retention triangle."""

from __future__ import annotations

import csv
import io
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from custdyn_widgets import cli, freeze, run_report
from custdyn_widgets.cli import report_output
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.text import replace_controls

MIXED = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
YEAR = "2021-01-01/2021-12-31"
YEAR_2021 = {"start": "2021-01-01T00:00:00", "end": "2021-12-31T23:59:59"}
AS_OF = "2022-01-01T00:00:00Z"


def printed(*args: object) -> list[dict[str, str]]:
    """Return the lines of the table that `custdyn clients` prints as CSV."""
    asked = ("clients", "-s", MIXED, "--interval", YEAR, "--as-of", AS_OF, "--client-type", "all", *args)
    result = CliRunner().invoke(cli.main, [*map(str, asked), "--format", "csv"])
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Give --row LABEL for the month, or --total for the Total."),
        (("--group-by", "date"), "Give --row LABEL for the date, or --total for the Total."),
        (("--row", "2021-01", "--row", "x"), "Give --row LABEL for the month, or --total for the Total."),
        (
            ("--group-by", "month", "--group-by", "package", "--row", "2021-01"),
            "Give --row LABEL for the month and --row LABEL for the package, or --total for the Total.",
        ),
        (("--row", "2021-01", "--total"), "Give --row or --total, not both."),
        (("--group-by", "none", "--row", "2021-01"), "has only one row: remove --row."),
    ],
)
def test_options_that_identify_no_row_are_refused_with_those_that_do(
    options: tuple[str, ...], words: str
) -> None:
    """They are refused before the source is read."""
    done = CliRunner().invoke(cli.main, ["clients", "-s", "nowhere", "--interval", YEAR, *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("columns", "flow", "column"),
    [
        ((), "Pay As You Go Total", "Pay As You Go: Total"),
        (("payg",), "Pay As You Go Total", "Pay As You Go: Total"),
        (("active", "refill"), "Refill Total", "Balance Refill: Total"),
        (("packages",), "Renew Total", "Packages: Renew Total"),
    ],
)
def test_changes_are_printed_the_largest_first_and_sum_to_the_change(
    columns: tuple[str, ...], flow: str, column: str
) -> None:
    options = [word for name in columns for word in ("--columns", name)]
    lines = printed("--compare", "previous_month", "--row", "2021-08", "--change", *options)
    changes = [Decimal(line[f"{flow} Change"]) for line in lines]
    assert [abs(c) for c in changes] == sorted((abs(c) for c in changes), reverse=True)
    equal = [(-abs(c), line["Client Id"]) for c, line in zip(changes, lines, strict=True)]
    assert equal == sorted(equal)
    query = ReportQuery.from_dict(
        {
            "interval": {"start": "2021-01-01", "end": "2021-12-31"},
            "client_type": "all",
            "compare": "previous_month",
        }
    )
    report = run_report(query, MIXED, as_of=AS_OF)
    [row] = [row for row in report.rows if row.labels == ("2021-08",)]
    # Each client's part is rounded once.
    assert sum(changes) == pytest.approx(row.values[report.column(f"{column} Change")], abs=Decimal("1e-4"))


def test_without_changes_clients_are_printed_by_their_ids() -> None:
    ids = [line["Client Id"] for line in printed("--row", "2021-08")]
    assert ids == sorted(ids)


class Terminal(io.BytesIO):
    """Output that says whether it is a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    @property
    def buffer(self) -> Terminal:
        return self


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A mart with a client whose name moves a terminal's cursor and sets its title."""
    (tmp_path / "clients.csv").write_text(
        'client_id,name,client_type,company,currency,created_at\nc1,"\x1b]0;owned\x07\x9b2J",client,'
        "\x1b[31mRed,USD,2021-01-01\n",
        "utf-8",
    )
    (tmp_path / "transactions.csv").write_text(
        "transaction_id,client_id,at,kind,amount\n1,c1,2021-02-01,usage,-1\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("clients", "--format", "csv"), ("clients",), ("query", "--group-by", "company", "--format", "csv"),
        ("query", "--group-by", "company", "--format", "csv-excel"), ("query", "--group-by", "company"),
    ],
)  # fmt: skip
def test_a_terminal_gets_no_control_characters_of_names(
    hostile: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *options = command
    asked = [name, "-s", str(hostile), "--interval", YEAR, *options]
    if name == "clients":
        asked += ["--group-by", "none"]
    for is_terminal in (True, False):
        out = Terminal(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stdout", out)
        cli.main(asked, standalone_mode=False)
        text = out.getvalue().decode()
        assert "Red" in text
        has_controls = any(c in text for c in "\x1b\x07\x9b")
        assert has_controls is (not is_terminal and "csv" in " ".join(command))


def test_a_terminal_gets_no_control_characters_of_a_difference(
    hostile: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path_factory.mktemp("snapshots")))
    old = freeze(run_report({"interval": YEAR_2021, "group_by": ["company"]}, hostile))
    ledger = hostile / "transactions.csv"
    ledger.write_text(ledger.read_text().replace("-1\n", "-2\n"))
    for is_terminal in (True, False):
        out = Terminal(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stdout", out)
        cli.main(
            ["snapshots", "diff", str(old.id), "-s", str(hostile), "--format", "csv"], standalone_mode=False
        )
        assert "Red" in out.getvalue().decode()
        assert (b"\x1b" in out.getvalue()) is not is_terminal


def test_line_breaks_and_tabs_stay_on_a_terminal() -> None:
    assert replace_controls("a\tb\r\nc\x1bd\x9b\x00") == "a\tb\r\nc�d��"


def test_a_workbook_is_written_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal(is_terminal=True)
    monkeypatch.setattr(sys, "stdout", out)
    report_output.print_data(b"PK\xff\x1b", is_text=False)
    assert out.getvalue() == b"PK\xff\x1b"
