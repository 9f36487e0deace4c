"""Which failures of a mail server are final, and what is said of each, without any login."""

from __future__ import annotations

import base64
import smtplib
import ssl
from email.headerregistry import Address

import pytest

from custdyn_widgets.mail.refusals import explain_failure, is_too_large
from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.mail.tokens import TokenError, TokenRejectedError, TokenSource

SENDER = Address("Reports", "reports", "example.com")
SERVER = MailServer("mail.example.com", 587, "starttls", SENDER)
WHERE = "the mail server mail.example.com:587 (CUSTDYN_SMTP_URL)"
TO = "anna@example.com"


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


def tls_error(reason: str | None, words: str = "odd") -> ssl.SSLError:
    error = ssl.SSLError(1, words)
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("error", "is_final", "words"),
    [
        (TokenError("No token."), False, f"Cannot log in to {WHERE}: No token."),
        (
            TokenRejectedError(535, b"no", ""),
            False,
            f"The token was rejected by {WHERE} with reply code 535. Check CUSTDYN_SMTP_USER and "
            "CUSTDYN_SMTP_TOKEN, and whether the token has expired.",
        ),
        (
            TokenRejectedError(535, b"no", "status 401"),
            False,
            f"The token was rejected by {WHERE} with reply code 535 (status 401). "
            "Check CUSTDYN_SMTP_USER and CUSTDYN_SMTP_TOKEN, and whether the token has expired.",
        ),
        *(
            (
                smtplib.SMTPAuthenticationError(code, b"secret"),
                is_final,
                f"The login was rejected by {WHERE} with reply code {code}. "
                "Check CUSTDYN_SMTP_USER and CUSTDYN_SMTP_PASSWORD.",
            )
            for code, is_final in ((454, False), (499, False), (500, True), (535, True))
        ),
        *(
            (
                smtplib.SMTPRecipientsRefused({TO: (code, b"Not you")}),
                is_final,
                f"The address was rejected: {code} Not you",
            )
            for code, is_final in ((451, False), (499, False), (500, True), (550, True))
        ),
        *(
            (smtplib.SMTPDataError(code, b"No"), is_final, f"Rejected by the mail server: {code} No")
            for code, is_final in ((452, False), (499, False), (500, True), (554, True))
        ),
        (smtplib.SMTPServerDisconnected("gone"), False, f"The connection to {WHERE} was lost: gone."),
        (
            smtplib.SMTPNotSupportedError("It offers no STARTTLS."),
            True,
            f"Cannot communicate with {WHERE}: It offers no STARTTLS.",
        ),
        (
            certificate_error(),
            True,
            f"The certificate of {WHERE} is not trusted: self-signed certificate. If a private CA issued it, "
            "set SSL_CERT_FILE to the CA's certificate file.",
        ),
        (
            tls_error("WRONG_VERSION_NUMBER"),
            True,
            f"Connections to {WHERE} do not start with TLS. "
            "If the server supports STARTTLS, begin the address with smtp+starttls://.",
        ),
        (
            tls_error("NO_CIPHERS_AVAILABLE"),
            False,
            f"Cannot encrypt the connection to {WHERE}: NO_CIPHERS_AVAILABLE.",
        ),
        (OSError(111, "Connection refused"), False, f"Cannot connect to {WHERE}: Connection refused."),
        (TimeoutError("timed out"), False, f"Cannot connect to {WHERE}: timed out."),
        (OSError(), False, f"Cannot connect to {WHERE}: OSError."),
    ],
    ids=str,
)
def test_a_failure_is_explained(error: Exception, is_final: bool, words: str) -> None:
    assert explain_failure(error, SERVER) == (is_final, words)


def said_by(server: MailServer, reply: str) -> str:
    return explain_failure(smtplib.SMTPDataError(550, reply.encode()), server)[1]


def test_a_password_and_a_user_are_masked_however_they_were_sent() -> None:
    server = MailServer("mail.example.com", 587, "starttls", SENDER, "job", "hunter22")
    for text in ("\0job\0hunter22", "hunter22", "job"):
        coded = base64.b64encode(text.encode()).decode()
        assert said_by(server, f"a {coded} b") == "Rejected by the mail server: 550 a *** b"
    assert said_by(server, "job hunter22") == "Rejected by the mail server: 550 *** ***"


def test_a_token_is_masked_once_it_was_read() -> None:
    source = TokenSource(lambda: "ya29.token")
    server = MailServer("mail.example.com", 587, "starttls", SENDER, "job", token=source)
    assert said_by(server, "job ya29.token") == "Rejected by the mail server: 550 *** ya29.token"
    source.read()
    login = base64.b64encode(b"user=job\1auth=Bearer ya29.token\1\1").decode()
    assert said_by(server, f"job ya29.token {login}") == "Rejected by the mail server: 550 *** *** ***"
    rejected = TokenRejectedError(535, b"", "scope ya29.token")
    assert "535 (scope ***)" in explain_failure(rejected, server)[1]


def test_without_a_login_nothing_is_masked_and_a_reply_is_printable_and_short() -> None:
    for server in (SERVER, MailServer("h", 25, "none", SENDER, "job"), MailServer("h", 25, "none", SENDER)):
        assert said_by(server, "hunter22 no") == "Rejected by the mail server: 550 hunter22 no"
    told = said_by(SERVER, "\x1b\n" + "x" * 1000)
    assert told.isprintable()
    assert len(told) < 350
    text = smtplib.SMTPSenderRefused(550, "as text", "reports@example.com")  # type: ignore[arg-type]
    assert explain_failure(text, SERVER)[1] == "Rejected by the mail server: 550 as text"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (smtplib.SMTPDataError(552, b"too big"), True),
        (smtplib.SMTPDataError(523, b"too big"), True),
        (smtplib.SMTPDataError(554, b"5.3.4 too big"), True),
        (smtplib.SMTPDataError(554, "5.2.3 too big"), True),
        (smtplib.SMTPDataError(554, b"5.7.1 spam, not 5.3.4"), False),
        (smtplib.SMTPSenderRefused(552, b"too big", "reports@example.com"), True),
        (smtplib.SMTPSenderRefused(550, b"5.3.4", "reports@example.com"), True),
        (smtplib.SMTPRecipientsRefused({TO: (552, b"too big")}), True),
        (smtplib.SMTPRecipientsRefused({TO: (550, b"5.2.3 too big")}), True),
        (smtplib.SMTPRecipientsRefused({TO: (550, b"no such person")}), False),
        (smtplib.SMTPAuthenticationError(552, b"5.3.4"), False),
        (smtplib.SMTPServerDisconnected("552"), False),
    ],
    ids=str,
)
def test_a_message_is_too_large_if_the_server_says_so_at_any_step(
    error: smtplib.SMTPException, expected: bool
) -> None:
    assert is_too_large(error) is expected
