"""Only plain files are opened, and only the file that was inspected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.files import reading
from custdyn_widgets.files.reading import (
    NotPlainError,
    ReplacedError,
    folder_below,
    may_exist,
    names_two_levels_below,
    open_plain_file,
    owned_bytes,
    plain_bytes,
    reason,
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "plain").write_bytes(b"text")
    descriptor = os.open(tmp_path, reading.OPEN_FOLDER)
    yield descriptor
    os.close(descriptor)


def test_a_plain_file_is_opened(folder: int) -> None:
    with open_plain_file(folder, "plain") as file:
        assert file.read() == b"text"


def test_a_file_is_read_if_it_is_no_larger_than_allowed(folder: int) -> None:
    assert plain_bytes(folder, "plain", 4) == b"text"
    assert owned_bytes(folder, "plain", 5) == (b"text", os.getuid())
    with pytest.raises(NotPlainError, match="is 4 bytes long; at most 3 are allowed"):
        plain_bytes(folder, "plain", 3)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "/secret/path"), "is missing"),
        (PermissionError(13, "Permission denied", "/secret/path"), "cannot be read (Permission denied)"),
        (TimeoutError(), "cannot be read (TimeoutError)"),
        (NotPlainError("has a second name"), "has a second name"),
    ],
)
def test_the_reason_names_no_path(error: Exception, words: str) -> None:
    assert reason(error) == words


def test_names_two_levels_below_come_in_order_and_tell_what_is_no_folder(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3"):
        (tmp_path / "top" / name).mkdir(parents=True)
    (tmp_path / "top" / "file").write_bytes(b"")
    found = names_two_levels_below(tmp_path, "top")
    assert found == [("a", "3"), ("b", "1"), ("b", "2"), ("file", "")]
    assert names_two_levels_below(tmp_path, "missing") == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_not_a_plain_file_is_not_opened(tmp_path: Path, folder: int, kind: str) -> None:
    other = tmp_path / "other"
    {"link": lambda: other.symlink_to("plain"), "pipe": lambda: os.mkfifo(other), "folder": other.mkdir}[
        kind
    ]()
    with pytest.raises(NotPlainError, match="not a plain file"), open_plain_file(folder, "other"):
        pass


def test_a_file_with_a_second_name_is_not_opened(tmp_path: Path, folder: int) -> None:
    os.link(tmp_path / "plain", tmp_path / "second")
    with pytest.raises(NotPlainError, match="hard link"), open_plain_file(folder, "plain"):
        pass


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_file_that_is_replaced_before_it_is_opened_is_not_read(
    tmp_path: Path, folder: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "file":
        (tmp_path / "new").write_bytes(b"other")
    else:
        os.mkfifo(tmp_path / "new")
    opened = os.open

    def replace_first(*args: Any, **options: Any) -> int:
        assert args[1] & os.O_NONBLOCK  # or a pipe would be waited for
        (tmp_path / "new").replace(tmp_path / "plain")
        return opened(*args, **options)

    monkeypatch.setattr(os, "open", replace_first)
    with pytest.raises(ReplacedError), open_plain_file(folder, "plain"):
        pass


def test_a_path_may_exist_unless_it_certainly_does_not(tmp_path: Path) -> None:
    plain, link = tmp_path / "plain", tmp_path / "link"
    plain.write_bytes(b"")
    link.symlink_to("nowhere")
    assert may_exist(plain)
    assert may_exist(link)
    assert may_exist(tmp_path / "missing") is False
    assert may_exist(plain / "below a file")  # cannot be looked up


def test_a_folder_below_is_opened_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "one" / "two" / "file").write_bytes(b"")
    with folder_below(tmp_path, "one", "two") as folder:
        assert reading.names_in(folder) == ["file"]
    with pytest.raises(NotADirectoryError), folder_below(tmp_path, "one", "two", "file"):
        pass
    (tmp_path / "link").symlink_to("one")
    with pytest.raises(OSError, match=r"Not a directory|symbolic"), folder_below(tmp_path, "link", "two"):
        pass
