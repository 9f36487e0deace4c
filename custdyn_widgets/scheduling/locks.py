"""Locks that allow one run of a saved query at a time; the system releases them if the process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from custdyn_widgets.errors import StillRunningError

_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_OWN_FILE, _OWN_FOLDER = 0o600, 0o700
_TRIES, _PAUSE_S = 20, 0.05  # try again, because `is_running` may briefly hold the lock


class RunLock:
    """A lock on the runs of a saved query, held within a `with` block.

    Parameters
    ----------
    folder
        The folder of runs.
    name
        The saved query's name.
    patience_s
        How long to wait for another run that is only sending email, in seconds.

    Raises
    ------
    StillRunningError
        On entering, if the saved query is already running.
    OSError
        On entering, if the folder cannot be written to.
    """

    def __init__(self, folder: Path, name: str, patience_s: float = 0.0) -> None:
        self._file = lock_file(folder, name)
        self._patience_s = patience_s
        self._name = name
        self._descriptor = -1

    def __enter__(self) -> RunLock:
        for folder in (self._file.parents[1], self._file.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=_OWN_FOLDER)
        self._descriptor = os.open(self._file, _LOCK, _OWN_FILE)
        end, tries = time.monotonic() + self._patience_s, 0
        while tries < _TRIES:
            tries = 0 if self._mark.exists() and time.monotonic() < end else tries + 1
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            else:
                self._mark.unlink(missing_ok=True)  # left behind by a process that was killed
                return self
        os.close(self._descriptor)
        raise StillRunningError(
            f"{self._name} is already running, so it was not started again. `custdyn runs list` shows when "
            "that run began; --timeout stops a run that hangs."
        )

    @property
    def _mark(self) -> Path:
        return self._file.with_suffix(".sending")

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Let other runs wait for the lock, because only emails remain to be sent."""
        with contextlib.suppress(OSError):
            self._mark.touch(_OWN_FILE)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                self._mark.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def is_running(folder: Path, name: str) -> bool:
    """Return whether a saved query is running."""
    try:
        descriptor = os.open(lock_file(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def mark_as_reported(folder: Path, name: str, at: int) -> bool:
    """Record that a failure was reported, and return whether that had already been recorded.

    The lock file's timestamp records this and needs no space, so a failure is reported only once even if the
    disk is full.

    Parameters
    ----------
    folder, name
        As for `RunLock`.
    at
        The scheduled time, as a Unix timestamp in seconds.
    """
    if was_marked(folder, name, at):
        return True
    with contextlib.suppress(OSError):
        os.utime(lock_file(folder, name), (at, at))
    return False


def was_marked(folder: Path, name: str, at: int) -> bool:
    """Return whether the last call of `mark_as_reported` was for this scheduled time."""
    with contextlib.suppress(OSError):
        return lock_file(folder, name).stat().st_mtime_ns == at * 1_000_000_000
    return False


def lock_file(folder: Path, name: str) -> Path:
    """Return the file to lock for a saved query."""
    return folder / "locks" / f"{name}.lock"
