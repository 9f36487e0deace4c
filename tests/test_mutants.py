"""The mutation tool finds each kind of change, and knows what tests notice from what they miss."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.mutants import recording as recording_module
from tests.mutants.__main__ import EQUIVALENT, summary
from tests.mutants.changes import changes_of
from tests.mutants.recording import Recording, record
from tests.mutants.trial import Checkout, Mutant, Outcome, changed_lines, nearest_tests

MODULE = "custdyn_widgets/sums/sums.py"
SOURCE = "def larger(a, b):\n    return a if a > b else b\n\n\ndef untested(a):\n    return a + 1\n"
TEST = "from custdyn_widgets.sums.sums import larger\n\n\ndef test_it():\n    assert larger(1, 2) == 2\n"


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("x = a < b", ["< → <=", "< → >"]),
        ("x = a not in b", ["not in → in"]),
        ("x = (a) == (  b)", ["== → !="]),
        ("x = a and b or c", ["and → or", "or → and"]),
        ("x = a + b * c", ["+ → -", "* → //"]),
        ("x = not a", ["not a → (a)"]),
        ("if a:\n    pass", ["a → (not (a))"]),
        ("x: int = 3", ["3 → (3 + 1)"]),
        ("x = True", ["True → False"]),
        ("def f(a: 'x' = 1):\n    '''Say 1 + 1.'''\n    raise a", ["1 → (1 + 1)", "raise a → pass"]),
        ("def f():\n    return a", ["return a → return None"]),
        ("a.update(b)", ["a.update(b) → pass"]),
        ("x += y", ["x += y → pass"]),
        ("x = f'{1 + 1}'", []),
        ("@dataclass(frozen=True, order=True)\nclass X:\n    pass", ["True → False"]),
        ("x = [*zip(a, b, strict=True), *zip(a, b, strict=False)]", ["False → True"]),
        ("x = path.resolve(strict=True)", ["True → False"]),
        ("if TYPE_CHECKING:\n    x = 1", []),
        ("x = 'є' if a else b", ["a → (not (a))"]),
        ("x = 'є' + a  # - b", ["+ → -"]),
    ],
)
def test_the_changes_of_a_piece_of_code(source: str, changes: list[str]) -> None:
    found = changes_of(source.encode())
    assert [str(change) for change in found] == changes
    for change in found:
        compile(change.apply(source.encode()), "changed", "exec")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name, text in {
        "custdyn_widgets/__init__.py": "",
        "custdyn_widgets/sums/__init__.py": "",
        MODULE: SOURCE,
        "tests/sums/test_others.py": TEST,
        "tests/sums/test_sums.py": TEST,
        "pyproject.toml": '[tool.pytest.ini_options]\nmarkers = ["browser", "office", "slow"]\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "--quiet", "-m", "x")
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


def test_a_change_dies_or_survives_and_is_taken_back(root: Path, tmp_path: Path) -> None:
    checkout = Checkout(root, tmp_path / "copy")
    outcomes = {
        str(change): checkout.try_mutant(Mutant(MODULE, change)) for change in changes_of(SOURCE.encode())
    }
    assert outcomes["> → <"] is Outcome.DIED
    assert outcomes["> → >="] is Outcome.SURVIVED
    assert outcomes["+ → -"] is Outcome.SURVIVED
    assert (checkout.folder / MODULE).read_text(encoding="utf-8") == SOURCE
    assert (root / MODULE).read_text(encoding="utf-8") == SOURCE


def test_tests_that_never_end_are_stopped(root: Path, tmp_path: Path) -> None:
    (root / "tests/sums/test_sums.py").write_text("import time\n\n\ndef test_it():\n    time.sleep(99)\n")
    checkout = Checkout(root, tmp_path / "copy", ["tests/sums/test_sums.py"], timeout=2)
    assert checkout.try_mutant(Mutant(MODULE, changes_of(SOURCE.encode())[0])) is Outcome.HUNG


def test_the_tests_that_import_a_module_come_first_then_those_named_after_it(root: Path) -> None:
    for name, text in {
        "tests/other/test_import.py": TEST,
        "tests/other/test_longer.py": "import custdyn_widgets.sums.sums_of_sums",
        "tests/sums/test_a.py": "",
        "tests/sums/test_sums.py": "",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    assert nearest_tests(root, MODULE) == [
        "tests/other/test_import.py",
        "tests/sums/test_others.py",
        "tests/sums/test_sums.py",
        "tests/sums/test_a.py",
    ]


IN_A_PROCESS = """\
import subprocess
import sys


def test_it():
    subprocess.run([sys.executable, "-c", "import custdyn_widgets.sums.sums as s; s.untested(1)"], check=True)
"""


@pytest.fixture
def recording(root: Path, tmp_path: Path) -> Recording:
    (root / "tests/sums/test_process.py").write_text(IN_A_PROCESS)
    (root / "tests/mutants").mkdir()
    (root / "tests/__init__.py").touch()
    shutil.copy(recording_module.__file__, root / "tests/mutants")
    record(root, tmp_path / "recording", ["-m", "not slow"])
    return Recording.read(tmp_path / "recording")


def test_a_recording_says_which_tests_run_a_line_here_and_in_a_subprocess(recording: Recording) -> None:
    source = SOURCE.encode()
    here = {"tests/sums/test_others.py::test_it", "tests/sums/test_sums.py::test_it"}
    elsewhere = {"tests/sums/test_process.py::test_it"}
    assert recording.tests(MODULE, source, 2) == here
    assert recording.tests(MODULE, source, 6) == elsewhere
    assert recording.tests(MODULE, source, 1) == here | elsewhere  # runs when the module is imported
    assert recording.tests(MODULE, source + b"\n", 6) == here | elsewhere  # the module has changed since
    assert recording.seconds.keys() == here | elsewhere


def test_a_change_is_tried_by_the_tests_that_run_its_line(
    root: Path, tmp_path: Path, recording: Recording
) -> None:
    (root / "tests/sums/test_others.py").write_text("def test_it():\n    assert False\n")
    checkout = Checkout(root, tmp_path / "copy", recording=recording)
    *_, after = changes_of(SOURCE.encode())
    assert checkout.try_mutant(Mutant(MODULE, after)) is Outcome.SURVIVED  # only the subprocess runs its line


def test_tests_that_import_the_module_come_first_then_the_quickest() -> None:
    seconds = {"a.py::x": 5.0, "a.py::y": 1.0, "b.py::x": 3.0, "c.py::x": 0.5, "c.py::y": 0.5, "d.py::x": 9.0}
    recording = Recording({}, {}, seconds)
    tests = frozenset(seconds) - {"c.py::y"}
    assert recording.in_order(tests, ["b.py"], 100) == ["b.py::x", "c.py::x", "a.py::y", "a.py::x", "d.py::x"]
    assert recording.in_order(tests, ["b.py"], 5) == ["b.py::x", "c.py::x", "a.py::y"]
    assert recording.in_order(tests, ["d.py"], 1) == ["d.py::x"]


def test_the_lines_that_a_revision_did_not_have(root: Path) -> None:
    (root / MODULE).write_text(SOURCE.replace("a + 1", "a + 2") + "\n\nx = 1\n", encoding="utf-8")
    assert changed_lines(root, "HEAD") == {MODULE: {6, 7, 8, 9}}


def test_only_changes_that_made_a_test_fail_count_as_noticed() -> None:
    mutants = [Mutant(MODULE, change) for change in changes_of(b"x = a < b\ny = a == b")]
    share, lines = summary(list(zip(mutants, [Outcome.DIED, Outcome.SURVIVED, Outcome.HUNG], strict=True)))
    assert round(share) == 33
    assert lines == [
        "1 of 3 changes were noticed (33.3 %)",
        f"survived  {MODULE}:1: < → >",
        f"hung      {MODULE}:2: == → !=",
    ]


def test_each_change_that_is_listed_as_equivalent_is_one_that_would_be_tried() -> None:
    root = EQUIVALENT.parents[2]
    for entry in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]:
        source = (root / entry["module"]).read_bytes()
        lines = source.decode().splitlines()
        tried = {(lines[change.line - 1].strip(), str(change)) for change in changes_of(source)}
        assert (entry["line"], entry["change"]) in tried, entry
        assert entry["why"]
