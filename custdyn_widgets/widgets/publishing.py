"""Freezing what a form showed: one worker, in the background, one report after another."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from custdyn_widgets import settings
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.freezing import Frozen, publish
from custdyn_widgets.report import Report

_PATIENCE = 0.5  # seconds for the viewer of this machine to answer


@dataclass(frozen=True)
class Published:
    """What became of a report.

    Attributes
    ----------
    link
        Its link; empty if nothing was published.
    words
        What the person should know: why it was not published, or that nobody answers the link here.
    page
        The frozen page, to be opened where nobody answers the link; None where it is not needed.
    """

    link: str
    words: str = ""
    page: bytes | None = None


class Publisher:
    """Publishes reports in the order in which they come, without anybody waiting for it.

    Whoever ends the kernel waits: what was begun is finished first.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="custdyn-publisher")

    def publish(self, report: Report, tell: Callable[[Published], None]) -> None:
        """Freeze a report; `tell` is called in the worker's thread."""
        self.do(lambda: tell(published(report)))

    def do(self, work: Callable[[], None]) -> Future[None]:
        """Do some work behind all that waits already."""
        return self._worker.submit(work)


def published(report: Report) -> Published:
    """Freeze a report and return what became of it; no failure is an exception here.

    Parameters
    ----------
    report
        The report as it is on screen; this process's own presets go with it.
    """
    from custdyn_widgets import charts  # late: a form shows before it draws

    try:
        in_force = settings.load()
        frozen = publish(charts.with_own_presets(report), in_force)
    except CustDynError as error:
        return Published("", error.message)
    except Exception as error:  # in a worker nobody else would hear of it
        return Published("", f"There is no link: {type(error).__name__}: {error}")
    return _told(frozen, in_force)


def _told(frozen: Frozen, in_force: settings.Settings) -> Published:
    assert frozen.link is not None
    assert frozen.page is not None
    if in_force.share_url or answers(frozen.link):
        return Published(frozen.link)
    return Published(
        frozen.link,
        "Nobody answers this link yet: run “custdyn serve” in a terminal, or set "
        "CUSTDYN_SHARE_URL to where your viewer is. Until then, open the page from its file.",
        frozen.page.read_bytes(),
    )


def answers(link: str) -> bool:
    """Tell whether a viewer answers a link on this machine."""
    asked = urllib.request.Request(link, method="HEAD")  # noqa: S310  # always http: of this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=_PATIENCE) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False
