"""Displaying a report as the result of a notebook cell or expression: HTML, LaTeX and plain text."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection

from custdyn_widgets.report.html import TABLE_LIMIT_NOTE, report_html
from custdyn_widgets.report.latex import report_latex
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.terminal import report_text
from custdyn_widgets.text import printable

_MAX_ROWS = 60


def plain_text(report: Report) -> str:
    """Return the first rows, the Total and any notes as aligned text that fits the terminal."""
    width = shutil.get_terminal_size().columns
    text = report_text(report, width, max_rows=_MAX_ROWS, limit_note=TABLE_LIMIT_NOTE)
    return text + "".join(f"Note: {printable(warning)}\n" for warning in report.info.warnings)


def _latex(report: Report) -> str:
    return report_latex(report, max_rows=_MAX_ROWS, limit_note=TABLE_LIMIT_NOTE)


def _output(report: Report) -> str:
    return plain_text(report).rstrip("\n")


_FORMATS: dict[str, Callable[[Report], str]] = {
    "text/html": report_html,
    "text/latex": _latex,
    "text/plain": _output,
}


def mime_bundle(
    report: Report, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, str]:
    """Return the report in each format that is in `include`, if given, and not in `exclude`."""
    return {
        kind: form(report)
        for kind, form in _FORMATS.items()
        if (include is None or kind in include) and kind not in (exclude or ())
    }
