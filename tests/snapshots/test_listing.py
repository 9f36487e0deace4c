"""The list of snapshots, the details of one and the result of a verification, word for word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from custdyn_widgets.errors import SnapshotNewerError
from custdyn_widgets.snapshots import listing
from custdyn_widgets.snapshots.listing import Entry, describe_makers, kilobytes, manifest_text
from custdyn_widgets.snapshots.store import Problem, Store

ID, OTHER = "a" * 52, "b" * 51 + "a"
ONE = Entry(ID, "2026-01-02T03:04:05Z", "Last month", "analyst", 1_001, saved_query="board")


def lines_of(*entries: Entry) -> list[list[str]]:
    """Return the cells of each line of the list."""
    return [
        [cell for cell in line.split("  ") if cell] for line in listing.entries_text(entries).splitlines()
    ]


def test_each_line_of_the_list_has_a_cell_for_each_column() -> None:
    ending = replace(ONE, expires="2027-05-06T07:08:09Z")
    bare = Entry(OTHER, "", "", "", 0, "damaged")
    assert [[cell.strip() for cell in line] for line in lines_of(ending, bare)] == [
        ["Date (UTC)", "Role", "kB", "State", "Id", "Saved query", "Query"],
        ["2026-01-02 03:04:05", "analyst", "2", "until 2027-05-06", ID, "board", "Last month"],
        ["–", "–", "0", "damaged", OTHER, "–", "–"],
    ]


def test_where_no_saved_query_made_any_there_is_no_column_for_them() -> None:
    by_hand = replace(ONE, saved_query="")
    assert [[cell.strip() for cell in line] for line in lines_of(by_hand)] == [
        ["Date (UTC)", "Role", "kB", "State", "Id", "Query"],
        ["2026-01-02 03:04:05", "analyst", "2", "ok", ID, "Last month"],
    ]


def test_sizes_are_aligned_at_their_last_digit() -> None:
    large, small = listing.entries_text([replace(ONE, size=12_345_678), ONE]).splitlines()[1:]
    assert large.index("12,346 ") + len("12,346") == small.index(" 2 ") + len(" 2")


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0"), (1, "1"), (1_000, "1"), (1_001, "2"), (5_000_001, "5,001")]
)
def test_a_size_is_rounded_up_to_whole_kb(size: int, shown: str) -> None:
    assert kilobytes(size) == shown


def test_who_made_them_is_told_and_nobody_else() -> None:
    by_hand = replace(ONE, saved_query="")
    assert describe_makers([]) == ""
    assert describe_makers([ONE, ONE, replace(ONE, saved_query="any")]) == (
        ", 1 by saved query any, 2 by saved query board"
    )
    assert describe_makers([by_hand] * 2) == ", 2 manually or by an earlier version"


def test_a_manifest_is_told_by_field_and_file_without_what_only_the_store_needs() -> None:
    manifest = {
        "as_of": "2026-01-01",
        "companies": ["Ærø"] * 8,
        "currencies": ["EUR"] * 9,
        "note": "two\nlines",
        "nonce": "0" * 32,
        "query_words": "k" * 9,
        "files": {"b.csv": {"size": 1_234}, "a.html": {"size": 5}},
        "evidence": {"size": 67, "nonce": "1" * 32},
    }
    eight = ", ".join(['"Ærø"'] * 8)
    assert manifest_text(ID, manifest, "visible").splitlines() == [
        f"id           {ID}",
        "state        visible",
        "as of        2026-01-01",
        f"companies    [{eight}]",
        "currencies   9 in all, listed in the manifest",
        "note         two�lines",
        "query words  kkkkkkkkk",
        "",
        "files, in bytes",
        "  a.html                5",
        "  b.csv             1,234",
        "  evidence.parquet     67",
    ]
    assert manifest_text(ID, manifest).splitlines()[1] == "as of        2026-01-01"


def test_a_verification_tells_each_problem_and_what_to_do() -> None:
    damaged = Problem(ID, "report.html", "differs from what was published")
    newer = Problem(OTHER, "", SnapshotNewerError.WHAT)
    stray = Problem("", "v1/note", "is not a snapshot")
    update = "Update custdyn to read snapshots from a newer version."
    restore = "Restore damaged files from a backup."
    assert listing.problems_text([], 1) == "1 snapshot verified: every file is what was published."
    assert listing.problems_text([], 0).startswith("0 snapshots verified")
    assert listing.problems_text([damaged], 1).splitlines() == [
        f"{ID}  report.html differs from what was published",
        f"1 problem in 1 snapshot. {restore}",
    ]
    assert listing.problems_text([newer], 2).splitlines() == [
        f"{OTHER}  its folder {newer.what}",
        f"1 problem in 2 snapshots. {update}",
    ]
    assert listing.problems_text([newer, stray], 1_000).splitlines()[1:] == [
        "(no snapshot)  v1/note is not a snapshot",
        f"2 problems in 1,000 snapshots. {restore} {update}",
    ]


def test_a_verification_as_json_has_null_for_what_a_problem_is_not_about() -> None:
    problems = [Problem(ID, "", "is missing"), Problem("", "v1/note", "is not a snapshot")]
    assert listing.problems_dict(problems, 3, ["'x' is no id"]) == {
        "checked": 3,
        "problems": [
            {"id": ID, "file": None, "problem": "is missing"},
            {"id": None, "file": "v1/note", "problem": "is not a snapshot"},
            {"id": None, "file": None, "problem": "'x' is no id"},
        ],
    }


def test_only_the_snapshots_that_are_asked_for_are_listed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    one, _ = (store.publish({"generated_at": f"2026-01-0{day}T00:00:00Z"}, {}) for day in (1, 2))
    assert [entry.id for entry in listing.entries(store, [one, ID])] == [one]
    assert listing.entries(store, []) == []
