"""The process that freezes a form's reports: drawing charts in the kernel would hold up its next answer.

The kernel sends it a report with the environment as it is at that moment, and gets back what became of it.
It lives as long as its kernel, ends what it has begun, and a key that interrupts the kernel passes it by.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from custdyn_widgets.publish import prepare
from custdyn_widgets.report import Report
from custdyn_widgets.widgets.publishing import Published, failed, published

_NICENESS = 5  # the table on screen comes first


class PublishingProcess:
    """Another process that publishes; it is started when it is first needed, and anew when it has ended."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def published(self, report: Report) -> Published:
        """Publish a report there as `publishing.published` does, and wait for what became of it."""
        with self._one_at_a_time:
            return self._published(report)

    def _published(self, report: Report) -> Published:
        from custdyn_widgets.render import with_own_presets  # late: a form shows before it draws

        try:
            report = with_own_presets(report)
            done: Published = self._asked(report).recv()
        except (EOFError, ConnectionError):
            self.close()
            return Published("", "There is no link: the process that makes it was ended. Query again.")
        except Exception as error:
            self.close()
            return failed(error)
        return done

    def _asked(self, report: Report) -> Connection:
        """Send a report; a process that ended since the last one is started anew."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        connection = self._connected()
        connection.send((report, dict(os.environ), Path.cwd()))
        return connection

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """Let the process end."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.wait()
        self._connection = self._process = None

    def _connected(self) -> Connection:
        if self._connection is None:
            here, there = Pipe()
            with there:
                self._process = subprocess.Popen(  # noqa: S603  # this interpreter, and this module
                    [sys.executable, "-m", __name__, str(there.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # the kernel's goes into the notebook
                    pass_fds=[there.fileno()],
                    start_new_session=True,  # Jupyter interrupts the kernel's whole group
                )
            self._connection = here
        return self._connection


SHARED = PublishingProcess()  # of all forms of a kernel: they stay there when their cell is run again
atexit.register(SHARED.close)


def serve(connection: Connection) -> None:
    """Publish what comes, until the other end is closed."""
    prepare()
    while True:
        try:
            report, environment, folder = connection.recv()
        except EOFError:
            return
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        connection.send(published(report))


if __name__ == "__main__":
    os.nice(_NICENESS)
    serve(Connection(int(sys.argv[1])))
