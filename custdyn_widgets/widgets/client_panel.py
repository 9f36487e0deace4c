"""The panel that shows clients: those behind a cell, or those whose contribution changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import traitlets

from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.report import Report
from custdyn_widgets.widgets.browser_module import browser_module
from custdyn_widgets.widgets.client_list import ClientList
from custdyn_widgets.widgets.panel import Panel

if TYPE_CHECKING:
    import pandas as pd


class Clients(Protocol):
    """A list of clients that can be searched, sorted and exported in Python."""

    @property
    def title(self) -> str:
        """The heading."""

    @property
    def file_name(self) -> str:
        """The name of the exported file."""

    @property
    def is_found(self) -> bool:
        """Whether the lines have already been found. Finding them can take a second."""

    def ask(self, asked: Mapping[str, Any]) -> None:
        """Change the view as the browser requests."""

    def table(self) -> pd.DataFrame:
        """Return the table of the view: its lines, sorted."""

    def shown(self) -> dict[str, Any]:
        """Return the view as JSON values, with its lines as printable text."""


class ClientPanel(Panel):
    """A panel with the clients behind a row of the report on screen, or another list of clients."""

    _esm = browser_module("client_panel.js")
    _failed = "The clients cannot be shown"

    _name = traitlets.Unicode("custdyn-clients").tag(sync=True)  # the CSS class of the panel

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._report: Report | None = None
        self._mart: OpenedMart | None = None
        self._list: Clients | None = None

    def set_report(self, report: Report | None, mart: OpenedMart | None) -> None:
        """Set the report on screen and its data, and close the previous report's panel."""
        self._report, self._mart = report, mart
        self.close_panel()

    def open_row(self, place: int | None, column: int, movement: str = "") -> None:
        """Show the clients behind the row at `place`; None stands for the Total or the only row.

        With `movement`, show the clients with that movement instead of the column's clients.
        """
        if self._report is None or self._mart is None:
            return
        if place is not None and not 0 <= place < len(self._report.rows):
            return
        clients = ClientList(self._report, self._mart, place, column)
        if movement:
            clients.view.only = movement
        self.open_list(clients)

    def open_list(self, clients: Clients) -> None:
        """Show a list of clients."""
        self._list = clients
        self._answer(opened=True)

    def _answer(self, *, opened: bool = False) -> None:
        if self._list is None:
            self.close_panel()
            return
        if not self._list.is_found:
            self.send({"kind": "busy", "title": self._list.title})
        try:
            self.send({"kind": "clients", "opened": opened, **self._list.shown()})
        except Exception as error:
            self._fail(error)

    def _clear(self) -> None:
        self._list = None

    def _handle(self, asked: Mapping[str, Any]) -> None:
        """Handle a search or a click on a heading."""
        if asked.get("ask") == "view":
            if self._list is not None:
                self._list.ask(asked)
            self._answer()

    def _table(self) -> tuple[str, Iterable[str], Iterable[Sequence[Any]]] | None:
        if self._list is None:
            return None
        table = self._list.table()
        return (
            self._list.file_name,
            map(str, table.columns),
            table.astype(object).itertuples(index=False, name=None),
        )
