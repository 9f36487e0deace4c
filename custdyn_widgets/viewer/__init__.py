"""The viewer: `/view?id=…` answers with a snapshot's finished files, and with nothing else."""

from custdyn_widgets.viewer.answers import HEADERS
from custdyn_widgets.viewer.links import hosts_for
from custdyn_widgets.viewer.server import serve

__all__ = ["HEADERS", "hosts_for", "serve"]
