"""The panel below the table that shows the clients behind a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.render import table_csv
from custdyn_widgets.report import Report, interval_slug
from custdyn_widgets.text import printable, readable_slug
from custdyn_widgets.widgets.client_list import ClientList
from custdyn_widgets.widgets.download import Download, File

_CLOSED: dict[str, Any] = {"kind": "closed"}


class ClientPanel(anywidget.AnyWidget):
    """Panel with the clients behind a row of the report on screen.

    Attributes
    ----------
    on_close
        Called when the user closes the panel.
    """

    _esm = Path(__file__).with_name("client_panel.js")
    _css = Path(__file__).with_name("result.css")

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_close: Callable[[], None] = lambda: None
        self._report: Report | None = None
        self._mart: OpenedMart | None = None
        self._list: ClientList | None = None
        self._download = Download()
        self.on_msg(self._handle_message)

    def set_report(self, report: Report | None, mart: OpenedMart | None) -> None:
        """Set the report on screen and its data, and close the panel of the previous one."""
        self._report, self._mart, self._list = report, mart, None
        self.send(_CLOSED)

    def open_row(self, place: int | None, column: int, movement: str = "") -> None:
        """Show the clients behind a row: the one at this place, or None for the Total or the only row.

        `movement` shows those with this movement instead of those that belong to the column.
        """
        if self._report is None or self._mart is None:
            return
        if place is not None and not 0 <= place < len(self._report.rows):
            return
        self._list = ClientList(self._report, self._mart, place, column)
        if movement:
            self._list.view.only = movement
        self._answer(opened=True)

    def _answer(self, *, opened: bool = False) -> None:
        if self._list is None:
            self.send(_CLOSED)
            return
        if not self._list.is_found:
            self.send({"kind": "busy", "title": self._list.title})
        try:
            self.send({"kind": "clients", "opened": opened, **self._list.shown()})
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        unexpected = f"The clients cannot be shown: {type(error).__name__}: {error}"
        words = error.message if isinstance(error, CustDynError) else unexpected
        self.send({"kind": "error", "words": printable(words)})

    def _handle_message(self, _widget: object, message: object, _buffers: object) -> None:
        """Handle a search, a heading, an export or the closing of the panel."""
        if not isinstance(message, Mapping):
            return
        if message.get("ask") == "close":
            self._list = None
            self.send(_CLOSED)
            self.on_close()
        elif message.get("ask") == "csv" and self._list is not None:
            self._export(self._list, str(message.get("page", "")))
        elif message.get("ask") == "view":
            if self._list is not None:
                self._list.ask(message)
            self._answer()

    def _export(self, clients: ClientList, page: str) -> None:
        assert self._report is not None
        try:
            table = clients.table()
            rows = table.astype(object).itertuples(index=False, name=None)
            content = table_csv([str(name) for name in table.columns], rows)
        except Exception as error:
            self._fail(error)
            return
        name = f"{readable_slug(clients.title) or 'clients'}-{interval_slug(self._report)}.csv"
        self._download.start(File(name, content, "text/csv;charset=utf-8"), page)
