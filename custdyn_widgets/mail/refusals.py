"""Failures of mail servers: whether a retry can succeed, and messages that say what to do."""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64encode

from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.mail.tokens import TOKEN, TokenError, TokenRejectedError, xoauth2_response
from custdyn_widgets.text import cut_short, printable

_TOO_LARGE = (552, 523)
_TOO_LARGE_MARKS = (b"5.3.4", b"5.2.3")  # too big for the system, or for the mailbox
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")
_MAX_REPLY_LENGTH = 300


def explain_failure(error: Exception, server: MailServer) -> tuple[bool, str]:
    """Return whether a failure is permanent, and a message about it."""
    where = f"the mail server {server.host}:{server.port} (CUSTDYN_SMTP_URL)"
    if isinstance(error, TokenError):  # a token may be available next time
        return False, f"Cannot log in to {where}: {error}"
    if isinstance(error, TokenRejectedError):  # it may have expired, and the next token may be valid
        detail = f" ({_masked(error.detail, server)})" if error.detail else ""
        reply_code = f"with reply code {error.smtp_code}{detail}"
        todo = f"Check CUSTDYN_SMTP_USER and {TOKEN}, and whether the token has expired."
        return False, f"The token was rejected by {where} {reply_code}. {todo}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # The reply is left out because it may repeat the login.
        todo = "Check CUSTDYN_SMTP_USER and CUSTDYN_SMTP_PASSWORD."
        return (
            error.smtp_code >= 500,
            f"The login was rejected by {where} with reply code {error.smtp_code}. {todo}",
        )
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
        return code >= 500, f"The address was rejected: {_format_reply(code, reply, server)}"
    if isinstance(error, smtplib.SMTPResponseException):
        reply_text = _format_reply(error.smtp_code, error.smtp_error, server)
        return error.smtp_code >= 500, f"Rejected by the mail server: {reply_text}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return False, f"The connection to {where} was lost: {error}."
    if isinstance(error, smtplib.SMTPException):  # no STARTTLS, or no supported login method
        return True, f"Cannot communicate with {where}: {error}"
    if isinstance(error, ssl.SSLError):
        return _explain_tls_failure(error, where)
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return False, f"Cannot connect to {where}: {reason}."


def is_too_large(error: smtplib.SMTPException) -> bool:
    """Return whether a message was rejected because of its size, at any step."""
    code, reply = 0, b""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
        code = error.smtp_code
        reply = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
    return code in _TOO_LARGE or reply.startswith(_TOO_LARGE_MARKS)


def _explain_tls_failure(error: ssl.SSLError, where: str) -> tuple[bool, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"The certificate of {where} is not trusted: {error.verify_message}."
        return (
            True,
            f"{message} If a private CA issued it, set SSL_CERT_FILE to the CA's certificate file.",
        )
    if error.reason in _NOT_TLS:
        message = f"Connections to {where} do not start with TLS."
        return True, f"{message} If the server supports STARTTLS, begin the address with smtp+starttls://."
    return False, f"Cannot encrypt the connection to {where}: {error.reason or error}."


def _format_reply(code: int, reply: bytes | str, server: MailServer) -> str:
    """Return a reply as text, with any login in it masked."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return cut_short(f"{code} {printable(_masked(text, server))}", _MAX_REPLY_LENGTH)


def _masked(text: str, server: MailServer) -> str:
    for secret in _login_forms(server):
        text = text.replace(secret, "***")
    return text


def _login_forms(server: MailServer) -> list[str]:
    """Return the user and password, plain and as encoded by the protocol, longest first."""
    if not server.user:
        return []
    if server.token is not None:
        token = server.token.last
        return [xoauth2_response(server.user, token), token, server.user] if token else [server.user]
    if not server.password:
        return []
    sent = [f"\0{server.user}\0{server.password}", server.password, server.user]
    return [b64encode(text.encode()).decode() for text in sent] + sent[1:]
