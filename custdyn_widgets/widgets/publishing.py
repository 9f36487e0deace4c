"""Freezing a report that a form showed: its link, and what the person should know about it."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass

from custdyn_widgets import settings
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.publish import Frozen, publish
from custdyn_widgets.report import Report

_PATIENCE = 0.5  # seconds for the viewer of this machine to answer
_LOGINS = (302, 403)


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


def published(report: Report) -> Published:
    """Freeze a report and return what became of it; no failure is an exception here.

    Parameters
    ----------
    report
        The report as it is on screen, with the presets that shall go with it.
    """
    try:
        in_force = settings.load()
        frozen = publish(report, in_force)
    except Exception as error:  # in a worker nobody else would hear of it
        return failed(error)
    return _told(frozen, in_force)


def failed(error: Exception) -> Published:
    """Return in words why there is no link."""
    if isinstance(error, CustDynError):
        return Published("", error.message)
    if isinstance(error, OSError):  # of what is written beside the store while a file is made
        return Published("", f"There is no link: {error.strerror or error}. Mend that, and query again.")
    return Published("", f"There is no link: {type(error).__name__}: {error}")


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
    """Tell whether a viewer answers a link on this machine, be it behind a login that it sends us to."""
    from custdyn_widgets.viewer import HEADERS  # late: a form shows before it publishes

    asked = urllib.request.Request(link, method="HEAD")  # noqa: S310  # always http(s): of this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Unled)
    try:
        with opener.open(asked, timeout=_PATIENCE) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as answer:
        policy = "Content-Security-Policy"
        return answer.code in _LOGINS and answer.headers.get(policy) == HEADERS[policy]
    except (OSError, ValueError) as error:
        # It answers, with a certificate that this machine knows nothing of; the browser asks about it.
        return isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)


class _Unled(urllib.request.HTTPRedirectHandler):
    """Follows nobody: where a viewer sends us says what it is, and what is there says nothing."""

    def redirect_request(self, *_: object) -> None:
        """Take a redirect for an answer."""
