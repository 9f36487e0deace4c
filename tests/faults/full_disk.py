"""Fill a disk with bytes and with files: publishing says so, leaves nothing half there, and goes on later.

The disk is a small tmpfs in a mount namespace of this script, which is gone with it. Where mounting is not
allowed, the namespace is one of a user too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from errno import ENOSPC
from pathlib import Path

from custdyn_widgets.errors import SnapshotError, SnapshotUnknownError
from custdyn_widgets.snapshots.store import Store

from .findings import Findings, Onlooker, scratch
from .publisher import MANIFEST, some_files

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SIZE = 512  # pages
_INODES = 200
_MOST = 80  # pages or inodes that a publishing needs, and more


class NoMountingError(Exception):
    """No disk can be mounted here; the message says what was tried."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=0, help="how many fillings of each kind; 0: all")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return fillings(options.inside, options.count).tell()
    with scratch() as folder:
        try:
            done = in_own_namespace("--count", str(options.count), "--inside", str(folder))
        except NoMountingError as error:
            print(error, file=sys.stderr)
            return 2
        return done.returncode


def in_own_namespace(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this script again where it may mount."""
    tried = []
    for options in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        unshare = ["unshare", *options]
        test = subprocess.run(
            [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True
        )
        if test.returncode == 0:
            return subprocess.run([*unshare, sys.executable, "-m", __spec__.name, *arguments], text=True)
        tried.append(f"{' '.join(unshare)}: {test.stderr.strip()}")
    raise NoMountingError(f"No disk can be mounted here, so none was filled. Tried: {'; '.join(tried)}")


def fillings(folder: Path, count: int) -> Findings:
    """Leave a disk one page more, and one inode more, each time, until a snapshot fits."""
    findings = Findings()
    for kind in ("pages", "inodes"):
        step = max(1, _MOST // count) if count else 1
        outcomes = [_filled(folder, kind, free, findings) for free in range(0, _MOST, step)]
        findings.counts[f"disks with too few {kind}"] = outcomes.count("not published")
        findings.law(outcomes[0] == "not published", f"a disk without {kind} took a snapshot")
        findings.law(outcomes[-1] == "published", f"{_MOST} {kind} took no snapshot")
    return findings


def _filled(folder: Path, kind: str, free: int, findings: Findings) -> str:
    """Publish on a disk that has so much left, and again after room is made."""
    size, inodes = _SIZE * _PAGE, _INODES
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}", "none", str(folder)], check=True
    )
    try:
        store = Store(folder / "store")
        said = [store.publish(MANIFEST, some_files(n)) for n in range(2)]
        _fill(folder / "ballast", kind, free)
        maybe: list[str] = []
        words = ""
        try:
            said.append(store.publish(MANIFEST, some_files(3)))
            outcome = "published"
        except SnapshotUnknownError as error:
            maybe, outcome, words = [error.snapshot_id], "unknown", error.message
        except SnapshotError as error:
            outcome, words = "not published", error.message
        when = f"{free} {kind} left"
        findings.counts[f"{kind}: {outcome}"] += 1
        findings.law(outcome == "published" or os.strerror(ENOSPC) in words, f"{when}: {words!r}")
        onlooker = Onlooker(store.folder, findings)
        onlooker.look(when, there=said, maybe=maybe)
        findings.law(not list((store.folder / "tmp").iterdir()), f"{when}: something is left in tmp/")
        _make_room(folder / "ballast")
        said.append(store.publish(MANIFEST, some_files(4)))
        onlooker.look_anew(f"{when}, then room made", there=said, maybe=maybe)
        findings.counts["snapshots published after room was made"] += 1
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    return outcome


def _fill(ballast: Path, kind: str, free: int) -> None:
    ballast.mkdir()
    place = os.statvfs(ballast)
    if kind == "inodes":
        for n in range(place.f_ffree - free):
            (ballast / str(n)).touch()
    else:
        with (ballast / "pages").open("wb") as file:
            file.write(bytes((place.f_bfree - free) * _PAGE))


def _make_room(ballast: Path) -> None:
    for file in ballast.iterdir():
        file.unlink()


if __name__ == "__main__":
    sys.exit(main())
