"""Record which tests run each line of the package, so that a change is tried by those tests only.

The functions named `pytest_…` make this module a plugin of pytest; it runs in every process that runs tests.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import coverage
import pytest

TEST = "CUSTDYN_MUTANTS_TEST"  # subprocesses of a test record their lines under this name

_CONFIGURATION = """\
[run]
source_pkgs = custdyn_widgets
data_file = {folder}/lines
relative_files = true
parallel = true
context = ${{{test}-}}
disable_warnings = no-data-collected,module-not-imported,module-not-measured
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Record the lines that a test and its subprocesses run under the test's name."""
    os.environ[TEST] = item.nodeid
    recorder = coverage.Coverage.current()
    if recorder is not None:
        recorder.switch_context(item.nodeid)
    yield


def record(checkout: Path, folder: Path, options: Sequence[str]) -> None:
    """Run the tests of a checkout once, and write what each runs into a folder.

    Parameters
    ----------
    checkout
        The checkout whose tests are run.
    folder
        An empty folder for the recording.
    options
        The options of pytest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    configuration = folder / "coverage.ini"
    configuration.write_text(_CONFIGURATION.format(folder=folder, test=TEST), encoding="utf-8")
    own = ("-q", "-p", "no:cacheprovider", "-p", __name__, f"--junit-xml={folder}/times.xml")
    subprocess.run(
        [sys.executable, "-m", "pytest", *own, *options],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "COVERAGE_PROCESS_START": str(configuration)},
        check=False,  # tests that measure what a process imports fail while it is recorded
    )
    recorder = coverage.Coverage(config_file=str(configuration))
    recorder.combine([str(folder)])
    recorder.save()
    package = checkout.glob("custdyn_widgets/**/*.py")
    hashes = {str(module.relative_to(checkout)): _hash(module.read_bytes()) for module in package}
    (folder / "hashes.json").write_text(json.dumps(hashes), encoding="utf-8")


@dataclass(frozen=True)
class Recording:
    """The tests that run each line of the package, and the seconds that each test takes.

    Attributes
    ----------
    lines
        For each module, its lines; for each line, the tests that run it ("" if it runs before them, when the
        module is imported).
    hashes
        The hash of each module's source when it was recorded.
    seconds
        The seconds of each test.
    """

    lines: Mapping[str, Mapping[int, frozenset[str]]]
    hashes: Mapping[str, str]
    seconds: Mapping[str, float]

    @classmethod
    def read(cls, folder: Path) -> Recording:
        """Read what `record` has written."""
        data = coverage.CoverageData(str(folder / "lines"))
        data.read()
        lines = {}
        for name in data.measured_files():
            module = name[name.index("custdyn_widgets/") :]
            lines[module] = {line: frozenset(tests) for line, tests in data.contexts_by_lineno(name).items()}
        hashes = json.loads((folder / "hashes.json").read_text(encoding="utf-8"))
        return cls(lines, hashes, _seconds(folder / "times.xml"))

    def tests(self, module: str, source: bytes, line: int) -> frozenset[str]:
        """Return the tests that run the statement of a line.

        If the line runs when the module is imported, or the module has changed since, these are the tests
        that run any line of the module. There are none if the line runs only in subprocesses that are killed.
        """
        lines = self.lines.get(module, {})
        if self.hashes.get(module) == _hash(source):
            found = _union(lines.get(n, frozenset()) for n in _statement(source, line))
            if "" not in found:
                return found
        return _union(lines.values()) - {""}

    def in_order(self, tests: frozenset[str], first: list[str], seconds: float) -> list[str]:
        """Order tests so that they fail soon, file by file, and keep those that fit into some seconds.

        Parameters
        ----------
        tests
            The tests to choose from.
        first
            The files whose tests come first, in this order; the others follow, the quickest first.
        seconds
            The time that the tests may take together. The first file is kept whatever it takes.
        """
        by_file: defaultdict[str, list[str]] = defaultdict(list)
        for test in sorted(tests & self.seconds.keys(), key=self.seconds.__getitem__):
            by_file[test.partition("::")[0]].append(test)
        rank = {name: n for n, name in enumerate(first)}

        def cost(name: str) -> float:
            return sum(self.seconds[test] for test in by_file[name])

        chosen: list[str] = []
        for name in sorted(by_file, key=lambda name: (rank.get(name, len(rank)), cost(name))):
            for test in by_file[name]:
                if seconds < self.seconds[test] and chosen:
                    continue
                chosen.append(test)
                seconds -= self.seconds[test]
        return chosen


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*sets)


def _hash(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _seconds(times: Path) -> dict[str, float]:
    """Return the seconds of each test that passed."""
    found = {}
    for case in ElementTree.parse(times).iter("testcase"):
        if case.find("failure") is None and case.find("error") is None:
            file = case.get("classname", "").replace(".", "/") + ".py"
            found[f"{file}::{case.get('name')}"] = float(case.get("time", "0"))
    return found


def _statement(source: bytes, line: int) -> range:
    """Return the lines of the smallest statement that contains a line, without the statements in it."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            inner = getattr(node, "body", None)
            end = inner[0].lineno - 1 if inner else node.end_lineno or node.lineno
            if line <= end:
                found = range(node.lineno, end + 1)
    return found
