"""Publishing reports and differences in a separate process, so that the kernel remains responsive.

The kernel sends the process a report or a difference and the current environment, and receives a `Published`.
The process ignores kernel interrupts. It exits when the kernel stops, after completing any work in progress.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import ipaddress
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
from typing import Literal
from urllib.parse import urlsplit

from custdyn_widgets import settings
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.publish import Frozen, prepare, publish, without_client_names
from custdyn_widgets.report import Report, ReportDifference

_NICENESS = 5  # so that the table on screen takes precedence
_TIMEOUT_S = 0.5  # for a viewer on this machine to respond
_LOGIN_STATUSES = (302, 403)
_RUN_AGAIN = "run the query again"
_CREATE_AGAIN = "click Create link again"
_FOR_OTHERS = (
    "For a link that others can open, set CUSTDYN_SHARE_URL to the address of a viewer (custdyn serve)."
)

Viewer = Literal["open", "login"]
"""How a viewer responds: with the report, or by asking for a login first."""


@dataclass(frozen=True)
class Published:
    """The outcome of publishing a report.

    Attributes
    ----------
    link
        The link, or "" if nothing was published.
    words
        A message for the user if there is no link, if no viewer responds at the link, or if others cannot
        open it.
    page
        The frozen page to open if no viewer responds at the link, otherwise None.
    """

    link: str
    words: str = ""
    page: bytes | None = None


def publish_report(report: Report | ReportDifference) -> Published:
    """Publish a report or a difference, and return errors instead of raising them."""
    try:
        loaded = settings.load()
        frozen = publish(report, loaded)
    except Exception as error:  # otherwise, the error would be lost
        return describe_failure(error, _again(report))
    return _describe_success(frozen, loaded)


def describe_failure(error: Exception, again: str = _RUN_AGAIN) -> Published:
    """Return an outcome whose message says why there is no link; `again` says how to retry."""
    if isinstance(error, CustDynError):
        return Published("", error.message)
    if isinstance(error, OSError):  # caused by a file outside the store
        reason = error.strerror or error
        return Published("", f"There is no link: {reason}. Fix that and {again}.")
    return Published("", f"There is no link: {type(error).__name__}: {error}")


def _again(report: Report | ReportDifference) -> str:
    return _CREATE_AGAIN if isinstance(report, ReportDifference) else _RUN_AGAIN


def _describe_success(frozen: Frozen, loaded: settings.Settings) -> Published:
    assert frozen.link is not None
    assert frozen.page is not None
    viewer = None if loaded.share_url else ask_viewer(frozen.link)
    if loaded.share_url or viewer:
        return Published(frozen.link, _who_can_open(frozen.link, viewer))
    return Published(
        frozen.link,
        "The link does not work yet: run “custdyn serve” in a terminal, or set "
        "CUSTDYN_SHARE_URL to the address of your viewer. Until then, you can open the page here.",
        frozen.page.read_bytes(),
    )


def _who_can_open(link: str, viewer: Viewer | None) -> str:
    """Return a message about who can open a link, or "" if everyone who has it probably can."""
    host = urlsplit(link).hostname or ""
    if host == "localhost" or host.endswith(".localhost") or _is_loopback(host):
        return f"The link opens only on this computer. {_FOR_OTHERS}"
    if viewer == "login":
        return f"Only people with a login to this Jupyter server can open the link. {_FOR_OTHERS}"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ask_viewer(link: str) -> Viewer | None:
    """Return how a viewer on this machine answers a request for a link, or None if none does."""
    from custdyn_widgets.viewer import HEADERS  # imported late so that the form is shown sooner

    request = urllib.request.Request(link, method="HEAD")  # noqa: S310  # always http(s), on this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            return "open" if response.status == 200 else None
    except urllib.error.HTTPError as response:
        policy = "Content-Security-Policy"
        ours = response.headers.get(policy) == HEADERS[policy]
        return "login" if ours and response.code in _LOGIN_STATUSES else None
    except (OSError, ValueError, http.client.HTTPException) as error:
        # An untrusted certificate still means that a viewer responds; the browser will ask the user.
        return "open" if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError) else None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A handler that does not follow redirects, because their headers show whether a viewer sent them."""

    def redirect_request(self, *_: object) -> None:
        """Return None, so that the redirect is not followed."""


class PublishingProcess:
    """A process that publishes reports. It is started when first needed, and restarted if it has exited."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._was_used = False

    def start(self) -> None:
        """Start the process ahead of the first report, because its libraries take seconds to load.

        Errors are ignored, because they will occur again when a report is published.
        """
        with self._one_at_a_time, contextlib.suppress(OSError):
            self._connect()

    def publish(self, report: Report | ReportDifference) -> Published:
        """Run `publish_report` in the process and return its outcome."""
        from custdyn_widgets.render import with_own_presets  # imported late so that the form is shown sooner

        with self._one_at_a_time:
            try:
                connection = self._connect()
                self._was_used = True
                if isinstance(report, ReportDifference):
                    frozen: Report | ReportDifference = without_client_names(report)
                else:
                    frozen = with_own_presets(report)
                connection.send((frozen, dict(os.environ), Path.cwd()))
                published: Published = connection.recv()
            except (EOFError, ConnectionError):
                self.close()
                again = _again(report)
                remedy = f"{again[0].upper()}{again[1:]}"
                return Published("", f"There is no link: the publishing process has stopped. {remedy}.")
            except Exception as error:
                self.close()
                return describe_failure(error, _again(report))
            return published

    @property
    def pid(self) -> int | None:
        """The id of the process, or None if it is not running."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """Let the process finish, and wait for it to exit. If it has not been used yet, it is killed."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            if not self._was_used:
                self._process.kill()
            self._process.wait()
        self._connection = self._process = None
        self._was_used = False

    def _connect(self) -> Connection:
        """Return the connection to the process, which is started if necessary."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._connection is None:
            here, there = Pipe()
            with there:
                self._process = subprocess.Popen(  # noqa: S603  # runs this interpreter and module
                    [sys.executable, "-m", __name__, str(there.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # the kernel's stderr goes into the notebook
                    pass_fds=[there.fileno()],
                    start_new_session=True,  # Jupyter interrupts the kernel's process group
                )
            self._connection = here
        return self._connection


SHARED = PublishingProcess()  # shared by all forms of a kernel, and kept when a form's cell runs again
atexit.register(SHARED.close)


class Publisher:
    """Publishes reports in the background, one at a time. The kernel waits for them before it exits."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="custdyn-publisher")

    def publish(self, report: Report | ReportDifference, done: Callable[[Published], None]) -> Future[None]:
        """Publish a report or a difference, and call `done` with the outcome in the background thread."""
        return self.submit(lambda: done(SHARED.publish(report)))

    def start(self) -> None:
        """Start the process in the background, ahead of the first report."""
        self.submit(SHARED.start)

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """Run a function after all pending work."""
        return self._worker.submit(work)


def serve(connection: Connection) -> None:
    """Publish the reports that arrive, until the other end closes the connection."""
    from custdyn_widgets.render import start_engine  # imported late so that the form is shown sooner

    start_engine()
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
    # Imported because this module is now `__main__`, but `Published` must be pickled under its real name.
    from custdyn_widgets.widgets.publishing import serve as serve_requests

    serve_requests(Connection(int(sys.argv[1])))
