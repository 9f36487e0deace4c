"""The handler for `/latest?q=…`: a redirect to the newest snapshot of a saved query."""

from __future__ import annotations

import asyncio

import tornado.web

from custdyn_widgets.files import reason
from custdyn_widgets.snapshots import NewestSnapshots, Store, addresses
from custdyn_widgets.viewer.base_handler import ID_BEGINNING, BaseHandler
from custdyn_widgets.viewer.links import parse_address


class LatestHandler(BaseHandler):
    """Handler for `/latest?q=…` and the formats of `ViewHandler`."""

    kind = "latest"
    other_parameters: frozenset[str] = frozenset()

    def initialize(  # type: ignore[override]
        self, store: Store, newest: NewestSnapshots, allowed_hosts: frozenset[str] = frozenset()
    ) -> None:
        """Set the store, the index of its newest snapshots, and the host names to serve."""
        super().initialize(allowed_hosts)
        self.store = store
        self.newest = newest

    async def get(self) -> None:
        """Redirect to the newest snapshot, or respond with 404."""
        asked = parse_address(self.request.query, self.other_parameters)
        if asked is None:
            raise tornado.web.HTTPError(404)
        token, kind = asked
        try:
            snapshot_id = await asyncio.to_thread(self._newest, token)
        except OSError as error:
            self.log.error("the store %s", reason(error))
            raise tornado.web.HTTPError(503) from None
        if snapshot_id is None:
            raise tornado.web.HTTPError(404)
        self.set_status(302)
        # Relative, so that it leads to the same place behind a proxy that adds a path.
        self.set_header("Location", f"view?id={snapshot_id}{f'&format={kind}' if kind else ''}")

    def _newest(self, token: str) -> str | None:
        """Return the id of the newest snapshot. This runs in a thread, because disks may be slow."""
        address = addresses.find_address(self.store.folder, token)
        return None if address is None else self.newest.of(address)

    def logged(self) -> tuple[str, ...]:
        """Return the path, the first characters of the token, and the format."""
        asked = parse_address(self.request.query, self.other_parameters)
        if asked is None:
            return super().logged()
        return ("/latest", f"{asked[0][:ID_BEGINNING]}…", asked[1] or "page")
