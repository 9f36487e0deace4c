"""Fail, and kill at, each file-system call of a publishing: an error in words, and nothing bad is left.

The kernel does it, by way of strace (see `strace`). Every call is met in a store that is new, where folders
have to be made, and in one that has snapshots. A call fails once with EIO, ENOSPC or EINTR, or with EIO or
ENOSPC from then on; or the process is killed as it makes the call.
"""

from __future__ import annotations

import os
import random
import sys
from errno import EINTR, EIO, ENOSPC, errorcode
from pathlib import Path
from typing import NamedTuple

from custdyn_widgets.snapshots.store import Store

from .findings import Findings, Onlooker, asked, scratch
from .publisher import MANIFEST, some_files
from .strace import Call, NoTracingError, Published, published

_ATTEMPTS = 3
_NOT_TO_BE_PASSED_OVER = ("mkdir", "write", "fsync", "rename")  # what is said to be kept depends on these


class Case(NamedTuple):
    """A call, what is done to it (an error's number, 0: a kill), to later ones too, and in which store."""

    call: Call
    number: int
    on: bool
    new: bool

    def __str__(self) -> str:
        what = errorcode[self.number] if self.number else "SIGKILL"
        return f"{what}{' from' if self.on else ' at'} {self.call} in a {'new' if self.new else 'used'} store"


def main() -> int:
    options = asked(__doc__, 0, "how many of the cases, drawn at random; 0: all")
    with scratch(options.folder) as folder:
        try:
            return each_call(folder, options.count).tell()
        except NoTracingError as error:
            print(error, file=sys.stderr)
            return 2


def each_call(folder: Path, count: int = 0, seed: int = 1) -> Findings:
    """Do each case, or so many of them."""
    findings = Findings()
    cases: list[Case] = []
    for new in (True, False):
        calls = published(_store(folder / f"count-{new}", new)).calls
        findings.counts[f"calls of a publishing in a {'new' if new else 'used'} store"] = len(calls)
        kinds = [(0, False), (EIO, False), (ENOSPC, False), (EINTR, False), (EIO, True), (ENOSPC, True)]
        cases += [Case(call, number, on, new) for call in calls for number, on in kinds]
    if count:
        cases = random.Random(seed).sample(cases, min(count, len(cases)))
    for n, case in enumerate(cases):
        _do(case, folder / f"case-{n}", findings)
    return findings


def _do(case: Case, place: Path, findings: Findings) -> None:
    fault = f"error={errorcode[case.number]}" if case.number else "signal=KILL"
    for attempt in range(
        _ATTEMPTS
    ):  # one id in a thousand begins like one that is there: then a call is missing
        folder = _store(place / str(attempt), case.new)
        known = Store(folder).ids()
        done = published(folder, fault, case.call, on=case.on)
        if done.hit:
            break
    findings.law(done.hit, f"{case}: the call was never made")
    findings.counts[f"{'killed' if not case.number else errorcode[case.number]}: {done.outcome}"] += 1
    _look(case, folder, done, known, findings)


def _look(case: Case, folder: Path, done: Published, known: list[str], findings: Findings) -> None:
    onlooker = Onlooker(folder, findings)
    if case.number:
        words = os.strerror(case.number)
        findings.law(done.outcome in ("published", "unknown", "not published"), f"{case}: it {done.outcome}")
        findings.law(done.outcome == "published" or words in done.words, f"{case}: {done.words!r}")
        silent = done.outcome == "published" and case.number != EINTR  # Python itself calls again after EINTR
        passed_over = silent and case.call.name in _NOT_TO_BE_PASSED_OVER
        findings.law(not passed_over, f"{case}: it was published nevertheless")
        onlooker.look(
            str(case),
            there=[*known, *([done.id] if done.outcome == "published" else [])],
            maybe=[done.id] if done.outcome == "unknown" else [],
        )
        if not case.on:  # else the cleaning up may have failed as well
            left = list((folder / "tmp").iterdir()) if (folder / "tmp").exists() else []
            findings.law(not left, f"{case}: {len(left)} folders are left in tmp/")
    else:
        onlooker.look(str(case), there=known, maybe=None)
    again = Store(folder).publish(MANIFEST, some_files(2))
    onlooker.look(f"{case}, and published again", there=[*known, again], maybe=None)


def _store(folder: Path, new: bool) -> Path:
    if not new:
        Store(folder).publish(MANIFEST, some_files(3))
    return folder


if __name__ == "__main__":
    sys.exit(main())
