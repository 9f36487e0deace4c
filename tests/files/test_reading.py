"""Only plain files are opened, and only the file that was inspected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.files import reading
from custdyn_widgets.files.reading import NotPlainError, ReplacedError, open_plain_file


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "plain").write_bytes(b"text")
    descriptor = os.open(tmp_path, reading.OPEN_FOLDER)
    yield descriptor
    os.close(descriptor)


def test_a_plain_file_is_opened(folder: int) -> None:
    with open_plain_file(folder, "plain") as file:
        assert file.read() == b"text"


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


def test_a_file_that_is_replaced_before_it_is_opened_is_not_read(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").write_bytes(b"other")
    opened = os.open

    def replace_first(*args: Any, **options: Any) -> int:
        (tmp_path / "new").replace(tmp_path / "plain")
        return opened(*args, **options)

    monkeypatch.setattr(os, "open", replace_first)
    with pytest.raises(ReplacedError), open_plain_file(folder, "plain"):
        pass
