"""The panel that shows what differs between a snapshot and the same query on the current data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets import settings
from custdyn_widgets.engine import compare_snapshots
from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.mart import SourceLike
from custdyn_widgets.report import ReportDifference
from custdyn_widgets.snapshots import Store
from custdyn_widgets.text import cut_short, format_clock, printable
from custdyn_widgets.widgets.browser_module import browser_module
from custdyn_widgets.widgets.changed_client_list import ChangedClientList, changed_clients_title
from custdyn_widgets.widgets.client_panel import ClientPanel
from custdyn_widgets.widgets.panel import Panel
from custdyn_widgets.widgets.publishing import Published, Publisher

MOST_SNAPSHOTS = 30
MOST_LINES = 2_000  # in the browser; the export contains all lines
_MAX_WORDS = 160
_REPORT = "report.json"
_CREATING_LINK = "Creating the link: saving the changes as a page …"


@dataclass(frozen=True)
class Earlier:
    """A snapshot to compare: its id, creation time and query, and whether the form has the same query."""

    id: str
    generated_at: str
    words: str
    is_same: bool

    @property
    def label(self) -> str:
        """The time and the query."""
        return f"{format_clock(self.generated_at)} UTC: {cut_short(self.words, _MAX_WORDS)}"


class DifferencePanel(Panel):
    """A panel with the snapshots of a source, and what differs between one of them and the current data.

    Parameters
    ----------
    publisher
        Publishes the differences when the user asks for a link.

    Attributes
    ----------
    clients
        The panel with the clients whose contribution changed.
    """

    _esm = browser_module("link_line.js", "difference_panel.js")
    _failed = "The reports cannot be compared"

    def __init__(self, publisher: Publisher, **traits: Any) -> None:
        super().__init__(**traits)
        self.clients = ClientPanel(_name="custdyn-changed-clients")
        self.clients.on_close = lambda: self.send({"kind": "clients closed"})
        self._publisher = publisher
        self._is_publishing = False
        self._page: bytes | None = None
        self._source: SourceLike = "demo"
        self._offered: list[Earlier] = []
        self._id = ""
        self._difference: ReportDifference | None = None

    def offer(self, source: SourceLike, name: str, query: Mapping[str, Any] | None) -> None:
        """Offer the snapshots of a source.

        Parameters
        ----------
        source, name
            The source, and its name in snapshots.
        query
            The query whose snapshots come first, or None.
        """
        self._clear()
        self._source = source
        try:
            self._offered = earlier_snapshots(Store(settings.load().snapshots), name, query)
        except Exception as error:
            self._fail(error)
            return
        self._send_list(opened=True)

    def _clear(self) -> None:
        self._offered = []
        self._forget()

    def _forget(self) -> None:
        """Discard the comparison, its clients and its link."""
        self._id, self._difference, self._page, self._is_publishing = "", None, None, False
        self.clients.close_panel()

    def _send_list(self, *, opened: bool = False) -> None:
        snapshots = [[earlier.id, earlier.label, earlier.is_same] for earlier in self._offered]
        self.send({"kind": "snapshots", "snapshots": snapshots, "opened": opened})

    def _compare(self, snapshot_id: str) -> None:
        [label] = [earlier.label for earlier in self._offered if earlier.id == snapshot_id]
        self._forget()
        self.send({"kind": "busy"})
        try:
            self._difference = compare_snapshots(snapshot_id, source=self._source)
        except Exception as error:
            self._fail(error)
            return
        self._id = snapshot_id
        headings, *lines = self._difference.texts()
        clients = self._difference.clients
        self.send(
            {
                "kind": "difference",
                "title": f"Changes since {label}",
                "headings": [printable(heading) for heading in headings],
                "lines": [[printable(text) for text in line] for line in lines[:MOST_LINES]],
                "found": len(lines),
                "reasons": [printable(note) for note in self._difference.notes()],
                "clients": changed_clients_title(clients) if clients and clients.lines else "",
                "note": f"Amounts in {self._difference.currency}.",
            }
        )

    def _open_clients(self) -> None:
        clients = self._difference.clients if self._difference else None
        if clients is not None and clients.lines:
            self.clients.open_list(ChangedClientList(clients, self._id[:8]))

    def _create_link(self) -> None:
        """Freeze the comparison in the background, as `custdyn snapshots diff --freeze` does."""
        difference = self._difference
        if difference is None or self._is_publishing:
            return
        self._is_publishing = True
        self._send_link(Published("", _CREATING_LINK), busy=True)
        self._publisher.publish(difference, lambda done: self._show_link(difference, done))

    def _show_link(self, difference: ReportDifference, done: Published) -> None:
        """Show a link if its comparison is still on screen. Called in the publisher's thread."""
        if difference is self._difference:
            self._is_publishing = False
            self._send_link(done)

    def _send_link(self, done: Published, *, busy: bool = False) -> None:
        self._page = done.page
        link, words = printable(done.link), printable(done.words)
        self.send({"kind": "link", "link": link, "words": words, "page": done.page is not None, "busy": busy})

    def _handle(self, asked: Mapping[str, Any]) -> None:
        """Handle the choice of a snapshot, or a click on one of the comparison's buttons."""
        if asked.get("ask") == "clients":
            self._open_clients()
        elif asked.get("ask") == "link":
            self._create_link()
        elif asked.get("ask") == "page" and self._page is not None:
            self.send({"kind": "page", "page": asked.get("page", "")}, [self._page])
        elif asked.get("snapshot") in [earlier.id for earlier in self._offered]:
            self._compare(str(asked["snapshot"]))

    def _table(self) -> tuple[str, Iterable[str], Iterable[Sequence[Any]]] | None:
        if self._difference is None:
            return None
        name = f"changes-since-{self._id[:8]}.csv"
        return name, self._difference.line_headings, self._difference.lines()


def earlier_snapshots(store: Store, source: str, query: Mapping[str, Any] | None) -> list[Earlier]:
    """Return a source's newest visible snapshots, starting with those of a query."""
    found = []
    for snapshot_id in store.ids():
        try:
            manifest = store.manifest(snapshot_id)
        except SnapshotError:  # revoked, expired, damaged or just deleted
            continue
        is_report = manifest.get("kind") is None and _REPORT in manifest["files"]
        if is_report and manifest.get("source") == source:
            made, words = (printable(str(manifest.get(key) or "")) for key in ("generated_at", "query_words"))
            found.append(Earlier(snapshot_id, made, words, manifest.get("query") == query))
    newest = sorted(found, key=lambda earlier: earlier.generated_at, reverse=True)
    return sorted(newest, key=lambda earlier: not earlier.is_same)[:MOST_SNAPSHOTS]
