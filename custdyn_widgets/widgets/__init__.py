"""The query form in JupyterLab: what an analyst fills in, sees, draws, saves and shares."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
