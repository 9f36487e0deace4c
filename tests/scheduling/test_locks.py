"""The lock of a saved query's runs: who waits for whom, and what it leaves behind."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from custdyn_widgets.errors import StillRunningError
from custdyn_widgets.scheduling import locks
from custdyn_widgets.scheduling.locks import RunLock, is_running, lock_file, mark_as_reported


class Clock:
    """A clock that advances only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.slept = 0.0
        monkeypatch.setattr(locks.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(locks.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused_after(clock: Clock, folder: Path, patience_s: float) -> float:
    """Return for how long a run waits until it is refused."""
    before = clock.slept
    with pytest.raises(StillRunningError, match="board is already running, so it was not started again"):
        RunLock(folder, "board", patience_s).__enter__()
    return clock.slept - before


def test_a_run_waits_a_second_and_longer_only_for_one_that_is_sending(tmp_path: Path, clock: Clock) -> None:
    descriptors = open_files()
    with RunLock(tmp_path, "board") as lock:
        assert refused_after(clock, tmp_path, 0) == pytest.approx(1, abs=0.1)
        assert refused_after(clock, tmp_path, 60) == pytest.approx(1, abs=0.1)
        with lock.sending():
            assert refused_after(clock, tmp_path, 0) == pytest.approx(1, abs=0.1)
            assert refused_after(clock, tmp_path, 60) == pytest.approx(61, abs=0.1)
        assert refused_after(clock, tmp_path, 60) == pytest.approx(1, abs=0.1)
    assert open_files() == descriptors


def test_a_lock_is_free_again_and_belongs_to_its_owner_alone(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "not" / "yet"
    descriptors = open_files()
    assert not is_running(folder, "board")
    for _ in range(2):
        with RunLock(folder, "board") as lock:
            assert is_running(folder, "board")
            assert not is_running(folder, "sales")
            with lock.sending():
                [mark] = folder.rglob("*.sending")
                assert mode_of(mark) == 0o600
            assert not mark.exists()
        assert not is_running(folder, "board")
    assert clock.slept == 0
    assert mode_of(lock_file(folder, "board")) == 0o600
    assert mode_of(folder) == mode_of(folder / "locks") == 0o700
    assert open_files() == descriptors


def test_the_mark_of_a_killed_run_is_removed_by_the_next(tmp_path: Path, clock: Clock) -> None:
    with RunLock(tmp_path, "board"):
        pass
    mark = lock_file(tmp_path, "board").with_suffix(".sending")
    mark.touch()
    with RunLock(tmp_path, "board"):
        assert not mark.exists()
        assert refused_after(clock, tmp_path, 60) == pytest.approx(1, abs=0.1)


def test_a_lock_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    file = lock_file(tmp_path, "board")
    file.parent.mkdir()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        RunLock(tmp_path, "board").__enter__()
    assert not (tmp_path / "elsewhere").exists()


def test_emails_are_sent_even_if_the_mark_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    done = []
    with RunLock(tmp_path, "board") as lock:
        monkeypatch.setattr(Path, "touch", full)
        with lock.sending():
            done.append(1)
    assert done


def test_a_failure_is_marked_as_reported_for_its_time(tmp_path: Path) -> None:
    assert mark_as_reported(tmp_path, "board", 1_644_814_800) is False  # there is no lock yet
    with RunLock(tmp_path, "board"):
        assert mark_as_reported(tmp_path, "board", 1_644_814_800) is False
        assert mark_as_reported(tmp_path, "board", 1_644_814_800) is True
        assert mark_as_reported(tmp_path, "board", 1_644_901_200) is False
        assert mark_as_reported(tmp_path, "board", 1_644_901_200) is True
