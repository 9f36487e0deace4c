"""Importing large libraries."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"  # the exponent of 2 cycles


def import_library(name: str) -> None:
    """Import a large library, unless it is already imported.

    Hardly any of the many objects that this creates are garbage, so they go to the oldest generation of the
    garbage collector without being examined: otherwise importing pandas would take a fifth longer.
    """
    if name in sys.modules:
        return
    with _idle_threads_sleep():
        _import_without_collecting(name)


def _import_without_collecting(name: str) -> None:
    if not gc.isenabled() or gc.get_freeze_count():
        import_module(name)
        return
    try:
        gc.disable()
        import_module(name)
        gc.freeze()
        gc.unfreeze()
    finally:
        gc.enable()


@contextmanager
def _idle_threads_sleep() -> Iterator[None]:
    """Let the threads that OpenBLAS starts when NumPy is imported sleep at once, unless a user set otherwise.

    Otherwise, each of them would first occupy a core for 0.1 s, waiting for work.
    """
    if _TIMEOUT in os.environ:
        yield
        return
    os.environ[_TIMEOUT] = "4"  # the shortest
    try:
        yield
    finally:
        os.environ.pop(_TIMEOUT, None)
