"""Settings: where to find the snapshot store, the saved queries and the cache, and where links point.

A setting is taken from the environment, or else from the nearest `custdyn.toml` in the working folder or a
parent (or the file named by `CUSTDYN_CONFIG`), or else from a default in the user's own folders. Settings are
read when needed, never on import, so that tests, kernels and servers can each have their own.
"""

from custdyn_widgets.settings.loading import CONFIG_NAME, default_signing_key, load
from custdyn_widgets.settings.settings import PAPERS, VIEWER_HOST, VIEWER_PORT, Settings

__all__ = [
    "CONFIG_NAME",
    "PAPERS",
    "VIEWER_HOST",
    "VIEWER_PORT",
    "Settings",
    "default_signing_key",
    "load",
]
