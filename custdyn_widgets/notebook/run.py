"""A template notebook to a snapshot: what `custdyn run` does.

The parameters are checked before a kernel starts. The notebook leaves its report in a staging folder as
its last act; only then the page is drawn here, with the author's cells in their place, and one snapshot is
published. A run that fails, hangs, is killed or never reaches its end publishes nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets import errors
from custdyn_widgets.errors import CustDynError, QueryError, RunError, shown
from custdyn_widgets.freezing import Frozen, prepare, publish
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.notebook.kernel import NotebookExecution, OutOfTime
from custdyn_widgets.notebook.parameters import (
    NAMES,
    assigned_names,
    check_names,
    flat_parameters,
    literal_values,
    query_from_parameters,
)
from custdyn_widgets.schemas import load_jsonschema
from custdyn_widgets.settings import Settings
from custdyn_widgets.staging import Staging

if TYPE_CHECKING:
    from nbformat import NotebookNode

DEFAULT_TEMPLATE = "customer_dynamics.ipynb"
_NOTHING = "Nothing was published."
_IN_LAB = "Open the notebook in JupyterLab with the same parameters to see more."


def _silent(line: str) -> None:
    """Say nothing."""


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
    """Return the template of the checkout that this package stands in, or the one the package carries."""
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
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in _tags(c)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    tagged = [c for c in notebook.cells if c.cell_type == "code" and "parameters" in _tags(c)]
    if not tagged:
        raise RunError(
            f"{path.name} has no code cell tagged parameters. Give the cell that holds them that tag."
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
    QueryError
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
    query_from_parameters(together)
    from custdyn_widgets.mart.sources import lasting  # late: most of a run needs no source

    flat["source"] = lasting(str(together["source"]))
    return {name: value for name, value in flat.items() if name in known}


def run_template(
    template: Path | None,
    parameters: Mapping[str, object],
    *,
    settings: Settings,
    timeout_s: float | None = None,
    progress: Callable[[str], None] = _silent,
) -> Frozen:
    """Run a template notebook and publish its report as one snapshot.

    Parameters
    ----------
    template
        A notebook with a cell tagged `parameters` and `freeze(report)` as its last cell; None: the
        default one.
    parameters
        The query's fields, `source` and `as_of`, by name, and parameters of the template's own.
    settings
        Handed to the kernel as absolute values; the snapshot goes to their store.
    timeout_s
        Seconds of wall time that the notebook may take; None: no limit.
    progress
        Called with a line of text for each step, from another thread while the notebook runs.

    Raises
    ------
    QueryError, SourceError
        If the parameters are not a query that the template can be asked; no kernel was started.
    RunError
        If the notebook failed, was killed, ran out of time, or did not freeze one report.
    """
    chosen = read_template(template or default_template())
    injected = check_parameters(chosen, parameters)
    with tempfile.TemporaryDirectory(prefix="custdyn-run-") as private:
        staging = Staging.new(Path(private))
        executed = _execute(chosen, injected, settings, staging, timeout_s, progress)
        try:
            report, drawn = staging.take()
        except RunError as error:
            raise RunError(f"{chosen.path.name}: {error.message} {_NOTHING}") from error
    progress("Drawing the page and publishing")
    return publish(report, settings, sections=author_sections(executed), drawn=drawn)


def _execute(
    template: Template,
    parameters: Mapping[str, object],
    settings: Settings,
    staging: Staging,
    timeout_s: float | None,
    progress: Callable[[str], None],
) -> NotebookNode:
    """Run the notebook's cells; every way in which that fails becomes a RunError that says where."""
    name = template.path.name
    place = _Place(name, sum(c.cell_type == "code" for c in template.notebook.cells), progress)
    execution = NotebookExecution(
        template.notebook,
        parameters,
        environment={**os.environ, **settings.environment(), **staging.environment()},
        folder=template.path.parent.absolute(),
        private=staging.folder,
        on_cell=place.enter,
        meanwhile=_get_ready,
    )
    progress(f"Running {name}")
    try:
        executed = execution.run(timeout_s)
    except OutOfTime:
        told = f"{place} was still running after {timeout_s:g} seconds and was ended. {_NOTHING} "
        raise RunError(told + "Allow it more time, or ask for a shorter interval.") from None
    except Exception as error:
        raise _run_error(error, place) from None
    if not place.is_last:  # papermill takes sys.exit() for a good end
        raise RunError(
            f"{place} ended the notebook before its last cell. {_NOTHING} "
            "Take out what ends it (sys.exit, quit), or let it raise an error."
        )
    return executed


def _get_ready() -> None:
    """Load, while the notebook runs, what its page needs afterwards."""
    import bleach  # noqa: F401
    import mistune  # noqa: F401

    prepare()


class _Place:
    """Where a run is: which of the notebook's code cells."""

    def __init__(self, name: str, total: int, progress: Callable[[str], None]) -> None:
        self._name = name
        self._total = total
        self._progress = progress
        self._number = 0

    def enter(self, cell: NotebookNode) -> None:
        """Count a cell that starts, unless it is papermill's and not the template's own."""
        if cell.cell_type == "code" and "injected-parameters" not in _tags(cell):
            self._number += 1
            self._progress(f"Code cell {self._number} of {self._total}")

    @property
    def is_last(self) -> bool:
        """Whether the last of the code cells has started."""
        return self._number >= self._total

    def __str__(self) -> str:
        where = f"Code cell {self._number} of {self._total}" if self._number else "The start"
        return f"{where} of {self._name}"


def _run_error(error: Exception, place: _Place) -> RunError:
    """Return the error in words, without the cell's code and without a message that might hold a secret."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        if error.ename in _OWN_ERRORS:
            return RunError(f"{place} failed: {error.evalue} {_NOTHING}")
        hidden = "Its message is not repeated here, because it may hold what only its author may see."
        return RunError(f"{place} failed with {shown_name(error.ename)}. {hidden} {_NOTHING} {_IN_LAB}")
    if isinstance(error, DeadKernelError):
        return RunError(
            f"{place} was running when the kernel died: memory ran out, or something killed it. "
            f"{_NOTHING} Look at what the cell needs, or ask for a shorter interval."
        )
    return RunError(f"{place} could not be run ({type(error).__name__}). {_NOTHING} {_IN_LAB}")


_OWN_ERRORS = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, CustDynError)
)


def shown_name(name: str) -> str:
    """Return an exception's name if it is one, so that nothing else passes for it."""
    return name if name.isidentifier() and len(name) <= 60 else "an error"


def _check_json(name: str, value: object) -> None:
    """Refuse what papermill would inject as code, or could not send to a kernel."""
    if isinstance(value, list | tuple):
        for item in value:
            _check_json(name, item)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise QueryError.invalid(name, value, "holds half a character") from None
    elif type(value) not in (int, float, bool, type(None)):
        raise QueryError.wrong_type(name, value, "text, a number, true, false, null or a list of them")


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", ()))
