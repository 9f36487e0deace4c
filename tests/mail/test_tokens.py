"""Logins with an OAuth token, as Google and Microsoft ask for them."""

from __future__ import annotations

import base64
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.mail.tokens import TokenError, xoauth2_response
from tests.mail.test_odd_mail_servers import replying, server
from tests.mail.test_smtp import ANNA, BEN, LETTER, authority, received, trusted, waited
from tests.mail_server import TOKEN, USER, Authority, Received, mail_server, send

__all__ = ["authority", "received", "trusted", "waited"]  # fixtures

LOCAL = {"CUSTDYN_MAIL_FROM": "reports@example.com", "CUSTDYN_SMTP_USER": USER, "CUSTDYN_SMTP_WAITS": "0.01"}


def server_of(tmp_path: Path, url: str = "smtp://localhost", **env: str) -> MailServer:
    env = {**LOCAL, "CUSTDYN_SMTP_URL": url, **env}
    return MailServer.from_settings(settings.load(env, tmp_path), env)


def from_variable(_: Path, token: str) -> dict[str, str]:
    return {"CUSTDYN_SMTP_TOKEN": token}


def from_file(folder: Path, token: str) -> dict[str, str]:
    (folder / "token").write_text(f"{token}\n")
    return {"CUSTDYN_SMTP_TOKEN_FILE": str(folder / "token")}


def from_command(folder: Path, token: str) -> dict[str, str]:
    script = folder / "print token.py"
    script.write_text(f"import sys; sys.stderr.write('noise'); print({token!r})")
    return {"CUSTDYN_SMTP_TOKEN_COMMAND": shlex.join([sys.executable, str(script)])}


Source = Callable[[Path, str], dict[str, str]]


@pytest.mark.parametrize("source", [from_variable, from_file, from_command])
@pytest.mark.parametrize("security", ["smtp+starttls", "smtps"])
def test_a_token_logs_in_encrypted(
    received: Received, trusted: Authority, tmp_path: Path, source: Source, security: str
) -> None:
    how = (
        {"tls_context": trusted.context, "auth_required": True}
        if security == "smtp+starttls"
        else {"ssl_context": trusted.context, "auth_require_tls": False}
    )
    with mail_server(received, authenticator=received.login, **how) as port:
        found = server_of(tmp_path, f"{security}://localhost:{port}", **source(tmp_path, TOKEN))
        [delivery] = send(LETTER, [ANNA], found)
    assert (delivery.outcome, received.logins, received.answers) == ("sent", [True], [])
    assert TOKEN not in repr((found, delivery))


def test_a_rejected_token_is_answered_with_an_empty_line_and_explained_without_it(
    received: Received, tmp_path: Path
) -> None:
    with mail_server(received, authenticator=received.login, auth_require_tls=False) as port:
        found = server_of(tmp_path, f"smtp://127.0.0.1:{port}", **from_variable(tmp_path, "ya29.expired"))
        deliveries = send(LETTER, [ANNA, BEN], found)
    assert received.answers == [b"", b""]  # one for each attempt: the next token may be valid
    assert [(one.outcome, one.tries) for one in deliveries] == [("given up", 2)] * 2
    assert deliveries[0].words == (
        f"The token was rejected by the mail server 127.0.0.1:{port} (CUSTDYN_SMTP_URL) with reply code 535 "
        "(status 401, scope https://mail.google.com/). Check CUSTDYN_SMTP_USER and CUSTDYN_SMTP_TOKEN, and "
        "whether the token has expired."
    )
    assert "ya29" not in repr(deliveries)


def test_a_token_that_is_replaced_is_used_at_the_next_attempt(received: Received, tmp_path: Path) -> None:
    with mail_server(received, authenticator=received.login, auth_require_tls=False) as port:
        found = server_of(tmp_path, f"smtp://127.0.0.1:{port}", **from_file(tmp_path, "ya29.expired"))
        [delivery] = send(LETTER, [ANNA], found, sleep=lambda _: from_file(tmp_path, TOKEN))
    assert (delivery.outcome, delivery.tries, received.logins) == ("sent", 2, [False, True])


@pytest.mark.parametrize(
    "challenge", [b"", b"not json", b"[]", b'{"status": {"\\n": 1}, "scope": "\\u001b[2J"}', b"\xff" * 400]
)
def test_any_challenge_is_survived(received: Received, tmp_path: Path, challenge: bytes) -> None:
    received.challenge = challenge
    with mail_server(received, authenticator=received.login, auth_require_tls=False) as port:
        found = server_of(tmp_path, f"smtp://127.0.0.1:{port}", **from_variable(tmp_path, "wrong"))
        [delivery] = send(LETTER, [ANNA], found)
    assert delivery.words.isprintable()
    assert "with reply code 535" in delivery.words


def test_a_server_without_xoauth2_is_reported_with_what_it_offers(received: Received, tmp_path: Path) -> None:
    how = {"authenticator": received.login, "auth_require_tls": False, "auth_exclude_mechanism": ["XOAUTH2"]}
    with mail_server(received, **how) as port:
        found = server_of(tmp_path, f"smtp://127.0.0.1:{port}", **from_variable(tmp_path, TOKEN))
        [delivery] = send(LETTER, [ANNA], found)
    assert (delivery.outcome, received.logins) == ("refused", [])
    assert "it offers only LOGIN, PLAIN, not XOAUTH2." in delivery.words


def test_a_token_in_a_reply_is_masked(tmp_path: Path) -> None:
    sent = xoauth2_response(USER, TOKEN).encode()
    talk = replying(
        EHLO=b"250-hello\r\n250 AUTH XOAUTH2", AUTH=b"235 ok", RCPT=b"550 " + TOKEN.encode() + b" " + sent
    )
    found = server_of(tmp_path, **from_variable(tmp_path, TOKEN))
    with server(talk) as at:
        [delivery] = send(LETTER, [ANNA], replace(at, user=USER, token=found.token))
    assert delivery.words == "The address was rejected: 550 *** ***"


def test_a_challenge_that_repeats_the_token_is_masked(received: Received, tmp_path: Path) -> None:
    received.challenge = b'{"status": "ya29.expired"}'
    with mail_server(received, authenticator=received.login, auth_require_tls=False) as port:
        found = server_of(tmp_path, f"smtp://127.0.0.1:{port}", **from_variable(tmp_path, "ya29.expired"))
        [delivery] = send(LETTER, [ANNA], found)
    assert "(status ***)" in delivery.words


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "import sys; sys.stderr.write('secret-word'); sys.exit(3)",
            "failed with exit code 3. Run it in a terminal",
        ),
        ("print('two words secret-word')", "does not provide a token"),
        ("", "does not provide a token"),
        ("import time; time.sleep(30)", "did not finish within 0.5 s"),
    ],
)
def test_a_command_without_a_token_is_reported_and_its_output_is_not(
    received: Received, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    if "sleep" in script:
        monkeypatch.setattr("custdyn_widgets.mail.tokens._COMMAND_TIMEOUT_S", 0.5)
    (tmp_path / "script.py").write_text(script)
    command = {"CUSTDYN_SMTP_TOKEN_COMMAND": shlex.join([sys.executable, f"{tmp_path}/script.py"])}
    with mail_server(received, authenticator=received.login, auth_require_tls=False) as port:
        found = server_of(tmp_path, f"smtp://127.0.0.1:{port}", CUSTDYN_SMTP_WAITS="", **command)
        [delivery] = send(LETTER, [ANNA], found)
    assert (delivery.outcome, received.logins) == ("given up", [])
    assert words in delivery.words
    assert "secret-word" not in repr(delivery)


@pytest.mark.parametrize("token", ["two words", "t\xf6ken", "a\x07b", "a\nb", ""])
def test_a_file_without_one_plain_word_provides_no_token(tmp_path: Path, token: str) -> None:
    found = server_of(tmp_path, **from_file(tmp_path, TOKEN)).token
    assert found is not None
    assert (found.read(), found.last) == (TOKEN, TOKEN)
    from_file(tmp_path, token)
    with pytest.raises(TokenError) as refused:
        found.read()
    assert "CUSTDYN_SMTP_TOKEN" in str(refused.value)
    assert not token or token not in str(refused.value)
    (tmp_path / "token").unlink()
    with pytest.raises(TokenError, match="CUSTDYN_SMTP_TOKEN_FILE cannot be read"):
        found.read()


def test_a_command_that_is_not_there_provides_no_token(tmp_path: Path) -> None:
    found = server_of(tmp_path, CUSTDYN_SMTP_TOKEN_COMMAND=f"'{tmp_path}/none' --quiet").token
    assert found is not None
    with pytest.raises(TokenError, match="cannot be run: No such file or directory"):
        found.read()


def test_a_login_has_one_secret_and_a_user(tmp_path: Path) -> None:
    one = {"CUSTDYN_SMTP_TOKEN": TOKEN}
    for other in ("CUSTDYN_SMTP_PASSWORD", "CUSTDYN_SMTP_TOKEN_COMMAND", "CUSTDYN_SMTP_TOKEN_FILE"):
        with pytest.raises(SettingsError, match="both set") as refused:
            server_of(tmp_path, **one, **{other: "x"})
        assert TOKEN not in refused.value.message
    with pytest.raises(SettingsError, match="CUSTDYN_SMTP_USER is not set"):
        server_of(tmp_path, **one, CUSTDYN_SMTP_USER="")
    with pytest.raises(SettingsError, match="unencrypted"):
        server_of(tmp_path, "smtp://mail.example.com", **one)
    with pytest.raises(SettingsError, match="is not a valid command"):
        server_of(tmp_path, CUSTDYN_SMTP_TOKEN_COMMAND="'")
    with pytest.raises(SettingsError, match="control character"):
        server_of(tmp_path, **one, CUSTDYN_SMTP_USER="a\1auth=x")
    with pytest.raises(SettingsError, match="TOKEN_FILE cannot be read"):
        server_of(tmp_path, CUSTDYN_SMTP_TOKEN_FILE=str(tmp_path / "none"))


def test_a_password_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter22-secret \r\n")
    found = server_of(tmp_path, CUSTDYN_SMTP_PASSWORD_FILE=str(file))
    assert (found.user, found.password, found.token) == (USER, "hunter22-secret ", None)
    assert "hunter22" not in repr(found)
    with pytest.raises(SettingsError, match="both set"):
        server_of(tmp_path, CUSTDYN_SMTP_PASSWORD_FILE=str(file), CUSTDYN_SMTP_PASSWORD="x")
    for data, words in (
        (b"", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b"x" * 70_000, "is larger than 64,000 bytes"),
    ):
        file.write_bytes(data)
        with pytest.raises(SettingsError, match=words):
            server_of(tmp_path, CUSTDYN_SMTP_PASSWORD_FILE=str(file))


def test_the_response_is_the_one_of_the_documentation() -> None:
    """The example of Google's description of the protocol."""
    expected = "user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1"
    given = xoauth2_response("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    assert base64.b64decode(given).decode() == expected
