"""Reading a template notebook and checking parameters against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets.errors import QueryError, RunError, shown
from custdyn_widgets.files import load_jsonschema
from custdyn_widgets.notebook.parameters import (
    NAMES,
    assigned_names,
    check_names,
    flat_parameters,
    literal_values,
    parse_parameters,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

DEFAULT_TEMPLATE = "customer_dynamics.ipynb"


@dataclass(frozen=True)
class Template:
    """A template notebook without outputs and without the parameters of an earlier run.

    Attributes
    ----------
    path
        The notebook's file.
    notebook
        The notebook's cells.
    parameters
        The names that its `parameters` cell sets to literals, with their values.
    names
        All names that its `parameters` cell sets.
    """

    path: Path
    notebook: NotebookNode
    parameters: Mapping[str, object]
    names: tuple[str, ...]


def default_template() -> Path:
    """Return the template in the source checkout, or the one in the installed package."""
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
        If the file does not exist, is not a notebook, or has no cell tagged `parameters`.
    """
    load_jsonschema()
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise RunError(f"Cannot read the template {shown(str(path))}: {error.strerror}.") from error
    except (ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise RunError(f"{path.name} is not a Jupyter notebook.") from error
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in tags_of(c)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    tagged = [c for c in notebook.cells if c.cell_type == "code" and "parameters" in tags_of(c)]
    if not tagged:
        raise RunError(
            f"{path.name} has no code cell tagged parameters. Add the tag to the cell that sets them."
        )
    return Template(path, notebook, literal_values(tagged[0].source), tuple(assigned_names(tagged[0].source)))


def check_parameters(template: Template, given: Mapping[str, object]) -> dict[str, object]:
    """Check parameters against a template and return them ready for injection.

    Parameters
    ----------
    template
        The template, which contains the defaults.
    given
        The parameters by name; `interval` may be an object with start and end. If `source` is a path, it is
        made absolute, because the kernel starts in the template's folder.

    Raises
    ------
    QueryError, SavedQueryError
        If a parameter is not in the template, or the parameters are not a valid query.
    SourceError
        If the source does not exist.
    """
    flat = flat_parameters(given)
    known = {*template.names}
    check_names((name for name in flat if not (name in NAMES and flat[name] is None)), known)
    for name, value in flat.items():
        _check_json(name, value)
    together = {**template.parameters, **flat}
    source = parse_parameters(together, flat)[1]
    from custdyn_widgets.mart import absolute_source  # imported late: most steps of a run do not need it

    flat["source"] = absolute_source(source)
    return {name: value for name, value in flat.items() if name in known}


def _check_json(name: str, value: object) -> None:
    """Reject values that papermill would inject as code or that cannot be sent to a kernel."""
    if isinstance(value, list | tuple):
        for item in value:
            _check_json(name, item)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise QueryError.invalid(name, value, "contains an incomplete character") from None
    elif type(value) not in (int, float, bool, type(None)):
        raise QueryError.wrong_type(name, value, "text, a number, true, false, null or a list of these")


def tags_of(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", ()))
