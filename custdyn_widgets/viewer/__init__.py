"""The viewer, which serves snapshot files at `/view?id=…`."""

from custdyn_widgets.viewer.headers import HEADERS
from custdyn_widgets.viewer.links import hosts_for, origins_in
from custdyn_widgets.viewer.logs import start_logging
from custdyn_widgets.viewer.metrics import environment_token
from custdyn_widgets.viewer.server import serve

__all__ = ["HEADERS", "environment_token", "hosts_for", "origins_in", "serve", "start_logging"]
