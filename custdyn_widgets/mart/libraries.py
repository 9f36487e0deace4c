"""Importing large libraries."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"  # n: idle threads wait for 2**n cycles before they sleep


def import_library(name: str) -> None:
    """Import a large library, unless it is already imported.

    Hardly any of the many objects that this creates are garbage, so they go to the oldest generation of the
    garbage collector without being examined.
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
    """Make idle OpenBLAS threads sleep immediately, unless the user has set how long they wait.

    Importing NumPy starts these threads. By default, each of them keeps a core busy for 0.1 s while it waits
    for work.
    """
    if _TIMEOUT in os.environ or "numpy" in sys.modules:
        yield
        return
    os.environ[_TIMEOUT] = "4"  # the shortest
    try:
        yield
    finally:
        os.environ.pop(_TIMEOUT, None)
