"""Panels below the table, which the user opens and closes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.render import table_csv
from custdyn_widgets.text import printable
from custdyn_widgets.widgets.download import Download, File


class Panel(anywidget.AnyWidget):
    """A panel that the user can close, and whose table the user can export.

    Attributes
    ----------
    on_close
        Called when the user closes the panel.
    """

    _css = Path(__file__).with_name("result.css")
    _failed = ""  # the start of the message about an unexpected error

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_close: Callable[[], None] = lambda: None
        self._download = Download()
        self.on_msg(self._handle_message)

    def close_panel(self) -> None:
        """Close the panel."""
        self._clear()
        self.send({"kind": "closed"})

    def _clear(self) -> None:
        """Discard what the panel shows."""
        raise NotImplementedError

    def _handle(self, asked: Mapping[str, Any]) -> None:
        """Handle a message that only this kind of panel receives."""
        raise NotImplementedError

    def _table(self) -> tuple[str, Iterable[str], Iterable[Sequence[Any]]] | None:
        """Return the table to export, if any: its file name, headings and lines."""
        raise NotImplementedError

    def _handle_message(self, _widget: object, message: object, _buffers: object) -> None:
        if not isinstance(message, Mapping):
            return
        if message.get("ask") == "close":
            self.close_panel()
            self.on_close()
        elif message.get("ask") == "csv":
            self._export(str(message.get("page", "")))
        else:
            self._handle(message)

    def _export(self, page: str) -> None:
        try:
            table = self._table()
            content = table_csv(list(table[1]), table[2]) if table else b""
        except Exception as error:
            self._fail(error)
            return
        if table:
            self._download.start(File(table[0], content, "text/csv;charset=utf-8"), page)

    def _fail(self, error: Exception) -> None:
        unexpected = f"{self._failed}: {type(error).__name__}: {error}"
        words = error.message if isinstance(error, CustDynError) else unexpected
        self.send({"kind": "error", "words": printable(words)})
