"""Downloads in JupyterLab and Voila.

The code that writes files is loaded only when a file is requested, so that the form is shown sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from custdyn_widgets import publish, render, settings
from custdyn_widgets.report import Report, interval_slug
from custdyn_widgets.text import readable_slug

_TYPES = {
    "csv": "text/csv;charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_ID_BEGINNING = 8  # characters of the snapshot's id in the file's name


@dataclass(frozen=True)
class File:
    """A file to download."""

    name: str
    content: bytes
    media_type: str


class Download(anywidget.AnyWidget):
    """A widget that downloads files, displayed as a row of buttons.

    Attributes
    ----------
    buttons
        The key and label of each button.
    on_ask
        Called with the key of a clicked button. Returns the file to download, or None.
    """

    _esm = Path(__file__).with_name("download.js")
    buttons = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)

    def __init__(self, on_ask: Callable[[str], File | None] = lambda _key: None, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_ask = on_ask
        self.on_msg(self._handle_message)

    def start(self, file: File, page: str = "") -> None:
        """Download a file in the browser page with this id, or in all pages of the notebook if it is ""."""
        message = {"kind": "file", "name": file.name, "type": file.media_type, "page": page}
        self.send(message, [file.content])

    def _handle_message(self, _widget: object, message: object, _buffers: object) -> None:
        if not isinstance(message, Mapping) or message.get("ask") not in [key for key, _ in self.buttons]:
            return
        file = self.on_ask(message["ask"])
        if file is not None:
            self.start(file, str(message.get("page", "")))


def report_file(report: Report, kind: str, *, total: bool = False, link: str = "") -> File:
    """Return a report as a file: `csv`, `csv-excel`, `xlsx` or `pdf`.

    Like an email attachment, the file is named after the interval and, if the report's `link` is given, the
    first characters of the snapshot's id. `total` adds the Total to a CSV; workbooks and PDFs always include
    it.

    Raises
    ------
    ExportError
        If the report cannot be exported in this format.
    """
    name = _file_name("customer-dynamics", report, link)
    if kind == "xlsx":
        return File(f"{name}.xlsx", render.to_xlsx(report), _TYPES["xlsx"])
    if kind == "pdf":
        paper = settings.load().paper
        return File(
            f"{name}.pdf", publish.report_pdf(render.with_own_presets(report), paper=paper), _TYPES["pdf"]
        )
    if kind == "csv-excel":
        return File(f"{name}-excel.csv", render.to_excel_csv(report, total=total), _TYPES["csv"])
    return File(f"{name}.csv", render.to_csv(report, total=total), _TYPES["csv"])


def chart_file(report: Report, spec: Mapping[str, Any], kind: str, *, link: str = "") -> File:
    """Return a chart as a PNG or SVG file, named after its title, the report's interval and its snapshot."""
    title = spec.get("title")
    words = str(title.get("text", "") if isinstance(title, Mapping) else title or "")
    named = readable_slug(words) or "chart"
    svg = render.chart_svg(spec)
    content = render.chart_png(svg) if kind == "png" else svg.encode("utf-8")
    return File(f"{_file_name(named, report, link)}.{kind}", content, _TYPES[kind])


def _file_name(begin: str, report: Report, link: str) -> str:
    """Return a file's name without its extension, with the start of the snapshot's id if there is a link."""
    snapshot = link.rpartition("?id=")[2][:_ID_BEGINNING]
    return "-".join(filter(None, (begin, interval_slug(report), snapshot)))
