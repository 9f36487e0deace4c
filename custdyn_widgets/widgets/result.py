"""One report on screen: its table, Info, exports and link, drawn in the browser from data sent once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.render import BLANK, presets_of
from custdyn_widgets.report import Report
from custdyn_widgets.text import printable
from custdyn_widgets.widgets.download import Download, report_file
from custdyn_widgets.widgets.table import shown_report

_FORMATS = {"csv": "CSV", "xlsx": "XLSX"}


class ResultPanel(anywidget.AnyWidget):
    """The panel under the form: status, error, toolbar, the table of the last report, its notes and Info.

    Attributes
    ----------
    on_show_chart
        Called with the name of a preset, or `charts.BLANK`, when the person picks it from Show Chart.
    """

    _esm = Path(__file__).with_name("result.js")
    _css = Path(__file__).with_name("result.css")

    _shown = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict({"words": "", "done": None}).tag(sync=True)
    _error = traitlets.Unicode("").tag(sync=True)
    _link = traitlets.Dict({"link": "", "words": "", "page": False}).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_show_chart: Callable[[str], None] = lambda _name: None
        self._report: Report | None = None
        self._page: bytes | None = None
        self._download = Download()
        self.on_msg(self._asked)

    def show(self, report: Report) -> None:
        """Show a report; it stays until the next one."""
        self._set(report, "web")

    def set_download_only(self, report: Report, format: str, page: str = "") -> None:
        """Show a report as a file alone: the download starts at once, and a button starts it again.

        `page` is the browser page that asked, as it named itself; "" for every page that shows this notebook.
        """
        self._set(report, format)
        self._export(format, page)

    def set_status(self, words: str, done: float | None = None) -> None:
        """Say what is going on, with a progress bar where `done`, from 0 to 1, is given."""
        part = None if done is None else min(1.0, max(0.0, float(done)))
        told: dict[str, Any] = {"words": printable(words), "done": part}
        self._status = told

    def set_error(self, words: str) -> None:
        """Say what went wrong above the table, which stays; "" takes it away."""
        self._error = printable(words)

    def set_link(self, link: str, words: str = "", page: bytes | None = None) -> None:
        """Show the report's link and some words; with its page, a button that opens that."""
        self._page = page
        self._link = {"link": printable(link), "words": printable(words), "page": page is not None}

    def take_focus_from_chart(self) -> None:
        """Put the cursor on Show Chart, where a closed chart left it nowhere: Lab would take its keys."""
        self.send({"kind": "chart closed"})

    def _set(self, report: Report, output: str) -> None:
        self._report = report
        shown = shown_report(report)
        self._shown = {
            **shown,
            "output": output,
            "formats": {output: _FORMATS[output]} if output in _FORMATS else _FORMATS,
            "charts": [*presets_of(report), BLANK] if report.rows else [],
        }

    def _asked(self, _widget: object, message: object, _buffers: object) -> None:
        """Answer the browser: an export, or a chart to show."""
        if not isinstance(message, Mapping) or self._report is None:
            return
        if message.get("ask") in _FORMATS:
            self._export(message["ask"], str(message.get("page", "")))
        elif message.get("ask") == "page" and self._page is not None:
            self.send({"kind": "page", "page": message.get("page", "")}, [self._page])
        elif message.get("chart") in self._shown["charts"]:
            self.on_show_chart(message["chart"])

    def _export(self, kind: str, page: str) -> None:
        assert self._report is not None
        self.set_status(f"Making the {_FORMATS[kind]} …")
        try:
            file = report_file(self._report, kind)
        except Exception as error:
            why = f"The {_FORMATS[kind]} cannot be made: {type(error).__name__}: {error}"
            self.set_status("")
            self.set_error(error.message if isinstance(error, CustDynError) else why)
            return
        self._download.start(file, page)
        self.set_status(f"Saved as {file.name}.")


class Steps:
    """Tells the result's status line how far the reading of a source is."""

    def __init__(self, result: ResultPanel) -> None:
        self._result = result

    def step(self, words: str, done: float) -> None:
        """Show a step."""
        self._result.set_status(words, done)

    def note(self, words: str) -> None:
        """Show a sentence."""
        self._result.set_status(words)
