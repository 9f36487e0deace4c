"""Records of runs: the saved query, the logical time, the result, and the delivery of each email."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any

from custdyn_widgets.errors import RunError
from custdyn_widgets.files import read_plain, strict_json, write_whole
from custdyn_widgets.scheduling.locks import is_running
from custdyn_widgets.scheduling.outcomes import Outcome, check_conditions, is_true, list_problems
from custdyn_widgets.text import format_instant_utc

FORMAT = 1
KEPT = 1_000  # records kept for each saved query
_RECENT = 50  # records that each run searches for killed runs
_MAX_BYTES = 16_000_000
_OWN_FOLDER = 0o700
_RESERVED_BYTES = 65_536
# JSON types by annotation; all other fields are lists.
_JSON_TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "str | None": (str, NoneType), "bool": bool}
_LATER = {
    "failure_recipients",
    "data_gaps",
    "conditions",
    "schedule",
    "resent",
}  # fields missing from records of earlier versions
SENDING = "sending the report"  # the step of a run that made all its reports
KILLED = "The run did not finish: it was killed, or the machine went down."


@dataclass(frozen=True)
class Run:
    """The record of one run.

    Attributes
    ----------
    id
        The stem of its file name: the start time and a random part.
    saved, title
        The saved query's name and title.
    began, ended
        Timestamps in UTC; `ended` is None while it is running or if it was killed.
    result
        The worst result of its reports; `running`; `killed`, if its end was never recorded; or `missed`, if
        no run was started in time.
    logical_time
        The time that intervals resolve against; None if it failed before that was known.
    asked_for
        Whether that time was given explicitly instead of by the schedule.
    where, problem
        The step that failed and a message about the problem; None if the run succeeded.
    reports
        The outcome of its report, or of each company's.
    told
        The receipts for the email about the run's failure.
    failure_recipients
        The recipients of that email; the next run notifies them if it cannot read the saved query.
    data_gaps
        The signs that its reports' data ends too early, recorded even if the reports were sent.
    schedule
        The schedule that it was run for: its cron expression and time zone; empty if `asked_for`.
    resent
        When its report was sent again to those who had not got it.
    """

    id: str
    saved: str
    title: str
    began: str
    result: str = "running"
    ended: str | None = None
    logical_time: str | None = None
    asked_for: bool = False
    where: str | None = None
    problem: str | None = None
    reports: tuple[Outcome, ...] = ()
    told: tuple[dict[str, Any], ...] = ()
    failure_recipients: tuple[str, ...] = ()
    data_gaps: tuple[str, ...] = ()
    schedule: str = ""
    resent: tuple[str, ...] = ()

    @classmethod
    def begun(cls, saved: str, **about: Any) -> Run:
        """Return the record of a run that is starting now."""
        now = datetime.now(UTC)
        stamp = f"{now:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}"
        return cls(stamp, saved, about.pop("title", saved), format_instant_utc(now), **about)

    def finished(self, result: str, **about: Any) -> Run:
        """Return the record of this run with the current time as its end."""
        return replace(self, result=result, ended=format_instant_utc(datetime.now(UTC)), **about)

    def killed(self) -> Run:
        """Return this record with the run marked as killed."""
        problem = "\n".join(filter(None, (KILLED, list_problems(self.reports))))
        return replace(self, result="killed", problem=problem)

    @property
    def is_unreported(self) -> bool:
        """Whether the run was killed and the next one has not reported it yet."""
        return self.result == "killed" and self.where is None

    @property
    def can_be_resent(self) -> bool:
        """Whether the run made all its reports and all that is left is to send them to everybody."""
        made_all = self.where == SENDING or not any(one.company for one in self.reports)
        return made_all and self.result in ("undelivered", "killed") and any(r.snapshot for r in self.reports)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        record = {"format": FORMAT, **asdict(self)}
        for report in record["reports"]:
            if not report["conditions"]:
                del report["conditions"]  # as in records of saved queries without any
        return record

    @classmethod
    def from_dict(cls, data: Any) -> Run:
        """Return the record from a JSON object made by `to_dict`.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is not a record, or is in another format.
        """
        if data["format"] != FORMAT:
            raise ValueError(f"has the format {data['format']!r}, but this version reads {FORMAT}")
        given = _fields_of(cls, data)
        for name in ("began", "ended", "logical_time"):
            at = given[name] or given["began"]
            if at != format_instant_utc(datetime.fromisoformat(at)):
                raise ValueError(f"{name} is not a valid timestamp")
        reports = tuple(Outcome(**_fields_of(Outcome, one)) for one in given["reports"])
        for report in reports:
            check_conditions(report.conditions)
        return cls(**{**given, "reports": reports})


class Runs:
    """The folder of records.

    Parameters
    ----------
    folder
        The folder; created with the first record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, run: Run) -> None:
        """Write a record, replacing its previous state, and delete the oldest records beyond the limit.

        Raises
        ------
        RunError
            If it cannot be written.
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
                f"{error.strerror or type(error).__name__}. Free space there, or set CUSTDYN_RUNS to another "
                "folder.",
                field="runs",
            ) from error
        for old in sorted(_names(own))[:-KEPT]:
            with contextlib.suppress(OSError):
                (own / old).unlink()

    def _write(self, own: Path, run: Run, data: bytes) -> None:
        """Write a record; during the run, reserve space, so that its end can be recorded on a full disk."""
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
        """Return the `last` records, or all, oldest first, optionally of one saved query only."""
        folders = [self._folder_of(saved)] if saved else _folders(self.folder / "records")
        found = sorted((name, folder) for folder in folders for name in _names(folder))
        chosen = found if last is None else found[max(len(found) - last, 0) :]
        runs = (self._read(folder, name) for name, folder in chosen)
        return [run for run in runs if run is not None]

    def names(self) -> list[str]:
        """Return the names of the saved queries that have records, in order."""
        return sorted(folder.name for folder in _folders(self.folder / "records"))

    def newest_first(self, saved: str) -> Iterator[Run]:
        """Yield the runs of a saved query, newest first, reading each record only when it is asked for."""
        folder = self._folder_of(saved)
        for name in sorted(_names(folder), reverse=True):
            if (run := self._read(folder, name)) is not None:
                yield run

    def unfinished(self, saved: str) -> list[Run]:
        """Return the runs without an end; if the caller holds the lock, these were killed."""
        return [run for run in self.listing(_RECENT, saved=saved) if run.result == "running"]

    def snapshots(self, saved: str) -> set[str]:
        """Return the ids of the snapshots that the recorded runs of a saved query made."""
        return {one.snapshot for run in self.listing(saved=saved) for one in run.reports if one.snapshot}

    def failure_recipients(self, saved: str) -> tuple[str, ...]:
        """Return the failure recipients in the newest record."""
        runs = reversed(self.listing(_RECENT, saved=saved))
        return next((run.failure_recipients for run in runs if run.failure_recipients), ())

    def digests(self, saved: str, until: str) -> dict[str | None, str]:
        """Return, by company, the digest of the last report up to `until` that need not be sent again."""
        return {one.company: one.digest for one in self._settled(saved, until) if one.digest}

    def true_conditions(self, saved: str, until: str) -> dict[str | None, frozenset[str]]:
        """Return, by company, the keys of the conditions that were true in the last report up to `until`.

        Reports that were not made or did not reach everybody neither set nor clear a condition.
        """
        judged = (one for one in self._settled(saved, until) if one.snapshot)
        return {one.company: frozenset(c["key"] for c in one.conditions if is_true(c)) for one in judged}

    def _settled(self, saved: str, until: str) -> Iterator[Outcome]:
        """Yield the reports up to `until` that need not be sent again, by logical time."""
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


def _fields_of(kind: type[Run | Outcome], data: Any) -> dict[str, Any]:
    """Return the fields of a JSON object after checking their types."""
    given = {}
    for field in fields(kind):
        value = data.get(field.name, field.default) if field.name in _LATER else data[field.name]
        value = list(value) if isinstance(value, tuple) else value
        if not isinstance(value, _JSON_TYPES.get(str(field.type), list)):
            raise TypeError(f"{field.name} has the wrong type")
        given[field.name] = tuple(value) if isinstance(value, list) else value
    return given


def _names(folder: Path) -> Iterable[str]:
    with contextlib.suppress(FileNotFoundError):
        names = [path.name for path in folder.iterdir()]
        return [name for name in names if name.endswith(".json") and not name.startswith(".")]
    return []


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if path.is_dir()]
    return []
