"""The handler for `/key`: the public keys for checking snapshots' signatures, as PEM with `?format=pem`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import tornado.iostream
import tornado.web

from custdyn_widgets.snapshots import grouped, pem, signatures
from custdyn_widgets.viewer.base_handler import HTML, BaseHandler

_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;"
    "margin:8vh auto;padding:0 1rem}h2{font-size:1.1rem;margin:2rem 0 0}h2+p{margin:0}"
    "pre{overflow-wrap:anywhere;white-space:pre-wrap}</style>"
    "<title>Signing keys</title><h1>Signing keys</h1>"
    "<p>Each signed report is signed with one of these keys (Ed25519); the first is the newest. "
    "Before you rely on a key, compare it with the one the operator gave you through another channel.</p>"
)


class KeyHandler(BaseHandler):
    """Handler for `/key`, which responds with 404 if no snapshot in the store is signed."""

    kind = "key"

    def initialize(self, folder: Path, allowed_hosts: frozenset[str] = frozenset()) -> None:  # type: ignore[override]
        """Set the store's folder and the host names to serve."""
        super().initialize(allowed_hosts)
        self.folder = folder

    async def get(self) -> None:
        """Respond with the keys as a page or as PEM."""
        as_pem = self.request.query == "format=pem"
        keys = await asyncio.to_thread(signatures.published_keys, self.folder)
        if not keys or (self.request.query and not as_pem):
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "application/x-pem-file" if as_pem else HTML)
        if as_pem:
            self.set_header("Content-Disposition", 'attachment; filename="signing-keys.pem"')
        self.write(b"".join(pem(one.key) for one in keys) if as_pem else _page(keys))
        with contextlib.suppress(tornado.iostream.StreamClosedError):
            await self.finish()

    def logged(self) -> tuple[str, ...]:
        """Return the path, without the query, which may contain a token."""
        return ("/key",)


def _page(keys: Sequence[signatures.PublishedKey]) -> str:
    listed = "".join(
        f"<h2>{grouped(one.key)}</h2>{_since(one.since)}<pre>{one.key}\n\n{pem(one.key).decode()}</pre>"
        for one in keys
    )
    return f'{_PAGE}{listed}<p><a href="?format=pem">Download (PEM)</a></p></html>\n'


def _since(since: datetime) -> str:
    return f"<p>In use since {since:%Y-%m-%d}.</p>" if since.year > 1 else ""
