"""Email: the messages about a run, and the delivery of a copy to each recipient."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
