"""Running a notebook in its own kernel, with limits on its time and outputs.

papermill runs in a worker thread while the calling thread waits. On a timeout, Ctrl-C or SIGTERM, the
kernel's entire process group is killed, even if the kernel hangs, ignores interrupts or forks. The kernel
always uses this process's interpreter, regardless of which kernels are installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

from custdyn_widgets.notebook.kernel_start import START
from custdyn_widgets.notebook.output_bound import OutputRefused, bound_outputs

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient
    from nbformat import NotebookNode

_START_TIMEOUT_S = 60
_UNREAD_TIMEOUT_S = 600  # to read a finished cell's output; the default of 4 s is too short on a busy machine
_KILL_EVERY_S = 0.2


class RunTimeout(Exception):  # noqa: N818 - the caller turns it into an error
    """The kernel was killed when the time limit was reached."""


@dataclass(kw_only=True, eq=False)
class NotebookExecution:
    """One execution of a notebook.

    Attributes
    ----------
    notebook
        The notebook, to which the run adds outputs and a cell with the parameters.
    parameters
        The parameters that papermill injects.
    environment
        The kernel's complete environment.
    folder
        The kernel's working directory.
    private
        A folder used only by this run, for the kernel's connection file.
    on_cell
        Called in the worker thread when a cell starts.
    in_background
        Called once, in its own thread, after the kernel has started. Errors are ignored, because they occur
        again wherever the results are needed.
    """

    notebook: NotebookNode
    parameters: Mapping[str, object]
    environment: Mapping[str, str]
    folder: Path
    private: Path
    on_cell: Callable[[NotebookNode], None]
    in_background: Callable[[], None]

    def __post_init__(self) -> None:
        self._background = threading.Thread(
            target=_ignoring_errors, args=(self.in_background,), name="custdyn-background", daemon=True
        )
        self._groups: list[int] = []
        self._refused: list[str] = []
        self._error: BaseException | None = None

    def run(self, timeout_s: float | None) -> NotebookNode:
        """Run the notebook to completion and return it with its outputs.

        Raises
        ------
        RunTimeout
            After `timeout_s` seconds, including the time the kernel takes to start; None means no limit.
        OutputRefused
            If the notebook printed, displayed or sent too much, or sent something that cannot be read.
        Exception
            The error from papermill or nbclient if a cell fails or the kernel dies.
        """
        worker = threading.Thread(target=self._work, name="custdyn-run", daemon=True)
        worker.start()
        try:
            with terminated_as_exit():
                worker.join(timeout_s)
            late = worker.is_alive()
        finally:
            while worker.is_alive():
                self._kill()
                worker.join(_KILL_EVERY_S)
            self._kill()
            if self._background.ident is not None:
                self._background.join()  # a JavaScript engine must not be interrupted while it starts
        if self._refused:
            raise OutputRefused(self._refused[0])
        if late:
            raise RunTimeout
        if self._error is not None:
            raise self._error
        return self.notebook

    def _work(self) -> None:
        try:
            with _own_event_loop():
                self._execute()
        except BaseException as error:  # re-raised by the waiting thread
            self._error = error

    def _execute(self) -> None:
        import papermill

        quiet = logging.getLogger("papermill")
        if not quiet.handlers:
            quiet.addHandler(logging.NullHandler())
        self.notebook = papermill.execute_notebook(
            self.notebook,
            None,
            parameters=dict(self.parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=_START_TIMEOUT_S,
            iopub_timeout=_UNREAD_TIMEOUT_S,
            kernel_manager_class=self._kernel_class(),
            on_cell_start=lambda cell, cell_index: self.on_cell(cell),  # noqa: ARG005 - nbclient's names
            coalesce_streams=False,  # see `streams`
            store_widget_state=False,
        )

    def _kernel_class(self) -> type:
        """Return a kernel manager class that starts this interpreter in the run's environment."""
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager

        groups, background, stop = self._groups, self._background, self._stop_output
        given = {
            "env": dict(self.environment),
            "cwd": str(self.folder),
            "stdout": DEVNULL,
            "stderr": DEVNULL,
        }
        connection = str(self.private / "kernel.json")
        argv = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            f"--IPKernelApp.exec_lines={START}",
        ]

        class PinnedKernel(AsyncKernelManager):
            """A kernel that runs this process's interpreter."""

            @property
            def kernel_spec(self) -> KernelSpec:
                return KernelSpec(argv=argv, display_name="Python 3", language="python")

            def client(self, **options: Any) -> AsyncKernelClient:  # type: ignore[override]  # returns an async client
                made: AsyncKernelClient = super().client(**options)
                bound_outputs(made, stop)
                return made

            async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]  # async like its base
                self.connection_file = connection
                await super().start_kernel(**{**options, **given})
                group = getattr(self.provisioner, "pgid", None)
                if group:
                    groups.append(group)
                background.start()

        return PinnedKernel

    def _stop_output(self, what: str) -> None:
        self._refused.append(what)
        self._kill()

    def _kill(self) -> None:
        """Kill the kernel's process group: the kernel and the processes it started."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


def _ignoring_errors(work: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        work()


@contextlib.contextmanager
def _own_event_loop() -> Iterator[None]:
    """Provide an event loop for nbclient's blocking calls in this thread, and close it afterwards."""
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    try:
        yield
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@contextlib.contextmanager
def terminated_as_exit() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that the kernel is killed as well.

    A signal that was ignored, for example by `nohup`, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's arguments
        raise SystemExit(128 + number)

    handled = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, leave) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
