"""Downloads in JupyterLab and Voila."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from custdyn_widgets.render import INK, chart_svg, to_csv, to_xlsx
from custdyn_widgets.report import Report

_TYPES = {
    "csv": "text/csv;charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_LONGEST_NAME = 120  # bytes; with the interval, file systems allow 255
_DARK_INK = "#1c2127"


@dataclass(frozen=True)
class File:
    """File to download."""

    name: str
    content: bytes
    media_type: str


class Download(anywidget.AnyWidget):
    """Widget that downloads files, displayed as a row of buttons.

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
        self.on_msg(self._answer)

    def start(self, file: File, page: str = "") -> None:
        """Download a file in the browser page with this id, or in all pages of the notebook if it is ""."""
        message = {"kind": "file", "name": file.name, "type": file.media_type, "page": page}
        self.send(message, [file.content])

    def _answer(self, _widget: object, message: object, _buffers: object) -> None:
        if not isinstance(message, Mapping) or message.get("ask") not in [key for key, _ in self.buttons]:
            return
        file = self.on_ask(message["ask"])
        if file is not None:
            self.start(file, str(message.get("page", "")))


def report_file(report: Report, kind: str) -> File:
    """Return a report as a CSV or XLSX file, named after its interval.

    Raises
    ------
    ExportError
        If the report cannot be exported in this format.
    """
    content = to_xlsx(report) if kind == "xlsx" else to_csv(report)
    return File(f"customer-dynamics-{_interval(report)}.{kind}", content, _TYPES[kind])


def chart_file(report: Report, spec: Mapping[str, Any], kind: str) -> File:
    """Return a chart as a PNG or SVG file, named after its title and the report's interval."""
    title = spec.get("title")
    words = str(title.get("text", "") if isinstance(title, Mapping) else title or "")
    named = _name_of(words) or "chart"
    svg = chart_svg(spec)
    content = _png(svg) if kind == "png" else svg.encode("utf-8")
    return File(f"{named}-{_interval(report)}.{kind}", content, _TYPES[kind])


def _name_of(title: str) -> str:
    """Return a title in lowercase as part of a file name: letters of any script, digits, "_", "." and "-"."""
    text = unicodedata.normalize("NFC", title.casefold())
    kept = (c if c in "_.-" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    name = "-".join("".join(kept).split()).strip("-.")
    return name.encode("utf-8", "ignore")[:_LONGEST_NAME].decode("utf-8", "ignore").strip("-.")


def _png(svg: str) -> bytes:
    import vl_convert  # imported late because it loads a JavaScript engine

    # The picture may be pasted anywhere, so it needs its own background and text colour.
    inked = svg.replace(f'color="{INK}"', f'color="{_DARK_INK}"', 1)
    grounded = inked.replace("</title>", '</title><rect width="100%" height="100%" fill="#ffffff"/>', 1)
    png: bytes = vl_convert.svg_to_png(grounded, scale=2)
    return png


def _interval(report: Report) -> str:
    """Return the interval as used in file names: a preset's name and last day, or the first and last day."""
    if isinstance(report.query.interval, str):
        return report.query.interval.replace("_", "-") + "-" + report.info.interval_end[:10]
    return f"{report.info.interval_start[:10]}-to-{report.info.interval_end[:10]}"
