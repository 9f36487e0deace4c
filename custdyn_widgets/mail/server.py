"""Which mail server takes the letters, how it is spoken to, and who they are from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import getaddresses
from typing import Literal
from urllib.parse import urlsplit

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, shown
from custdyn_widgets.mail.message import header_text
from custdyn_widgets.text import ascii_address, printable

Security = Literal["starttls", "tls", "none"]
WAITS = (5.0, 30.0, 120.0, 300.0)
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
    "smtp": ("none", 25),
}
_FORMS = "smtp+starttls://mail.example.com:587, smtps://mail.example.com or smtp://localhost:25"
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+:[0-9a-f:.]*", re.ASCII)
_HERE = ("localhost", "127.0.0.1", "::1")
_MOST_WAITS, _LONGEST_WAIT = 10, 3_600


@dataclass(frozen=True)
class MailServer:
    """A mail server and whom letters are from.

    Attributes
    ----------
    host, port
        Where it listens.
    security
        `starttls`: the connection is made secret before anything is said, or not used; `tls`: it is from
        the start; `none`: it never is, which a login is only given to on this very machine.
    sender
        The address that letters are from, with the name that readers show before it, if there is one.
    user, password
        The login; None: without one.
    waits
        Seconds before each further try of what failed for now.
    """

    host: str
    port: int
    security: Security
    sender: Address
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    waits: tuple[float, ...] = WAITS

    @classmethod
    def from_settings(
        cls, in_force: settings.Settings | None = None, environ: Mapping[str, str] | None = None
    ) -> MailServer:
        """Return the server that the settings name; its login comes from the environment alone.

        Raises
        ------
        SettingsError
            If there is none, or a setting of it cannot be used. No value of the login is ever shown.
        """
        in_force = settings.load(environ) if in_force is None else in_force
        env = os.environ if environ is None else environ
        security, host, port = place_of(in_force.smtp_url)
        user, password = _login(env, security, host)
        waits = _waits(env.get("CUSTDYN_SMTP_WAITS"))
        return cls(host, port, security, _sender(in_force.mail_from), user, password, waits)


def place_of(url: str | None) -> tuple[Security, str, int]:
    """Return how the mail server of an address is spoken to, its host and its port.

    Raises
    ------
    SettingsError
        If that cannot be told, or the address holds a login. It is not repeated: it may hold one anyhow.
    """
    setting = "CUSTDYN_SMTP_URL"
    if not url:
        raise SettingsError(
            f"Mail cannot be sent: {setting} is not set. Name your mail server there, as {_FORMS}.",
            field=setting,
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.username is not None or parts.password is not None or "@" in url:
        raise SettingsError(
            f"{setting} holds a login, which belongs in CUSTDYN_SMTP_USER and CUSTDYN_SMTP_PASSWORD.",
            field=setting,
        )
    more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _SCHEMES or not _HOST.fullmatch(host) or more or port == 0:
        raise SettingsError(f"{setting} must be like {_FORMS}.", field=setting)
    security, usual = _SCHEMES[parts.scheme]
    return security, host, port or usual


def _login(env: Mapping[str, str], security: Security, host: str) -> tuple[str | None, str | None]:
    user, password = env.get("CUSTDYN_SMTP_USER") or None, env.get("CUSTDYN_SMTP_PASSWORD") or None
    if (user is None) != (password is None):
        missing = "CUSTDYN_SMTP_PASSWORD" if password is None else "CUSTDYN_SMTP_USER"
        raise SettingsError(
            f"{missing} is not set, and a login at the mail server takes both.", field=missing
        )
    for name, value in (("CUSTDYN_SMTP_USER", user), ("CUSTDYN_SMTP_PASSWORD", password)):
        if value and not value.isascii():
            raise SettingsError(
                f"{name} holds a character outside ASCII, which no mail server can be told for sure: choose "
                "another.",
                field=name,
            )
    if user and security == "none" and host not in _HERE:
        raise SettingsError(
            "CUSTDYN_SMTP_URL begins with smtp://, so that the password would cross the network for all to "
            "read. Use smtp+starttls:// or smtps://, or leave the login out.",
            field="CUSTDYN_SMTP_URL",
        )
    return user, password


def _sender(text: str | None) -> Address:
    setting = "CUSTDYN_MAIL_FROM"
    if not text:
        raise SettingsError(
            f"Mail cannot be sent: {setting} is not set. Say there whom it is from, as "
            "reports@example.com or Reports <reports@example.com>.",
            field=setting,
        )
    found = getaddresses([text]) if printable(text) == text else []
    name, plain = (found[0][0], ascii_address(found[0][1])) if len(found) == 1 else ("", None)
    if plain is None:
        raise SettingsError(f"{setting} must be one e-mail address, not {shown(text)}.", field=setting)
    return Address(header_text(name), addr_spec=plain)


def _waits(text: str | None) -> tuple[float, ...]:
    if text is None:
        return WAITS
    try:
        waits = tuple(float(part) for part in text.split())
    except ValueError:
        waits = (-1.0,)
    if len(waits) > _MOST_WAITS or not all(0 <= wait <= _LONGEST_WAIT for wait in waits):
        raise SettingsError(
            f"CUSTDYN_SMTP_WAITS must be seconds, such as 5 30 120, at most {_MOST_WAITS} times and "
            f"{_LONGEST_WAIT:,} each, not {shown(text)}.",
            field="CUSTDYN_SMTP_WAITS",
        )
    return waits
