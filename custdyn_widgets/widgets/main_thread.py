"""The event loop and interrupts of the kernel's main thread, which runs queries."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of the kernel's main thread, or None if there is no kernel."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def run_soon(loop: asyncio.AbstractEventLoop | None, act: Callable[[], None], after: float = 0.0) -> None:
    """Call a function in the loop's thread after a delay in seconds, or immediately if there is no loop."""
    if loop is None:
        act()
    else:
        loop.call_soon_threadsafe(lambda: loop.call_later(after, act))


@contextmanager
def interruptible() -> Iterator[None]:
    """Let interrupts stop the block, because kernels ignore them outside cells."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
