"""The handler for `/healthz`: whether this viewer can read its store."""

from __future__ import annotations

import asyncio

from custdyn_widgets.files import folder_below, names_in, reason
from custdyn_widgets.snapshots import Store
from custdyn_widgets.viewer.base_handler import BaseHandler

PLAIN = "text/plain; charset=UTF-8"
_SECONDS = 5  # after this long, a network file system that does not respond counts as unavailable


def problem_with(store: Store) -> str:
    """Return why the store cannot be read; "" if it can, even if it is empty."""
    try:
        with folder_below(store.folder):
            pass
    except OSError as error:
        return reason(error)
    try:
        with folder_below(store.folder, "v1") as folder:
            names_in(folder)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return reason(error)
    return ""


async def problem_within_seconds(store: Store) -> str:
    """Return why the store cannot be read within a few seconds; "" if it can."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(problem_with, store), _SECONDS)
    except TimeoutError:
        return f"cannot be read within {_SECONDS} seconds"


class HealthHandler(BaseHandler):
    """Handler for `/healthz`, which accepts any host name, because monitors often use an IP address."""

    kind = "healthz"

    def initialize(self, store: Store) -> None:  # type: ignore[override]
        """Set the store."""
        self.store = store

    def is_own_host(self) -> bool:
        """Return True, because the response does not depend on the request."""
        return True

    async def get(self) -> None:
        """Respond with 200, or with 503 if the store cannot be read. Only the log says why."""
        problem = await problem_within_seconds(self.store)
        if problem:
            self.log.error("the store %s", problem)
        healthy = not problem
        self.set_status(200 if healthy else 503)
        self.set_header("Content-Type", PLAIN)
        self.write("ok\n" if healthy else "The store cannot be read.\n")

    def logged(self) -> tuple[str, ...]:
        """Return the path."""
        return ("/healthz",)
