"""Locks on folders: whether somebody is writing there."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from custdyn_widgets.files.writing import is_unlocked


def test_a_folder_is_unlocked_unless_somebody_holds_its_lock(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to("inner")
    folder, inner = (os.open(path, os.O_RDONLY) for path in (tmp_path, tmp_path / "inner"))
    try:
        assert is_unlocked(folder, "inner")
        fcntl.flock(inner, fcntl.LOCK_EX)
        assert is_unlocked(folder, "inner") is False
        assert is_unlocked(folder, "none")
        assert is_unlocked(folder, "link")  # no writer locks by a link
        fcntl.flock(inner, fcntl.LOCK_UN)
        assert is_unlocked(folder, "inner")
        assert is_unlocked(folder, "inner")  # asking leaves no lock behind
    finally:
        os.close(folder)
        os.close(inner)
