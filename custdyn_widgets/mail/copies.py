"""One recipient's copy of a letter: what is sent, and what came of it so far."""

from __future__ import annotations

import re
import secrets
import smtplib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from custdyn_widgets.mail.message import Envelope, Letter, message_bytes
from custdyn_widgets.mail.refusals import is_too_large, judged
from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.text import ascii_address, format_instant_utc

_Outcome = Literal["sent", "refused", "given up"]
_SIZE = re.compile("[0-9]{1,20}")


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
        Whether it went, and the file with it.
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


class Copy:
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
        self.outcome, self.words, self.at = outcome, words, datetime.now(UTC)

    def fail(self, error: Exception) -> None:
        """Note why a try failed, for good or for now."""
        for_good, words = judged(error, self.server)
        if for_good:
            self.settle("refused", words)
        else:
            self.note("given up", words)

    def delivery(self) -> Delivery:
        """Return what became of it."""
        at = format_instant_utc(self.at)
        attached = self.attached and self.outcome == "sent"
        return Delivery(self.recipient, self.outcome, self.words, at, self.tries, self.message_id, attached)

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
        size = int(told) if _SIZE.fullmatch(told) else 0  # 0, or none: it names no limit
        limit = min(self.most_bytes, size or self.most_bytes)
        attached = self.letter.attachment is not None
        data = message_bytes(self.letter, self.envelope, attached=attached)
        if attached and len(data) > limit:
            return message_bytes(self.letter, self.envelope, attached=False), False
        return data, attached
