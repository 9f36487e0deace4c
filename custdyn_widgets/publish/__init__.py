"""Publishing: freezing a report into a snapshot after searching it for secrets."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
