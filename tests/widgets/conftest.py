"""Keep the saved queries of these tests out of the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_QUERIES", str(tmp_path / "shared"))
    monkeypatch.setenv("CUSTDYN_MY_QUERIES", str(tmp_path / "mine"))
    monkeypatch.setenv("CUSTDYN_LAST_CHOICE", str(tmp_path / "last_choice.json"))
