"""`custdyn snapshots`: what a keeper sees of the store, and what happens to a link and when."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from custdyn_widgets.cli import commands as cli
from custdyn_widgets.errors import SnapshotNotFoundError
from custdyn_widgets.files.canonical_json import canonical_json
from custdyn_widgets.progress import bar as progress_bar
from custdyn_widgets.snapshots import ownership, pruning, trash
from custdyn_widgets.snapshots.ids import id_of
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.snapshots.visibility import read_state
from tests.snapshots.test_store import FILES, MANIFEST, flip, flip_manifest, set_state, snapshot_folder

PROGRAM = [
    sys.executable,
    "-c",
    "from custdyn_widgets.cli import main; main(prog_name='custdyn')",
    "snapshots",
]
ONE_MANUAL = "(1 kB, 1 manually or by an earlier version)"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in ("CONFIG", "SHARE_URL", "ROLE"):
        monkeypatch.delenv(f"CUSTDYN_{name}", raising=False)
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "store")


def published(store: Store, age: int = 0, **about: Any) -> str:
    """Publish a snapshot that was generated so many days ago."""
    generated = f"{datetime.now(UTC) - timedelta(days=age):%Y-%m-%dT%H:%M:%SZ}"
    return store.publish({**MANIFEST, "generated_at": generated, **about}, FILES)


def snapshots(*args: object) -> Result:
    result = CliRunner().invoke(cli.main, ["snapshots", *map(str, args)])
    assert "Traceback" not in result.output
    return result


def is_seen(store: Store, snapshot_id: str) -> bool:
    try:
        return store.read(snapshot_id, "report.html") == FILES["report.html"]
    except SnapshotNotFoundError:
        return False


# list and show


def test_a_list_tells_date_role_size_state_id_and_query(store: Store) -> None:
    assert snapshots("list").stdout == "There are no snapshots yet.\n"
    assert not store.folder.exists()
    hidden = published(store, 1)
    shown = published(
        store,
        2,
        generated_at="2026-01-02T03:04:05Z",
        query_words="Last month, " + "x" * 200,
        saved_query="board",
    )
    snapshots("revoke", hidden)
    heading, first, second = snapshots("list").stdout.splitlines()
    assert heading.split() == ["Date", "(UTC)", "Role", "kB", "State", "Id", "Saved", "query", "Query"]
    assert first.split()[:8] == ["2026-01-02", "03:04:05", "analyst", "1", "ok", shown, "board", "Last"]
    assert first.endswith("x…")
    assert second.split()[2:7] == ["analyst", "1", "revoked", hidden, "–"]
    assert second.endswith(str(MANIFEST["query_words"]))


def test_a_list_as_json_has_everything(store: Store) -> None:
    assert json.loads(snapshots("list", "--json").stdout) == []
    snapshot_id = published(store, generated_at="2026-01-02T03:04:05Z", query_words="x" * 200)
    snapshots("expire", snapshot_id, "--at", "2026-02-01")
    assert json.loads(snapshots("list", "--json").stdout) == [
        {
            "id": snapshot_id,
            "generated_at": "2026-01-02T03:04:05Z",
            "query": "x" * 200,
            "role": "analyst",
            "size": 662,
            "state": "expired",
            "revoked": "",
            "expires": "2026-02-01T00:00:00Z",
            "saved_query": "",
        }
    ]


def test_a_revoked_snapshot_is_shown_to_its_keeper_with_its_state(store: Store) -> None:
    snapshot_id = published(store)
    assert "state         visible\n" in snapshots("show", snapshot_id).stdout
    snapshots("expire", snapshot_id, "--at", "2999-01-01T00:00:00Z")
    assert "state         visible until 2999-01-01T00:00:00Z\n" in snapshots("show", snapshot_id).stdout
    snapshots("expire", snapshot_id, "--at", "2026-01-01T00:00:00Z")
    assert "state         expired at 2026-01-01T00:00:00Z\n" in snapshots("show", snapshot_id).stdout
    snapshots("revoke", snapshot_id)
    result = snapshots("show", f"http://127.0.0.1:8899/view?id={snapshot_id}")
    assert "state         revoked at 20" in result.stdout
    assert str(MANIFEST["query_words"]) in result.stdout
    assert json.loads(snapshots("show", snapshot_id, "--json").stdout) == store.kept_manifest(snapshot_id)
    set_state(store, snapshot_id, "{")
    assert "damaged and not shown: its state is not a state" in snapshots("show", snapshot_id).stdout


def test_showing_what_is_damaged_absent_or_no_id_fails_in_words(store: Store) -> None:
    snapshot_id = published(store)
    flip_manifest(snapshot_folder(store, snapshot_id))
    for given, why in (
        (snapshot_id, "is damaged"),
        ("a" * 52, "There is no snapshot"),
        ("abc", "is incomplete"),
    ):
        result = snapshots("show", given)
        assert (result.exit_code, result.stdout) == (1, "")
        assert why in result.stderr


# verify


def test_verify_takes_all_some_or_a_link_and_not_all_and_some(store: Store) -> None:
    sound, hurt = published(store), published(store)
    for args in (("--all",), (), (sound, f"/view?id={hurt}", sound)):
        assert (
            snapshots("verify", *args).stdout == "2 snapshots verified: every file is what was published.\n"
        )
    flip(snapshot_folder(store, hurt))
    for args in (("--all",), (), (hurt, sound)):
        result = snapshots("verify", *args)
        assert result.exit_code == 1
        assert f"{hurt}  report.html differs" in result.stdout
        assert "1 problem in 2 snapshots" in result.stdout
    assert snapshots("verify", sound).exit_code == 0
    assert snapshots("verify", "--all", sound).exit_code == 2


def test_verify_tells_of_an_id_that_is_none_and_looks_at_the_others(store: Store) -> None:
    sound = published(store)
    result = snapshots("verify", "abc", sound)
    assert result.exit_code == 1
    assert "'abc' is incomplete" in result.stderr
    assert result.stdout.startswith("1 snapshot verified")
    assert snapshots("verify", "abc").stdout == ""
    assert snapshots("verify", "a" * 52).exit_code == 1


def test_verify_prints_each_problem_as_a_json_object(store: Store) -> None:
    def verified(*args: str) -> tuple[int, dict[str, Any]]:
        result = snapshots("verify", "--json", *args)
        return result.exit_code, json.loads(result.stdout)

    sound, hurt = published(store), published(store)
    assert verified() == (0, {"checked": 2, "problems": []})
    flip(snapshot_folder(store, hurt))
    (store.folder / "v1" / "stray").write_text("")
    code, found = verified()
    assert code == 1
    assert found["checked"] == 2
    stray, differing = found["problems"]
    assert stray == {"id": None, "file": "v1/stray", "problem": "is not a snapshot"}
    assert differing["id"] == hurt
    assert differing["file"] == "report.html"
    assert differing["problem"].startswith("differs")
    assert verified(sound) == (0, {"checked": 1, "problems": []})
    code, found = verified("abc", "a" * 52)
    assert code == 1
    assert [(p["id"], p["file"]) for p in found["problems"]] == [("a" * 52, None), (None, None)]
    assert "'abc' is incomplete" in found["problems"][1]["problem"]


def test_prune_prints_what_it_would_delete_as_json(store: Store) -> None:
    old, _ = published(store, 100), published(store)
    listed = json.loads(snapshots("prune", "--older-than", "90d", "--dry-run", "--json").stdout)
    assert [entry["id"] for entry in listed] == [old]
    assert json.loads(snapshots("prune", "--older-than", "900d", "--dry-run", "--json").stdout) == []


# revoke and expire


def test_revoke_takes_links_back_and_goes_on_after_one_that_fails(store: Store) -> None:
    one, two, other = (published(store) for _ in range(3))
    result = snapshots("revoke", "abc", one, "a" * 52, f"https://x.example/view?id={two}", one)
    assert (result.exit_code, result.stdout) == (1, "")
    assert [is_seen(store, snapshot_id) for snapshot_id in (one, two, other)] == [False, False, True]
    lines = result.stderr.splitlines()
    assert lines[0].startswith("custdyn: 'abc' is incomplete: it has 3 of the 52 characters of an id.")
    assert lines[1] == f"Revoked: {one}."
    assert lines[2].startswith(f"custdyn: There is no snapshot '{'a' * 52}'.")
    assert lines[3] == f"Revoked: {two}."
    assert len(lines) == 4


def test_revoking_again_is_done_and_tells_since_when(store: Store) -> None:
    snapshot_id = published(store)
    snapshots("revoke", snapshot_id)
    set_state(store, snapshot_id, '{"expires":null,"revoked":"2026-01-01T00:00:00Z"}')
    result = snapshots("revoke", snapshot_id)
    assert result.exit_code == 0
    assert result.stderr == f"Revoked: {snapshot_id} (already since 2026-01-01T00:00:00Z).\n"


def test_revoking_what_has_a_damaged_state_says_so(store: Store) -> None:
    snapshot_id = published(store)
    set_state(store, snapshot_id, "{")
    result = snapshots("revoke", snapshot_id)
    assert result.exit_code == 0
    assert "its state was damaged and has been replaced" in result.stderr
    assert read_state(store.folder, snapshot_id).revoked


def test_expire_takes_an_instant_days_or_never(store: Store) -> None:
    snapshot_id = published(store)
    result = snapshots("expire", snapshot_id, "--at", "2999-01-01T01:00:00+01:00")
    assert result.stderr == f"Visible until 2999-01-01T00:00:00Z: {snapshot_id}.\n"
    began = datetime.now(UTC)
    assert snapshots("expire", snapshot_id, "--in", 30).exit_code == 0
    end = read_state(store.folder, snapshot_id).expires
    assert end
    assert timedelta(days=30, seconds=-1) <= end - began <= timedelta(days=30, seconds=30)
    assert snapshots("expire", snapshot_id, "--at", "2026-01-01").stderr.startswith(
        "Expired at 2026-01-01T00"
    )
    assert not is_seen(store, snapshot_id)
    assert snapshots("expire", snapshot_id, "--never").stderr == f"Visible: {snapshot_id}.\n"
    assert is_seen(store, snapshot_id)


@pytest.mark.parametrize(
    "options",
    [
        (), ("--at", "2999-01-01", "--in", "3"), ("--never", "--in", "3"), ("--at", "soon"), ("--at", ""),
        ("--in", "0"), ("--in", "1.5"), ("--in", "999999"), ("--at", "0001-01-01T00:00:00+14:00"),
    ],
)  # fmt: skip
def test_an_end_that_is_not_one_is_wrong_use(store: Store, options: tuple[str, ...]) -> None:
    snapshot_id = published(store)
    assert snapshots("expire", snapshot_id, *options).exit_code == 2
    assert not (store.folder / "state").exists()


def test_an_end_is_refused_where_the_state_is_damaged_and_set_for_the_others(store: Store) -> None:
    hurt, sound = published(store), published(store)
    set_state(store, hurt, "{")
    result = snapshots("expire", hurt, sound, "--in", 3)
    assert result.exit_code == 1
    assert "so it was not changed" in result.stderr
    assert read_state(store.folder, sound).expires


# prune


def test_a_dry_run_lists_what_would_go_and_deletes_nothing(store: Store) -> None:
    new, old = published(store, 1), published(store, 100)
    result = snapshots("prune", "--older-than", "90d", "--dry-run")
    assert result.exit_code == 0
    assert old in result.stdout
    assert new not in result.stdout
    assert result.stderr == f"Would delete: 1 snapshot {ONE_MANUAL}. Would keep: 1.\n"
    assert sorted(store.ids()) == sorted([new, old])
    assert not (store.folder / "trash").exists()


def test_prune_says_whose_snapshots_go_and_counts_each_makers_for_itself(store: Store) -> None:
    for name in ("board", "board", "board", "ops", None, None):
        published(store, **({"saved_query": name} if name else {}))
    result = snapshots("prune", "--keep-last", "1", "--dry-run")
    assert result.stdout.count("  board  ") == 2
    assert "  ops  " not in result.stdout
    assert result.stderr == (
        "Would delete: 3 snapshots (2 kB, 2 by saved query board, 1 manually or by an earlier version). "
        "Would keep: 3.\n"
    )


# newer formats


@pytest.mark.parametrize("beside", [0, 2])
def test_a_store_of_a_newer_format_is_said_to_be_one(store: Store, beside: int) -> None:
    for _ in range(beside):
        published(store)
    newer = store.folder / "v2" / "aa" / ("a" * 52)
    newer.mkdir(parents=True)
    for args in (("list",), ("list", "--json"), ("verify",), ("prune", "--keep-last", "1", "--yes")):
        result = snapshots(*args)
        assert result.exit_code == 1, args
        assert "snapshots from a newer version of custdyn, in v2/" in result.stderr
        assert "Update custdyn." in result.stderr
    assert len(store.ids()) == beside
    for command in ("show", "revoke", "verify"):
        result = snapshots(command, "a" * 52)
        assert result.exit_code == 1
        assert "newer version of custdyn" in result.stderr + result.stdout
        assert "backup" not in result.stdout
    assert ("no snapshots yet" in snapshots("list").stdout, "verified:" in snapshots("verify").stdout) == (
        False,
        bool(beside),
    )


def test_a_snapshot_of_a_newer_format_is_listed_as_one_and_verify_asks_for_no_backup(store: Store) -> None:
    data = canonical_json({"format": 2, "files": "elsewhere"})
    snapshot_id = id_of(data)
    folder = snapshot_folder(store, snapshot_id)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(data)
    assert "  newer  " in snapshots("list").stdout
    result = snapshots("show", snapshot_id)
    assert (result.exit_code, "Update custdyn to read it." in result.stderr) == (1, True)
    assert "manifest.json was stored by a newer version of custdyn" in snapshots("verify").stdout
    update = "Update custdyn to read snapshots from a newer version.\n"
    assert snapshots("verify").stdout.endswith(f"1 problem in 1 snapshot. {update}")
    flip_manifest(snapshot_folder(store, published(store)))
    assert snapshots("verify").stdout.endswith(
        f"2 problems in 2 snapshots. Restore damaged files from a backup. {update}"
    )


def test_prune_deletes_lists_and_sweeps(store: Store) -> None:
    new, old, hurt = published(store, 1), published(store, 100), published(store, 100)
    flip_manifest(snapshot_folder(store, hurt))
    left = store.folder / "tmp" / "left"
    left.mkdir()
    os.utime(left, (0, 0))
    result = snapshots("prune", "--older-than", "12w", "--keep-last", "1", "--yes")
    assert result.exit_code == 0
    assert old in result.stdout
    assert sorted(store.ids()) == sorted([new, hurt])
    assert result.stderr.splitlines() == [
        "Unreadable and not deleted: 1. See `custdyn snapshots verify`.",
        "Removed 1 leftover from killed commands.",
        f"Deleted: 1 snapshot {ONE_MANUAL}. Kept: 2.",
    ]
    assert not left.exists()
    result = snapshots("prune", "--older-than", "12w", "--yes")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1] == "Deleted: 0 snapshots (0 kB). Kept: 2."


@pytest.mark.parametrize(
    "options",
    [
        (), ("--yes",), ("--older-than", "90", "--yes"), ("--older-than", "0d", "--yes"),
        ("--keep-last", "0", "--yes"), ("--keep-last", "-1", "--yes"),
    ],
)  # fmt: skip
def test_a_prune_without_a_rule_is_wrong_use(store: Store, options: tuple[str, ...]) -> None:
    published(store, 1000)
    assert snapshots("prune", *options).exit_code == 2
    assert len(store.ids()) == 1


def test_without_a_terminal_a_prune_needs_a_yes(store: Store) -> None:
    published(store, 1000)
    result = snapshots("prune", "--older-than", "90d")
    assert result.exit_code == 2
    assert "give --yes, or --dry-run" in result.stderr
    assert len(store.ids()) == 1


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 1), ("", 1, 1), ("y", 0, 0)])
def test_on_a_terminal_a_prune_asks_first(store: Store, answer: str, code: int, left: int) -> None:
    published(store, 1000)
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "prune", "--older-than", "90d"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        os.close(terminal)
        os.write(keyboard, f"{answer}\n".encode())
        _, said = child.communicate(timeout=60)
    os.close(keyboard)
    asked = f"Delete 1 snapshot {ONE_MANUAL}? Their links will stop working. [y/N]:"
    assert asked.encode() in said
    assert child.returncode == code
    assert len(store.ids()) == left


def test_a_prune_goes_on_after_one_that_cannot_be_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sorted(published(store, 1000) for _ in range(3))
    move_to_trash = pruning.move_to_trash

    def refused(root: Path, shelf: tuple[str, ...], name: str) -> tuple[str, str]:
        if name == ids[1]:
            raise PermissionError(13, "Permission denied")
        return move_to_trash(root, shelf, name)

    monkeypatch.setattr(pruning, "move_to_trash", refused)
    result = snapshots("prune", "--older-than", "90d", "--yes")
    assert result.exit_code == 1
    assert f"custdyn: {ids[1]} may not have been deleted: Permission denied." in result.stderr
    assert result.stderr.splitlines()[-1] == "Failed: 1. Fix the cause and prune again."
    assert store.ids() == [ids[1]]


def test_a_prune_counts_leftovers_and_the_snapshots_of_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = sorted(published(store, 1000) for _ in range(3))
    monkeypatch.setattr(ownership, "is_own", lambda _, snapshot_id: snapshot_id == ids[0])
    listed = snapshots("prune", "--older-than", "90d", "--dry-run", "--json")
    assert [entry["id"] for entry in json.loads(listed.stdout)] == [ids[0]]
    monkeypatch.setattr(trash, "sweep", lambda _: (2, ["a leftover cannot be removed."]))
    result = snapshots("prune", "--older-than", "90d", "--yes")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Not considered, because they belong to other accounts: 2.",
        "Removed 2 leftovers from killed commands.",
        "custdyn: a leftover cannot be removed.",
        "Failed: 1. Fix the cause and prune again.",
    ]
    assert sorted(store.ids()) == ids[1:]
    listed = snapshots("prune", "--older-than", "90d", "--dry-run", "--json")
    assert (listed.exit_code, listed.stdout) == (0, "[]\n")


def test_a_store_that_is_not_there_is_an_error_where_nothing_would_be_done(store: Store) -> None:
    for args in (("verify",), ("prune", "--keep-last", "3", "--yes"), ("revoke", "a" * 52)):
        result = snapshots(*args)
        assert result.exit_code == 1
        assert result.stderr.startswith(("custdyn: The store ", "custdyn: There is no snapshot"))
    assert not store.folder.exists()


# all of them


def test_what_takes_long_is_told_on_stderr(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        published(store, 1000)
    quick = snapshots("list")
    assert quick.stderr == ""
    monkeypatch.setattr(progress_bar, "_AFTER", 0.0)
    slow = snapshots("list")
    assert slow.stdout == quick.stdout
    assert "Reading the snapshots: 1 of 4 (25% done)\n" in slow.stderr
    assert "Verifying the snapshots: 3 of 4 (75% done)\n" in snapshots("verify").stderr
    assert "Verifying the snapshots: 0 of 1 (0% done)\n" in snapshots("verify", store.ids()[0]).stderr
    told = snapshots("prune", "--older-than", "1d", "--yes").stderr
    assert "Reading the snapshots: 2 of 4 (50% done)\n" in told
    assert "Deleting the snapshots: 2 of 4 (50% done)\n" in told


def test_of_many_snapshots_each_percent_is_told_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "_AFTER", 0.0)
    monkeypatch.setattr(Store, "ids", lambda _: ["a" * 52] * 500)
    lines = [line for line in snapshots("list").stderr.splitlines() if line.endswith("done)")]
    assert len(lines) == 100
    assert lines[1] == "Reading the snapshots: 5 of 500 (1% done)"


def test_what_a_manifest_holds_cannot_act_on_the_terminal(store: Store) -> None:
    snapshot_id = published(store, 1000, query_words="\x1b]0;owned\x07 \u202eevil\n", role="\x1b[2J")
    for args in (
        ("list",),
        ("list", "--json"),
        ("show", snapshot_id),
        ("show", snapshot_id, "--json"),
        ("revoke", snapshot_id, "\x1b[2J\u202e"),
        ("prune", "--older-than", "90d", "--yes"),
    ):
        output = snapshots(*args).output
        assert all(c.isprintable() or c == "\n" for c in output), args


def test_a_snapshot_is_gone_for_a_running_reader_as_soon_as_the_command_is_done(store: Store) -> None:
    snapshot_id = published(store)
    assert is_seen(store, snapshot_id)
    subprocess.run([*PROGRAM, "revoke", snapshot_id], check=True, capture_output=True)
    assert not is_seen(store, snapshot_id)
