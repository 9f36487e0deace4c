"""Scheduled runs: one run of a saved query from start to end, its record and its lock."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
