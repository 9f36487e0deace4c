"""Change stored snapshots in every way that a disk or a person may: `verify` finds each change.

The first, the last and random bytes of every file are flipped; files and folders are added, removed, renamed,
exchanged, cut short, made longer and replaced by links.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from custdyn_widgets.publish.freezing import manifest_of, report_files
from custdyn_widgets.snapshots.store import Store
from tests.make_report import make_report

from .findings import Findings, asked, scratch

ASIDE = "aside"


def main() -> int:
    options = asked(__doc__, 1_000, "how many random bytes of each file")
    with scratch(options.folder) as folder:
        return every_change(folder / "store", options.count).tell()


def every_change(folder: Path, count: int, seed: int = 1) -> Findings:
    """Change a snapshot of a report, one change at a time, and look whether it is found."""
    findings = Findings()
    store = Store(folder)
    report = make_report(12)
    files = report_files(report)
    hurt = store.publish(manifest_of(report, files), files)
    store.publish(manifest_of(report, files), files)  # a sound one, which is never to be blamed
    for file in sorted(store.place(hurt).iterdir()):
        _flips(store, hurt, file, count, findings, random.Random(f"{seed} {file.name}"))
        for words, change in CHANGES.items():
            _changed(store, hurt, file.name, f"{file.name} {words}", change, findings)
    for words, change in FOLDER_CHANGES.items():
        _changed(store, hurt, "", f"the folder {words}", change, findings)
    findings.law(not store.verify(), "not every byte was put back: the script itself is at fault")
    return findings


def _flips(store: Store, hurt: str, file: Path, count: int, findings: Findings, draw: random.Random) -> None:
    whole = file.read_bytes()
    places = [0, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(count))]
    with file.open("r+b") as opened:
        for at in places:
            flipped = whole[at] ^ draw.randrange(1, 256)
            os.pwrite(opened.fileno(), bytes([flipped]), at)
            found = store.verify([hurt])
            findings.counts["bytes flipped"] += 1
            findings.law([p.file for p in found] == [file.name], f"byte {at} of {file.name}: {found}")
            os.pwrite(opened.fileno(), whole[at : at + 1], at)


def _changed(
    store: Store, hurt: str, name: str, words: str, change: Callable[[Path], object], findings: Findings
) -> None:
    """Make a change to a copy of the store, and look whether it is found there."""
    copy = Store(store.folder.with_name("changed"))
    shutil.copytree(store.folder, copy.folder)
    try:
        change(copy.place(hurt) / name)
        by_id, all_found = copy.verify([hurt]), copy.verify()
    finally:
        shutil.rmtree(copy.folder)
        shutil.rmtree(copy.folder.with_name(ASIDE), ignore_errors=True)
    findings.counts["files changed otherwise" if name else "folders changed"] += 1
    beside = words.startswith("the folder joined")  # the snapshot itself is as it was
    findings.law(bool(by_id) != beside, f"{words}: asked for by its id, {by_id}")
    # Like a pruned one, a whole snapshot that is gone can be missed only by who knows its id.
    findings.law(bool(all_found) or words == "the folder removed", f"{words}: nothing was found")
    blamed = {problem.id for problem in all_found} - {hurt, "", _other(hurt)}
    findings.law(not blamed, f"{words}: a sound snapshot was blamed")


def _replaced(file: Path, data: bytes) -> None:
    file.unlink()
    file.write_bytes(data)


def _moved_aside(path: Path, link: Callable[[Path, Path], object] | None = None) -> None:
    """Move a file or folder out of the store, and make a link to it in its place."""
    aside = next(above for above in path.parents if above.name == "v1").parent.with_name(ASIDE)
    aside.mkdir()
    path.rename(aside / path.name)
    if link:
        link(path, aside / path.name)


def _other(snapshot_id: str) -> str:
    """Return an id on the same shelf that nothing was ever published by."""
    return snapshot_id[:2] + "a" * 50


def _another(file: Path) -> Path:
    """Return another file of the folder, of other content."""
    own = file.read_bytes()
    return next(f for f in sorted(file.parent.iterdir()) if f.read_bytes() != own)


CHANGES: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "renamed": lambda f: f.rename(f.with_name("renamed.bin")),
    "renamed in capitals": lambda f: f.rename(f.with_name(f.name.upper())),
    "emptied": lambda f: _replaced(f, b""),
    "cut short by a byte": lambda f: _replaced(f, f.read_bytes()[:-1]),
    "cut in half": lambda f: _replaced(f, f.read_bytes()[: f.stat().st_size // 2]),
    "made longer by a byte": lambda f: _replaced(f, f.read_bytes() + b"\n"),
    "made longer by a hole": lambda f: os.truncate(f, f.stat().st_size + 4096),
    "zeroed": lambda f: _replaced(f, bytes(f.stat().st_size)),
    "replaced by another": lambda f: _replaced(f, _another(f).read_bytes()),
    "a symbolic link": lambda f: _moved_aside(f, Path.symlink_to),
    "a link to nothing": lambda f: (f.unlink(), f.symlink_to("nothing")),
    "a link to itself": lambda f: (f.unlink(), f.symlink_to(f.name)),
    "a second name": lambda f: _moved_aside(f, Path.hardlink_to),
    "a folder": lambda f: (f.unlink(), f.mkdir()),
    "a pipe": lambda f: (f.unlink(), os.mkfifo(f)),
    "joined by another": lambda f: f.with_name("another.html").write_bytes(f.read_bytes()),
    "joined by a hidden one": lambda f: f.with_name(f".{f.name}").write_bytes(b""),
    "joined by a folder": lambda f: f.with_name("another").mkdir(),
    "joined by a link": lambda f: f.with_name("another.html").symlink_to(f.name),
}

FOLDER_CHANGES: dict[str, Callable[[Path], object]] = {
    "removed": _moved_aside,
    "renamed to another id": lambda f: f.rename(f.with_name(_other(f.name))),
    "renamed to no id": lambda f: f.rename(f.with_name(f"{f.name}.bak")),
    "moved to a wrong shelf": lambda f: f.rename(f.parents[1] / f.name),
    "a symbolic link": lambda f: _moved_aside(f, Path.symlink_to),
    "emptied": lambda f: [file.unlink() for file in f.iterdir()],
    "replaced by a file": lambda f: (_moved_aside(f), f.write_bytes(b"")),
    "joined by a copy under another id": lambda f: shutil.copytree(f, f.with_name(_other(f.name))),
    "joined by a file": lambda f: f.with_name("note.txt").write_bytes(b""),
}


if __name__ == "__main__":
    sys.exit(main())
