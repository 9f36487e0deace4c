"""The life of a snapshot: revoked, given an end, pruned; and what a reader sees meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from custdyn_widgets.errors import SnapshotNotFoundError
from custdyn_widgets.snapshots.store import Store
from tests.test_snapshots import FILES, MANIFEST, set_state, snapshot_folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store")


def before_opening(
    monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], object], times: int = 1
) -> None:
    """Let something happen just before a file of this name is opened, so many times."""
    left = iter(range(times))
    really = os.open

    def opened(path: str | Path, *args: object, **kwargs: object) -> int:
        if path == name and next(left, None) is not None:
            happens()
        return really(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", opened)


# --- what a reader sees meanwhile


@pytest.mark.parametrize("name", ["manifest.json", "report.html"])
def test_a_reader_whose_snapshot_is_deleted_meanwhile_finds_none_and_no_damage(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    folder = snapshot_folder(store, snapshot_id)

    def delete() -> None:
        folder.rename(store.folder / "aside")
        shutil.rmtree(store.folder / "aside")

    before_opening(monkeypatch, name, delete)
    with pytest.raises(SnapshotNotFoundError):
        store.read(snapshot_id, "report.html")


def test_a_snapshot_that_is_deleted_while_everything_is_verified_is_no_problem(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    folder = snapshot_folder(store, snapshot_id)
    before_opening(monkeypatch, "report.csv", lambda: shutil.rmtree(folder))
    assert store.verify() == []
    assert [problem.what for problem in store.verify([snapshot_id])] == ["is missing"]


def test_a_state_that_is_exchanged_while_it_is_read_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_id = store.publish(MANIFEST, FILES)
    set_state(store, snapshot_id, '{"expires":null,"revoked":null}')
    new = store.folder / "new.json"

    def exchange() -> None:
        new.write_text('{"expires":"2999-01-01T00:00:00Z","revoked":null}')
        new.rename(store.folder / "state" / snapshot_id[:2] / f"{snapshot_id}.json")

    before_opening(monkeypatch, f"{snapshot_id}.json", exchange, times=2)
    assert store.read(snapshot_id, "report.html") == FILES["report.html"]
