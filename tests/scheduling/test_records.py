"""Records of what ran on its own, and the lock that lets one run at a time."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from custdyn_widgets.cli import main
from custdyn_widgets.errors import RunError, StillRunningError
from custdyn_widgets.scheduling import records
from custdyn_widgets.scheduling.failure import describe_error
from custdyn_widgets.scheduling.locks import RunLock, is_running
from custdyn_widgets.scheduling.outcomes import Outcome, list_problems
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run

RECEIPT = {"recipient": "anna@example.com", "outcome": "sent"}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("CUSTDYN_RUNS", str(tmp_path / "runs"))
    return Runs(tmp_path / "runs")


def run_of(saved: str, result: str, logical: str, *reports: Outcome) -> Run:
    begun = Run.begun(saved, title=saved.title(), logical_time=logical)
    return begun.finished(result, reports=reports)


def listed(*options: str) -> str:
    done = CliRunner().invoke(main, ["runs", "list", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_record_comes_back_as_it_was_kept_and_is_its_owners_alone(runs: Runs) -> None:
    kept = run_of("board", "sent", "2026-11-01T06:00:00Z", Outcome("sent", None, "a" * 52, "d", (RECEIPT,)))
    runs.write(replace(kept, result="running", ended=None))
    runs.write(kept)
    assert runs.listing() == [kept]
    assert stat.S_IMODE(runs.folder.stat().st_mode) == 0o700


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="mounting takes root")
def test_a_disk_that_fills_up_during_a_run_leaves_room_for_its_end(tmp_path: Path) -> None:
    """On a real small disk, in a namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    code = """
import sys
from dataclasses import replace
from pathlib import Path
from custdyn_widgets.errors import RunError
from custdyn_widgets.scheduling.outcomes import Outcome, list_problems
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
disk = Path(sys.argv[1])
run, other = Run.begun("board"), Run.begun("other")
Runs(disk).write(run)
try:
    with (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
except OSError:
    pass
try:
    Runs(disk).write(other)
    raise SystemExit("the disk is not full")
except RunError:
    pass
Runs(disk).write(run.finished("sent", reports=(Outcome("sent", None, "a" * 52, "x" * 20_000),)))
print([run.result for run in Runs(disk).listing()], [path.name for path in disk.rglob(".*reserve")])
"""
    mounted = f"mount -t tmpfs -o size=1m none '{disk}' && exec '{sys.executable}' -c \"$CODE\" '{disk}'"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted],
        env={**os.environ, "CODE": code},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "['sent'] []\n", done.stderr


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    with RunLock(tmp_path, "board"):
        (tmp_path / "locks" / "linked.lock").symlink_to(tmp_path / "locks" / "board.lock")
        assert is_running(tmp_path, "board")
        assert not is_running(tmp_path, "linked")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RunError("Said as it is."), "Said as it is."),
        (OSError(28, "No space left on device", "/srv/x"), "/srv/x: No space left on device."),
        (OSError(28, "No space left on device"), "No space left on device."),
        (OSError("odd"), "odd."),
        (ZeroDivisionError("by 0"), "ZeroDivisionError: by 0. This is a bug in custdyn."),
    ],
)
def test_an_error_is_described_with_its_place(error: Exception, words: str) -> None:
    assert describe_error(error) == words


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_gives_the_reserved_space_to_the_end_of_the_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    run, real = Run.begun("board"), records.write_whole
    runs.write(run)
    own = runs.folder / "records" / "board"

    def full(path: Path, data: bytes) -> None:
        if list(own.glob(".*reserve")):
            raise OSError(number, os.strerror(number))
        real(path, data)

    monkeypatch.setattr(records, "write_whole", full)
    ended = run.finished("sent")
    runs.write(ended)
    assert runs.listing() == [ended]
    assert list(own.glob(".*reserve")) == []


def test_another_error_of_the_disk_leaves_the_reserved_space(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.begun("board")
    runs.write(run)

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(records, "write_whole", broken)
    with pytest.raises(RunError, match="Input/output error"):
        runs.write(run.finished("sent"))
    assert len(list(runs.folder.rglob(".*reserve"))) == 1


def test_a_killed_run_leaves_no_reserved_space(runs: Runs) -> None:
    run = Run.begun("board")
    runs.write(run)
    assert len(list(runs.folder.rglob(".*reserve"))) == 1
    assert [one.id for one in runs.listing()] == [run.id]
    runs.write(run.killed())
    assert list(runs.folder.rglob(".*reserve")) == []


def test_the_oldest_of_many_records_go(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT", 2)
    kept = [run_of("board", "sent", f"2026-11-0{day}T06:00:00Z") for day in (1, 2, 3)]
    for run in kept:
        runs.write(run)
    assert runs.listing() == kept[1:]


def test_records_of_what_is_still_to_be_sent_are_kept(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT", 1)
    first, second, third = (run_of("board", "sent", f"2026-11-0{day}T06:00:00Z") for day in (1, 2, 3))
    waiting = replace(first, result="undelivered", waiting=True)
    for run in (waiting, second, third):
        runs.write(run)
    assert runs.listing() == [waiting, third]
    runs.write(first)  # now everybody has it
    assert runs.listing() == [third]


def test_the_folder_of_records_is_made_with_those_above_it(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "not" / "yet")
    run = run_of("board", "sent", "2026-11-01T06:00:00Z")
    runs.write(run)
    assert runs.listing() == [run]


def test_a_list_of_more_than_there_are_has_all(runs: Runs) -> None:
    assert (runs.listing(saved="board"), runs.names(), runs.unsent("board")) == ([], [], [])
    kept = [run_of(saved, "sent", "2026-11-01T06:00:00Z") for saved in ("board", "sales")]
    for run in reversed(kept):
        runs.write(run)
    (runs.folder / "records" / "board" / ".half-written.json").write_text("{")
    (runs.folder / "records" / "file").touch()
    assert runs.names() == ["board", "sales"]
    for last in (None, 2, 3, 9):
        assert runs.listing(last) == kept
    assert runs.listing(1) == kept[1:]
    assert runs.listing(0) == []
    assert list(runs.newest_first("sales")) == kept[1:]


def test_runs_with_something_unsent_are_found_oldest_first(runs: Runs) -> None:
    first, second, third, fourth = (run_of("board", "sent", f"2026-11-0{n}T06:00:00Z") for n in range(1, 5))
    waiting, failed = replace(first, waiting=True), replace(third, failure_unsent=True)
    mentions = replace(second, told=({**RECEIPT, "waiting": True},))
    for run in (fourth, failed, mentions, waiting):
        runs.write(run)
    assert runs.unsent("board") == [waiting, failed]


def test_the_current_record_of_a_run_is_read_if_there_is_a_good_one(runs: Runs) -> None:
    run = run_of("board", "undelivered", "2026-11-01T06:00:00Z")
    assert runs.read(run) is run
    resent = replace(run, result="sent")
    runs.write(resent)
    assert runs.read(run) == resent
    (runs.folder / "records" / "board" / f"{run.id}.json").write_text("{")
    assert runs.read(run) is run


def test_a_record_has_a_question_mark_for_half_a_character(runs: Runs) -> None:
    run = replace(run_of("board", "failed", "2026-11-01T06:00:00Z"), problem="Zürich \udcff")
    runs.write(run)
    assert runs.listing() == [replace(run, problem="Zürich ?")]


def test_snapshots_and_failure_recipients_are_those_of_the_records(runs: Runs) -> None:
    assert (runs.snapshots("board"), runs.failure_recipients("board")) == (set(), ())
    reports = Outcome("sent", "A", "a" * 52), Outcome("failed", "B"), Outcome("sent", "C", "c" * 52)
    for day, about in (
        (1, {"failure_recipients": ("old@x.example",)}),
        (2, {"failure_recipients": ("new@x.example",), "reports": reports}),
        (3, {}),
    ):
        runs.write(replace(run_of("board", "sent", f"2026-11-0{day}T06:00:00Z"), **about))
    assert runs.snapshots("board") == {"a" * 52, "c" * 52}
    assert runs.failure_recipients("board") == ("new@x.example",)


def test_true_conditions_are_those_of_each_company_s_last_settled_report(runs: Runs) -> None:
    def judged(company: str, state: str, snapshot: str | None = "a" * 52, result: str = "sent") -> Outcome:
        about = {"words": "w", "rows": 1, "unknown": 0, "lines": []}
        conditions = tuple({**about, "key": f"{company}{n}", "state": state} for n in range(2))
        return Outcome(result, company, snapshot, conditions=conditions)

    november, december = "2026-11-01T06:00:00Z", "2026-12-01T06:00:00Z"
    runs.write(run_of("board", "sent", november, judged("A", "became true"), judged("B", "passed")))
    runs.write(run_of("board", "sent", november, judged("B", "still true")))
    runs.write(run_of("board", "sent", december, judged("A", "not true", None), judged("B", "passed")))
    runs.write(run_of("board", "undelivered", november, judged("A", "passed", result="undelivered")))
    runs.write(Run.begun("board").finished("failed"))  # it failed before its time was known
    assert runs.true_conditions("board", november) == {
        "A": frozenset({"A0", "A1"}),
        "B": frozenset({"B0", "B1"}),
    }
    assert runs.true_conditions("board", december)["B"] == frozenset()
    assert runs.true_conditions("board", "2026-10-01T06:00:00Z") == {}


def test_a_record_of_an_earlier_version_is_read() -> None:
    first = {
        "format": 1, "id": "20261101T060003.000000Z-0", "saved": "board", "title": "Board",
        "began": "2026-11-01T06:00:03Z", "result": "sent", "ended": "2026-11-01T06:00:08Z",
        "logical_time": "2026-11-01T06:00:00Z", "asked_for": False, "where": None, "problem": None,
        "reports": [{"result": "sent", "company": None, "snapshot": "a", "digest": "d",
                     "deliveries": [RECEIPT], "problem": None}],
        "told": [],
    }  # fmt: skip
    run = Run.from_dict(first)
    assert run.reports == (Outcome("sent", None, "a", "d", (RECEIPT,)),)
    assert (run.waiting, run.failure_unsent, run.schedule, run.resent, run.webhook) == (
        False, False, "", (), ()
    )  # fmt: skip
    assert Run.from_dict(run.to_dict()) == run
    assert run.to_dict()["format"] == 1
    assert "conditions" not in run.to_dict()["reports"][0]
    assert Run.begun("board").asked_for is False


@pytest.mark.parametrize(
    ("about", "reported"),
    [
        ({}, False),
        ({"told": (RECEIPT,)}, True),
        ({"webhook": ({"type": "run.failed"},)}, True),
        ({"webhook": ({"type": "run.succeeded"},)}, False),
        ({"webhook": ({"type": "run.succeeded"}, {"type": "run.failed"})}, True),
    ],
)
def test_a_failure_was_reported_by_email_or_webhook(about: dict[str, Any], reported: bool) -> None:
    assert replace(Run.begun("board"), **about).was_reported is reported


@pytest.mark.parametrize("result", ["undelivered", "killed", "sent", "failed"])
@pytest.mark.parametrize("snapshot", [None, "a" * 52])
@pytest.mark.parametrize("company", [None, "Blue"])
@pytest.mark.parametrize("where", [None, "sending the report", "making the reports"])
def test_a_run_that_made_all_its_reports_and_did_not_reach_everybody_can_be_resent(
    result: str, snapshot: str | None, company: str | None, where: str | None
) -> None:
    run = replace(
        Run.begun("board"), result=result, where=where, reports=(Outcome("undelivered", company, snapshot),)
    )
    made_all = company is None or where == "sending the report"
    assert run.can_be_resent is (made_all and result in ("undelivered", "killed") and snapshot is not None)


def test_a_run_that_never_told_its_end_is_told_as_killed_unless_it_holds_its_lock(runs: Runs) -> None:
    runs.write(Run.begun("board", logical_time="2026-11-01T06:00:00Z"))
    with RunLock(runs.folder, "board"):
        assert [run.result for run in runs.listing()] == ["running"]
    assert [run.result for run in runs.listing()] == ["killed"]


def test_a_digest_is_compared_with_the_last_that_was_settled_up_to_the_same_time(runs: Runs) -> None:
    july, august, september = (f"2026-{month:02}-01T06:00:00Z" for month in (7, 8, 9))
    for logical, result, digest in (
        (august, "sent", "eight"),
        (september, "failed", None),
        (september, "undelivered", "nine"),
        (july, "sent", "seven, run later"),
    ):
        runs.write(run_of("board", result, logical, Outcome(result, None, None, digest)))
    assert runs.digests("board", september) == {None: "eight"}
    assert runs.digests("board", july) == {None: "seven, run later"}
    assert runs.digests("board", "2026-06-01T06:00:00Z") == {}


def test_a_damaged_record_is_told_and_hides_no_other(runs: Runs) -> None:
    kept = run_of("board", "sent", "2026-11-01T06:00:00Z")
    runs.write(kept)
    (runs.folder / "records" / "board" / "20990101T000000.000000Z-0.json").write_text('{"format": 7}')
    assert [run.result for run in runs.listing()] == ["sent", "unreadable"]
    assert "format 7" in listed()


def test_a_full_disk_is_told_in_words(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "write_whole", full)
    with pytest.raises(RunError, match="No space left on device"):
        runs.write(Run.begun("board"))


def test_two_runs_of_a_saved_query_do_not_overlap_and_of_two_they_may(tmp_path: Path) -> None:
    with RunLock(tmp_path, "board"), RunLock(tmp_path, "sales"):
        assert is_running(tmp_path, "board")
        with pytest.raises(StillRunningError, match="board is already running"):
            RunLock(tmp_path, "board").__enter__()
    assert not is_running(tmp_path, "board")
    with RunLock(tmp_path, "board"):
        pass


def test_a_lock_is_free_when_its_holder_was_killed(tmp_path: Path) -> None:
    holding = (
        "import sys, time; from pathlib import Path; from custdyn_widgets.scheduling.locks import RunLock\n"
        "with RunLock(Path(sys.argv[1]), 'board'):\n    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_running(tmp_path, "board")
        os.kill(holder.pid, signal.SIGKILL)
    with RunLock(tmp_path, "board"):
        pass


def test_the_list_tells_when_for_what_time_how_long_and_what_came_of_it(runs: Runs) -> None:
    assert listed() == "No saved query has run yet.\n"
    first = run_of("board", "sent", "2026-11-01T06:00:00Z", Outcome("sent", None, "a" * 52))
    runs.write(replace(first, began="2026-11-01T06:00:03Z", ended="2026-11-01T06:00:08Z"))
    second = run_of("sales", "failed", "2026-11-02T06:00:00Z")
    runs.write(replace(second, problem="The mart is \x1b[2Jnot there."))
    heading, line, other, problem = listed().splitlines()
    assert heading.split()[0] == "Began"
    assert line.split() == [
        "2026-11-01",
        "06:00:03",
        "board",
        "2026-11-01",
        "06:00:00",
        "5",
        "sent",
        "a" * 52,
    ]
    assert other.split()[2] == "sales"
    assert problem == "    The mart is \N{REPLACEMENT CHARACTER}[2Jnot there."
    assert [run["saved"] for run in json.loads(listed("--json", "--last", "1"))] == ["sales"]
    assert "board" not in listed("--saved", "sales")


def test_a_name_that_could_lead_elsewhere_is_refused(runs: Runs) -> None:
    done = CliRunner().invoke(main, ["runs", "list", "--saved", "../locks"])
    assert done.exit_code == 1
    assert "cannot be the name" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"began": 5},
        {"began": "yesterday"},
        {"began": "2026-11-01T06:00:00"},
        {"logical_time": 7},
        {"ended": "nonsense"},
        {"problem": {"a": 1}},
        {"reports": 5},
        {"reports": [5]},
        {"reports": [{**Outcome("sent").__dict__, "company": ["x"]}]},
        {"saved": "sales"},
        {"saved": None},
        {"id": "../../../elsewhere"},
        {"title": None},
        {"asked_for": "yes"},
    ],
    ids=str,
)
def test_a_record_that_no_run_wrote_is_told_and_breaks_no_list_and_no_run(
    runs: Runs, change: dict[str, Any]
) -> None:
    kept = run_of("board", "sent", "2026-11-01T06:00:00Z", Outcome("sent", None, None, "digest"))
    runs.write(kept)
    hostile = {**kept.to_dict(), "id": "20990101T000000.000000Z-0", "result": "running", **change}
    name = "20990101T000000.000000Z-0.json"
    (runs.folder / "records" / "board" / name).write_text(json.dumps(hostile))
    assert [run.result for run in runs.listing()] == ["sent", "unreadable"]
    assert name in listed()
    assert runs.unfinished("board") == []
    assert runs.digests("board", "2026-12-01T06:00:00Z") == {None: "digest"}


@pytest.mark.parametrize(
    ("count", "more"), [(20, None), (21, "… and 1 more: see `custdyn runs list --json`.")]
)
def test_twenty_problems_are_all_listed(count: int, more: str | None) -> None:
    outcomes = [Outcome("failed", f"C{n}", problem="It is gone.") for n in range(count)]
    lines = list_problems([Outcome("sent", "Good"), *outcomes]).splitlines()
    assert lines == [f"C{n}: It is gone." for n in range(20)] + ([more] if more else [])


def test_a_problem_without_a_company_stands_alone() -> None:
    assert list_problems([Outcome("failed", None, problem="It is gone.")]) == "It is gone."
