"""Delivering emails by SMTP: one copy for each recipient, and an outcome for each copy.

Temporary failures (no connection, a 4xx reply) are retried after a wait; permanent ones (a 5xx reply, a
rejected login or certificate) are not. Each recipient gets a separate copy, so that recipients do not see
each other and one rejected address does not affect the rest. If the connection breaks after the last byte, a
copy may be delivered twice, but with the same Message-ID, so mail clients can recognize the duplicate.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from custdyn_widgets.mail.copies import Copy, Delivery
from custdyn_widgets.mail.message import Letter
from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.mail.tokens import log_in_with_token

MAX_BYTES = 10_000_000  # for a complete message; many servers accept no more
TIMEOUT = 30.0  # seconds to wait for each reply
MAX_SECONDS = 1_800.0  # for all copies together, so that a slow server cannot block a run forever
Outcomes = Callable[[], list[list[Delivery]]]
_READY = 220
_PAUSE_S = 0.2


def deliver(
    letters: Sequence[tuple[Letter, Sequence[str]]],
    server: MailServer,
    *,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
    sleep: Callable[[float], object] = time.sleep,
    progress: Callable[[str], None] = lambda _: None,
    record: Callable[[Outcomes], object] = lambda _: None,
    message_ids: Sequence[Mapping[str, str]] = (),
) -> list[list[Delivery]]:
    """Send emails, each to its own recipients, and return the outcome of each email's copies.

    All copies share one series of waits, and one connection until it is lost. Failures never raise an
    exception.

    Parameters
    ----------
    letters
        Each email with the addresses of its recipients.
    server
        The mail server.
    max_bytes
        A message over this size, or over the server's limit, is sent without its attachment.
    max_seconds
        The time limit, after which the current copy is aborted and no other copy is tried.
    sleep
        Called for each wait, with the number of seconds.
    progress
        Called with a message before each wait.
    record
        Called after each accepted copy, with a function that returns the outcomes so far.
    message_ids
        For each email, the Message-IDs of copies that were tried earlier, by recipient.
    """
    copies = _copies(letters, server, max_bytes, message_ids)

    def outcomes() -> list[list[Delivery]]:
        return [[copy.delivery() for copy in of_letter] for of_letter in copies]

    end = time.monotonic() + max_seconds
    for wait in (0.0, *server.waits):
        waiting = [copy for of_letter in copies for copy in of_letter if not copy.is_settled]
        if not waiting or time.monotonic() + wait > end:
            break
        if wait:
            progress(f"Trying again in {wait:g} s. {waiting[0].words}")
            sleep(wait)
        _try_all(waiting, server, end, lambda: record(outcomes))
    return outcomes()


def _copies(
    letters: Sequence[tuple[Letter, Sequence[str]]],
    server: MailServer,
    max_bytes: int,
    message_ids: Sequence[Mapping[str, str]],
) -> list[list[Copy]]:
    known = [*message_ids, *({} for _ in letters)]
    return [
        [Copy(letter, server, address, max_bytes, ids.get(address)) for address in to]
        for (letter, to), ids in zip(letters, known, strict=False)
    ]


def _try_all(copies: Sequence[Copy], server: MailServer, end: float, record: Callable[[], object]) -> None:
    """Try each copy once, until `end`; stop when two new connections in a row break immediately."""
    left, broken = list(copies), 0
    while left and broken < 2 and time.monotonic() < end:
        try:
            with _connect(server, end) as smtp:
                answered = _send_all(left, smtp, end, record)
        except (OSError, smtplib.SMTPException) as error:
            for copy in left:
                copy.tries += 1
                copy.fail(error)
            return
        broken = 0 if answered else broken + 1
    if time.monotonic() >= end:
        reason = "Time ran out before this copy was sent."
    else:
        reason = "The connection to the mail server was lost before this copy was sent."
    for copy in left:
        copy.note("given up", reason)


def _send_all(left: list[Copy], smtp: smtplib.SMTP, end: float, record: Callable[[], object]) -> int:
    """Send copies until the connection drops, recording each one that is accepted.

    Return the number of copies that the server responded to.

    A server may close the connection after a certain number of messages, so the copy being sent stays in the
    list for the next connection. If that connection breaks immediately, the copy is assumed to be the cause
    and is dropped.
    """
    answered = 0
    while left and time.monotonic() < end:
        copy = left[0]
        copy.begin()
        try:
            copy.send(smtp)
            copy.settle("sent", "The mail server accepted it.")
            record()
        except (OSError, smtplib.SMTPException) as error:
            copy.fail(error)
            if smtp.sock is None or isinstance(error, smtplib.SMTPServerDisconnected | TimeoutError):
                if not answered:
                    left.pop(0)
                return answered
        left.pop(0)
        answered += 1
    return answered


@contextmanager
def _connect(server: MailServer, end: float) -> Iterator[smtplib.SMTP]:
    """Open a connection with the configured encryption and login, and close it at `end`."""
    context = None if server.security == "none" else ssl.create_default_context()
    name = server.sender.domain  # for EHLO: looking up this machine's own name can hang
    smtp: smtplib.SMTP
    if server.security == "tls":
        smtp = smtplib.SMTP_SSL(local_hostname=name, timeout=TIMEOUT, context=context)
    else:
        smtp = smtplib.SMTP(local_hostname=name, timeout=TIMEOUT)
    # The name to expect in the certificate, which `connect` does not set.
    smtp._host = server.host  # type: ignore[attr-defined]  # not in the stubs
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
        elif server.user and server.token:
            log_in_with_token(smtp, server.user, server.token.read())
        yield smtp
    finally:
        try:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        finally:  # even if a signal ends the process here
            closed.set()
            smtp.close()


def _cut_off(smtp: smtplib.SMTP, seconds: float, closed: threading.Event) -> None:
    """Close a connection that is still open after this many seconds, because a slow reply may never end."""
    is_closed = closed.wait(max(seconds, 0))
    while not is_closed:
        if (sock := smtp.sock) is not None:
            with suppress(OSError):
                # `sock.shutdown` would drop the TLS keys that another thread is using.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        is_closed = closed.wait(_PAUSE_S)


def _log_in(smtp: smtplib.SMTP, user: str, password: str) -> None:
    try:
        smtp.login(user, password)
    except ValueError:  # the reply cannot be decoded and may contain the login
        raise smtplib.SMTPException("its reply to the login is invalid.") from None
