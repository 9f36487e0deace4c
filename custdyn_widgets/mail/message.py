"""A letter as the bytes of a message: headers that nothing can be added to, text, HTML, an attachment.

Every text that becomes part of a header is made one printable line first, so that no name in the data and no
title can end its header and begin another. Bodies are quoted-printable and attachments base64: seven bits
and short lines, which every server takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol

from custdyn_widgets.text import cut_short, printable

LONGEST_SUBJECT = 200
_FILE = re.compile(r"[^a-z0-9._-]+")
_TYPES = {
    "csv": ("text", "csv"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a letter; its name's ending, `.csv` or `.xlsx`, tells what it is."""

    name: str
    data: bytes

    @property
    def ending(self) -> str:
        """What the name ends in."""
        return self.name.rpartition(".")[2]


class Letter(Protocol):
    """What can be sent: a subject, and texts that differ by whether the attachment goes with them."""

    @property
    def subject(self) -> str:
        """The line that readers list it by."""

    @property
    def attachment(self) -> Attachment | None:
        """The file that goes with it, unless that makes it too large."""

    def texts(self, attached: bool) -> tuple[str, str]:
        """Return its body as plain text and as HTML."""


@dataclass(frozen=True)
class Envelope:
    """What one copy of a letter has for itself; tries of the same copy have the same id."""

    sender: Address
    recipient: str
    message_id: str
    date: datetime


def message_bytes(letter: Letter, envelope: Envelope, *, attached: bool) -> bytes:
    """Return the message as a server takes it, with or without the letter's attachment."""
    message = EmailMessage(policy=SMTP)
    message["From"] = envelope.sender
    message["To"] = Address(addr_spec=envelope.recipient)
    message["Subject"] = header_text(letter.subject)
    message["Date"] = envelope.date
    message["Message-ID"] = envelope.message_id
    # Holiday notices and other machines do not answer a letter that says it is a machine's.
    message["Auto-Submitted"] = "auto-generated"
    text, html = letter.texts(attached and letter.attachment is not None)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    if attached and letter.attachment is not None:
        _attach(message, letter.attachment)
    return message.as_bytes()


def header_text(text: str) -> str:
    """Return a text as a header may hold it: one printable line, not too long, read as it stands.

    An encoded word in it (`=?utf-8?q?=0D=0ABcc:…?=`) would be decoded, and Pythons before 3.11.10 would write
    its line ends out: an invisible character makes it none.
    """
    line = " ".join(printable(text).split()).replace("=?", "=\N{WORD JOINER}?")
    return cut_short(line, LONGEST_SUBJECT)


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    maintype, subtype = _TYPES[attachment.ending]
    name = _FILE.sub("-", attachment.name.lower()).lstrip(".-")
    params = {"charset": "utf-8"} if maintype == "text" else {}
    # Bytes, whatever the type: as text, its line ends would be anybody's to change.
    message.add_attachment(
        attachment.data, maintype=maintype, subtype=subtype, filename=name, params=params, cte="base64"
    )
