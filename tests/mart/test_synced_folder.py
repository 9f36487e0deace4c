"""A synced mart is private, is on disk before it is in place, and replaces what killed syncs left."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart import synced
from custdyn_widgets.mart.synced import SyncRecord, new_version, put_in_place, read_record, sync_lock


@pytest.fixture(autouse=True)
def marts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own" / "marts"
    monkeypatch.setenv("CUSTDYN_MARTS", str(folder))
    return folder


def sync(name: str, text: str) -> Path:
    with sync_lock(name), new_version(name) as folder:
        (folder / "clients.csv").write_text(text)
        (folder / "sync.json").write_bytes(SyncRecord(5, {"clients": 1}, 0.5, "s", "m", "0").to_bytes())
        put_in_place(name, folder)
    return folder


def test_a_version_is_in_place_alone_and_nobody_else_can_read_it(marts: Path) -> None:
    first, other = sync("shop", "a"), sync("shop.eu", "b")
    second = sync("shop", "c")
    assert {path.name for path in marts.iterdir()} == {
        "shop", "shop.eu", ".shop.lock", ".shop.eu.lock", second.name, other.name
    }  # fmt: skip
    assert not first.exists()
    texts = [(marts / name / "clients.csv").read_text() for name in ("shop", "shop.eu")]
    assert texts == ["c", "b"]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (second, marts / ".shop.lock")}
    assert modes == {second.name: 0o700, ".shop.lock": 0o600}


def test_what_killed_syncs_left_is_replaced(marts: Path) -> None:
    kept = sync("shop", "a")
    (marts / ".shop@abandoned").mkdir()
    (marts / ".shop@link").symlink_to("nowhere")
    (marts / "shop@rejected.csv").touch()
    with sync_lock("shop"), new_version("shop") as failed:
        assert not (marts / ".shop@abandoned").exists()
        (failed / "clients.csv").touch()
    assert not failed.exists()
    assert kept.is_dir()
    assert (marts / "shop@rejected.csv").exists()
    sync("shop", "b")
    assert (marts / "shop" / "clients.csv").read_text() == "b"
    assert not (marts / "shop@rejected.csv").exists()


def test_all_is_on_disk_before_it_is_in_place(marts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced_to_disk(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        done.append(f"replace {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced_to_disk)
    monkeypatch.setattr(Path, "replace", replaced)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    folder = sync("shop", "a")
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    place = done.index("replace shop")
    assert {"clients.csv", "sync.json", folder.name} <= {*done[:place]}
    assert done.index(folder.name) > max(done.index("clients.csv"), done.index("sync.json"))
    assert "marts" in done[place:]


def test_another_sync_waits_and_a_link_is_no_lock(marts: Path, tmp_path: Path) -> None:
    with (
        sync_lock("shop"),
        sync_lock("other"),
        pytest.raises(SourceError, match="'shop' is being synced by another process"),
        sync_lock("shop"),
    ):
        raise AssertionError("both hold the lock")
    with sync_lock("shop"):
        pass
    (tmp_path / "victim").write_text("precious")
    (marts / ".evil.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"), sync_lock("evil"):
        raise AssertionError("the lock follows a link")


def test_a_record_of_the_first_version_is_read(tmp_path: Path) -> None:
    stored = (
        '{"format": 1, "read_at": 1600000000, "rows": {"clients": 1}, "duration_s": 0.5, "server": "s",'
        ' "mapping": "m", "mapping_sha256": "0", "sentences": ["One."], "changes": null}\n'
    )
    (tmp_path / "sync.json").write_text(stored)
    assert read_record(tmp_path) == SyncRecord(1_600_000_000, {"clients": 1}, 0.5, "s", "m", "0", ["One."])
    assert synced.last_synced("never") is None
    sync("shop", "a")
    assert synced.last_synced("shop") == 5
    for damaged in ("", "[]", "{}", '{"format": 1}', stored.replace("1,", "2,", 1)):
        (tmp_path / "sync.json").write_text(damaged)
        assert read_record(tmp_path) is None
