"""A copy of the checkout in which a change is made, tested and taken back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .changes import Change
from .recording import Recording

PACKAGE = "custdyn_widgets"
NOT_FOR_MUTANTS = "not browser and not office and not spark and not slow"
_SECONDS = 300.0  # the tests of one change, as long as they took when they were recorded


class Outcome(Enum):
    """What the tests made of a change."""

    DIED = "died"
    SURVIVED = "survived"
    HUNG = "hung"


@dataclass(frozen=True)
class Mutant:
    """A change to a module, by its path below the checkout."""

    module: str
    change: Change

    def __str__(self) -> str:
        """Return where the change is and what it is."""
        return f"{self.module}:{self.change.line}: {self.change}"


def nearest_tests(root: Path, module: str) -> list[str]:
    """Return the tests that import a module, then those of its room, beginning with those named after it."""
    path = Path(module).relative_to(PACKAGE)
    room = root / "tests" / path.parts[0]
    if not room.is_dir():
        named = f"tests/test_{path.stem}.py"
        return [named] if (root / named).exists() else ["tests"]
    dotted = re.compile(rf"\b{re.escape('.'.join(Path(module).with_suffix('').parts))}\b")
    tests = sorted((root / "tests").rglob("test_*.py"))
    importing = [test for test in tests if dotted.search(test.read_text(encoding="utf-8"))]
    names = {path.stem, *path.parts[1:-1]}
    own = [test for test in tests if test.is_relative_to(room)]
    own.sort(key=lambda test: not any(name in test.stem for name in names))
    return [str(test.relative_to(root)) for test in dict.fromkeys([*importing, *own])]


class Checkout:
    """A copy of what git tracks, to change and to test.

    Parameters
    ----------
    root
        The checkout that is copied.
    folder
        Where the copy goes; it must not exist.
    tests
        What is run instead of the tests nearest to a module.
    timeout
        The seconds after which tests hang.
    recording
        Which tests run each line. Without it, the tests nearest to a module are run.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        tests: Sequence[str] = (),
        timeout: float = 300,
        recording: Recording | None = None,
    ) -> None:
        self.folder, self._tests, self._timeout, self._recording = folder, tests, timeout, recording
        self._written = 0
        for name in tracked_files(root):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target, follow_symlinks=False)

    def try_mutant(self, mutant: Mutant) -> Outcome:
        """Make the change, run the tests, and take it back."""
        path = self.folder / mutant.module
        source = path.read_bytes()
        try:
            tests = self._tests or self._tests_of(mutant, source)
            self._write(path, mutant.change.apply(source))
            return self._run_tests(tests)
        finally:
            self._write(path, source)

    def _write(self, path: Path, source: bytes) -> None:
        """Write a module, with a time of its own: compiled code is looked up by time and size."""
        path.write_bytes(source)
        self._written += 1
        os.utime(path, (self._written, self._written))

    def _tests_of(self, mutant: Mutant, source: bytes) -> list[str]:
        nearest = nearest_tests(self.folder, mutant.module)
        if self._recording is not None:
            tests = self._recording.tests(mutant.module, source, mutant.change.line)
            return self._recording.in_order(tests, nearest, _SECONDS) or nearest
        return nearest

    def _run_tests(self, tests: Sequence[str]) -> Outcome:
        options = ("-x", "-q", "-p", "no:cacheprovider", "-m", NOT_FOR_MUTANTS, "--no-header", "--tb=no")
        arguments = self.folder / "arguments"  # there may be more than a command line takes
        arguments.write_text("\n".join(tests), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, f"@{arguments}"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return Outcome.SURVIVED if process.wait(self._timeout) == 0 else Outcome.DIED
        except subprocess.TimeoutExpired:
            return Outcome.HUNG
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def tracked_files(root: Path) -> Iterable[str]:
    """Return the files that git tracks, and those that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    names = listed.stdout.decode().split("\0")
    return [name for name in names if name and (root / name).is_file()]


def changed_lines(root: Path, revision: str) -> dict[str, set[int]]:
    """Return the lines of each module that were added or changed since a revision."""
    diff = subprocess.run(
        ["git", "diff", "--unified=0", "--no-renames", revision, "--", PACKAGE],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    lines: dict[str, set[int]] = {}
    module = ""
    for line in diff.stdout.splitlines():
        if line.startswith("+++ "):
            module = line.removeprefix("+++ b/")
        elif line.startswith("@@"):
            first, _, count = line.split()[2].removeprefix("+").partition(",")
            lines.setdefault(module, set()).update(range(int(first), int(first) + int(count or 1)))
    return lines
