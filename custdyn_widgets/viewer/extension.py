"""The viewer as a Jupyter Server extension: the same links at `<base_url>view?id=…`, behind Jupyter's login.

Installing the package enables the extension. Kernels and terminals inherit the server's settings and address,
so that the server can show the reports that they freeze.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tornado.web
from jupyter_server.base.handlers import JupyterHandler

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.snapshots import NewestSnapshots, Store
from custdyn_widgets.viewer.base_handler import BaseHandler
from custdyn_widgets.viewer.keys import KeyHandler
from custdyn_widgets.viewer.latest import LatestHandler
from custdyn_widgets.viewer.links import base, host_name
from custdyn_widgets.viewer.view import Site, ViewHandler

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_SCRUBBED = "extra_log_scrub_param_keys"
_ANSWERS = "custdyn_viewer_answers"


class LoggedInHandler(BaseHandler, JupyterHandler):
    """Base class of handlers for logged-in users. Others are redirected to the login page."""

    log = JupyterHandler.log
    other_parameters = frozenset({"token"})  # Jupyter's own token, in the URLs that it prints

    def is_own_host(self) -> bool:
        """Return whether Jupyter Server serves the request's host."""
        return bool(host_name(self.request.headers.get("Host", ""))) and self.check_host()

    async def prepare(self, *, _redirect_to_login: bool = True) -> None:
        """Reject the same requests as the viewer, then redirect users who are not logged in."""
        await super().prepare()
        await JupyterHandler.prepare(self, _redirect_to_login=_redirect_to_login)
        if not self._finished:
            tornado.web.authenticated(lambda _: None)(self)


class JupyterViewHandler(LoggedInHandler, ViewHandler):
    """Handler for links."""


class JupyterLatestHandler(LoggedInHandler, LatestHandler):
    """Handler for addresses that lead to the newest snapshot."""


class JupyterKeyHandler(LoggedInHandler, KeyHandler):
    """Handler for the public keys."""


class NoReportsHandler(LoggedInHandler):
    """Handler that always responds with 404, because Jupyter's own 404 handler would log full ids."""


class NoViewHandler(JupyterViewHandler):
    """Handler that responds to every link with 404."""

    async def get(self) -> None:
        """Respond with 404."""
        raise tornado.web.HTTPError(404)


# The handler for each path, and the arguments for its `initialize`.
_Handlers = Mapping[str, tuple[type[LoggedInHandler], dict[str, Any]]]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "custdyn_widgets.viewer.extension"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Register the handlers, and pass the settings to kernels."""
    try:
        own = settings.load(folder=Path(serverapp.root_dir))
    except SettingsError as error:
        serverapp.log.warning(
            "custdyn: %s This server will not show any reports until this is fixed.", error.message
        )
        nothing: _Handlers = {
            "view": (NoViewHandler, {"site": Site(Store(Path(os.devnull)))}),
            **dict.fromkeys(("latest", "key"), (NoReportsHandler, {})),
        }
        _mount(serverapp, nothing, answers=False)
        return
    os.environ.update(_environment(own))
    store = Store(own.snapshots)
    latest = {"store": store, "newest": NewestSnapshots(store)}
    handlers: _Handlers = {
        "view": (JupyterViewHandler, {"site": Site(store, own.share_url)}),
        "latest": (JupyterLatestHandler, latest),
        "key": (JupyterKeyHandler, {"folder": store.folder}),
    }
    _mount(serverapp, handlers, answers=True)


def _mount(serverapp: ServerApp, handlers: _Handlers, *, answers: bool) -> None:
    root = re.escape(base(serverapp.base_url))
    routes = [(f"{root}{name}", handler, given) for name, (handler, given) in handlers.items()]
    serverapp.web_app.add_handlers(".*$", routes)  # type: ignore[no-untyped-call]
    tornado_settings = serverapp.web_app.settings
    tornado_settings[_ANSWERS] = answers
    # Otherwise, Jupyter would log the redirect to the login page with its target, which contains the full id.
    tornado_settings[_SCRUBBED] = [*tornado_settings.get(_SCRUBBED, []), "next"]


def _environment(own: settings.Settings) -> dict[str, str]:
    """Return the variables that kernels inherit: all settings from the server's `custdyn.toml`.

    Without that file, these are only the store and any variables already set, because defaults would override
    the `custdyn.toml` of a project in a subfolder.
    """
    values = own.environment()
    if own.config is not None:
        return values
    return {name: values[name] for name in values if name == "CUSTDYN_SNAPSHOTS" or name in os.environ}


async def _start_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Pass the viewer's address to kernels. The port is known only after the server has started."""
    address = _address(serverapp)
    if address and serverapp.web_app.settings[_ANSWERS]:
        os.environ["CUSTDYN_VIEWER_URL"] = address


def _address(serverapp: ServerApp) -> str:
    """Return the base URL of links, or "" if browsers cannot open them (on a Unix socket)."""
    shown = urlsplit(serverapp.custom_display_url or serverapp.connection_url)
    if shown.scheme not in ("http", "https"):
        return ""
    return f"{shown.scheme}://{shown.netloc}{base(serverapp.base_url)}".rstrip("/")
