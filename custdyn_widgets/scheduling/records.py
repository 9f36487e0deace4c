"""Records of runs: the saved query, the logical time, the result, and the delivery of each email."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from custdyn_widgets.errors import RunError
from custdyn_widgets.files import read_plain, strict_json, write_whole
from custdyn_widgets.scheduling.locks import is_running
from custdyn_widgets.scheduling.outcomes import Outcome, is_true
from custdyn_widgets.scheduling.run_record import Run

KEPT = 1_000  # records kept for each saved query
_RECENT = 50  # how many of the newest records are searched, for example for killed runs
_MAX_BYTES = 16_000_000
_OWN_FOLDER = 0o700
_RESERVED_BYTES = 65_536
_UNSENT = (b'"waiting": true', b'"failure_unsent": true')


class Runs:
    """The folder of records.

    Parameters
    ----------
    folder
        The folder, which is created with the first record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, run: Run) -> None:
        """Write a record, replacing its previous version, and delete the oldest records beyond the limit.

        Records of runs that still have something to send are kept.

        Raises
        ------
        RunError
            If the record cannot be written.
        """
        own = self._folder_of(run.saved)
        data = json.dumps(run.to_dict(), ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"
        try:
            for folder in (self.folder, own.parent, own):
                folder.mkdir(parents=True, exist_ok=True, mode=_OWN_FOLDER)
            self._write(own, run, data)
        except OSError as error:
            raise RunError(
                f"The record of this run cannot be written to {self.folder}: "
                f"{error.strerror or type(error).__name__}. Free up space there, or set CUSTDYN_RUNS to "
                "another folder.",
                field="runs",
            ) from error
        for old in sorted(_names(own))[:-KEPT]:
            if not _may_be_unsent(own / old):
                with contextlib.suppress(OSError):
                    (own / old).unlink()

    def _write(self, own: Path, run: Run, data: bytes) -> None:
        """Write a record; keep space reserved to record the end of the run even if the disk is full."""
        reserve = own / f".{run.id}.reserve"
        try:
            write_whole(own / f"{run.id}.json", data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not reserve.exists():
                raise
            reserve.unlink()
            write_whole(own / f"{run.id}.json", data)
        with contextlib.suppress(OSError):
            if run.result != "running":
                reserve.unlink()
            elif not reserve.exists():
                reserve.write_bytes(
                    os.urandom(_RESERVED_BYTES)
                )  # random, so that no file system can compress it

    def listing(self, last: int | None = None, *, saved: str | None = None) -> list[Run]:
        """Return the `last` records (or all of them), oldest first, optionally for only one saved query."""
        folders = [self._folder_of(saved)] if saved else _folders(self.folder / "records")
        found = sorted((name, folder) for folder in folders for name in _names(folder))
        chosen = found if last is None else found[max(len(found) - last, 0) :]
        runs = (self._read(folder, name) for name, folder in chosen)
        return [run for run in runs if run is not None]

    def names(self) -> list[str]:
        """Return the sorted names of the saved queries that have records."""
        return sorted(folder.name for folder in _folders(self.folder / "records"))

    def newest_first(self, saved: str) -> Iterator[Run]:
        """Yield the runs of a saved query, newest first, reading each record only when it is needed."""
        folder = self._folder_of(saved)
        for name in sorted(_names(folder), reverse=True):
            if (run := self._read(folder, name)) is not None:
                yield run

    def unfinished(self, saved: str) -> list[Run]:
        """Return the runs with no recorded end; if the caller holds the lock, they were killed."""
        return [run for run in self.listing(_RECENT, saved=saved) if run.result == "running"]

    def unsent(self, saved: str) -> list[Run]:
        """Return the runs with an unsent report or failure notice, oldest first."""
        folder = self._folder_of(saved)
        runs = (self._read(folder, name) for name in sorted(_names(folder)) if _may_be_unsent(folder / name))
        return [run for run in runs if run is not None and (run.waiting or run.failure_unsent)]

    def read(self, run: Run) -> Run:
        """Return the current record of a run, or the given record if the current one cannot be read."""
        found = self._read(self._folder_of(run.saved), f"{run.id}.json")
        return run if found is None or found.result == "unreadable" else found

    def snapshots(self, saved: str) -> set[str]:
        """Return the ids of the snapshots made by the recorded runs of a saved query."""
        return {one.snapshot for run in self.listing(saved=saved) for one in run.reports if one.snapshot}

    def failure_recipients(self, saved: str) -> tuple[str, ...]:
        """Return the failure recipients in the newest record."""
        runs = reversed(self.listing(_RECENT, saved=saved))
        return next((run.failure_recipients for run in runs if run.failure_recipients), ())

    def digests(self, saved: str, until: str) -> dict[str | None, str]:
        """Return the digest of each company's last settled report up to `until`."""
        return {one.company: one.digest for one in self._settled(saved, until) if one.digest}

    def true_conditions(self, saved: str, until: str) -> dict[str | None, frozenset[str]]:
        """Return the keys of the conditions that were true in each company's last report up to `until`.

        Reports that were not made or did not reach everybody neither set nor clear a condition.
        """
        judged = (one for one in self._settled(saved, until) if one.snapshot)
        return {one.company: frozenset(c["key"] for c in one.conditions if is_true(c)) for one in judged}

    def _settled(self, saved: str, until: str) -> Iterator[Outcome]:
        """Yield the settled reports up to `until`, ordered by logical time."""
        runs = [run for run in self.listing(saved=saved) if run.logical_time and run.logical_time <= until]
        for run in sorted(runs, key=lambda run: (run.logical_time, run.id)):
            yield from (one for one in run.reports if one.is_settled(run.result))

    def _folder_of(self, saved: str) -> Path:
        return self.folder / "records" / saved

    def _read(self, folder: Path, name: str) -> Run | None:
        """Return a record, which is marked `unreadable` if it cannot be read; None if the file is gone."""
        stem = name.removesuffix(".json")
        try:
            run = Run.from_dict(strict_json(read_plain(folder, name, _MAX_BYTES).decode()))
            if (run.id, run.saved) != (stem, folder.name):
                raise ValueError("is the record of another run")
        except FileNotFoundError:
            return None
        except Exception as error:
            return Run(stem, folder.name, folder.name, "", "unreadable", problem=f"{name}: {error}")
        if run.result == "running" and not is_running(self.folder, run.saved):
            return run.killed()
        return run


def _may_be_unsent(file: Path) -> bool:
    """Return whether a record may mention anything unsent; parsing every record would take much longer."""
    with contextlib.suppress(OSError):
        data = file.read_bytes()
        return any(mark in data for mark in _UNSENT)
    return False


def _names(folder: Path) -> Iterable[str]:
    with contextlib.suppress(FileNotFoundError):
        names = [path.name for path in folder.iterdir()]
        return [name for name in names if name.endswith(".json") and not name.startswith(".")]
    return []


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if path.is_dir()]
    return []
