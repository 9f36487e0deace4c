"""The viewer as an extension of Jupyter Server: the same links at `<base_url>view?id=…`, behind its login.

A normal installation enables it. The server's kernels and terminals inherit its settings and its address, so
that it shows the reports that they freeze.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import tornado.web
from jupyter_server.base.handlers import JupyterHandler

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.snapshots import Store
from custdyn_widgets.viewer.links import base, host_name
from custdyn_widgets.viewer.view import Site, ViewHandler

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_SCRUBBED = "extra_log_scrub_param_keys"
_ANSWERS = "custdyn_viewer_answers"


class JupyterViewHandler(ViewHandler, JupyterHandler):
    """The handler of links for users who are logged in; it redirects others to the login."""

    other_parameters = frozenset({"token"})  # Jupyter's login by an address
    log = JupyterHandler.log

    def is_own_host(self) -> bool:
        """Return whether Jupyter Server serves the host of the request."""
        return bool(host_name(self.request.headers.get("Host", ""))) and self.check_host()

    async def prepare(self, *, _redirect_to_login: bool = True) -> None:
        """Refuse what the viewer refuses, then redirect users who are not logged in."""
        await super().prepare()
        await JupyterHandler.prepare(self, _redirect_to_login=_redirect_to_login)
        if not self._finished:
            tornado.web.authenticated(lambda _: None)(self)


class NoViewHandler(JupyterViewHandler):
    """A handler that always answers 404, because Jupyter's own 404 would log whole ids."""

    async def get(self) -> None:
        """Answer 404."""
        raise tornado.web.HTTPError(404)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "custdyn_widgets.viewer.extension"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Mount the handler of links, and pass the settings to kernels."""
    try:
        own = settings.load(folder=Path(serverapp.root_dir))
    except SettingsError as error:
        serverapp.log.warning("custdyn: %s Until then this server shows no reports.", error.message)
        _mount(serverapp, NoViewHandler, Site(Store(os.devnull)))
        return
    os.environ.update(_environment(own))
    _mount(serverapp, JupyterViewHandler, Site(Store(own.snapshots), own.share_url))


def _mount(serverapp: ServerApp, handler: type[JupyterViewHandler], site: Site) -> None:
    route = re.escape(f"{base(serverapp.base_url)}view")
    serverapp.web_app.add_handlers(".*$", [(route, handler, {"site": site})])  # type: ignore[no-untyped-call]
    tornado_settings = serverapp.web_app.settings
    tornado_settings[_ANSWERS] = handler is JupyterViewHandler
    # The login's line in the log would show the target of its redirect, and so a whole id.
    tornado_settings[_SCRUBBED] = [*tornado_settings.get(_SCRUBBED, []), "next"]


def _environment(own: settings.Settings) -> dict[str, str]:
    """Return the variables that kernels inherit: every setting of the server's `custdyn.toml`.

    Without that file, only the store and the variables that are set already: defaults would override the
    `custdyn.toml` of a project in a subfolder.
    """
    values = own.environment()
    if own.config is not None:
        return values
    return {name: values[name] for name in values if name == "CUSTDYN_SNAPSHOTS" or name in os.environ}


async def _start_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Pass the viewer's address to kernels; its port is known only after the server has started."""
    address = _address(serverapp)
    if address and serverapp.web_app.settings[_ANSWERS]:
        os.environ["CUSTDYN_VIEWER_URL"] = address


def _address(serverapp: ServerApp) -> str:
    """Return the base URL of links, or an empty string if no browser can follow them (a Unix socket)."""
    shown = urlsplit(serverapp.custom_display_url or serverapp.connection_url)
    if shown.scheme not in ("http", "https"):
        return ""
    return f"{shown.scheme}://{shown.netloc}{base(serverapp.base_url)}".rstrip("/")
