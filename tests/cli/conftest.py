"""Keep what the commands read and write out of the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep cache, store, saved queries and settings out of the checkout; work in an empty folder."""
    for name in ("CACHE", "SNAPSHOTS", "QUERIES", "MY_QUERIES"):
        monkeypatch.setenv(f"CUSTDYN_{name}", str(tmp_path / name.lower()))
    for name in ("CONFIG", "SHARE_URL", "ROLE"):
        monkeypatch.delenv(f"CUSTDYN_{name}", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
