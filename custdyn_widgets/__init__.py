"""Customer Dynamics in Jupyter: how a telecom or VoIP operator's customers move, exactly.

The public door. Names are imported when they are first used, so that `import custdyn_widgets` costs
nothing and the command line starts at once.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
