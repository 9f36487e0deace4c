"""Errors that users can act on, and how their messages quote values and mask passwords."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
