"""Copies of a letter, each on its own way to one recipient; what came of each is a value, never an exception.

What failed for now (no connection, a reply of 4xx) is tried again after a wait, what was refused for good
(5xx, a login or a certificate that is not accepted) is not. Every recipient gets a copy of his own, so that
nobody sees the others and nobody's refusal keeps them from theirs. A connection that breaks after the last
byte may make a second copy; both then have the same Message-ID, by which readers know them as one.
"""

from __future__ import annotations

import secrets
import smtplib
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from custdyn_widgets.addresses import ascii_address
from custdyn_widgets.delivery.message import Envelope, Letter, message_bytes
from custdyn_widgets.delivery.refusals import is_too_large, judged
from custdyn_widgets.delivery.server import MailServer

MOST_BYTES = 10_000_000  # of a whole message; many servers take no more
TIMEOUT = 30.0  # seconds for each answer of a server
_Outcome = Literal["sent", "refused", "given up"]


@dataclass(frozen=True)
class Delivery:
    """What became of one recipient's copy.

    Attributes
    ----------
    recipient
        The address, as the saved query has it.
    outcome
        `sent`: a mail server took it; `refused`: for good; `given up`: it failed to the last try.
    words
        What the server said, or why it could not be asked; never a login.
    at
        When that was, an instant in UTC.
    tries
        How often it was tried; 0: it could not even be addressed.
    message_id
        The Message-ID of every try.
    attached
        Whether the file went with it, or the link alone.
    """

    recipient: str
    outcome: _Outcome
    words: str
    at: str
    tries: int
    message_id: str
    attached: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as the receipt keeps it."""
        return asdict(self)


def deliver(
    letter: Letter,
    recipients: Sequence[str],
    server: MailServer,
    *,
    most_bytes: int = MOST_BYTES,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Delivery]:
    """Send a copy of a letter to each recipient and return what became of each, in their order."""
    copies = [_Copy(letter, server, address, most_bytes) for address in recipients]
    waiting = [copy for copy in copies if not copy.is_settled]
    for wait in (0.0, *server.waits):
        if not waiting:
            break
        if wait:
            sleep(wait)
        _try_all(waiting, server)
        waiting = [copy for copy in waiting if not copy.is_settled]
    return [copy.delivery() for copy in copies]


def failed_words(deliveries: Iterable[Delivery]) -> str:
    """Return in words who did not get his copy, and why; empty if everybody did."""
    failed = [d for d in deliveries if d.outcome != "sent"]
    return "\n".join(f"{d.recipient}: {d.outcome}. {d.words}" for d in failed)


class _Copy:
    """One recipient's copy: what is sent, and what came of it so far."""

    def __init__(self, letter: Letter, server: MailServer, recipient: str, most_bytes: int) -> None:
        self.letter, self.server, self.recipient, self.most_bytes = letter, server, recipient, most_bytes
        self.tries, self.attached = 0, False
        self.message_id = f"<{secrets.token_hex(16)}@{server.sender.domain}>"
        self.outcome: _Outcome = "given up"
        self.words, self.at = "", datetime.now(UTC)
        address = ascii_address(recipient)
        self.is_settled = address is None
        if address is None:
            self.settle("refused", "This is no e-mail address that mail can be sent to.")
        else:
            self.envelope = Envelope(server.sender, address, self.message_id, self.at.replace(microsecond=0))

    def settle(self, outcome: _Outcome, words: str) -> None:
        """Note what came of it for good."""
        self.is_settled = True
        self.note(outcome, words)

    def note(self, outcome: _Outcome, words: str) -> None:
        """Note what came of the last try."""
        self.outcome, self.words, self.at = outcome, _safe(words, self.server), datetime.now(UTC)

    def delivery(self) -> Delivery:
        """Return what became of it."""
        at = f"{self.at:%Y-%m-%dT%H:%M:%SZ}"
        return Delivery(
            self.recipient, self.outcome, self.words, at, self.tries, self.message_id, self.attached
        )

    def hand_over(self, smtp: smtplib.SMTP) -> None:
        """Send it over an open connection, without its attachment where that makes it too large."""
        data, self.attached = self._fitting(smtp)
        try:
            smtp.sendmail(self.server.sender.addr_spec, [self.envelope.recipient], data)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            if not self.attached or not is_too_large(error):
                raise
            self.attached = False
            data = message_bytes(self.letter, self.envelope, attached=False)
            smtp.sendmail(self.server.sender.addr_spec, [self.envelope.recipient], data)

    def _fitting(self, smtp: smtplib.SMTP) -> tuple[bytes, bool]:
        told = smtp.esmtp_features.get("size", "")
        limit = min(self.most_bytes, int(told) if told.isdecimal() and int(told) else self.most_bytes)
        attached = self.letter.attachment is not None
        data = message_bytes(self.letter, self.envelope, attached=attached)
        if attached and len(data) > limit:
            return message_bytes(self.letter, self.envelope, attached=False), False
        return data, attached


def _try_all(copies: Sequence[_Copy], server: MailServer) -> None:
    """Try each copy once; where connections break twice without a letter between, the rest wait."""
    left, broken = list(copies), 0
    while left and broken < 2:
        try:
            with _connected(server) as smtp:
                while left:
                    copy = left.pop(0)
                    copy.tries += 1
                    lost = _try_one(copy, smtp)
                    broken = broken + 1 if lost else 0
                    if lost:
                        break
        except (OSError, smtplib.SMTPException) as error:
            for copy in left:
                copy.tries += 1
                _note_failure(copy, error, server)
            return
    for copy in left:
        copy.note("given up", "The connection to the mail server broke twice, one letter before this one.")


def _try_one(copy: _Copy, smtp: smtplib.SMTP) -> bool:
    """Hand one copy over and note what came of it; tell whether the connection was lost."""
    try:
        copy.hand_over(smtp)
    except (OSError, smtplib.SMTPException) as error:
        _note_failure(copy, error, copy.server)
        return smtp.sock is None or isinstance(error, smtplib.SMTPServerDisconnected | TimeoutError)
    copy.settle("sent", "The mail server took it.")
    return False


@contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    """Open a connection, made secret and logged in as the settings ask."""
    context = ssl.create_default_context()
    name = server.sender.domain  # what to call oneself: looking up the machine's own name can hang
    smtp: smtplib.SMTP
    if server.security == "tls":
        smtp = smtplib.SMTP_SSL(server.host, server.port, name, timeout=TIMEOUT, context=context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, name, timeout=TIMEOUT)
    try:
        if server.security == "starttls":
            smtp.starttls(context=context)
        smtp.ehlo_or_helo_if_needed()
        if server.user and server.password:
            smtp.login(server.user, server.password)
        yield smtp
    finally:
        with suppress(OSError, smtplib.SMTPException):
            smtp.quit()
        smtp.close()


def _note_failure(copy: _Copy, error: Exception, server: MailServer) -> None:
    for_good, words = judged(error, server)
    if for_good:
        copy.settle("refused", words)
    else:
        copy.note("given up", words)


def _safe(words: str, server: MailServer) -> str:
    """Return words without the login, which a server may have repeated."""
    for secret in (server.password, server.user):
        if secret:
            words = words.replace(secret, "***")
    return words
