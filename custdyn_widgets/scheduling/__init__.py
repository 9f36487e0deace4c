"""Scheduled runs: running a saved query under a lock and recording the run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
