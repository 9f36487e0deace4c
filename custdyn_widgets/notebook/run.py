"""Running a template notebook and publishing its report, for `custdyn run`.

The parameters are checked before a kernel starts. The notebook's last cell writes its report to a staging
folder; then this process renders the page with the author's cells, and publishes one snapshot. A run that
fails, hangs, is killed or stops early publishes nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets import errors
from custdyn_widgets.errors import CustDynError, RunError
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.notebook.kernel import NotebookExecution, RunTimeout
from custdyn_widgets.notebook.output_bound import OutputRefused
from custdyn_widgets.notebook.template import (
    Template,
    check_parameters,
    default_template,
    read_template,
    tags_of,
)
from custdyn_widgets.publish import Frozen, Staging, prepare, publish
from custdyn_widgets.render import require_pdf
from custdyn_widgets.settings import Settings

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from custdyn_widgets.render import Section
    from custdyn_widgets.report import Report

_NOTHING = "Nothing was published."
_HIDDEN_FROM_KERNELS = ("CUSTDYN_SMTP_USER", "CUSTDYN_SMTP_PASSWORD")
_IN_LAB = "For details, open the notebook in JupyterLab with the same parameters."


def _ignore(line: str) -> None:
    """Ignore a progress line."""


@dataclass(frozen=True)
class FinishedRun:
    """The result of a completed notebook run, not yet published.

    Attributes
    ----------
    report
        The frozen report.
    drawn
        The report's drawings by title.
    sections
        The author's own cells around the report, made inert.
    pdf
        Whether the notebook asked for a PDF.
    """

    report: Report
    drawn: Mapping[str, str]
    sections: Sequence[Section]
    pdf: bool = False

    def publish(self, settings: Settings, saved_query: str | None = None) -> Frozen:
        """Publish the report as a snapshot; parameters and errors are as for `publish.publish`."""
        settings = replace(settings, pdf=settings.pdf or self.pdf)
        return publish(
            self.report, settings, sections=self.sections, drawn=self.drawn, saved_query=saved_query
        )


def run_template(
    template: Path | None,
    parameters: Mapping[str, object],
    *,
    settings: Settings,
    timeout_s: float | None = None,
    progress: Callable[[str], None] = _ignore,
) -> Frozen:
    """Run a template notebook and publish its report as a snapshot.

    Parameters and errors are the same as for `run_notebook`, plus the errors of `publish.publish`.
    """
    finished = run_notebook(template, parameters, settings=settings, timeout_s=timeout_s, progress=progress)
    has_pdf = settings.pdf or finished.pdf
    progress(f"Rendering and publishing the page{' and its PDF' if has_pdf else ''}")
    return finished.publish(settings)


def run_notebook(
    template: Path | None,
    parameters: Mapping[str, object],
    *,
    settings: Settings,
    timeout_s: float | None = None,
    progress: Callable[[str], None] = _ignore,
) -> FinishedRun:
    """Run a template notebook to completion and return the report that it froze.

    Parameters
    ----------
    template
        A notebook with a cell tagged `parameters` and a call to `freeze(report)` in its last cell. Defaults
        to the shipped template.
    parameters
        The query's fields, `source`, `as_of` and the template's own parameters, by name.
    settings
        The settings, which are passed to the kernel with absolute paths.
    timeout_s
        The time limit for the notebook, in seconds; None means no limit.
    progress
        Called with a line of text at each step, from another thread while the notebook runs.

    Raises
    ------
    QueryError, SourceError
        If the parameters are not valid for the template; no kernel has been started.
    ExportError
        If the settings ask for a PDF but this machine cannot create one; no kernel has been started.
    RunError
        If the notebook failed, was killed, timed out, or did not freeze exactly one report.
    """
    chosen = read_template(template or default_template())
    if settings.pdf:
        require_pdf()
    injected = check_parameters(chosen, parameters)
    with tempfile.TemporaryDirectory(prefix="custdyn-run-") as private:
        staging = Staging.new(Path(private))
        executed = _execute(chosen, injected, settings, staging, timeout_s, progress)
        try:
            report, drawn = staging.load()
        except RunError as error:
            raise RunError(f"{chosen.path.name}: {error.message} {_NOTHING}") from error
        asks_for_pdf = staging.asks_for_pdf
    return FinishedRun(report, drawn, author_sections(executed), asks_for_pdf)


def _execute(
    template: Template,
    parameters: Mapping[str, object],
    settings: Settings,
    staging: Staging,
    timeout_s: float | None,
    progress: Callable[[str], None],
) -> NotebookNode:
    """Run the notebook's cells, turning every failure into a RunError that names the cell."""
    name = template.path.name
    cell = _CurrentCell(name, sum(c.cell_type == "code" for c in template.notebook.cells), progress)
    execution = NotebookExecution(
        notebook=template.notebook,
        parameters=parameters,
        environment={
            **{key: value for key, value in os.environ.items() if key not in _HIDDEN_FROM_KERNELS},
            **settings.environment(),
            **staging.environment(),
        },
        folder=template.path.parent.absolute(),
        private=staging.folder,
        on_cell=cell.enter,
        in_background=_load_for_page,
    )
    progress(f"Running {name}")
    try:
        executed = execution.run(timeout_s)
    except RunTimeout:
        raise RunError(
            f"{cell} was still running after {timeout_s:g} seconds and was stopped. {_NOTHING} "
            "Allow more time, or choose a shorter interval."
        ) from None
    except OutputRefused as error:
        raise RunError(
            f"The notebook {error} and was stopped in {cell.in_sentence()}. {_NOTHING} "
            "Print less, or update displays less often."
        ) from None
    except Exception as error:
        raise _run_error(error, cell) from None
    if not cell.is_last:  # papermill treats sys.exit() as success
        raise RunError(
            f"{cell} ended the notebook before its last cell. {_NOTHING} "
            "Remove the call that ends it (sys.exit or quit), or raise an error instead."
        )
    return executed


def _load_for_page() -> None:
    """Import the packages needed to render the page, while the notebook is running."""
    import mistune  # noqa: F401
    import nh3  # noqa: F401

    prepare()


class _CurrentCell:
    """The code cell that a run has reached."""

    def __init__(self, name: str, total: int, progress: Callable[[str], None]) -> None:
        self._name = name
        self._total = total
        self._progress = progress
        self._number = 0

    def enter(self, cell: NotebookNode) -> None:
        """Count a code cell of the template as it starts; skip the one that papermill added."""
        if cell.cell_type == "code" and "injected-parameters" not in tags_of(cell):
            self._number += 1
            self._progress(f"Code cell {self._number} of {self._total}")

    @property
    def has_started(self) -> bool:
        """Whether any code cell has started."""
        return self._number > 0

    @property
    def is_last(self) -> bool:
        """Whether the last code cell has started."""
        return self._number >= self._total

    def in_sentence(self) -> str:
        """Return the cell's name for use within a sentence."""
        return f"{self}"[0].lower() + f"{self}"[1:]

    def __str__(self) -> str:
        where = f"Code cell {self._number} of {self._total}" if self._number else "The start"
        return f"{where} of {self._name}"


def _run_error(error: Exception, cell: _CurrentCell) -> RunError:
    """Return the error for the user, without code or messages that may contain a secret."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        if error.ename in _OWN_ERRORS:
            return RunError(f"{cell} failed: {error.evalue} {_NOTHING}")
        # The name could be an expression that contains a secret.
        name = error.ename if error.ename.isidentifier() and len(error.ename) <= 60 else "an error"
        hidden = "Its message is not shown, because it may contain confidential data."
        return RunError(f"{cell} failed with {name}. {hidden} {_NOTHING} {_IN_LAB}")
    if isinstance(error, RuntimeError) and not cell.has_started:
        return RunError(
            f"{cell} failed: the kernel ended before it was ready. It ran out of memory, was killed, or "
            f"could not import a package. {_NOTHING} Free up memory and run it again."
        )
    if isinstance(error, DeadKernelError):
        return RunError(
            f"{cell} was running when the kernel died: it ran out of memory or was killed. "
            f"{_NOTHING} Reduce the memory that the cell needs, or choose a shorter interval."
        )
    return RunError(f"{cell} could not be run ({type(error).__name__}). {_NOTHING} {_IN_LAB}")


_OWN_ERRORS = frozenset(
    name
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, CustDynError)
)
