"""A real SMTP server on this machine, with a certificate of its own authority, and faults to order."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from custdyn_widgets.mail import Delivery, MailServer, deliver
from custdyn_widgets.mail.message import Letter

USER, PASSWORD = "custdyn-job", "correct horse battery"
TOKEN = "ya29.correct-horse_battery~staple/+=="
Fault = Callable[["Received", str], str | None]


@dataclass
class Received:
    """What the server was told, and how it answers.

    `at_recipient` and `at_data` return the reply to give instead of taking it, or None; `told` holds every
    recipient that was ever named, `logins` whether each login was right. `ends_each_connection`: it hangs up
    instead of taking a second letter.
    """

    at_recipient: Fault = lambda *_: None
    at_data: Fault = lambda *_: None
    ends_each_connection: bool = False
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    logins: list[bool] = field(default_factory=list)
    secret: list[bool] = field(default_factory=list)
    challenge: bytes = b'{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}'
    answers: list[Any] = field(default_factory=list)

    async def handle_MAIL(self, *asked: Any) -> str:  # noqa: N802  # aiosmtpd's name
        server, session, envelope, address, options = asked
        if self.ends_each_connection and session.peer in self.connections:
            server.transport.abort()
            return "421 gone"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, *asked: Any) -> str:  # noqa: N802  # aiosmtpd's name
        _, _, envelope, address, _ = asked
        self.told.append(address)
        refusal = self.at_recipient(self, address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.names.append(session.host_name)
        self.connections.add(session.peer)
        self.secret.append(session.ssl is not None)
        refusal = self.at_data(self, envelope.rcpt_tos[0])
        if refusal == "hang up":
            server.transport.abort()
            return "421 gone"
        if refusal:
            return refusal
        self.mails.append((envelope.rcpt_tos[0], envelope.original_content))
        return "250 OK"

    def login(self, *asked: Any) -> AuthResult:
        data = asked[-1]
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        self.logins.append(right)
        return AuthResult(success=right, handled=False)

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802  # aiosmtpd's name
        """Take the right token; refuse any other as Google does: a challenge, and 535 after an empty line."""
        said = base64.b64decode(args[1]).decode()
        right = said == f"user={USER}\1auth=Bearer {TOKEN}\1\1"
        self.logins.append(right)
        if right:
            return AuthResult(success=True)
        answer = await server.challenge_auth(self.challenge, encode_to_b64=True)
        self.answers.append(answer)
        await server.push("535 5.7.8 Username and Password not accepted.")
        return AuthResult(success=False, handled=True)

    def recipients(self) -> list[str]:
        """Return whose copies it took, in order."""
        return [recipient for recipient, _ in self.mails]

    def message(self, at: int = 0) -> EmailMessage:
        """Return a message that it took, as a reader parses it."""
        message = message_from_bytes(self.mails[at][1], policy=SMTP)
        assert isinstance(message, EmailMessage)
        return message


@dataclass
class Authority:
    """Who vouches for the server's certificate: `file` is what SSL_CERT_FILE names."""

    file: Path
    context: ssl.SSLContext

    @classmethod
    def made(cls, folder: Path, host: str = "localhost") -> Authority:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        file = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(file))
        return cls(file, context)


def send(letter: Letter, recipients: Sequence[str], server: MailServer, **how: Any) -> list[Delivery]:
    """Send one letter, and return the outcome of each copy."""
    [deliveries] = deliver([(letter, recipients)], server, **how)
    return deliveries


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def mail_server(received: Received, **how: Any) -> Iterator[int]:
    """Run a server and give its port; `how` is as aiosmtpd takes it."""
    port = how.pop("port", None) or free_port()
    controller = Controller(received, hostname="127.0.0.1", port=port, ready_timeout=60, **how)
    controller.start()
    try:
        yield int(controller.port)
    finally:
        controller.stop()
