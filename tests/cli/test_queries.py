"""`custdyn queries` and `--saved`: saved queries listed, shown, deleted and run from the command line."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result

from custdyn_widgets.cli import commands as cli
from custdyn_widgets.engine import compute
from custdyn_widgets.errors import QueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv
from custdyn_widgets.report.report import Report
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.text import format_instant_utc, text_width

SMALL = Path(__file__).parents[1] / "golden" / "small" / "mart"
AS_OF = "2022-01-01T00:00:00Z"
YEAR = ReportQuery.from_dict(
    {
        "interval": {"start": "2021-01-01", "end": "2021-12-31"},
        "timezone": "Asia/Tokyo",
        "client_type": "all",
        "group_by": ["month", "package"],
        "active_duration": 6,
    }
)


def keep(title: str = "The year", place: Any = "mine", **about: Any) -> SavedQuery:
    saved = SavedQuery(title, **{"query": YEAR, **about})
    saved_queries.save(saved, place, over=None)
    return saved


def custdyn(*args: object, **more: Any) -> Result:
    result = CliRunner().invoke(cli.main, [str(a) for a in args], **more)
    assert "Traceback" not in result.output
    return result


def run(*args: object) -> Result:
    return custdyn("queries", "run", "the-year", "-s", SMALL, "--as-of", AS_OF, *args)


def asked(*args: object) -> ReportQuery:
    result = custdyn("query", "-s", SMALL, "--as-of", AS_OF, "--format", "json", *args)
    return Report.from_dict(json.loads(result.stdout)).query


# list


def test_without_any_a_list_says_so() -> None:
    result = custdyn("queries", "list")
    assert (result.exit_code, result.stdout) == (0, "There are no saved queries yet.\n")
    assert json.loads(custdyn("queries", "list", "--format", "json").stdout) == []


def test_a_list_tells_name_place_output_title_and_query() -> None:
    keep("Zürich: VIPs", "shared", query=ReportQuery(interval="last_month"), output="csv")
    keep()
    lines = custdyn("queries", "list").stdout.splitlines()
    assert lines[0].split() == ["Name", "Where", "Output", "Title", "Query"]
    assert lines[1].split()[:5] == ["the-year", "mine", "web", "The", "year"]
    assert lines[2].split()[:5] == ["zurich-vips", "shared", "csv", "Zürich:", "VIPs"]
    assert "Last month (UTC), clients, by month" in lines[2]


def test_a_list_is_aligned_where_titles_have_wide_and_combining_characters() -> None:
    for title in ("The year", "売上の報告", "Cafe\u0301"):
        keep(title, query=ReportQuery(interval="last_month"))
    lines = custdyn("queries", "list").stdout.splitlines()[1:]
    assert len(lines) == 3
    assert len({text_width(line[: line.index("Last month")]) for line in lines}) == 1


def test_a_list_as_json_has_everything_and_an_error_where_a_file_is_bad(tmp_path: Path) -> None:
    saved = keep()
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "bad.json").write_text("{")
    bad, good = json.loads(custdyn("queries", "list", "--format", "json").stdout)
    assert json.loads(custdyn("queries", "list", "--json").stdout) == [bad, good]
    assert custdyn("queries", "list", "--json", "--format", "table").exit_code == 2
    shown = json.loads(custdyn("queries", "show", good["name"], "--json").stdout)
    assert shown == json.loads(custdyn("queries", "show", good["name"]).stdout)
    expected = {"name": "the-year", "place": "mine", "saved": saved.to_dict(), "error": None}
    assert good == {**expected, "next": None, "last": None}
    assert (bad["name"], bad["place"], bad["saved"]) == ("bad", "shared", None)
    assert bad["error"].startswith("'bad.json' is not valid JSON")


def test_a_list_tells_the_schedule_its_next_time_and_the_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_RUNS", str(tmp_path / "runs"))
    schedule = Schedule("0 6 1 * *", "Asia/Tokyo")
    keep("Board", schedule=schedule, source="demo", query=ReportQuery(interval="last_month"))
    keep("Board", "shared", schedule=schedule, source="demo")
    keep("Watch")
    begun = Run.begun("board", title="Board", logical_time="2026-10-31T21:00:00Z")
    for result, began in (("failed", "2026-10-01T06:00:00Z"), ("sent", "2026-10-31T21:00:01Z")):
        id_ = f"{began[:4]}{began[5:7]}{began[8:10]}T060000.000000Z-00000000"
        Runs(tmp_path / "runs").write(replace(begun, id=id_, began=began, result=result))
    heading, own, shared, watch = custdyn("queries", "list").stdout.splitlines()
    columns = ["Name", "Where", "Output", "Title", "Schedule", "Next run", "Last run (UTC)", "Query"]
    assert re.split("  +", heading) == columns
    following = schedule.next(datetime.now(UTC))
    cells = re.split("  +", own)[4:7]
    local = f"{following + timedelta(hours=9):%Y-%m-%d %H:%M}"
    assert cells == ["0 6 1 * * Asia/Tokyo", local, "2026-10-31 21:00:01 sent"]
    assert re.split("  +", shared)[4:7] == ["–", "–", "–"]
    assert re.split("  +", watch)[4:7] == ["–", "–", "–"]
    found = json.loads(custdyn("queries", "list", "--json").stdout)
    assert found[0]["next"] == format_instant_utc(following)
    assert found[0]["last"] == {
        "id": "20261031T060000.000000Z-00000000",
        "began": "2026-10-31T21:00:01Z",
        "logical_time": "2026-10-31T21:00:00Z",
        "result": "sent",
    }
    assert [one["next"] for one in found[1:]] == [None, None]


def test_a_bad_file_is_a_line_and_a_note_and_no_failure(tmp_path: Path) -> None:
    keep()
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "bad.json").write_text("{")
    result = custdyn("queries", "list")
    assert result.exit_code == 0
    assert "(cannot be used)" in result.stdout
    assert "the-year" in result.stdout
    assert result.stderr.startswith("Note: 'bad.json' is not valid JSON")


def test_what_others_wrote_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    hostile = ReportQuery(interval="today", client_tags=("\x1b]0;owned\x07", "\u202eevil", "two\nlines"))
    keep("A \u202etitle", query=hostile)
    name = saved_queries.listing()[0].name
    (tmp_path / "my_queries" / "\x1b[2J.json").write_text("{")
    for command in (("list",), ("list", "--format", "json"), ("show", name)):
        result = custdyn("queries", *command)
        assert result.exit_code == 0
        assert all(c.isprintable() or c == "\n" for c in result.output)
    assert len(custdyn("queries", "list").stdout.splitlines()) == 3
    assert SavedQuery.from_dict(json.loads(custdyn("queries", "show", name).stdout)).query == hostile


# show


def test_show_prints_the_file_as_it_is() -> None:
    saved = keep("Größe", "shared", description="of the year")
    result = custdyn("queries", "show", "grosse")
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (0, saved.to_bytes(), "")


def test_show_takes_the_persons_own_or_the_one_of_a_place() -> None:
    keep(description="mine")
    keep(description="ours", place="shared")

    def described(*args: str) -> str:
        return str(json.loads(custdyn("queries", "show", "the-year", *args).stdout)["description"])

    assert described() == described("--place", "mine") == "mine"
    assert described("--place", "shared") == "ours"


@pytest.mark.parametrize("command", ["show", "delete", "run"])
def test_a_name_that_is_not_there_fails_with_the_nearest(command: str) -> None:
    keep()
    source = ("-s", SMALL) if command == "run" else ()
    for name, words in (("the-yaer", "There is no saved query"), ("../the-year", "cannot be the name")):
        result = custdyn("queries", command, name, *source)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("custdyn: ")
        assert words in result.stderr
        assert "'the-year'" in result.stderr


# delete


def test_delete_asks_and_anything_but_yes_keeps_it() -> None:
    keep()
    for answer in ("n\n", "\n", ""):
        result = custdyn("queries", "delete", "the-year", input=answer)
        assert (result.exit_code, result.stdout.strip()) == (1, "")
        assert "Delete your saved query the-year?" in result.stderr
    assert len(saved_queries.listing()) == 1
    result = custdyn("queries", "delete", "the-year", input="y\n")
    assert result.exit_code == 0
    assert saved_queries.listing() == []
    assert "Deleted: the-year (mine)." in result.stderr


def test_delete_with_yes_does_not_ask_and_takes_a_bad_file_too(tmp_path: Path) -> None:
    keep()
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "the-year.json").write_text("{")
    assert custdyn("queries", "delete", "the-year", "--yes", "--place", "shared").exit_code == 0
    assert [entry.place for entry in saved_queries.listing()] == ["mine"]
    assert custdyn("queries", "delete", "the-year", "--yes").exit_code == 0
    assert custdyn("queries", "delete", "the-year", "--yes").exit_code == 1


# run


def test_run_answers_as_query_does_in_the_output_that_was_saved() -> None:
    keep(output="csv")
    result = run()
    assert result.exit_code == 0
    assert result.stdout_bytes == to_csv(compute.run_report(YEAR, SMALL, as_of=AS_OF))
    assert run("--total").stdout_bytes.count(b"\r\nTotal,") == 1
    assert run("--format", "table").stdout.startswith("Customer Dynamics in USD")
    saved_queries.delete("the-year")
    keep(output="csv", total=True)
    assert run().stdout_bytes == to_csv(compute.run_report(YEAR, SMALL, as_of=AS_OF), total=True)
    assert Report.from_dict(json.loads(run("--format", "json").stdout)).query == YEAR
    assert Report.from_dict(json.loads(run("--json").stdout)).query == YEAR


def test_web_is_a_table_on_a_terminal_and_xlsx_a_file(tmp_path: Path) -> None:
    keep()
    assert run().stdout.startswith("Customer Dynamics in USD")
    saved_queries.delete("the-year")
    keep(output="xlsx")
    openpyxl.load_workbook(io.BytesIO(run().stdout_bytes))
    result = run("--output", tmp_path / "r.xlsx")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"Wrote {tmp_path / 'r.xlsx'}" in result.stderr
    openpyxl.load_workbook(tmp_path / "r.xlsx")


def test_the_ending_of_the_output_replaces_a_saved_format_that_does_not_fit(tmp_path: Path) -> None:
    keep(output="csv-excel")
    for name, begins in (
        ("r.csv", b"\xef\xbb\xbfMonth;"),
        ("r.xlsx", b"PK\x03\x04"),
        ("r", b"\xef\xbb\xbfMonth;"),
    ):
        assert run("--output", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(begins), name


def test_run_freezes_when_asked_to() -> None:
    keep(output="csv")
    result = run("--freeze")
    [snapshot] = {line.split("id=")[1] for line in result.stderr.splitlines() if "id=" in line}
    assert custdyn("snapshots", "show", snapshot).exit_code == 0


def test_a_preset_is_counted_from_the_day_of_the_run() -> None:
    keep(query=ReportQuery(interval="last_month"), output="csv")
    months = [run("--as-of", day).stdout.splitlines()[1][:7] for day in ("2021-11-02", "2021-12-02")]
    assert months == ["2021-10", "2021-11"]


def test_run_takes_the_one_of_a_place() -> None:
    keep(query=ReportQuery(interval="last_month"))
    keep(place="shared")
    assert Report.from_dict(json.loads(run("--format", "json").stdout)).query.interval == "last_month"
    shared = run("--format", "json", "--place", "shared")
    assert Report.from_dict(json.loads(shared.stdout)).query == YEAR


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["queries", "lst"], "No such command"),
        (["queries", "list", "--format", "xml"], "'xml' is not one of"),
        (["queries", "show"], "Missing argument"),
        (["queries", "show", "the-year", "--place", "ours"], "'ours' is not one of"),
        (["queries", "run", "the-year"], "The saved query the-year has no source: use --source"),
        (["query", "--saved", "the-year"], "The saved query the-year has no source: use --source"),
        (["clients", "--saved", "the-year"], "The saved query the-year has no source: use --source"),
        (["cohorts", "--saved", "the-year"], "The saved query the-year has no source: use --source"),
        (["cohorts", "--interval", "today"], "Missing option '--source'"),
        (["run", "--saved", "the-year"], "source is required: a folder with the billing data, or the name"),
        (["queries", "run", "the-year", "-s", SMALL, "--format", "xls"], "choose xlsx"),
        (["queries", "run", "the-year", "-s", SMALL, "--as-of", "soon"], "as_of must be"),
        (["query", "-s", SMALL, "--saved", "the-year", "--query", "q.json"], "not both"),
    ],
)
def test_wrong_use_is_told_as_such(args: list[Any], words: str) -> None:
    keep()
    result = custdyn(*args)
    assert result.exit_code == 2
    assert words in result.output


# --saved


READERS: list[list[Any]] = [
    ["query", "--saved", "the-year", "--format", "csv"],
    ["queries", "run", "the-year", "--format", "csv"],
    ["clients", "--saved", "the-year", "--total"],
    ["cohorts", "--saved", "the-year"],
    ["run", "--saved", "the-year"],
]


@pytest.mark.parametrize("args", READERS, ids=" ".join)
def test_the_source_is_that_of_the_saved_query_unless_another_is_given(
    args: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []

    def note(*args: Any, **_: Any) -> None:
        """Note the source, which is the second of these functions' arguments, or among the parameters."""
        read.append(next((one["source"] for one in args if isinstance(one, dict)), args[-1]))
        raise QueryError("Enough.")

    for name in ("engine.run_report", "engine.clients_behind", "engine.cohort_triangle"):
        monkeypatch.setattr(f"custdyn_widgets.{name}", note)
    monkeypatch.setattr("custdyn_widgets.notebook.run_template", note)
    keep(source="shop")
    for more in ((), ("--source", "other"), ("-s", "third"), ("--source", "")):
        assert "Enough." in custdyn(*args, *more).stderr
    assert read == ["shop", "other", "third", ""]


def test_a_run_takes_the_source_of_the_saved_query(monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Any] = []
    monkeypatch.setattr("custdyn_widgets.cli.reports.sync_first", synced.append)
    keep(source=str(SMALL), query=ReportQuery.from_dict({"interval": YEAR.interval}))
    done = custdyn("run", "--saved", "the-year", "--sync")
    assert (done.exit_code, synced) == (0, [str(SMALL)])
    [manifest] = Path(os.environ["CUSTDYN_SNAPSHOTS"]).glob("v1/*/*/manifest.json")
    assert json.loads(manifest.read_text())["source"] == "mart"
    other = custdyn("run", "--saved", "the-year", "-p", "source", "nowhere")
    assert "Source 'nowhere' is not a folder that exists" in other.stderr


def test_a_query_starts_from_a_saved_one_and_options_win() -> None:
    keep()
    assert asked("--saved", "the-year") == YEAR
    changed = asked("--saved", "the-year", "--interval", "last_month", "--group-by", "none", "--client-type",
                    "client", "--active-duration", "3")  # fmt: skip
    assert changed == ReportQuery(interval="last_month", timezone="Asia/Tokyo", group_by=())


def test_a_saved_query_that_is_not_there_or_bad_is_words_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "bad.json").write_text('{"format": 1, "title": "B", "query": {"interval": "x"}}')
    for name, words in (
        ("none", "There is no saved query 'none'. Choose from: 'bad'."),
        ("", "cannot be the name of a saved query"),
        ("bad", "'bad.json': query: interval: 'x' is not an allowed value."),
    ):
        result = custdyn("query", "-s", SMALL, "--saved", name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert words in result.stderr


@pytest.mark.slow
def test_a_run_starts_from_a_saved_one_and_options_win() -> None:
    keep()
    result = custdyn("run", "-s", SMALL, "--saved", "the-year", "--group-by", "year")
    assert result.exit_code == 0, result.stderr
    snapshot = result.stdout.strip().split("id=")[1]
    manifest = json.loads(custdyn("snapshots", "show", snapshot, "--json").stdout)
    assert ReportQuery.from_dict(manifest["query"]).group_by == ("year",)
    assert ReportQuery.from_dict(manifest["query"]).interval == YEAR.interval
    assert ReportQuery.from_dict(manifest["query"]).active_duration == 6


def test_a_saved_querys_own_run_for_another_time_takes_no_options() -> None:
    keep()
    result = custdyn("run", "-s", SMALL, "--as-of", AS_OF, "--saved", "the-year", "--group-by", "year")
    assert (result.exit_code, "remove --group-by" in result.stderr) == (2, True)


def test_saved_queries_are_listed_without_loading_anything_heavy(tmp_path: Path) -> None:
    keep()
    code = (
        "import sys; from custdyn_widgets.cli import main; main(['queries', 'list'], standalone_mode=False)\n"
        "heavy = {'pandas', 'numpy', 'pyarrow', 'altair', 'jinja2', 'openpyxl', 'ipywidgets', 'babel'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "the-year" in done.stdout
    assert done.stdout.endswith("[]\n")
