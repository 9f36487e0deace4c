"""The result panel: status, table, Info, exports and link, drawn in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import anywidget
import traitlets

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.progress import report_to
from custdyn_widgets.render import BLANK, presets_of
from custdyn_widgets.report import Report
from custdyn_widgets.text import printable
from custdyn_widgets.widgets.browser_module import browser_module
from custdyn_widgets.widgets.download import Download, report_file
from custdyn_widgets.widgets.table import shown_report

About = Literal["", "report", "form", "file", "chart"]

_FORMATS = {"csv": "CSV", "csv-excel": "Excel CSV", "xlsx": "XLSX", "pdf": "PDF"}


class ResultPanel(anywidget.AnyWidget):
    """The panel below the form.

    Attributes
    ----------
    on_show_chart
        Called with the name of a preset, or `BLANK`, when the user picks it from Show Chart.
    on_clients
        Called with the position of a row (None for the Total or the only row) and of a column when the user
        opens a cell. If None, cells cannot be opened.
    on_changes
        Called when the user asks what changed since an earlier snapshot. If None, there is no button for it.
    shows_table
        Whether a report is shown as a table, not only downloaded.
    """

    _esm = browser_module("link_line.js", "result.js")
    _css = Path(__file__).with_name("result.css")

    _changes = traitlets.Enum(("below", "columns"), "below").tag(sync=True)  # where the changes are shown
    _shown = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict({"words": "", "done": None}).tag(sync=True)
    _error = traitlets.Unicode("").tag(sync=True)
    _outdated = traitlets.Unicode("").tag(sync=True)
    _link = traitlets.Dict({"link": "", "words": "", "page": False, "busy": False}).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_show_chart: Callable[[str], None] = lambda _name: None
        self.on_clients: Callable[[int | None, int], None] | None = None
        self.on_changes: Callable[[], None] | None = None
        self._report: Report | None = None
        self._about = ""
        self._counted = ""
        self._page: bytes | None = None
        self._download = Download()
        self.on_msg(self._handle_message)

    def show(self, report: Report) -> None:
        """Show a report as a table. The previous report's link is removed."""
        self._set(report, "web")

    def set_download_only(self, report: Report, format: str, page: str = "") -> None:
        """Download a report without showing its table, with a button to download it again.

        `page` is the id of the browser page that downloads it, or "" for all pages that show the notebook.
        """
        self._set(report, format)
        self._export(format, page)

    @property
    def shows_table(self) -> bool:
        """Whether a table is on screen."""
        return self._report is not None and self._shown["output"] == "web"

    def set_status(self, words: str, done: float | None = None, *, about: About = "") -> None:
        """Show a status, with a progress bar if `done` (from 0 to 1) is given.

        `about` names the subject of the status. A status about the report is shown again once a later status
        ends.
        """
        part = None if done is None else min(1.0, max(0.0, float(done)))
        status: dict[str, Any] = {"words": printable(words), "done": part}
        self._about = about
        if about == "report":
            self._counted = words
        self._status = status

    def add_status(self, words: str, *, about: About) -> None:
        """Append a status to the one already shown."""
        self.set_status(f"{self._status['words']} {words}".strip(), about=about)

    def change_status(self, words: str, *, about: About) -> None:
        """Replace the status if it has the same subject, or remove it if `words` is ""."""
        if words and self._about == about:
            self.set_status(words, about=about)
        elif not words:
            self.end_status(about)

    def end_status(self, *about: About) -> None:
        """Remove the status if it is about one of these subjects and thus no longer applies."""
        if self._about in about:
            self.set_status(self._counted, about="report")

    def set_outdated(self, words: str) -> None:
        """Show why the report is outdated and that clicking Query updates it; "" removes the message."""
        self._outdated = printable(words)

    def set_error(self, words: str) -> None:
        """Show an error above the table, or remove it if `words` is ""."""
        self._error = printable(words)

    def link(self) -> str:
        """Return the link on screen, or "" if there is none yet."""
        return str(self._link["link"])

    def set_link(self, link: str, words: str = "", page: bytes | None = None, *, busy: bool = False) -> None:
        """Show the report's link and a message.

        If `page` is given, a button opens it. `busy` means that the link is still being created.
        """
        self._page = page
        self._link = {
            "link": printable(link),
            "words": printable(words),
            "page": page is not None,
            "busy": busy,
        }

    def take_focus_from_chart(self) -> None:
        """Focus Show Chart after the chart is closed. Without focus, Lab would handle the next key."""
        self.send({"kind": "chart closed"})

    def take_focus_from_clients(self) -> None:
        """Focus the cell whose clients were shown."""
        self.send({"kind": "clients closed"})

    def take_focus_from_changes(self) -> None:
        """Focus the button that shows what changed since an earlier snapshot."""
        self.send({"kind": "changes closed"})

    def _set(self, report: Report, output: str) -> None:
        self._report = report
        self.set_link("")  # this report's files must not be named after the previous report's snapshot
        shown = shown_report(report)
        self._shown = {
            **shown,
            "output": output,
            "formats": {output: _FORMATS[output]} if output in _FORMATS else _FORMATS,
            "clients": self.on_clients is not None,
            "changes": self.on_changes is not None,
            "charts": [*presets_of(report), BLANK] if report.rows else [],
        }

    def _handle_message(self, _widget: object, message: object, _buffers: object) -> None:
        """Handle a click on an export, the page or a chart."""
        if not isinstance(message, Mapping) or self._report is None:
            return
        if message.get("ask") in _FORMATS:
            total = message.get("total") is True
            self._export(message["ask"], str(message.get("page", "")), total=total)
        elif message.get("ask") == "page" and self._page is not None:
            self.send({"kind": "page", "page": message.get("page", "")}, [self._page])
        elif message.get("ask") == "changes" and self.on_changes is not None:
            self.on_changes()
        elif "cell" in message:
            self._open_cell(message["cell"])
        elif message.get("chart") in self._shown["charts"]:
            self.on_show_chart(message["chart"])

    def _open_cell(self, cell: object) -> None:
        if self.on_clients is None or not isinstance(cell, list) or len(cell) != 2:
            return
        place, column = cell
        if type(column) is int and (place is None or type(place) is int):
            self.on_clients(place, column)

    def _export(self, kind: str, page: str, *, total: bool = False) -> None:
        assert self._report is not None
        self.set_status(f"Creating the {_FORMATS[kind]} …")
        try:
            with report_to(Steps(self)):
                file = report_file(self._report, kind, total=total, link=self.link())
        except Exception as error:
            why = f"The {_FORMATS[kind]} cannot be created: {type(error).__name__}: {error}"
            self.set_status("")
            self.set_error(error.message if isinstance(error, CustDynError) else why)
            return
        self._download.start(file, page)
        self.set_status(f"Saved as {file.name}.", about="file")


class Steps:
    """Shows progress in the status line while a source is read or a report is exported."""

    def __init__(self, result: ResultPanel) -> None:
        self._result = result

    def step(self, words: str, done: float) -> None:
        """Show a step."""
        self._result.set_status(words, done)

    def note(self, words: str) -> None:
        """Show a message."""
        self._result.set_status(words)
