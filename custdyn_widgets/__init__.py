"""Customer Dynamics in Jupyter: exact reports on how the customer base of a telecom or VoIP operator changes.

The public API. Names are imported on first use, so that `import custdyn_widgets` is cheap and the command
line starts quickly.
"""

import os

import lazy_loader

__version__ = "0.1.0"

# openpyxl writes different bytes if lxml is installed. This must be set before anything imports openpyxl.
os.environ.setdefault("OPENPYXL_LXML", "False")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
