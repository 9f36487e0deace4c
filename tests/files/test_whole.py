"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from custdyn_widgets.files import (
    NotPlainError,
    TooLargeError,
    folder_below,
    read_plain,
    whole,
    write_whole,
    writing,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    for data in (b"one", b"two" * 100_000):
        write_whole(tmp_path / "a", data)
        assert (tmp_path / "a").read_bytes() == data
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("follow", [False, True])
def test_a_disk_that_refuses_has_what_was_there_and_nothing_beside_it(
    tmp_path: Path, follow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"before")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for place, name in ((Path, "replace"), (writing.os, "fsync")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, refuse)
            with pytest.raises(OSError, match="No space"):
                write_whole(tmp_path / "a", b"after", follow=follow)
        assert (tmp_path / "a").read_bytes() == b"before"
        assert names(tmp_path) == ["a"]


def test_a_new_file_takes_nobodys_place(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"one", new=True)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "a", b"two", new=True)
    assert (tmp_path / "a").read_bytes() == b"one"
    assert names(tmp_path) == ["a"]


def test_a_new_file_is_written_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(whole.os, "link", refuse)
    write_whole(tmp_path / "a", b"one", new=True)
    assert names(tmp_path) == ["a"]


def test_a_new_file_that_cannot_be_linked_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(whole.os, "link", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(tmp_path / "a", b"one", new=True)
    assert names(tmp_path) == []


def test_a_link_is_replaced_or_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"through", follow=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"through"
    write_whole(tmp_path / "link", b"over")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"through"


def test_a_pipe_takes_the_bytes_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"through", follow=True)
    reader.join()
    assert read == [b"through"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_a_folder_is_no_place_for_a_file(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(OSError):  # noqa: PT011 - which one differs
        write_whole(Path(target), b"x", follow=True)
    assert names(tmp_path) == ["inner"]


@pytest.mark.parametrize(
    ("options", "mode"), [({}, 0o644), ({"private": False}, 0o644), ({"private": True}, 0o600)]
)
def test_modes_are_what_the_umask_leaves(tmp_path: Path, options: dict[str, bool], mode: int) -> None:
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "a", b"", **options, lasting=False)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_only_plain_files_of_a_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"four")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    assert read_plain(tmp_path, "a", 4) == b"four"
    with pytest.raises(TooLargeError, match="is larger than 3 bytes"):
        read_plain(tmp_path, "a", 3)
    with pytest.raises(NotPlainError, match="is a link, which is not followed"):
        read_plain(tmp_path, "link", 4)
    with pytest.raises(NotPlainError, match="is a device or a pipe"):
        read_plain(tmp_path, "pipe", 4)
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path, "b", 4)


def test_folders_opened_one_inside_another_leave_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    descriptors = Path("/proc/self/fd")
    before = names(descriptors)
    with folder_below(tmp_path, "a", "b", "c"):
        assert len(names(descriptors)) == len(before) + 1
    with pytest.raises(FileNotFoundError), folder_below(tmp_path, "a", "missing"):
        pass
    assert names(descriptors) == before
