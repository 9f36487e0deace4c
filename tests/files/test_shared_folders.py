"""Folders that a group shares: what is made in them has their mode."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from custdyn_widgets.files.writing import make_folder, new_folder

SHARED = 0o2775


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(SHARED)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_folders_have_the_mode_of_a_shared_one(shared: Path) -> None:
    make_folder(shared / "a" / "b")
    assert (mode(shared / "a"), mode(shared / "a" / "b")) == (SHARED, SHARED)
    with new_folder(shared / "c", {}):
        assert mode(shared / "c") == SHARED


def test_a_folder_whose_maker_was_killed_too_early_is_shared_by_the_next_one(shared: Path) -> None:
    (shared / "a").mkdir()
    (shared / "a").chmod(0o755)
    make_folder(shared / "a")
    assert mode(shared / "a") == SHARED


def test_the_mode_of_other_folders_is_kept(tmp_path: Path, shared: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    make_folder(own)
    make_folder(own / "inner")
    assert (mode(own), mode(own / "inner") & stat.S_ISGID) == (0o700, 0)
    (shared / "file").write_bytes(b"")
    (shared / "file").chmod(0o600)
    make_folder(shared / "file")  # nothing to share
    assert mode(shared / "file") == 0o600
