"""The structure is a test: rooms stand on floors, have doors, and import heavy packages late."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "custdyn_widgets"

# From the ground up. A room imports from floors below its own, never from beside or above.
FLOORS = (
    ("errors", "text"),
    ("settings", "progress"),
    ("files",),
    ("query", "snapshots"),
    ("report", "viewer"),
    ("render", "mart", "saved_queries"),
    ("engine", "publish"),
    ("notebook", "mail"),
    ("scheduling", "widgets", "agents", "nbconvert_exporter", "scheduler_formats"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Heavy packages, and the rooms that may import them when they are imported themselves.
HEAVY = {
    "pandas": {"report"},
    "pyarrow": {"mart"},
    "altair": set(),
    "openpyxl": {"render"},
    "papermill": set(),
    "nbconvert": {"nbconvert_exporter"},
    "nbformat": set(),
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "duckdb": set(),
    "numba": {"engine"},
    "pyspark": set(),
    "weasyprint": set(),
    "cryptography": set(),
    "mcp": set(),
    "sqlalchemy": set(),
    "psycopg": set(),
    "pymysql": set(),
    "vl_convert": set(),
    "tornado": {"viewer"},
    "jupyter_server": {"viewer"},
}
# Taken by name: the console script, and what a kernel runs before it is ready.
ENTRANCES = {"main", "start_engine"}
LONGEST_MODULE, LONGEST_FUNCTION = 300, 50


def _modules() -> list[Path]:
    # The public door, its old address, and the command as a module.
    front = {PACKAGE / name for name in ("__init__.py", "charts.py", "__main__.py")}
    return sorted(p for p in PACKAGE.rglob("*.py") if p not in front)


def _name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imported(path: Path) -> Sequence[tuple[str, list[str]]]:
    """Return the modules of the package that a module imports from, late and for types too, and the names."""
    found = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert not alias.name.startswith("custdyn_widgets"), f"write from … import …: {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write the whole name of the module"
            first, _, module = (node.module or "").partition(".")
            if first == "custdyn_widgets":
                found.append((module, [alias.name for alias in node.names]))
    return found


def _rooms_and_names(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield room, module within it (empty: the door) and names of each import from another room."""
    for module, names in _imported(path):
        room, _, inside = module.partition(".")
        if room == "":
            for name in names:
                if name != "__version__":
                    yield name, "", []
        elif room != _room(path):
            yield room, inside, names


def _exported(room: str) -> set[str]:
    """Return what a room's door offers."""
    if (module := PACKAGE / f"{room}.py").exists():
        return {
            target.id if isinstance(target, ast.Name) else getattr(node, "name", "")
            for node in _tree(module).body
            for target in getattr(node, "targets", [getattr(node, "target", None)])
        }
    stub = PACKAGE / room / "__init__.pyi"
    door = stub if stub.exists() else stub.with_suffix(".py")
    (names,) = (
        ast.literal_eval(node.value)
        for node in _tree(door).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return set(names)


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_imports_lead_down(path: Path) -> None:
    assert _room(path) in FLOOR, f"give {_room(path)} a floor"
    for room, _, _ in _rooms_and_names(path):
        assert FLOOR[room] < FLOOR[_room(path)], f"{_name(path)} imports {room}, which is not below it"


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_rooms_are_entered_by_their_doors(path: Path) -> None:
    for room, inside, names in _rooms_and_names(path):
        assert not inside, f"{_name(path)} reaches past the door of {room}, into {inside}"
        missing = set(names) - _exported(room)
        assert not missing, f"the door of {room} does not offer {missing}"


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_doors_offer_nothing_that_nobody_takes(room: str) -> None:
    if not (PACKAGE / room).is_dir():
        return
    taken = {
        name
        for path in (*_modules(), PACKAGE / "charts.py")
        for other, _, names in (*_rooms_and_names(path),)
        if other == room
        for name in names
    }
    public = {
        alias.name
        for node in _tree(PACKAGE / "__init__.pyi").body
        if isinstance(node, ast.ImportFrom) and node.module == room
        for alias in node.names
    }
    whole = any(room in names for path in _modules() for module, names in _imported(path) if not module)
    unused = _exported(room) - taken - public - ENTRANCES
    assert whole or not unused, f"the door of {room} offers what nobody takes: {sorted(unused)}"


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_heavy_packages_are_imported_late(path: Path) -> None:
    for node in _tree(path).body:
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        for name in names:
            top = name.split(".")[0]
            assert top not in HEAVY or _room(path) in HEAVY[top], f"{_name(path)} imports {top} at once"


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_viewer_loads_no_source_no_driver_and_no_pandas() -> None:
    loaded = _loaded_by("from custdyn_widgets.viewer import serve")
    assert not loaded & {"pandas", "numpy", "pyarrow", "altair", "sqlalchemy", "duckdb"}
    assert not {m for m in loaded if m.startswith(("custdyn_widgets.mart", "custdyn_widgets.engine"))}


def test_a_report_can_be_asked_for_before_pandas_is_loaded() -> None:
    assert "pandas" not in _loaded_by("from custdyn_widgets import ReportQuery, run_report")


def test_the_command_line_and_the_public_door_load_nothing_heavy() -> None:
    commands = "; ".join(f"import {_dotted(path)}" for path in sorted((PACKAGE / "cli").glob("*.py")))
    for statement in ("import custdyn_widgets", commands):
        assert not _loaded_by(statement) & (set(HEAVY) | {"numpy", "jinja2", "babel"})


def test_every_name_of_every_door_is_there() -> None:
    rooms = [room for room in FLOOR if (PACKAGE / room).is_dir()]
    _loaded_by("; ".join(f"from custdyn_widgets.{room} import *" for room in rooms))


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_modules_and_functions_stay_small(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= LONGEST_MODULE, "it is more than one idea"
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"line {node.lineno}: {node.name} does not fit a screen"
