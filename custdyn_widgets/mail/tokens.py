"""OAuth tokens for the mail server (from the environment, a file or a command), and XOAUTH2 logins.

A token is valid for about an hour, so it is read at each login instead of once with the settings.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import shlex
import smtplib
import subprocess
from collections.abc import Callable, Mapping

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.files import read_secret
from custdyn_widgets.text import cut_short, printable

TOKEN = "CUSTDYN_SMTP_TOKEN"  # noqa: S105  # the name of the variable
COMMAND = "CUSTDYN_SMTP_TOKEN_COMMAND"
_COMMAND_TIMEOUT_S = 30.0
_CHALLENGE, _ACCEPTED = 334, 235
_MAX_DETAIL_LENGTH = 100


class TokenError(smtplib.SMTPException):
    """No usable token is available at the moment."""


class TokenRejectedError(smtplib.SMTPAuthenticationError):
    """The server rejected the token. `detail` is the server's explanation, with the token removed."""

    def __init__(self, code: int, reply: bytes, detail: str) -> None:
        super().__init__(code, reply)
        self.detail = detail


class TokenSource:
    """The source of the current token. `last` is the token most recently read, which messages must mask."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self.last = ""

    def read(self) -> str:
        """Return the current token.

        Raises
        ------
        TokenError
            If no token is available.
        """
        self.last = self._read()
        return self.last


def token_source(environ: Mapping[str, str]) -> TokenSource | None:
    """Return the token source, or None if neither a token nor a command is set.

    Raises
    ------
    SettingsError
        If the token is set twice, or the file that should contain it cannot be read.
    """
    command = environ.get(COMMAND) or None
    given = read_secret(TOKEN, environ)
    if command is None:
        return None if given is None else TokenSource(lambda: _read(environ))
    if given is not None:
        raise SettingsError(f"{TOKEN} and {COMMAND} are both set: remove one of them.", field=COMMAND)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingsError(f"{COMMAND} is not a valid command: {error}.", field=COMMAND) from None
    return TokenSource(lambda: _run(words))


def _read(environ: Mapping[str, str]) -> str:
    try:
        return _checked(read_secret(TOKEN, environ) or "", TOKEN)
    except SettingsError as error:  # the file has since disappeared
        raise TokenError(error.message) from None


def _run(words: list[str]) -> str:
    """Return the token that a command prints. Its other output is never shown, because it may be secret."""
    try:
        done = subprocess.run(  # noqa: S603  # the operator's own command
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise TokenError(
            f"The command in {COMMAND} did not finish within {_COMMAND_TIMEOUT_S:g} s."
        ) from None
    except OSError as error:
        raise TokenError(f"The command in {COMMAND} cannot be run: {error.strerror}.") from None
    if done.returncode:
        raise TokenError(
            f"The command in {COMMAND} failed with exit code {done.returncode}. "
            "Run it in a terminal to see why."
        )
    return _checked(done.stdout.decode("ascii", "replace").strip(), COMMAND)


def _checked(token: str, where: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(
            f"{where} does not provide a token, which must be a single word of ASCII characters."
        )
    return token


def xoauth2_response(user: str, token: str) -> str:
    """Return the response that logs a user in."""
    return base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()


def log_in_with_token(smtp: smtplib.SMTP, user: str, token: str) -> None:
    """Log in with XOAUTH2.

    Raises
    ------
    TokenRejectedError
        If the server rejects the token.
    smtplib.SMTPNotSupportedError
        If the server does not offer XOAUTH2.
    """
    offered = smtp.esmtp_features.get("auth", "").upper().split()
    if "XOAUTH2" not in offered:
        logins = ", ".join(offered)
        known = f"only {logins}, not XOAUTH2" if logins else "neither XOAUTH2 nor any other login"
        raise smtplib.SMTPNotSupportedError(f"it offers {printable(known)}.")
    code, reply = smtp.docmd("AUTH", f"XOAUTH2 {xoauth2_response(user, token)}")
    detail = ""
    if code == _CHALLENGE:  # the reason as JSON; the reply to the login comes after an empty line
        detail = _detail(reply)
        code, reply = smtp.docmd("")
    if code != _ACCEPTED:
        raise TokenRejectedError(code, reply, detail)


def _detail(challenge: bytes) -> str:
    """Return a challenge's status and scope as text; empty if it has neither."""
    with contextlib.suppress(ValueError, binascii.Error):
        found = json.loads(base64.b64decode(challenge))
        if isinstance(found, dict):
            parts = (f"{name} {found[name]}" for name in ("status", "scope") if found.get(name))
            return cut_short(printable(", ".join(parts)), _MAX_DETAIL_LENGTH)
    return ""
