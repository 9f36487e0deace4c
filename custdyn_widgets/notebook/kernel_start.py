"""`START`, the code that a run's kernel executes when it starts."""

from __future__ import annotations

START = f"__import__({__name__!r}, fromlist=['prepare_kernel']).prepare_kernel()"


def prepare_kernel() -> None:
    """Start the drawing engine while other modules load, and make `print` wait until its text can be sent.

    Without this wait, ZeroMQ would silently drop output when a cell prints faster than the run can read.
    """
    from ipykernel.kernelapp import IPKernelApp

    from custdyn_widgets.render import start_engine

    start_engine()
    outputs = IPKernelApp.instance().iopub_thread
    outputs.schedule(lambda: setattr(outputs.socket, "xpub_nodrop", 1))
