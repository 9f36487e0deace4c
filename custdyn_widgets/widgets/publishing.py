"""Freezing the reports that a form shows, in another process, so that the kernel stays free to answer.

The kernel sends the process a report and the current environment, and gets back a `Published`. The process
lives as long as the kernel, finishes what it has begun, and is not interrupted when the kernel is.
"""

from __future__ import annotations

import atexit
import http.client
import os
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from custdyn_widgets import settings
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.publish import Frozen, prepare, publish
from custdyn_widgets.report import Report

_NICENESS = 5  # the table on screen comes first
_TIMEOUT_S = 0.5  # for a viewer on this machine to answer
_LOGIN_STATUSES = (302, 403)


@dataclass(frozen=True)
class Published:
    """The outcome of publishing a report.

    Attributes
    ----------
    link
        The link; empty if nothing was published.
    words
        What to tell the person: why there is no link, or that no viewer answers it here.
    page
        The frozen page, to open where no viewer answers the link; None where it is not needed.
    """

    link: str
    words: str = ""
    page: bytes | None = None


def publish_report(report: Report) -> Published:
    """Freeze a report, with the presets registered for it; return a failure instead of raising it."""
    try:
        loaded = settings.load()
        frozen = publish(report, loaded)
    except Exception as error:  # nobody else would hear of it
        return describe_failure(error)
    return _describe_success(frozen, loaded)


def describe_failure(error: Exception) -> Published:
    """Say why there is no link."""
    if isinstance(error, CustDynError):
        return Published("", error.message)
    if isinstance(error, OSError):  # of a file outside the store
        return Published("", f"There is no link: {error.strerror or error}. Fix that, and query again.")
    return Published("", f"There is no link: {type(error).__name__}: {error}")


def _describe_success(frozen: Frozen, loaded: settings.Settings) -> Published:
    assert frozen.link is not None
    assert frozen.page is not None
    if loaded.share_url or answers(frozen.link):
        return Published(frozen.link)
    return Published(
        frozen.link,
        "Nobody answers this link yet: run “custdyn serve” in a terminal, or set "
        "CUSTDYN_SHARE_URL to where your viewer is. Until then, open the page from its file.",
        frozen.page.read_bytes(),
    )


def answers(link: str) -> bool:
    """Return whether a viewer on this machine answers a link, also if it asks for a login first."""
    from custdyn_widgets.viewer import HEADERS  # late: a form shows before it publishes

    request = urllib.request.Request(link, method="HEAD")  # noqa: S310  # always http(s), on this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError as response:
        policy = "Content-Security-Policy"
        return response.code in _LOGIN_STATUSES and response.headers.get(policy) == HEADERS[policy]
    except (OSError, ValueError, http.client.HTTPException) as error:
        # A certificate that this machine does not trust: a viewer answers, and the browser asks about it.
        return isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as the answer: its headers say whether a viewer sent it."""

    def redirect_request(self, *_: object) -> None:
        """Do not follow a redirect."""


class PublishingProcess:
    """A process that publishes reports; started when first needed, and again after it has ended."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def publish(self, report: Report) -> Published:
        """Publish a report as `publish_report` does, in the process, and wait for it."""
        from custdyn_widgets.render import with_own_presets  # late: a form shows before it draws

        with self._one_at_a_time:
            try:
                connection = self._connect()
                connection.send((with_own_presets(report), dict(os.environ), Path.cwd()))
                published: Published = connection.recv()
            except (EOFError, ConnectionError):
                self.close()
                return Published("", "There is no link: the process that makes it was ended. Query again.")
            except Exception as error:
                self.close()
                return describe_failure(error)
            return published

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is no process."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """Let the process finish, and wait for its end."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.wait()
        self._connection = self._process = None

    def _connect(self) -> Connection:
        """Return the connection to the process; start the process if there is none."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._connection is None:
            here, there = Pipe()
            with there:
                self._process = subprocess.Popen(  # noqa: S603  # this interpreter, and this module
                    [sys.executable, "-m", __name__, str(there.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # the kernel's stderr goes into the notebook
                    pass_fds=[there.fileno()],
                    start_new_session=True,  # Jupyter interrupts the kernel's whole process group
                )
            self._connection = here
        return self._connection


SHARED = PublishingProcess()  # shared by all forms of a kernel: it survives when a form's cell is run again
atexit.register(SHARED.close)


class Publisher:
    """Publishes reports one after the other, in the background; a kernel that ends waits for them."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="custdyn-publisher")

    def publish(self, report: Report, done: Callable[[Published], None]) -> Future[None]:
        """Publish a report and call `done` with the outcome, in the background thread."""
        return self.submit(lambda: done(SHARED.publish(report)))

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """Do some work after all that is waiting."""
        return self._worker.submit(work)


def serve(connection: Connection) -> None:
    """Publish the reports that arrive, until the other end closes the connection."""
    prepare()
    while True:
        try:
            report, environment, folder = connection.recv()
        except EOFError:
            return
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        connection.send(publish_report(report))


if __name__ == "__main__":
    os.nice(_NICENESS)
    # From the module's own name: `Published` is pickled by it, and this one is called `__main__`.
    from custdyn_widgets.widgets.publishing import serve as serve_requests

    serve_requests(Connection(int(sys.argv[1])))
