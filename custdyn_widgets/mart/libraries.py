"""Importing large libraries."""

from __future__ import annotations

import gc
import sys
from importlib import import_module


def import_library(name: str) -> None:
    """Import a large library, unless it is already imported.

    Hardly any of the many objects that this creates are garbage, so they go to the oldest generation of the
    garbage collector without being examined: otherwise importing pandas would take a fifth longer.
    """
    if name in sys.modules or not gc.isenabled() or gc.get_freeze_count():
        import_module(name)
        return
    try:
        gc.disable()
        import_module(name)
        gc.freeze()
        gc.unfreeze()
    finally:
        gc.enable()
