"""Files and folders are created whole, with their modes, and locked while they are written."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest

from custdyn_widgets.files import writing
from custdyn_widgets.files.reading import OPEN_FOLDER
from custdyn_widgets.files.whole import write_whole
from custdyn_widgets.files.writing import (
    create_file,
    is_unlocked,
    lock_folder,
    make_folder,
    new_folder,
    put_file,
    remove_folder,
    sync_folder,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o2775)
    return folder


def test_a_file_is_put_into_new_folders_in_one_step(tmp_path: Path) -> None:
    put_file(tmp_path, "tmp", ("a", "b"), "name", b"one")
    put_file(tmp_path, "tmp", ("a", "b"), "name", b"two")
    assert (tmp_path / "a" / "b" / "name").read_bytes() == b"two"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_file_that_cannot_be_put_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "rename", Mock(side_effect=OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        put_file(tmp_path, "tmp", ("a",), "name", b"one")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_file_is_written_however_little_a_disk_takes_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, synced = os.write, Mock()
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data[:3])))
    monkeypatch.setattr(os, "fsync", synced)
    create_file(tmp_path / "name", b"0123456789")
    create_file(tmp_path / "passing", b"0123456789", lasting=False)
    assert (tmp_path / "name").read_bytes() == (tmp_path / "passing").read_bytes() == b"0123456789"
    assert synced.call_count == 1


def test_a_file_is_never_overwritten_or_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            create_file(tmp_path / name, b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert not (tmp_path / "elsewhere").exists()


def test_what_was_written_is_on_disk_with_the_names_that_lead_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = set[int](), os.fsync

    def remember(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def were_synced(*paths: str) -> bool:
        wanted = {(tmp_path / path).stat().st_ino for path in paths}
        synced.difference_update(found := wanted & synced)
        return found == wanted

    monkeypatch.setattr(os, "fsync", remember)
    make_folder(tmp_path / "a" / "b")
    assert were_synced(".", "a")
    with new_folder(tmp_path / "a" / "new", {"one": b"1"}):
        assert were_synced("a/new", "a/new/one")
    put_file(tmp_path, "a", ("a", "b"), "put", b"1")
    assert were_synced("a/b", "a/b/put")
    write_whole(tmp_path / "whole", b"1")
    assert were_synced(".", "whole")


def test_nothing_stays_open(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = sorted(path.name for path in descriptors.iterdir())
    create_file(tmp_path / "file", b"1")
    sync_folder(tmp_path)
    with lock_folder(tmp_path), new_folder(tmp_path / "new", {}):
        pass
    folder = os.open(tmp_path, OPEN_FOLDER)
    assert is_unlocked(folder, "new")
    os.close(folder)
    assert sorted(path.name for path in descriptors.iterdir()) == before


@pytest.mark.parametrize(("sticky", "mode_inside"), [(0o3775, 0o2755), (0o2775, 0o2775), (0o1777, 0o755)])
def test_in_a_sticky_folder_only_the_owner_changes_a_new_one(
    tmp_path: Path, sticky: int, mode_inside: int
) -> None:
    folder = tmp_path / "sticky"
    folder.mkdir()
    folder.chmod(sticky)
    umask = os.umask(0o022)
    try:
        with new_folder(folder / "new", {}):
            assert mode(folder / "new") == mode_inside
    finally:
        os.umask(umask)


def test_a_folder_is_removed_as_far_as_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished, unlink = tmp_path / "unfinished", os.unlink
    unfinished.mkdir()
    for i in range(9):
        (unfinished / str(i)).write_bytes(b"")
    first = next(iter([*unfinished.iterdir()])).name

    def refuse(name: str, **options: int) -> None:
        if Path(name).name == first:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(name, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    remove_folder(unfinished)
    assert [path.name for path in unfinished.iterdir()] == [first]
    remove_folder(tmp_path / "missing")


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_files_of_a_shared_folder_are_read_by_its_group_and_private_ones_by_nobody_else(
    tmp_path: Path, shared: Path, umask: int
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    before = os.umask(umask)
    try:
        for folder in (own, shared):
            with (
                lock_folder(folder),
                new_folder(folder / "new", {"open": b"1", "private": b"2"}, ["private"]),
            ):
                pass
    finally:
        os.umask(before)
    found = {f: [mode(f / "new" / name) for name in ("open", "private")] for f in (own, shared)}
    assert found == {own: [0o666 & ~umask, 0o600], shared: [0o644, 0o640]}
    assert mode(shared / ".lock") == 0o664  # whoever can write to the folder can lock it


def test_a_new_folder_is_locked_until_it_is_finished(tmp_path: Path) -> None:
    folder = os.open(tmp_path, OPEN_FOLDER)
    try:
        with new_folder(tmp_path / "new", {"a": b"1"}):
            assert not is_unlocked(folder, "new")
        assert is_unlocked(folder, "new")
        assert is_unlocked(folder, "missing")
        (tmp_path / "file").write_bytes(b"")
        assert is_unlocked(folder, "file")
    finally:
        os.close(folder)


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_LOCK_TRIES", 3)
    monkeypatch.setattr(writing, "_LOCK_PAUSE_S", 0.001)
    busy = pytest.raises(OSError, match="another process has been writing")
    with lock_folder(tmp_path), busy, lock_folder(tmp_path):
        pass
    with lock_folder(tmp_path):
        assert (tmp_path / ".lock").exists()


def test_a_writer_waits_for_ten_seconds_as_the_message_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = list[float]()
    monkeypatch.setattr(writing, "time", Mock(sleep=pauses.append))
    busy = pytest.raises(OSError, match="has been writing to the folder for ten seconds")
    with lock_folder(tmp_path), busy, lock_folder(tmp_path):
        pass
    assert sum(pauses) == pytest.approx(10)


def test_a_folder_whose_lock_cannot_be_asked_for_counts_as_unlocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    folder = os.open(tmp_path, OPEN_FOLDER)
    with monkeypatch.context() as patch:
        patch.setattr(writing.fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks")))
        assert is_unlocked(folder, "inner") is True
    os.close(folder)


def test_a_writer_waits_for_the_one_before_it(tmp_path: Path) -> None:
    order, holds = list[str](), threading.Event()

    def second() -> None:
        holds.wait()
        with lock_folder(tmp_path):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with lock_folder(tmp_path):
        holds.set()
        other.join(0.1)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
