"""Large libraries are imported without collecting garbage; afterwards, it is collected as before."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy
import pytest

from custdyn_widgets.mart.libraries import import_library

SEEN = "import gc\nIS_ENABLED = gc.isenabled()\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_no_garbage_is_collected_during_the_import(folder: Path) -> None:
    (folder / "large_library_1.py").write_text(SEEN)
    import_library("large_library_1")
    assert not sys.modules["large_library_1"].IS_ENABLED
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


def test_garbage_is_collected_again_after_a_failed_import(folder: Path) -> None:
    (folder / "large_library_2.py").write_text("raise ImportError('broken')\n")
    with pytest.raises(ImportError, match="broken"):
        import_library("large_library_2")
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


def test_what_the_user_chose_remains(folder: Path) -> None:
    (folder / "large_library_3.py").write_text(SEEN)
    gc.disable()
    try:
        import_library("large_library_3")
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("chosen", [None, "20"])
def test_idle_threads_of_openblas_sleep_at_once_unless_the_user_chose_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    monkeypatch.delitem(sys.modules, "numpy", raising=False)
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT", raising=False)
    if chosen:
        monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", chosen)
    name = f"large_library_of_threads_{chosen}"
    (folder / f"{name}.py").write_text("import os\nSEEN = os.environ['OPENBLAS_THREAD_TIMEOUT']\n")
    import_library(name)
    assert (chosen or "4") == sys.modules[name].SEEN
    assert os.environ.get("OPENBLAS_THREAD_TIMEOUT") == chosen


def test_the_environment_does_not_change_if_numpy_is_imported_already(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", numpy)
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT", raising=False)
    (folder / "large_library_4.py").write_text("import os\nSEEN = 'OPENBLAS_THREAD_TIMEOUT' in os.environ\n")
    import_library("large_library_4")
    assert sys.modules["large_library_4"].SEEN is False
