"""The viewer, a server of snapshot files at `/view?id=…`."""

from custdyn_widgets.viewer.base_handler import HEADERS
from custdyn_widgets.viewer.links import hosts_for
from custdyn_widgets.viewer.server import serve

__all__ = ["HEADERS", "hosts_for", "serve"]
