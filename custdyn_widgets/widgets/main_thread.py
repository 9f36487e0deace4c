"""Event loop and interrupts of the kernel's main thread, which runs queries."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of the kernel's main thread, or None if there is no kernel."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def interruptible() -> Iterator[None]:
    """Let interrupts stop the block, since kernels ignore them outside of cells."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
