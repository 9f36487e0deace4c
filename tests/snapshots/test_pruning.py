"""Pruning: only what the rule says, out of sight in one step, and never what a publisher is writing."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import SnapshotError, SnapshotNotFoundError
from custdyn_widgets.snapshots import trash
from custdyn_widgets.snapshots.life import expire, revoke
from custdyn_widgets.snapshots.pruning import Plan, Rule, ago, delete, parse_size, plan
from custdyn_widgets.snapshots.store import Store
from tests.snapshots.test_store import (
    FILES,
    MANIFEST,
    failing,
    flip_manifest,
    noted_disk_calls,
    set_state,
    snapshot_folder,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
A_DAY, A_MINUTE = 24 * 60 * 60, 60


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store")


def published(store: Store, age: int, query: object = "this_month", source: str = "demo") -> str:
    """Publish a snapshot that was generated so many days ago."""
    generated = (NOW - timedelta(days=age)).isoformat().replace("+00:00", "Z")
    about = {"generated_at": generated, "query": {"interval": query}, "source": source}
    return store.publish({**MANIFEST, **about}, FILES)


def going(store: Store, *, older_than: str | None = None, keep_last: int | None = None) -> set[str]:
    rule = Rule(older_than and ago(older_than, NOW), keep_last)  # type: ignore[arg-type]
    return {entry.id for entry in plan(store, rule, store.ids()).to_delete}


def in_trash(store: Store) -> list[Path]:
    return list((store.folder / "trash").iterdir())


def backdate(path: Path, seconds: float = A_DAY + A_MINUTE) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def swept(store: Store) -> int:
    count, failed = trash.sweep(store.folder)
    assert failed == []
    return count


# --- ages


@pytest.mark.parametrize(
    ("age", "now", "then"),
    [
        ("90d", "2026-11-25T12:00", "2026-08-27T12:00"),
        ("12w", "2026-11-25T12:00", "2026-09-02T12:00"),
        ("6m", "2026-11-25T12:00", "2026-05-25T12:00"),
        ("11m", "2026-11-25T12:00", "2025-12-25T12:00"),
        ("1m", "2026-03-31T12:00", "2026-02-28T12:00"),
        ("1y", "2024-02-29T12:00", "2023-02-28T12:00"),
        ("4y", "2024-02-29T12:00", "2020-02-29T12:00"),
        ("2026y", "2026-11-25T12:00", "0001-01-01T00:00"),
        ("99999m", "2026-11-25T12:00", "0001-01-01T00:00"),
    ],
)
def test_an_age_counts_days_weeks_and_the_calendars_months_and_years(age: str, now: str, then: str) -> None:
    assert ago(age, datetime.fromisoformat(now + "Z")) == datetime.fromisoformat(then + "Z")


@pytest.mark.parametrize(
    "age", ["", "90", "d", "0d", "-1d", "1.5y", "1 d", "90D", "١d", "1h", "100000d", "1d\n"]
)
def test_what_is_no_age_is_refused_with_examples(age: str) -> None:
    with pytest.raises(SnapshotError, match="such as 90d, 12w, 6m or 1y"):
        ago(age, NOW)


# --- the rule


def test_older_than_takes_what_was_generated_longer_ago(store: Store) -> None:
    _, exactly, older = (published(store, age) for age in (89, 90, 91))
    assert going(store, older_than="90d") == {older}
    assert going(store, older_than="89d") == {exactly, older}
    assert going(store, older_than="1y") == set()


def test_keep_last_keeps_the_newest_of_each_query_of_each_source(store: Store) -> None:
    months = [published(store, age) for age in (1, 2, 3, 4)]
    years = [published(store, age, "this_year") for age in (300, 400)]
    other = [published(store, 500, source="other")]
    assert going(store, keep_last=2) == set(months[2:])
    assert going(store, keep_last=1) == {*months[1:], *years[1:]}
    assert not set(other) & going(store, keep_last=1)


def test_both_take_only_what_is_old_and_not_among_the_last(store: Store) -> None:
    new, newish, old, oldest = (published(store, age) for age in (1, 2, 100, 200))
    only = published(store, 900, "this_year")
    assert going(store, older_than="90d", keep_last=3) == {oldest}
    assert going(store, older_than="90d", keep_last=1) == {old, oldest}
    assert not {new, newish, only} & going(store, older_than="90d", keep_last=1)


def test_a_hidden_snapshot_takes_no_place_among_the_last_and_has_none(store: Store) -> None:
    revoked, expired, seen, older = (published(store, age) for age in (1, 2, 3, 4))
    revoke(store, revoked)
    expire(store, expired, NOW - timedelta(days=30))
    assert going(store, keep_last=1) == {revoked, expired, older}
    assert seen not in going(store, keep_last=1)
    assert going(store, older_than="2d", keep_last=1) == {older}
    assert going(store, older_than="1w", keep_last=1) == set()


def test_a_snapshot_that_has_an_end_to_come_is_kept_like_any_other(store: Store) -> None:
    ending, older = published(store, 1), published(store, 2)
    expire(store, ending, NOW + timedelta(days=10_000))
    assert going(store, keep_last=1) == {older}


def test_what_is_damaged_or_has_no_date_stays_and_is_counted(store: Store) -> None:
    old = published(store, 1000)
    hurt, hidden = published(store, 1000), published(store, 1000)
    flip_manifest(snapshot_folder(store, hurt))
    set_state(store, hidden, "{")
    dateless = [store.publish({**MANIFEST, "generated_at": at}, FILES) for at in ("soon", "2020-01-01", 5)]
    store.publish({"role": "analyst"}, FILES)
    found = plan(store, Rule(NOW, 1), [*store.ids(), "a" * 52])
    assert (found.to_delete, found.kept, found.damaged) == ([], 7, 6)
    found = plan(store, Rule(NOW), store.ids())
    assert [entry.id for entry in found.to_delete] == [old]
    assert (found.kept, found.damaged) == (len(dateless) + 3, 6)


@pytest.mark.parametrize(
    ("size", "number"),
    [("1MB", 10**6), ("999999MB", 999_999 * 10**6), ("20GB", 20 * 10**9), ("3TB", 3 * 10**12)],
)
def test_a_size_is_in_powers_of_a_thousand(size: str, number: int) -> None:
    assert parse_size(size) == number


@pytest.mark.parametrize("size", ["", "5", "0MB", "1000000MB", "1 MB", "1kB", "1mb", "1.5GB", "MB"])
def test_what_is_no_size_is_refused_with_examples(size: str) -> None:
    with pytest.raises(SnapshotError, match=r"is not a size: .* such as 500MB or 5GB"):
        parse_size(size)


def test_the_oldest_go_until_the_others_are_no_larger_than_allowed(store: Store) -> None:
    newest, middle, oldest = (published(store, age) for age in (1, 2, 3))
    size = sum(map(len, FILES.values()))

    def taken(most: int, **more: Any) -> Plan:
        return plan(store, Rule(max_bytes=most, **more), store.ids())

    for most, left in (
        (3 * size, []),
        (3 * size - 1, [oldest]),
        (2 * size, [oldest]),
        (2 * size - 1, [middle, oldest]),
        (size, [middle, oldest]),
        (0, [newest, middle, oldest]),
    ):
        found = taken(most)
        assert [entry.id for entry in found.to_delete] == left, most
        assert (found.kept, found.damaged) == (3 - len(left), 0)
    assert [entry.id for entry in taken(0, keep_last=2).to_delete] == [oldest]
    assert [entry.id for entry in taken(2 * size, before=NOW - timedelta(days=3)).to_delete] == []


# --- deleting


def test_a_deleted_snapshot_is_gone_with_all_its_files_and_the_others_are_whole(store: Store) -> None:
    gone, other = published(store, 2), published(store, 1)
    viewer = Store(store.folder)
    assert viewer.read(gone, "report.html")
    delete(store, gone)
    for look in (viewer.manifest, viewer.path, lambda i: viewer.read(i, "report.html")):
        with pytest.raises(SnapshotNotFoundError):
            look(gone)
    assert store.ids() == [other]
    assert store.verify() == []
    assert in_trash(store) == []
    delete(store, gone)  # by somebody else already


def test_a_backup_brings_a_deleted_snapshot_back_and_a_revoked_link_never(
    store: Store, tmp_path: Path
) -> None:
    revoked, seen = published(store, 2), published(store, 1)
    shutil.copytree(store.folder / "v1", tmp_path / "backup")
    revoke(store, revoked)
    for snapshot_id in (revoked, seen):
        delete(store, snapshot_id)
    shutil.copytree(tmp_path / "backup", store.folder / "v1", dirs_exist_ok=True)
    assert store.read(seen, "report.html") == FILES["report.html"]
    with pytest.raises(SnapshotNotFoundError):
        store.read(revoked, "report.html")


def test_readers_get_a_file_whole_or_not_at_all_while_snapshots_are_deleted(store: Store) -> None:
    ids = [published(store, 1) for _ in range(40)]
    outcomes: list[object] = []
    over = threading.Event()

    def read() -> None:
        viewer = Store(store.folder)
        while not over.is_set():
            for snapshot_id in ids[::7]:
                for name in FILES:
                    try:
                        outcomes.append(viewer.read(snapshot_id, name) == FILES[name])
                        outcomes.append(viewer.read_compared(snapshot_id, name) == (FILES[name], {}))
                    except SnapshotNotFoundError:
                        outcomes.append("not found")
                    except Exception as error:
                        outcomes.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for snapshot_id in ids:
        delete(store, snapshot_id)
    over.set()
    for reader in readers:
        reader.join()
    assert set(outcomes) == {True, "not found"}


def test_two_who_prune_at_once_are_not_in_each_others_way(store: Store) -> None:
    ids = [published(store, 1) for _ in range(60)]
    failed: list[BaseException] = []

    def prune() -> None:
        try:
            for snapshot_id in ids:
                delete(Store(store.folder), snapshot_id)
                swept(store)
        except BaseException as error:
            failed.append(error)

    pruners = [threading.Thread(target=prune) for _ in range(4)]
    for pruner in pruners:
        pruner.start()
    for pruner in pruners:
        pruner.join()
    assert failed == []
    assert store.ids() == []
    swept(store)
    assert in_trash(store) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("name", ["mkdir", "open", "fsync", "rename", "unlink", "rmdir", "stat"])
def test_a_failing_call_leaves_a_snapshot_whole_or_gone_and_the_next_sweep_removes_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    outcomes = []
    for at in range(1, 30):
        snapshot_id = published(store, 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing(getattr(os, name), number, at))
            try:
                delete(store, snapshot_id)
                outcomes.append("deleted")
            except SnapshotError as error:
                outcomes.append(os.strerror(number) if os.strerror(number) in str(error) else str(error))
        there = snapshot_id in store.ids()
        assert not (there and outcomes[-1] == "deleted")
        assert store.verify() == []
        delete(store, snapshot_id)
        swept(store)
        assert in_trash(store) == []
    too_full_for_a_trash = (name, number) == ("mkdir", errno.ENOSPC)
    assert (os.strerror(number) in outcomes) != too_full_for_a_trash
    assert set(outcomes) <= {"deleted", os.strerror(number)}
    assert outcomes[-1] == "deleted"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_too_full_for_a_trash_can_be_pruned(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    one, two = published(store, 1), published(store, 1)
    monkeypatch.setattr(os, "mkdir", failing(os.mkdir, number, 1))
    delete(store, one)
    assert store.ids() == [two]
    assert sorted(path.name for path in store.folder.iterdir()) == ["acts", "tmp", "v1"]
    assert list((store.folder / "tmp").iterdir()) == []


def test_a_disk_too_full_for_a_trash_and_without_a_tmp_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = published(store, 1)
    (store.folder / "tmp").rmdir()
    monkeypatch.setattr(os, "mkdir", failing(os.mkdir, errno.ENOSPC, 1))
    with pytest.raises(SnapshotError, match="may not have been deleted"):
        delete(store, snapshot_id)
    assert store.ids() == [snapshot_id]


def test_what_was_deleted_stays_deleted_after_a_power_failure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = published(store, 1), published(store, 1)
    delete(store, one)
    (store.folder / "acts" / two[:2]).mkdir(exist_ok=True)
    calls = noted_disk_calls(monkeypatch)
    delete(store, two)
    assert calls == ["rename", "folder", "folder", "file", "rename", "folder"]  # out of sight, then the act


def test_deleting_follows_no_link_out_of_the_store(store: Store, tmp_path: Path) -> None:
    one, two = published(store, 1), published(store, 1)
    outside = tmp_path / "outside"
    shutil.move(snapshot_folder(store, one), outside)
    snapshot_folder(store, one).symlink_to(outside)
    delete(store, one)
    assert not snapshot_folder(store, one).is_symlink()
    assert (outside / "report.html").read_bytes() == FILES["report.html"]
    assert in_trash(store) == []
    (store.folder / "trash").rmdir()
    (store.folder / "trash").symlink_to(outside)
    with pytest.raises(SnapshotError, match="may not have been deleted"):
        delete(store, two)
    assert store.ids() == [two]
    assert len(list(outside.iterdir())) == len(FILES) + 1


# --- what was left when somebody was killed


def test_remnants_are_swept_a_day_after_their_writer_and_from_the_trash_at_once(
    store: Store, tmp_path: Path
) -> None:
    published(store, 1)
    tmp, bin_ = store.folder / "tmp", store.folder / "trash"
    bin_.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("old", "young"):
        (tmp / name).mkdir()
        (tmp / name / "report.html").write_text("half")
        (tmp / f"{name}.json").write_text("{")
        (tmp / f"{name}-link").symlink_to(outside)
    for path in tmp.glob("old*"):
        backdate(path)
    for path in tmp.glob("young*"):
        backdate(path, A_DAY - A_MINUTE)
    (bin_ / "half").mkdir()
    (bin_ / "half" / "report.csv").write_text("x")
    (bin_ / "file").write_text("x")
    assert swept(store) == 5
    assert sorted(path.name for path in tmp.iterdir()) == ["young", "young-link", "young.json"]
    assert in_trash(store) == []
    assert outside.is_dir()
    assert store.verify() == []
    assert swept(store) == 0


def test_a_store_without_remnants_is_not_changed_by_looking(store: Store) -> None:
    assert swept(store) == 0
    assert not store.folder.exists()


def test_what_cannot_be_swept_is_told_and_the_rest_is_swept(store: Store, tmp_path: Path) -> None:
    published(store, 1)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (store.folder / "trash").symlink_to(outside)
    (store.folder / "tmp" / "old").mkdir()
    backdate(store.folder / "tmp" / "old")
    count, failed = trash.sweep(store.folder)
    assert count == 0
    assert [message.split(" in the store cannot be ")[0] for message in failed] == ["trash/", "tmp/old"]
    assert [path.name for path in outside.iterdir()] == ["file"]
    (store.folder / "trash").unlink()
    assert swept(store) == 1


def test_what_is_gone_before_it_can_be_swept_was_not_swept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.folder / "tmp").mkdir(parents=True)
    monkeypatch.setattr(trash, "names_in", lambda _: ["gone"])
    assert trash.sweep(store.folder) == (0, [])


@pytest.mark.parametrize("owner", ["this account", "another account", "nobody: it is gone"])
def test_what_may_not_be_removed_is_told_to_its_owner_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    (store.folder / "trash").mkdir(parents=True)
    left = store.folder / "trash" / "left"
    left.write_text("x")
    unlink = os.unlink

    def refused(*args: object, **kwargs: object) -> None:
        if owner.startswith("nobody"):
            unlink(*args, **kwargs)  # type: ignore[arg-type]
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "unlink", refused)
    if owner.startswith("another"):
        monkeypatch.setattr(os, "geteuid", lambda: left.lstat().st_uid + 1)
    told = ["trash/left in the store cannot be removed: Permission denied."]
    assert trash.sweep(store.folder) == (0, told if owner.startswith("this") else [])


PRUNER = """
import sys
from custdyn_widgets.snapshots import trash
from custdyn_widgets.snapshots.pruning import delete
from custdyn_widgets.snapshots.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for snapshot_id in store.ids():
    delete(store, snapshot_id)
    print(snapshot_id, flush=True)
"""


def test_a_pruner_that_is_killed_leaves_every_snapshot_whole_or_gone(store: Store) -> None:
    draw = random.Random(1)
    for _ in range(8):
        before = {published(store, 1) for _ in range(20)} | set(store.ids())
        command = [sys.executable, "-c", PRUNER, str(store.folder)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("go\n")
        child.stdin.flush()
        said = [child.stdout.readline().strip() for _ in range(draw.randrange(6))]
        time.sleep(draw.random() * 0.01)
        child.send_signal(signal.SIGKILL)
        said += child.communicate()[0].split()
        assert set(store.ids()) <= before - set(said)
        assert store.verify() == []
        swept(store)
        assert in_trash(store) == []


PAUSED = """
import os, sys
from custdyn_widgets.snapshots.store import Store
rename = os.rename
def paused(*args, **kwargs):
    print("written", flush=True)
    sys.stdin.readline()
    rename(*args, **kwargs)
os.rename = paused
try:
    print(Store(sys.argv[1]).publish({"role": "analyst"}, {"report.html": b"<h1>A page</h1>"}), flush=True)
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""


def paused_publisher(store: Store) -> subprocess.Popen[str]:
    """Start a publisher that waits, its folder written and backdated, before it shows it."""
    command = [sys.executable, "-c", PAUSED, str(store.folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    for path in (store.folder / "tmp").iterdir():
        backdate(path)
    return child


def test_a_publisher_at_work_keeps_its_folder_however_old_it_looks(store: Store) -> None:
    child = paused_publisher(store)
    assert swept(store) == 0
    told, _ = child.communicate("go on\n")
    assert store.ids() == [told.strip()]
    assert store.verify() == []


def test_what_a_killed_publisher_left_is_swept_when_it_is_a_day_old(store: Store) -> None:
    child = paused_publisher(store)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert swept(store) == 1
    assert list((store.folder / "tmp").iterdir()) == []


def test_where_nothing_can_be_locked_a_publisher_that_lost_its_folder_says_so_and_shows_no_part(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = paused_publisher(store)
    monkeypatch.setattr(trash, "is_unlocked", lambda *_: True)
    assert swept(store) == 1
    told, _ = child.communicate("go on\n")
    assert told.startswith("SnapshotError Nothing was published: the snapshot store ")
    assert "(No such file or directory)" in told
    assert store.ids() == []
    assert store.verify() == []
