"""The viewer: serve the files of snapshots at `/view?id=…`, and nothing else."""

from custdyn_widgets.viewer.answers import HEADERS
from custdyn_widgets.viewer.links import hosts_for
from custdyn_widgets.viewer.server import serve

__all__ = ["HEADERS", "hosts_for", "serve"]
