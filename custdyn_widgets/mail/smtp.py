"""Copies of a letter, each on its own way to one recipient; what came of each is a value, never an exception.

What failed for now (no connection, a reply of 4xx) is tried again after a wait, what was refused for good
(5xx, a login or a certificate that is not accepted) is not. Every recipient gets a copy of his own, so that
nobody sees the others and nobody's refusal keeps them from theirs. A connection that breaks after the last
byte may make a second copy; both then have the same Message-ID, by which readers know them as one.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from custdyn_widgets.mail.copies import Copy, Delivery
from custdyn_widgets.mail.message import Letter
from custdyn_widgets.mail.server import MailServer

MOST_BYTES = 10_000_000  # of a whole message; many servers take no more
TIMEOUT = 30.0  # seconds for each answer of a server
MOST_SECONDS = 1_800.0  # for all copies together: a server that crawls holds no run for ever
_READY = 220
_PAUSE_S = 0.2


def deliver(
    letter: Letter,
    recipients: Sequence[str],
    server: MailServer,
    *,
    most_bytes: int = MOST_BYTES,
    most_seconds: float = MOST_SECONDS,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Delivery]:
    """Send a copy of a letter to each recipient and return what became of each, in their order.

    Parameters are those of `deliver_all`, for one letter.
    """
    posts = [(letter, recipients)]
    return deliver_all(posts, server, most_bytes=most_bytes, most_seconds=most_seconds, sleep=sleep)[0]


def deliver_all(
    letters: Sequence[tuple[Letter, Sequence[str]]],
    server: MailServer,
    *,
    most_bytes: int = MOST_BYTES,
    most_seconds: float = MOST_SECONDS,
    sleep: Callable[[float], object] = time.sleep,
    progress: Callable[[str], None] = lambda _: None,
) -> list[list[Delivery]]:
    """Send several letters, each to its own recipients, and return what became of each letter's copies.

    All go over one connection as long as it holds, and the waits are the same for all.

    Parameters
    ----------
    letters
        What is sent, and the plain addresses that it goes to.
    server
        Who takes it.
    most_bytes
        Over so many bytes, or over the fewer that the server takes, a message goes without its attachment.
    most_seconds
        After so long a copy that is on its way is broken off, and no further one is tried.
    sleep
        What waits.
    progress
        Called with a line before each wait.
    """
    copies = [[Copy(letter, server, address, most_bytes) for address in to] for letter, to in letters]
    end = time.monotonic() + most_seconds
    for wait in (0.0, *server.waits):
        waiting = [copy for of_letter in copies for copy in of_letter if not copy.is_settled]
        if not waiting or time.monotonic() + wait > end:
            break
        if wait:
            progress(f"Trying again in {wait:g} s. {waiting[0].words}")
            sleep(wait)
        _try_all(waiting, server, end)
    return [[copy.delivery() for copy in of_letter] for of_letter in copies]


def failed_words(deliveries: Iterable[Delivery]) -> str:
    """Return in words who did not get his copy, and why; empty if everybody did."""
    failed = [d for d in deliveries if d.outcome != "sent"]
    return "\n".join(f"{d.recipient}: {d.outcome}. {d.words}" for d in failed)


def _try_all(copies: Sequence[Copy], server: MailServer, end: float) -> None:
    """Try each copy once until the end; where two new connections break at once, the rest wait."""
    left, broken = list(copies), 0
    while left and broken < 2 and time.monotonic() < end:
        try:
            with _connected(server, end) as smtp:
                handed = _hand_over_all(left, smtp, end)
        except (OSError, smtplib.SMTPException) as error:
            for copy in left:
                copy.tries += 1
                copy.fail(error)
            return
        broken = 0 if handed else broken + 1
    late = time.monotonic() >= end
    why = "took all the time there was before this one" if late else "broke at the letters before this one"
    for copy in left:
        copy.note("given up", f"The connection to the mail server {why}.")


def _hand_over_all(left: list[Copy], smtp: smtplib.SMTP, end: float) -> int:
    """Hand copies over until the connection breaks; return how many the server answered to.

    A server may hang up after so many letters: a copy that meets that stays in the list, for a connection of
    its own. What breaks that as well is taken out, so that it costs no other copy its way.
    """
    handed = 0
    while left and time.monotonic() < end:
        copy = left[0]
        copy.tries += 1
        try:
            copy.hand_over(smtp)
            copy.settle("sent", "The mail server took it.")
        except (OSError, smtplib.SMTPException) as error:
            copy.fail(error)
            if smtp.sock is None or isinstance(error, smtplib.SMTPServerDisconnected | TimeoutError):
                if not handed:
                    left.pop(0)
                return handed
        left.pop(0)
        handed += 1
    return handed


@contextmanager
def _connected(server: MailServer, end: float) -> Iterator[smtplib.SMTP]:
    """Open a connection until the end, made secret and logged in as the settings ask."""
    context = None if server.security == "none" else ssl.create_default_context()
    name = server.sender.domain  # what to call oneself: looking up the machine's own name can hang
    smtp: smtplib.SMTP
    if server.security == "tls":
        smtp = smtplib.SMTP_SSL(local_hostname=name, timeout=TIMEOUT, context=context)
    else:
        smtp = smtplib.SMTP(local_hostname=name, timeout=TIMEOUT)
    # Whom the certificate has to name: `connect` does not note it.
    smtp._host = server.host  # type: ignore[attr-defined]  # nor do its stubs
    closed = threading.Event()
    threading.Thread(target=_cut_off, args=(smtp, end - time.monotonic(), closed), daemon=True).start()
    try:
        code, greeting = smtp.connect(server.host, server.port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, greeting)
        if server.security == "starttls":
            smtp.starttls(context=context)
        smtp.ehlo_or_helo_if_needed()
        if server.user and server.password:
            _log_in(smtp, server.user, server.password)
        yield smtp
    finally:
        try:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        finally:  # also if the process is told to end meanwhile
            closed.set()
            smtp.close()


def _cut_off(smtp: smtplib.SMTP, seconds: float, closed: threading.Event) -> None:
    """Break a connection that is still open after so long: an answer in small pieces may have no end."""
    is_closed = closed.wait(max(seconds, 0))
    while not is_closed:
        if (sock := smtp.sock) is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which would take its keys away from whoever is reading.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        is_closed = closed.wait(_PAUSE_S)


def _log_in(smtp: smtplib.SMTP, user: str, password: str) -> None:
    try:
        smtp.login(user, password)
    except ValueError:  # of the decoding; what it was may hold the login
        raise smtplib.SMTPException("what it answers to a login means nothing.") from None
