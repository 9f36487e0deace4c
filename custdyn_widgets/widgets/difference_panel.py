"""The panel that shows what differs between a snapshot and its query on the data as it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget

from custdyn_widgets import settings
from custdyn_widgets.engine import compare_snapshots
from custdyn_widgets.errors import CustDynError, SnapshotError
from custdyn_widgets.mart import SourceLike
from custdyn_widgets.render import table_csv
from custdyn_widgets.report import ReportDifference
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import cut_short, format_clock, printable
from custdyn_widgets.widgets.download import Download, File

MOST_SNAPSHOTS = 30
MOST_LINES = 2_000  # in the browser; the export has all
_MAX_WORDS = 160
_REPORT = "report.json"
_CLOSED: dict[str, Any] = {"kind": "closed"}


@dataclass(frozen=True)
class Earlier:
    """Snapshot that can be compared: its id, when it was made, its query, and whether that is the form's."""

    id: str
    generated_at: str
    words: str
    is_same: bool

    @property
    def label(self) -> str:
        """The time and the query."""
        return f"{format_clock(self.generated_at)} UTC: {cut_short(self.words, _MAX_WORDS)}"


class DifferencePanel(anywidget.AnyWidget):
    """Panel with the snapshots of a source, and what differs between one of them and the data now.

    Attributes
    ----------
    on_close
        Called when the user closes the panel.
    """

    _esm = Path(__file__).with_name("difference_panel.js")
    _css = Path(__file__).with_name("result.css")

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_close: Callable[[], None] = lambda: None
        self._source: SourceLike = "demo"
        self._offered: list[Earlier] = []
        self._id = ""
        self._difference: ReportDifference | None = None
        self._download = Download()
        self.on_msg(self._handle_message)

    def offer(self, source: SourceLike, name: str, query: Mapping[str, Any] | None) -> None:
        """Offer the snapshots of a source.

        Parameters
        ----------
        source, name
            The source, and its name in snapshots.
        query
            The query whose snapshots come first, or None.
        """
        self._source, self._id, self._difference = source, "", None
        try:
            self._offered = earlier_snapshots(Store(settings.load().snapshots), name, query)
        except Exception as error:
            self._fail(error)
            return
        self._send_list(opened=True)

    def close_panel(self) -> None:
        """Close the panel."""
        self._offered, self._id, self._difference = [], "", None
        self.send(_CLOSED)

    def _send_list(self, *, opened: bool = False) -> None:
        snapshots = [[earlier.id, earlier.label, earlier.is_same] for earlier in self._offered]
        self.send({"kind": "snapshots", "snapshots": snapshots, "opened": opened})

    def _compare(self, snapshot_id: str) -> None:
        [label] = [earlier.label for earlier in self._offered if earlier.id == snapshot_id]
        self.send({"kind": "busy"})
        try:
            self._difference = compare_snapshots(snapshot_id, source=self._source)
        except Exception as error:
            self._fail(error)
            return
        self._id = snapshot_id
        headings, *lines = self._difference.texts()
        self.send(
            {
                "kind": "difference",
                "title": f"Changes since {label}",
                "headings": [printable(heading) for heading in headings],
                "lines": [[printable(text) for text in line] for line in lines[:MOST_LINES]],
                "found": len(lines),
                "reasons": [printable(text) for text in reasons(self._difference)],
                "note": f"Amounts in {self._difference.currency}.",
            }
        )

    def _fail(self, error: Exception) -> None:
        unexpected = f"The reports cannot be compared: {type(error).__name__}: {error}"
        words = error.message if isinstance(error, CustDynError) else unexpected
        self.send({"kind": "error", "words": printable(words)})

    def _handle_message(self, _widget: object, message: object, _buffers: object) -> None:
        """Handle the choice of a snapshot, an export or the closing of the panel."""
        if not isinstance(message, Mapping):
            return
        if message.get("ask") == "close":
            self.close_panel()
            self.on_close()
        elif message.get("ask") == "csv" and self._difference is not None:
            content = table_csv(self._difference.line_headings, self._difference.lines())
            name = f"changes-since-{self._id[:8]}.csv"
            self._download.start(File(name, content, "text/csv;charset=utf-8"), str(message.get("page", "")))
        elif message.get("snapshot") in [earlier.id for earlier in self._offered]:
            self._compare(str(message["snapshot"]))


def earlier_snapshots(store: Store, source: str, query: Mapping[str, Any] | None) -> list[Earlier]:
    """Return the newest visible snapshots of a source, those of a query first."""
    found = []
    for snapshot_id in store.ids():
        try:
            manifest = store.manifest(snapshot_id)
        except SnapshotError:  # revoked, expired, damaged or just deleted
            continue
        if manifest.get("source") == source and _REPORT in manifest["files"]:
            made, words = (printable(str(manifest.get(key) or "")) for key in ("generated_at", "query_words"))
            found.append(Earlier(snapshot_id, made, words, manifest.get("query") == query))
    newest = sorted(found, key=lambda earlier: earlier.generated_at, reverse=True)
    return sorted(newest, key=lambda earlier: not earlier.is_same)[:MOST_SNAPSHOTS]


def reasons(difference: ReportDifference) -> list[str]:
    """Return sentences on what else differs, and on rows and columns that only one report has."""
    found = []
    for where, rows, columns in (
        ("snapshot", difference.rows_only_in_old, difference.columns_only_in_old),
        ("report on the data now", difference.rows_only_in_new, difference.columns_only_in_new),
    ):
        if rows:
            found.append(f"Rows only in the {where}: {len(rows):,}.")
        if columns:
            found.append(f"Columns only in the {where}: {', '.join(columns)}.")
    return [*found, *(reason.text for reason in difference.reasons)]
