"""The clients whose contribution to a report changed, as the client panel shows them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from custdyn_widgets.report import ClientChanges
from custdyn_widgets.text import printable
from custdyn_widgets.widgets.client_view import ClientView, change_view, found_lines, has_more

if TYPE_CHECKING:
    import pandas as pd


class ChangedClientList:
    """The clients whose contribution changed: a line for each client and row of the report.

    Parameters
    ----------
    clients
        The changes, with names.
    since
        The first characters of the earlier snapshot's id, used in the exported file's name.
    """

    is_found = True

    def __init__(self, clients: ClientChanges, since: str) -> None:
        self._clients = clients
        self.view = ClientView()
        self.file_name = f"clients-changed-since-{since}.csv"

    @property
    def title(self) -> str:
        """The heading, with the number of clients."""
        return changed_clients_title(self._clients)

    def ask(self, asked: Mapping[str, Any]) -> None:
        """Change the view as the browser requests. Fields of the wrong type are ignored."""
        change_view(self.view, asked)

    def table(self) -> pd.DataFrame:
        """Return the lines that match the search, sorted as the user chose, or else by row and id."""
        return found_lines(self._whole, self.view, self._clients.line_headings)

    def shown(self) -> dict[str, Any]:
        """Return the view as JSON values, with its lines as printable text."""
        table, view = self.table(), self.view
        by_row = len(self._clients.lines) > self._clients.count
        again = " A client is listed once for each row where its contribution changed."
        return {
            "title": self.title,
            "columns": [[printable(heading), True] for heading in self._clients.line_headings],
            "lines": [
                [printable(str(text)) for text in texts]
                for texts in table.iloc[: view.lines].itertuples(index=False, name=None)
            ],
            "whole": [],
            "unit": "row" if by_row else "client",
            "found": len(table),
            "all": len(self._whole),
            "groups": [],
            "choices": [],
            "compared": False,
            "more": has_more(view, len(table)),
            "view": {
                "by": "", "change": False, "only": "", "sign": "", "search": view.search,
                "sort": view.sort, "descending": view.descending,
            },
            "note": f"Names, companies and owners are those in the current data.{again if by_row else ''}",
        }  # fmt: skip

    @cached_property
    def _whole(self) -> pd.DataFrame:
        return self._clients.to_pandas()


def changed_clients_title(clients: ClientChanges) -> str:
    """Return the heading of the list, which is also the label of the button that opens it."""
    return f"Clients whose contribution changed ({clients.count:,})"
