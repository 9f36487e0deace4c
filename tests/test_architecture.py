"""Imports point one way, and the serving process stays light: the structure is a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "custdyn_widgets"

# From the ground up; a module may import from layers below its own and from its own package.
LAYERS = (
    ("errors", "schemas", "addresses"),
    ("settings", "snapshots", "extensions"),
    ("viewer",),
    ("query",),
    ("schedule",),
    ("intervals", "report", "saved_queries"),
    ("frames", "display", "runs"),
    ("mart",),
    ("selection",),
    ("cells",),
    ("conversion",),
    ("metrics",),
    ("lines",),
    ("reporting",),
    ("compute",),
    ("charts", "terminal", "progress_bar"),
    ("xlsx",),
    ("export", "page"),
    ("notebook_view",),
    ("staging", "secrecy"),
    ("freezing", "delivery"),
    ("notebook",),
    ("dispatching", "widgets"),
    ("query_options", "answering", "crontab"),
    ("queries_cli", "runs_cli", "snapshots_cli"),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Heavy packages, and the modules that may import them when they are imported themselves.
HEAVY = {
    "pandas": {"cells", "conversion", "frames", "lines", "metrics", "reporting"},
    "pyarrow": {"mart"},
    "altair": set(),
    "openpyxl": {"xlsx"},
    "papermill": set(),
    "nbconvert": set(),
    "nbformat": set(),
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "duckdb": set(),
    "vl_convert": set(),
    "tornado": {"viewer"},
    "jupyter_server": {"viewer"},
}


def _modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def _unit(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(tree: ast.AST) -> set[str]:
    """Return the units of the package that a module imports anywhere, late imports and typing included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("custdyn_widgets."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "custdyn_widgets":
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = _unit(path)
    assert own in LEVEL, f"give {own} a place among the layers"
    for other in _imported(ast.parse(path.read_text(encoding="utf-8"))) - {own, "__version__"}:
        if (own, other) in ALLOWED:
            continue
        assert LEVEL[other] < LEVEL[own], f"{own} imports {other}, which stands above it or beside it"


# A plain value that shows itself: the two late imports by which a report makes its own picture.
ALLOWED = {("report", "frames"), ("report", "notebook_view")}


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_late(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        for name in names:
            top = name.split(".")[0]
            assert top not in HEAVY or _unit(path) in HEAVY[top], f"{_unit(path)} imports {top} at once"


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_viewer_loads_no_source_no_driver_and_no_pandas() -> None:
    loaded = _loaded_by("import custdyn_widgets.viewer")
    assert not loaded & {"pandas", "numpy", "pyarrow", "altair", "sqlalchemy", "duckdb"}
    assert not {m for m in loaded if m.startswith(("custdyn_widgets.mart", "custdyn_widgets.compute"))}


def test_the_command_line_and_the_public_door_load_nothing_heavy() -> None:
    for statement in ("import custdyn_widgets", "import custdyn_widgets.cli"):
        assert not _loaded_by(statement) & (set(HEAVY) | {"numpy", "jinja2", "babel"})


def test_modules_and_functions_stay_small() -> None:
    for path in _modules():
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 360, f"{path.name} is more than one idea"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path.name}:{node.lineno} {node.name} does not fit a screen"
