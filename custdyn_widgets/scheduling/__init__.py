"""Scheduled runs: running a saved query, recording the run and locking it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
