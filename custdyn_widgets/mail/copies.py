"""One recipient's copy of an email: its message, the attempts to send it, and the outcome."""

from __future__ import annotations

import re
import secrets
import smtplib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from custdyn_widgets.mail.message import Envelope, Letter, message_bytes
from custdyn_widgets.mail.refusals import explain_failure, is_too_large
from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.text import ascii_address, format_instant_utc

_Outcome = Literal["sent", "refused", "given up"]
_SIZE = re.compile("[0-9]{1,20}")
_NOT_TRIED = "The run ended before this copy was sent."
_UNDER_WAY = "The run ended while this copy was being sent, so it may have arrived."


@dataclass(frozen=True)
class Delivery:
    """The outcome of one recipient's copy.

    Attributes
    ----------
    recipient
        The address as given in the saved query.
    outcome
        `sent`: a mail server accepted it; `refused`: rejected permanently; `given up`: all attempts failed.
    words
        The server's reply, or the reason there was none, with any login removed.
    at
        The time of the outcome, in UTC.
    tries
        The number of attempts; 0 if the address is invalid.
    message_id
        The Message-ID, the same for every attempt.
    attached
        Whether the copy was sent with its attachment.
    """

    recipient: str
    outcome: _Outcome
    words: str
    at: str
    tries: int
    message_id: str
    attached: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the delivery as a JSON object for the run's receipt."""
        return asdict(self)


class Copy:
    """A recipient's copy of an email while it is being delivered."""

    def __init__(
        self,
        letter: Letter,
        server: MailServer,
        recipient: str,
        max_bytes: int,
        message_id: str | None = None,
    ) -> None:
        self.letter, self.server, self.recipient, self.max_bytes = letter, server, recipient, max_bytes
        self.tries, self.attached = 0, False
        self.message_id = message_id or f"<{secrets.token_hex(16)}@{server.sender.domain}>"
        self.outcome: _Outcome = "given up"
        self.words, self.at = _NOT_TRIED, datetime.now(UTC)
        address = ascii_address(recipient)
        self.is_settled = address is None
        if address is None:
            self.settle("refused", "This is not a valid email address.")
        else:
            self.envelope = Envelope(server.sender, address, self.message_id, self.at.replace(microsecond=0))

    def begin(self) -> None:
        """Count an attempt. Until the attempt ends, the copy may or may not have arrived."""
        self.tries += 1
        self.note("given up", _UNDER_WAY)

    def settle(self, outcome: _Outcome, words: str) -> None:
        """Record the final outcome."""
        self.is_settled = True
        self.note(outcome, words)

    def note(self, outcome: _Outcome, words: str) -> None:
        """Record the outcome of the last attempt."""
        self.outcome, self.words, self.at = outcome, words, datetime.now(UTC)

    def fail(self, error: Exception) -> None:
        """Record why an attempt failed, and settle the copy if a retry cannot succeed."""
        is_final, words = explain_failure(error, self.server)
        if is_final:
            self.settle("refused", words)
        else:
            self.note("given up", words)

    def delivery(self) -> Delivery:
        """Return the outcome so far."""
        at = format_instant_utc(self.at)
        attached = self.attached and self.outcome == "sent"
        return Delivery(self.recipient, self.outcome, self.words, at, self.tries, self.message_id, attached)

    def send(self, smtp: smtplib.SMTP) -> None:
        """Send the message over an open connection; if it is too large, leave out its attachment.

        If the message is still too large, its images are left out as well.
        """
        *larger, (smallest, attached) = self._forms()
        for letter, with_file in larger:
            data = message_bytes(letter, self.envelope, attached=with_file)
            if len(data) > self._size_limit(smtp):
                continue
            self.attached = with_file
            try:
                return self._send(smtp, data)
            except smtplib.SMTPException as error:
                if not is_too_large(error):
                    raise
        self.attached = attached
        return self._send(smtp, message_bytes(smallest, self.envelope, attached=attached))

    def _forms(self) -> list[tuple[Letter, bool]]:
        """Return the versions of the email, largest first, and whether the file is attached to each."""
        forms = [(self.letter, True)] if self.letter.attachment is not None else []
        forms.append((self.letter, False))
        return [*forms, (self.letter.without_pictures(), False)] if self.letter.pictures else forms

    def _send(self, smtp: smtplib.SMTP, data: bytes) -> None:
        smtp.sendmail(self.server.sender.addr_spec, [self.envelope.recipient], data)

    def _size_limit(self, smtp: smtplib.SMTP) -> int:
        announced = smtp.esmtp_features.get("size", "")
        size = int(announced) if _SIZE.fullmatch(announced) else 0  # 0: the server announces no limit
        return min(self.max_bytes, size or self.max_bytes)
