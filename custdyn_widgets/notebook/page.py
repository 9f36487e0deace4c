"""The inert page of an executed notebook, whether papermill, a scheduler or JupyterLab ran it.

If the notebook froze a report whose snapshot is in the store, the page shows that report with the author's
cells around it, as `custdyn run` does. Otherwise it shows the cells alone. The notebook is never executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from custdyn_widgets.engine import frozen_report
from custdyn_widgets.errors import RunError, SnapshotDamagedError, SnapshotError
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.notebook.template import tags_of
from custdyn_widgets.publish import known_secrets, secret_in
from custdyn_widgets.render import render_notebook, render_page, report_charts
from custdyn_widgets.report import Report
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import Store

if TYPE_CHECKING:
    from nbformat import NotebookNode

_FROZEN = re.compile(r'\A<p>The report was frozen: <a href="[^"<>\s]*/view\?id=([a-z2-7]{51}[aq])">')
_EXPECTED = "raises-exception"
_NOT_SHOWN = (
    "This page shows the notebook's outputs instead of the report that it froze, because the report is "
    "not in this machine's store or has been withdrawn."
)


def notebook_page(notebook: NotebookNode, title: str, settings: Settings) -> bytes:
    """Return the page of an executed notebook as HTML in UTF-8.

    Parameters
    ----------
    notebook
        The notebook with its outputs.
    title
        The notebook's name, used as the title of a page without a report.
    settings
        The settings, including the store from which the report is read.

    Raises
    ------
    RunError
        If no cell has been run, or the page contains a secret.
    SnapshotDamagedError
        If the report's snapshot is damaged.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if code and not any(cell.outputs or cell.execution_count for cell in code):
        raise RunError(
            "The notebook has not been run, so there is nothing to show. Run it before you export it."
        )
    failed = next((number for number, cell in enumerate(code, start=1) if _has_failed(cell)), None)
    frozen = list(_frozen(code)) if failed is None else []
    report = _report(Store(settings.snapshots), frozen[-1]) if frozen else None
    if report is not None:
        page = render_page(report, report_charts(report), author_sections(notebook))
    else:
        warnings = [
            *(
                [f"The notebook stopped with an error in code cell {failed} of {len(code)}."]
                if failed
                else []
            ),
            *([_NOT_SHOWN] if frozen else []),
        ]
        page = render_notebook(title, author_sections(notebook, with_report=False), warnings)
    _refuse_secrets(page, settings)
    return page


def _has_failed(cell: NotebookNode) -> bool:
    return _EXPECTED not in tags_of(cell) and any(out.output_type == "error" for out in cell.outputs)


def _frozen(code: list[NotebookNode]) -> Iterator[str]:
    """Yield the ids of the frozen snapshots that the cells' outputs link to."""
    for cell in code:
        for output in cell.outputs:
            html = output.get("data", {}).get("text/html", "")
            found = _FROZEN.match("".join(html) if isinstance(html, list) else html)
            if found:
                yield found[1]


def _report(store: Store, snapshot_id: str) -> Report | None:
    """Return a frozen report; None if it is unavailable, or if it is a difference between two reports."""
    try:
        return frozen_report(store, snapshot_id)
    except SnapshotDamagedError:
        raise
    except SnapshotError:
        return None


def _refuse_secrets(page: bytes, settings: Settings) -> None:
    found = secret_in("report.html", page, known_secrets(settings))
    if found:
        raise RunError(
            f"The page was not created because the notebook shows {found}. "
            "Remove it and run the notebook again."
        )
