"""A template notebook, and the check of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets.errors import QueryError, RunError, shown
from custdyn_widgets.files import load_jsonschema
from custdyn_widgets.notebook.parameters import (
    NAMES,
    asked,
    assigned_names,
    check_names,
    flat_parameters,
    literal_values,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

DEFAULT_TEMPLATE = "customer_dynamics.ipynb"


@dataclass(frozen=True)
class Template:
    """A template notebook as it is run: without outputs, and without parameters of an earlier run.

    Attributes
    ----------
    path
        Its file.
    notebook
        Its cells.
    parameters
        The names that its `parameters` cell sets, with the values of those that are literals.
    names
        All names that its `parameters` cell sets.
    """

    path: Path
    notebook: NotebookNode
    parameters: Mapping[str, object]
    names: tuple[str, ...]


def default_template() -> Path:
    """Return the template of the checkout that this package is in, or the one in the package."""
    package = Path(__file__).parents[1]
    beside = package.parent / "templates" / DEFAULT_TEMPLATE
    if (package.parent / "pyproject.toml").is_file() and beside.is_file():
        return beside
    return package / "templates" / DEFAULT_TEMPLATE


def read_template(path: Path) -> Template:
    """Read a template notebook.

    Raises
    ------
    RunError
        If there is no such file, it is not a notebook, or it has no cell tagged `parameters`.
    """
    load_jsonschema()
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise RunError(f"There is no template {shown(str(path))} to read ({error.strerror}).") from error
    except (ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise RunError(f"{path.name} is not a Jupyter notebook.") from error
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in tags_of(c)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    tagged = [c for c in notebook.cells if c.cell_type == "code" and "parameters" in tags_of(c)]
    if not tagged:
        raise RunError(
            f"{path.name} has no code cell tagged parameters. Add that tag to the cell that sets them."
        )
    return Template(path, notebook, literal_values(tagged[0].source), tuple(assigned_names(tagged[0].source)))


def check_parameters(template: Template, given: Mapping[str, object]) -> dict[str, object]:
    """Check parameters against a template, and return them as they are injected.

    Parameters
    ----------
    template
        Its own values stand for the parameters that are not given.
    given
        By name; `interval` may also be an object with start and end. A `source` that is a path becomes an
        absolute one, because the kernel starts in the template's folder.

    Raises
    ------
    QueryError, SavedQueryError
        If the template lacks a name, or the parameters together are not a query that can be asked.
    SourceError
        If the source is not there.
    """
    flat = flat_parameters(given)
    known = {*template.names}
    check_names((name for name in flat if not (name in NAMES and flat[name] is None)), known)
    for name, value in flat.items():
        _check_json(name, value)
    together = {**template.parameters, **flat}
    source = asked(together, flat)[1]
    from custdyn_widgets.mart import lasting  # late: most of a run needs no source

    flat["source"] = lasting(source)
    return {name: value for name, value in flat.items() if name in known}


def _check_json(name: str, value: object) -> None:
    """Refuse what papermill would inject as code, or could not send to a kernel."""
    if isinstance(value, list | tuple):
        for item in value:
            _check_json(name, item)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise QueryError.invalid(name, value, "has half a character") from None
    elif type(value) not in (int, float, bool, type(None)):
        raise QueryError.wrong_type(name, value, "text, a number, true, false, null or a list of them")


def tags_of(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", ()))
