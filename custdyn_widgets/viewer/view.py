"""The handler for links: `/view?id=…` for the frozen page under its bar, `&format=…` for a single file."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import tornado.iostream
import tornado.web
from tornado.http1connection import HTTP1Connection

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNewerError, SnapshotNotFoundError
from custdyn_widgets.snapshots import Store, exporting, notes, signatures
from custdyn_widgets.viewer.bar import bar
from custdyn_widgets.viewer.base_handler import HTML, ID_BEGINNING, BaseHandler
from custdyn_widgets.viewer.links import parse_link

PAGE = "report.html"
_WITH_TOTAL = ("report.csv", "total.csv")
_CONTENT_TYPES = {
    "html": HTML,
    "csv": "text/csv; charset=UTF-8",
    "csv-total": "text/csv; charset=UTF-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "json": "application/json",
    "zip": "application/zip",
}
_MAX_BARS = 256
_SEND_SECONDS, _SLOWEST = 60, 16_000  # seconds for any response; bytes per additional second


@dataclass(frozen=True)
class Content:
    """The parts of a response, and their digest for the ETag."""

    digest: str
    parts: tuple[bytes, ...]


class _Bar(NamedTuple):
    """The values that a bar depends on."""

    id: str
    link: str
    wrong: tuple[str, ...]
    signed_with: str | None
    noted: notes.Notes


@dataclass(frozen=True, eq=False)
class Site:
    """The snapshots to serve, and the base URL of their links if set."""

    store: Store
    share_url: str | None = None
    # A snapshot's content never changes, so its bar is rebuilt only if something else changes.
    _bars: dict[_Bar, bytes] = field(default_factory=dict, repr=False)

    def file(self, snapshot_id: str, kind: str) -> Content:
        """Return a file unchanged, the CSV with its Total, or the snapshot as a ZIP.

        Raises the same errors as `Store.read`.
        """
        if kind == "zip":
            return Content(
                exporting.zip_digest(self.store, snapshot_id),
                (exporting.snapshot_zip(self.store, snapshot_id),),
            )
        names = _WITH_TOTAL if kind == "csv-total" else (f"report.{kind}",)
        parts = tuple(self.store.read(snapshot_id, name) for name in names)
        digests = [self.store.listed(snapshot_id, name)["sha256"] for name in names]
        return Content("".join(digests), parts)

    def page(self, snapshot_id: str, address: str) -> Content:
        """Return the frozen page under its bar, after comparing all the snapshot's files with its manifest.

        Parameters
        ----------
        snapshot_id
            The id of the snapshot.
        address
            The base of the link (scheme, host and path), used if no `share_url` is set.
        """
        page, wrong = self.store.read_compared(snapshot_id, PAGE)
        signed_with = self._signed_with(snapshot_id)
        link = f"{self.share_url}/view" if self.share_url else address
        noted = notes.notes_on(self.store.folder, snapshot_id)
        above = self._bar(_Bar(snapshot_id, f"{link}?id={snapshot_id}", tuple(wrong), signed_with, noted))
        page_digest: str = self.store.listed(snapshot_id, PAGE)["sha256"]
        return Content(hashlib.sha256(above + page_digest.encode()).hexdigest(), (above, page))

    def _signed_with(self, snapshot_id: str) -> str | None:
        """Return the key that signed a snapshot; "" if unsigned, None if invalid or not from this store."""
        try:
            found = signatures.signature_of(self.store, snapshot_id)
        except SnapshotDamagedError:
            return None
        if found is None:
            return ""
        return found.key if signatures.is_published(self.store.folder, found.key) else None

    def _bar(self, about: _Bar) -> bytes:
        drawn = self._bars.get(about)
        if drawn is None:
            manifest = self.store.manifest(about.id)
            drawn = bar(about.id, manifest, about.link, about.wrong, about.signed_with, about.noted)
            if len(self._bars) >= _MAX_BARS:
                self._bars.clear()
            self._bars[about] = drawn
        return drawn


class ViewHandler(BaseHandler):
    """Handler for `/view?id=…` and `&format=html|csv|csv-total|xlsx|pdf|json|zip`."""

    kind = "view"
    other_parameters: frozenset[str] = frozenset()

    def initialize(self, site: Site, allowed_hosts: frozenset[str] = frozenset()) -> None:  # type: ignore[override]
        """Set the snapshots and host names to serve."""
        super().initialize(allowed_hosts)
        self.site = site

    async def get(self) -> None:
        """Respond with the page or file, 304 if the client already has it, or 404."""
        link = parse_link(self.request.query, self.other_parameters)
        if link is None:
            raise tornado.web.HTTPError(404)
        snapshot_id, kind = link
        try:
            content = await asyncio.to_thread(self._content, snapshot_id, kind)
        except SnapshotNotFoundError:
            raise tornado.web.HTTPError(404) from None
        except SnapshotNewerError as error:
            self.log.error("%s… %s", snapshot_id[:ID_BEGINNING], error.what)
            raise tornado.web.HTTPError(501) from None
        except SnapshotDamagedError as error:
            self.log.error("%s… is damaged: %s %s", snapshot_id[:ID_BEGINNING], error.file, error.what)
            raise tornado.web.HTTPError(500) from None
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Etag", f'"{content.digest}"')
        self.set_header("Content-Type", _CONTENT_TYPES[kind or "html"])
        if kind not in (None, "html"):
            ending = "-total.csv" if kind == "csv-total" else f".{kind}"
            file_name = f"customer-dynamics-{snapshot_id[:ID_BEGINNING]}{ending}"
            self.set_header("Content-Disposition", f'attachment; filename="{file_name}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        size = sum(map(len, content.parts))
        self.write(b"".join(content.parts))
        del content  # otherwise, it stays in memory until the last byte is sent
        await self._send(size)

    async def _send(self, size: int) -> None:
        """Send the response. If the client is too slow, close the connection to free memory."""
        with contextlib.suppress(tornado.iostream.StreamClosedError):
            try:
                await asyncio.wait_for(self.finish(), _SEND_SECONDS + size / _SLOWEST)
            except TimeoutError:
                cast(HTTP1Connection, self.request.connection).close()

    def _content(self, snapshot_id: str, kind: str | None) -> Content:
        """Return the content of a link. This runs in a thread, because disks may be slow."""
        if kind is not None:
            return self.site.file(snapshot_id, kind)
        request = self.request
        return self.site.page(snapshot_id, f"{request.protocol}://{request.host.lower()}{request.path}")

    def logged(self) -> tuple[str, ...]:
        """Return the path, the first characters of the id, and the format."""
        link = parse_link(self.request.query, self.other_parameters)
        if link is None:
            return super().logged()
        return ("/view", f"{link[0][:ID_BEGINNING]}…", link[1] or "page")
