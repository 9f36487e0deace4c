"""Encoding an email as a message: headers, plain text, HTML and an attachment.

Header text is first reduced to one printable line, so that no title or name in the data can add a header.
Bodies are encoded as quoted-printable and attachments as base64, because every server accepts short lines of
ASCII.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol, Self

from custdyn_widgets.text import cut_short, printable

MAX_SUBJECT_LENGTH = 200
_FILE = re.compile(r"[^a-z0-9._-]+")
_TYPES = {
    "csv": ("text", "csv"),
    "pdf": ("application", "pdf"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


@dataclass(frozen=True)
class Attachment:
    """A file to attach; its name ends in `.csv`, `.xlsx` or `.pdf`."""

    name: str
    data: bytes

    @property
    def ending(self) -> str:
        """The file extension without the dot."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Picture:
    """A chart in the body of an email: a PNG image and its alternative text."""

    name: str
    alternative: str
    data: bytes

    @property
    def content_id(self) -> str:
        """The id that the HTML uses to refer to the image."""
        return f"{self.name}@custdyn"


class Letter(Protocol):
    """An email message that is ready to send."""

    @property
    def subject(self) -> str:
        """The subject line."""

    @property
    def attachment(self) -> Attachment | None:
        """The file to attach, unless it makes the message too large."""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The images in the HTML."""

    def without_pictures(self) -> Self:
        """Return the email without its images, for use if they make the message too large."""

    def texts(self, attached: bool) -> tuple[str, str]:
        """Return the body as plain text and as HTML, for a copy with or without the attachment."""


@dataclass(frozen=True)
class Envelope:
    """The headers of one copy. Every attempt to send it uses the same Message-ID."""

    sender: Address
    recipient: str
    message_id: str
    date: datetime


def message_bytes(letter: Letter, envelope: Envelope, *, attached: bool) -> bytes:
    """Return the bytes of the message to send, with or without the attachment."""
    attachment = letter.attachment if attached else None
    message = EmailMessage(policy=SMTP)
    message["From"] = envelope.sender
    message["To"] = Address(addr_spec=envelope.recipient)
    message["Subject"] = header_text(letter.subject)
    message["Date"] = envelope.date
    message["Message-ID"] = envelope.message_id
    # Prevents out-of-office replies.
    message["Auto-Submitted"] = "auto-generated"
    text, html = letter.texts(attachment is not None)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    part = message.get_body(("html",))
    assert part is not None
    for picture in letter.pictures:
        part.add_related(
            picture.data,
            maintype="image",
            subtype="png",
            cid=f"<{picture.content_id}>",
            disposition="inline",
            filename=f"{picture.name}.png",
        )
    if attachment is not None:
        _attach(message, attachment)
    return message.as_bytes()


def header_text(text: str, most: int = MAX_SUBJECT_LENGTH) -> str:
    """Return text for a header: one printable line of limited length, without encoded words.

    An encoded word (`=?utf-8?q?=0D=0ABcc:…?=`) would be decoded, and Python versions before 3.11.10 would
    write its line breaks into the message, so an invisible character is inserted to prevent decoding.
    """
    line = " ".join(printable(text).split()).replace("=?", "=\N{WORD JOINER}?")
    return cut_short(line, most)


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    maintype, subtype = _TYPES[attachment.ending]
    name = _FILE.sub("-", attachment.name.lower()).lstrip(".-")
    params = {"charset": "utf-8"} if maintype == "text" else {}
    # Attach text as bytes, too, because servers may change its line endings.
    message.add_attachment(
        attachment.data, maintype=maintype, subtype=subtype, filename=name, params=params, cte="base64"
    )
