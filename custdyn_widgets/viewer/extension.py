"""The viewer as an extension of Jupyter Server: the same links at `<base_url>view?id=…`, behind its login.

A normal installation switches it on. Kernels and terminals of that server inherit its settings and its
address, so that what they freeze is what it shows.
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
from custdyn_widgets.viewer.links import asked_name, base
from custdyn_widgets.viewer.view import Site, ViewHandler

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_SCRUBBED = "extra_log_scrub_param_keys"
_ANSWERS = "custdyn_viewer_answers"


class JupyterViewHandler(ViewHandler, JupyterHandler):
    """The link, for those who are logged in; others are sent to the login, whatever they ask for."""

    also_asked = frozenset({"token"})  # Jupyter's own way to log in by an address
    log = JupyterHandler.log

    def is_own_host(self) -> bool:
        """Return whether Jupyter Server answers under this host."""
        return bool(asked_name(self.request.headers.get("Host", ""))) and self.check_host()

    async def prepare(self, *, _redirect_to_login: bool = True) -> None:
        """Refuse what the viewer refuses, then send whoever is not logged in to the login."""
        await super().prepare()
        await JupyterHandler.prepare(self, _redirect_to_login=_redirect_to_login)
        if not self._finished:
            tornado.web.authenticated(lambda _: None)(self)


class NoViewHandler(JupyterViewHandler):
    """Where nobody knows which store is meant: Jupyter's own 404 would write whole ids into its log."""

    async def get(self) -> None:
        """Answer 404."""
        raise tornado.web.HTTPError(404)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "custdyn_widgets.viewer.extension"}]


def _load_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Mount the link, and hand the settings to the kernels."""
    try:
        in_force = settings.load(folder=Path(serverapp.root_dir))
    except SettingsError as error:
        serverapp.log.warning("custdyn: %s Until then no link is answered here.", error.message)
        _mount(serverapp, NoViewHandler, Site(Store(os.devnull)))
        return
    os.environ.update(_handed(in_force))
    _mount(serverapp, JupyterViewHandler, Site(Store(in_force.snapshots), in_force.share_url))


def _mount(serverapp: ServerApp, handler: type[JupyterViewHandler], site: Site) -> None:
    route = re.escape(f"{base(serverapp.base_url)}view")
    serverapp.web_app.add_handlers(".*$", [(route, handler, {"site": site})])  # type: ignore[no-untyped-call]
    tornado_settings = serverapp.web_app.settings
    tornado_settings[_ANSWERS] = handler is JupyterViewHandler
    # The login's own line in the log would tell where it leads back to, and so a whole id.
    tornado_settings[_SCRUBBED] = [*tornado_settings.get(_SCRUBBED, []), "next"]


def _handed(in_force: settings.Settings) -> dict[str, str]:
    """Return what kernels inherit: every setting of the server's `custdyn.toml`, as absolute values.

    Without one, only the store, and what the environment sets already: handing defaults on would overrule
    the `custdyn.toml` of a project further down.
    """
    handed = in_force.environment()
    if in_force.config is not None:
        return handed
    return {
        name: value for name, value in handed.items() if name == "CUSTDYN_SNAPSHOTS" or name in os.environ
    }


async def _start_jupyter_server_extension(serverapp: ServerApp) -> None:
    """Tell kernels where the viewer is; which port it is shows only once the server has begun."""
    address = _address(serverapp)
    if address and serverapp.web_app.settings[_ANSWERS]:
        os.environ["CUSTDYN_VIEWER_URL"] = address


def _address(serverapp: ServerApp) -> str:
    """Return what links begin with; empty where no browser could follow them (a Unix socket)."""
    shown = urlsplit(serverapp.custom_display_url or serverapp.connection_url)
    if shown.scheme not in ("http", "https"):
        return ""
    return f"{shown.scheme}://{shown.netloc}{base(serverapp.base_url)}".rstrip("/")
