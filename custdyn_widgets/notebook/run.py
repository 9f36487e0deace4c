"""A template notebook to a snapshot: what `custdyn run` does.

The parameters are checked before a kernel starts. The notebook leaves its report in a staging folder as
its last act; only then the page is drawn here, with the author's cells in their place, and one snapshot is
published. A run that fails, hangs, is killed or never reaches its end publishes nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets import errors
from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.notebook.kernel import NotebookExecution, OutOfTime
from custdyn_widgets.notebook.template import (
    Template,
    check_parameters,
    default_template,
    read_template,
    tags_of,
)
from custdyn_widgets.publish import Frozen, Staging, prepare, publish
from custdyn_widgets.settings import Settings

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from custdyn_widgets.render import Section
    from custdyn_widgets.report import Report

_NOTHING = "Nothing was published."
_NOT_FOR_KERNELS = ("CUSTDYN_SMTP_USER", "CUSTDYN_SMTP_PASSWORD")
_IN_LAB = "Open the notebook in JupyterLab with the same parameters to see more."


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Finished:
    """The result of a notebook that ran to its end; nothing of it is published yet.

    Attributes
    ----------
    report
        The report that it froze.
    drawn
        Its drawings, by title.
    sections
        The author's own cells around it, made inert.
    """

    report: Report
    drawn: Mapping[str, str]
    sections: Sequence[Section]

    def publish(self, settings: Settings) -> Frozen:
        """Publish it as one snapshot; errors as `freezing.publish`."""
        return publish(self.report, settings, sections=self.sections, drawn=self.drawn)


def run_template(
    template: Path | None,
    parameters: Mapping[str, object],
    *,
    settings: Settings,
    timeout_s: float | None = None,
    progress: Callable[[str], None] = _silent,
) -> Frozen:
    """Run a template notebook and publish its report as one snapshot.

    Parameters and errors as for `run_notebook`, and the errors of `freezing.publish`.
    """
    finished = run_notebook(template, parameters, settings=settings, timeout_s=timeout_s, progress=progress)
    progress("Drawing the page and publishing")
    return finished.publish(settings)


def run_notebook(
    template: Path | None,
    parameters: Mapping[str, object],
    *,
    settings: Settings,
    timeout_s: float | None = None,
    progress: Callable[[str], None] = _silent,
) -> Finished:
    """Run a template notebook to its end and return the report that it froze.

    Parameters
    ----------
    template
        A notebook with a cell tagged `parameters` and `freeze(report)` as its last cell; None: the
        default one.
    parameters
        The query's fields, `source` and `as_of`, by name, and parameters of the template's own.
    settings
        Handed to the kernel as absolute values.
    timeout_s
        The seconds of wall time that the notebook may take; None for no limit.
    progress
        Called with a line of text for each step, from another thread while the notebook runs.

    Raises
    ------
    QueryError, SourceError
        If the parameters are not a valid query for the template; no kernel was started.
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
    return Finished(report, drawn, author_sections(executed))


def _execute(
    template: Template,
    parameters: Mapping[str, object],
    settings: Settings,
    staging: Staging,
    timeout_s: float | None,
    progress: Callable[[str], None],
) -> NotebookNode:
    """Run the notebook's cells; turn every failure into a RunError that says where it happened."""
    name = template.path.name
    place = _Place(name, sum(c.cell_type == "code" for c in template.notebook.cells), progress)
    execution = NotebookExecution(
        template.notebook,
        parameters,
        environment={**_environment(), **settings.environment(), **staging.environment()},
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
    if not place.is_last:  # papermill treats sys.exit() as success
        raise RunError(
            f"{place} ended the notebook before its last cell. {_NOTHING} "
            "Remove what ends it (sys.exit, quit), or raise an error instead."
        )
    return executed


def _environment() -> dict[str, str]:
    """Return the environment that a kernel gets: this process's, without the login of the mail server."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_FOR_KERNELS}


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
        if cell.cell_type == "code" and "injected-parameters" not in tags_of(cell):
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
    """Describe the error, without the cell's code and without a message that may contain a secret."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        if error.ename in _OWN_ERRORS:
            return RunError(f"{place} failed: {error.evalue} {_NOTHING}")
        hidden = "Its message is not repeated here, because it may contain something private."
        return RunError(f"{place} failed with {shown_name(error.ename)}. {hidden} {_NOTHING} {_IN_LAB}")
    if isinstance(error, DeadKernelError):
        return RunError(
            f"{place} was running when the kernel died: memory ran out, or something killed it. "
            f"{_NOTHING} Check what the cell needs, or ask for a shorter interval."
        )
    return RunError(f"{place} could not be run ({type(error).__name__}). {_NOTHING} {_IN_LAB}")


_OWN_ERRORS = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, CustDynError)
)


def shown_name(name: str) -> str:
    """Return the name of an exception; empty if the text is not one."""
    return name if name.isidentifier() and len(name) <= 60 else "an error"
