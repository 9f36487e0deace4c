"""The kernel's main thread, which runs a form's queries: its event loop and interrupts."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the kernel's main thread; None where there is no kernel."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def interruptible() -> Iterator[None]:
    """Allow an interrupt to stop the block; kernels otherwise ignore interrupts between cells."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
