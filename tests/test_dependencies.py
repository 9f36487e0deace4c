"""What the package imports by name it depends on by name, and every dependency has a tested version."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name != "test"}
DECLARED = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]
MAY_BE_ABSENT = {"rfc3987_syntax"}  # looked for before it is imported


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normalized(match[0]) for line in requirements if (match := re.match(r"[A-Za-z0-9._-]+", line))}


def imported(path: Path) -> set[str]:
    """Return the top-level modules that a file imports anywhere, its imports for typing included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"custdyn_widgets"}


def test_what_is_imported_is_declared() -> None:
    providers = packages_distributions()
    modules = set().union(*map(imported, (ROOT / "custdyn_widgets").rglob("*.py"))) - MAY_BE_ABSENT
    assert {"numpy", "pandas", "tornado"} <= modules
    for module in sorted(modules):
        assert {normalized(name) for name in providers[module]} & names(DECLARED), f"{module} is not declared"


def test_every_dependency_has_a_tested_version() -> None:
    tested = names((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    assert names(DECLARED) <= tested


def test_the_lowest_versions_are_the_floors() -> None:
    """`make lowest` tests the versions that `pyproject.toml` promises, and no others."""
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    lowest = {normalized(name): version for name, version in (line.split("==") for line in lines)}
    assert set(lowest) == names(DECLARED)
    for line in DECLARED:
        name, _, bounds = line.replace("[binary]", "").partition(">=")
        floor, tested = bounds.partition(",")[0], lowest[normalized(name)]
        assert f"{tested}.".startswith(f"{floor}."), f"{line} is tested with {tested}"
