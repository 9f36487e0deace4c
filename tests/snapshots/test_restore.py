"""A store restored from a backup in the usual ways keeps what the documentation says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custdyn_widgets.errors import SnapshotNotFoundError
from custdyn_widgets.snapshots import Store
from custdyn_widgets.snapshots.actions import actions_on
from custdyn_widgets.snapshots.life import expire, revoke
from custdyn_widgets.snapshots.notes import add_note, notes_on
from custdyn_widgets.snapshots.pruning import delete
from tests.snapshots.test_store import FILES

Way = Callable[[Path, Path], object]


def tar_on_top(backup: Path, store: Path) -> None:
    subprocess.run(
        ["tar", "--extract", "--file", backup / "store.tar", "--directory", store.parent], check=True
    )


def copy_on_top(backup: Path, store: Path) -> None:
    subprocess.run(["cp", "--archive", f"{backup / 'store'}/.", store], check=True)


def copy_into_nothing(backup: Path, store: Path) -> None:
    shutil.rmtree(store)
    shutil.copytree(backup / "store", store)


def mirror(backup: Path, store: Path) -> None:
    """Copy what was backed up and delete everything else, as `rsync --archive --delete` does."""
    copy_on_top(backup, store)
    kept = {path.relative_to(backup / "store") for path in (backup / "store").rglob("*")}
    for path in sorted(store.rglob("*"), reverse=True):
        if path.relative_to(store) not in kept:
            path.rmdir() if path.is_dir() else path.unlink()


def is_visible(store: Store, snapshot_id: str) -> bool:
    try:
        return store.read(snapshot_id, "report.html") == FILES["report.html"]
    except SnapshotNotFoundError:
        return False


@pytest.mark.parametrize("restore", [tar_on_top, copy_on_top, copy_into_nothing, mirror])
def test_a_restored_store_is_whole_and_keeps_what_the_documentation_says(
    tmp_path: Path, restore: Way
) -> None:
    store, backup = Store(tmp_path / "store"), tmp_path / "backup"
    ids = {
        name: store.publish({"name": name}, FILES) for name in ("kept", "revoked", "expired", "pruned", "old")
    }
    add_note(store, ids["kept"], "before", "analyst")
    revoke(store, ids["old"])
    backup.mkdir()
    shutil.copytree(store.folder, backup / "store")
    subprocess.run(
        ["tar", "--create", "--file", backup / "store.tar", "--directory", tmp_path, "store"], check=True
    )
    add_note(store, ids["kept"], "after", "analyst")
    revoke(store, ids["revoked"])
    expire(store, ids["expired"], datetime.now(UTC) + timedelta(seconds=0.01))
    delete(store, ids["pruned"])
    later = store.publish({"name": "later"}, FILES)
    restore(backup, store.folder)
    again = Store(store.folder)
    on_top = restore in (tar_on_top, copy_on_top)
    assert again.verify() == []
    assert is_visible(again, ids["kept"])
    assert is_visible(again, ids["pruned"])  # comes back: prune again
    assert is_visible(again, ids["expired"]) != on_top
    assert not is_visible(again, ids["old"])
    assert is_visible(again, ids["revoked"]) != on_top  # without what came after the backup: revoke again
    assert is_visible(again, later) == on_top
    notes = [note.text for note in notes_on(again.folder, ids["kept"]).notes]
    assert notes == (["before", "after"] if on_top else ["before"])
    assert len(actions_on(again.folder, ids["revoked"])[0]) == on_top
