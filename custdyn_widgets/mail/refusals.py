"""What a mail server's failure means: whether it is worth another try, and what to tell in words."""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64encode

from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.text import cut_short, printable

_TOO_LARGE, _TOO_LARGE_MARK = 552, b"5.3.4"
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
_LONGEST_REPLY = 300


def judged(error: Exception, server: MailServer) -> tuple[bool, str]:
    """Return whether a failure is for good, and what it was in words."""
    where = f"the mail server {server.host}:{server.port} (CUSTDYN_SMTP_URL)"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # What it answers may repeat what it was told.
        todo = "Check CUSTDYN_SMTP_USER and CUSTDYN_SMTP_PASSWORD."
        return error.smtp_code >= 500, f"The login was refused by {where}, reply {error.smtp_code}. {todo}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
        return code >= 500, f"The address was refused: {_reply(code, reply, server)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code >= 500, f"It was refused: {_reply(error.smtp_code, error.smtp_error, server)}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return False, f"The connection to {where} was lost: {error}."
    if isinstance(error, smtplib.SMTPException):  # what it does not offer: STARTTLS, a way to log in
        return True, f"There is no way to speak to {where}: {error}"
    if isinstance(error, ssl.SSLError):
        return _not_secret(error, where)
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return False, f"There is no connection to {where}: {reason}."


def is_too_large(error: smtplib.SMTPResponseException) -> bool:
    """Tell whether a message was refused for its size."""
    reply = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
    return error.smtp_code == _TOO_LARGE or reply.startswith(_TOO_LARGE_MARK)


def _not_secret(error: ssl.SSLError, where: str) -> tuple[bool, str]:
    """Return what it means that a connection could not be made secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = f"The certificate of {where} is not trusted: {error.verify_message}."
        return True, f"{words} If it is your own authority's, name its file in SSL_CERT_FILE."
    if error.reason in _NOT_TLS:
        words = f"There is no TLS at {where} from the start on."
        return True, f"{words} If it speaks STARTTLS, begin its address with smtp+starttls://."
    return False, f"The connection to {where} could not be made secret: {error.reason or error}."


def _reply(code: int, reply: bytes | str, server: MailServer) -> str:
    """Return a reply in words, without the login that the server may have repeated in it."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    for secret in _forms(server):
        text = text.replace(secret, "***")
    return cut_short(f"{code} {printable(text)}", _LONGEST_REPLY)


def _forms(server: MailServer) -> list[str]:
    """Return the login as it was typed and as it was said to the server, the longest first."""
    if not server.user or not server.password:
        return []
    said = [f"\0{server.user}\0{server.password}", server.password, server.user]
    return [b64encode(text.encode()).decode() for text in said] + said[1:]
