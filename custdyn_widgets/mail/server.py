"""The mail server in the settings: its address, login and sender."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import getaddresses
from typing import Literal
from urllib.parse import urlsplit

from custdyn_widgets.errors import SettingsError, shown
from custdyn_widgets.files import read_secret
from custdyn_widgets.mail.message import header_text
from custdyn_widgets.mail.retries import WAITS, parse_waits
from custdyn_widgets.mail.tokens import TOKEN, TokenSource, token_source
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import ascii_address, printable

Security = Literal["starttls", "tls", "none"]
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
    "smtp": ("none", 25),
}
_FORMS = "smtp+starttls://mail.example.com:587, smtps://mail.example.com or smtp://localhost:25"
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+:[0-9a-f:.]*", re.ASCII)
_USER, _PASSWORD = "CUSTDYN_SMTP_USER", "CUSTDYN_SMTP_PASSWORD"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class MailServer:
    """A mail server and the sender address.

    Attributes
    ----------
    host, port
        The server's address.
    security
        `starttls`: the connection must be encrypted before anything is sent; `tls`: it is encrypted from the
        start; `none`: it is never encrypted, and a login is allowed only to a server on this machine.
    sender
        The sender's address, with a display name if there is one.
    user, password
        The login; None if there is none.
    token
        The source of the OAuth token that replaces a password; None for a password.
    waits
        The seconds to wait before each further attempt.
    """

    host: str
    port: int
    security: Security
    sender: Address
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    waits: tuple[float, ...] = WAITS
    token: TokenSource | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings, environ: Mapping[str, str] | None = None) -> MailServer:
        """Return the configured server. Its login comes only from the environment and the files named in it.

        Raises
        ------
        SettingsError
            If no server is set or a setting is invalid. The message never shows the login.
        """
        env = os.environ if environ is None else environ
        security, host, port = parse_smtp_url(settings.smtp_url)
        user, password, token = _login(env, security, host)
        waits = parse_waits(env.get("CUSTDYN_SMTP_WAITS"))
        return cls(host, port, security, _sender(settings.mail_from), user, password, waits, token)


def parse_smtp_url(url: str | None) -> tuple[Security, str, int]:
    """Return the security, host and port of a mail server's URL.

    Raises
    ------
    SettingsError
        If the URL is missing, invalid or contains a login. The message does not repeat the URL, because a
        mistyped one may contain a login too.
    """
    setting = "CUSTDYN_SMTP_URL"
    if not url:
        raise SettingsError(
            f"Email cannot be sent: {setting} is not set. Set it to the URL of your mail server, such as "
            f"{_FORMS}.",
            field=setting,
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if "@" in url:
        raise SettingsError(
            f"{setting} contains a login. Move it to CUSTDYN_SMTP_USER and CUSTDYN_SMTP_PASSWORD.",
            field=setting,
        )
    more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _SCHEMES or not _HOST.fullmatch(host) or more or port == 0:
        raise SettingsError(f"{setting} must have the form {_FORMS}.", field=setting)
    security, usual = _SCHEMES[parts.scheme]
    return security, host, port or usual


def _login(
    env: Mapping[str, str], security: Security, host: str
) -> tuple[str | None, str | None, TokenSource | None]:
    """Return the user and either the password or the token source."""
    user, password, token = env.get(_USER) or None, read_secret(_PASSWORD, env), token_source(env)
    if password and token:
        raise SettingsError(f"{_PASSWORD} and {TOKEN} are both set: remove one of them.", field=TOKEN)
    if (user is None) != (password is None and token is None):
        missing = _USER if user is None else _PASSWORD
        raise SettingsError(
            f"{missing} is not set: a login requires a user and either a password or a token in {TOKEN}.",
            field=missing,
        )
    for name, value in ((_USER, user), (_PASSWORD, password)):
        if value and not value.isascii():
            raise SettingsError(
                f"{name} contains a non-ASCII character, which some servers reject. "
                "Use only ASCII characters.",
                field=name,
            )
    if user and not user.isprintable():
        raise SettingsError(f"{_USER} contains a control character: remove it.", field=_USER)
    if user and security == "none" and host not in _LOOPBACK:
        raise SettingsError(
            "CUSTDYN_SMTP_URL begins with smtp://, so the password would cross the network unencrypted. Use "
            "smtp+starttls:// or smtps://, or remove the login.",
            field="CUSTDYN_SMTP_URL",
        )
    return user, password, token


def _sender(text: str | None) -> Address:
    setting = "CUSTDYN_MAIL_FROM"
    if not text:
        raise SettingsError(
            f"Email cannot be sent: {setting} is not set. Set it to the sender's address, such as "
            "reports@example.com or Reports <reports@example.com>.",
            field=setting,
        )
    found = getaddresses([text]) if printable(text) == text else []
    name, plain = (found[0][0], ascii_address(found[0][1])) if len(found) == 1 else ("", None)
    if plain is None:
        raise SettingsError(f"{setting} must be one email address, not {shown(text)}.", field=setting)
    return Address(header_text(name), addr_spec=plain)
