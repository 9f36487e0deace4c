"""What a script of faults did, how often, and which laws were broken."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from custdyn_widgets.snapshots.store import Store

_SHOWN = 20


@dataclass
class Findings:
    """The counts of a script, in the order in which they first came, and the laws that were broken."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def law(self, holds: bool, otherwise: str) -> None:
        """Note a law that was looked at, and in words what was seen if it does not hold."""
        self.counts["laws looked at"] += 1
        if not holds:
            self.broken.append(otherwise)

    def tell(self) -> int:
        """Print all, and return the exit code."""
        for what, count in self.counts.items():
            print(f"{count:>9,}  {what}")
        print(f"{len(self.broken):>9,}  laws broken")
        for words in self.broken[:_SHOWN]:
            print(f"           {words}")
        return 1 if self.broken else 0


class Onlooker:
    """A reader who comes anew each time, and notes in the findings what a store should never show.

    Parameters
    ----------
    folder
        The store's.
    findings
        Where it notes what it sees.
    """

    def __init__(self, folder: Path, findings: Findings) -> None:
        self.folder = folder
        self.findings = findings
        self._whole: set[str] = set()

    def look(self, when: str, *, there: Collection[str], maybe: Collection[str] | None = ()) -> None:
        """Look which snapshots are there, and read those whole that were not looked at before.

        Parameters
        ----------
        when
            In words, after what.
        there
            The snapshots that have to be there.
        maybe
            Those that may be there besides; None: any, as long as they are whole.
        """
        store, note = Store(self.folder), self.findings
        ids = set(store.ids())
        lost = set(there) - ids
        note.law(not lost, f"{when}: {len(lost)} acknowledged snapshots are lost")
        untold = set() if maybe is None else ids - set(there) - set(maybe)
        note.law(not untold, f"{when}: {len(untold)} snapshots are there that nobody was told of")
        problems = [*store.strays(), *store.verify(ids - self._whole)]
        note.law(not problems, f"{when}: {problems[:3]}")
        hurt = {problem.id for problem in problems}
        for snapshot_id in ids - self._whole - hurt:
            for name in store.manifest(snapshot_id)["files"]:
                store.read(snapshot_id, name)
            note.counts["snapshots verified and read whole"] += 1
        self._whole |= ids - hurt

    def look_anew(self, when: str, *, there: Collection[str], maybe: Collection[str] | None = ()) -> None:
        """Look as `look` does, and read every snapshot again."""
        self._whole.clear()
        self.look(when, there=there, maybe=maybe)


@contextmanager
def scratch(where: Path | None = None) -> Iterator[Path]:
    """Make a folder for a script, and remove it with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="custdyn-faults-", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def asked(about: str | None, count: int, what: str) -> argparse.Namespace:
    """Return what the command line asks for: `--count` and `--folder`."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=count, help=f"{what} (default: {count:,})")
    parser.add_argument("--folder", type=Path, help="on which disk (default: that of temporary files)")
    return parser.parse_args()
