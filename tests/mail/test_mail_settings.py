"""The mail server of the settings, and the errors of settings that are not valid."""

from __future__ import annotations

import re
from email.headerregistry import Address
from pathlib import Path

import pytest

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.mail.retries import WAITS
from custdyn_widgets.mail.server import MailServer

FROM = {"CUSTDYN_MAIL_FROM": "Reports <reports@example.com>"}
URL = {"CUSTDYN_SMTP_URL": "smtp+starttls://mail.example.com"}
LOGIN = {"CUSTDYN_SMTP_USER": "job", "CUSTDYN_SMTP_PASSWORD": "hunter22-secret"}


def server_of(tmp_path: Path, **env: str) -> MailServer:
    return MailServer.from_settings(settings.load(env, tmp_path), env)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp+starttls://mail.example.com", ("starttls", "mail.example.com", 587)),
        ("smtp+starttls://mail.example.com:2587/", ("starttls", "mail.example.com", 2587)),
        ("smtps://mail.example.com", ("tls", "mail.example.com", 465)),
        ("smtp://localhost", ("none", "localhost", 25)),
        ("SMTP://127.0.0.1:1025", ("none", "127.0.0.1", 1025)),
        ("smtp://[::1]:1025", ("none", "::1", 1025)),
    ],
)
def test_an_address_gives_host_port_and_security(
    tmp_path: Path, url: str, expected: tuple[str, str, int]
) -> None:
    found = server_of(tmp_path, CUSTDYN_SMTP_URL=url, **FROM)
    assert (found.security, found.host, found.port) == expected
    assert (found.user, found.password) == (None, None)


def test_the_file_may_hold_server_and_sender_but_never_the_login(
    tmp_path: Path,
) -> None:
    file = tmp_path / "custdyn.toml"
    file.write_text('smtp_url = "smtps://mail.example.com"\nmail_from = "reports@example.com"\n')
    found = server_of(tmp_path, **LOGIN)
    assert (found.host, found.user, found.password) == ("mail.example.com", "job", "hunter22-secret")
    assert found.sender == Address("", "reports", "example.com")
    assert "hunter22-secret" not in repr(found)
    file.write_text('smtp_password = "hunter22-secret"\n')
    with pytest.raises(SettingsError) as refused:
        server_of(tmp_path)
    assert "hunter22-secret" not in refused.value.message


_LIKE = r"CUSTDYN_SMTP_URL must have the form smtp\+starttls://mail\.example\.com:587"


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        (
            (
                "mail.example.com", "http://mail.example.com", "smtp://", "smtp://mail.example.com:0",
                "smtp://mail.example.com:99999", "smtp://mail.example.com:port", "smtp://mail.example.com/inbox",
                "smtp://mail.example.com?tls=no", "smtp://mail example", "smtp://[::1", "smtp://-mail",
            ),
            _LIKE,
        ),
        (
            ("smtp://job:hunter22@mail.example.com", "smtps://job:hun/ter22@mail.example.com", "smtp://@x"),
            "CUSTDYN_SMTP_PASSWORD",
        ),
        (("smtps://job:hunter22", "smtps://job:hunter22%40mail.example.com", "smtps//hunter22"), _LIKE),
    ],
    ids=["of no known form", "with a login", "with a mistyped login"],
)  # fmt: skip
def test_a_wrong_address_is_refused_and_no_login_in_it_is_repeated(
    tmp_path: Path, urls: tuple[str, ...], message: str
) -> None:
    for url in urls:
        with pytest.raises(SettingsError, match=message) as refused:
            server_of(tmp_path, CUSTDYN_SMTP_URL=url, **FROM)
        assert refused.value.field == "CUSTDYN_SMTP_URL"
        assert "ter22" not in refused.value.message


@pytest.mark.parametrize("which", LOGIN)
def test_a_login_outside_ascii_is_refused(tmp_path: Path, which: str) -> None:
    login = {**LOGIN, which: "h\u00fcnter22-secret"}
    with pytest.raises(SettingsError, match=f"{which} contains a non-ASCII") as refused:
        server_of(tmp_path, **URL, **FROM, **login)
    assert "nter22" not in refused.value.message


@pytest.mark.parametrize("missing", [*URL, *FROM, *LOGIN])
def test_a_missing_setting_is_named(tmp_path: Path, missing: str) -> None:
    env = {name: value for name, value in {**URL, **FROM, **LOGIN}.items() if name != missing}
    with pytest.raises(SettingsError, match=f"{missing} is not set") as refused:
        server_of(tmp_path, **env)
    assert "hunter22" not in refused.value.message


def test_a_password_is_never_sent_unencrypted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unencrypted"):
        server_of(tmp_path, CUSTDYN_SMTP_URL="smtp://mail.example.com", **FROM, **LOGIN)
    assert server_of(tmp_path, CUSTDYN_SMTP_URL="smtp://localhost", **FROM, **LOGIN).user == "job"


@pytest.mark.parametrize(
    "sender",
    ["reports", "a@example.com, b@example.com", "x <a@b.c>\nBcc: d@e.f", "ä@example.com", "<>", "a@"],
)
def test_a_sender_that_is_not_one_address_is_refused(tmp_path: Path, sender: str) -> None:
    with pytest.raises(SettingsError, match="CUSTDYN_MAIL_FROM must be one email address"):
        server_of(tmp_path, **URL, CUSTDYN_MAIL_FROM=sender)


def test_the_documented_settings_are_valid_and_the_documented_waits_are_the_defaults(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "mail.md").read_text(encoding="utf-8")
    (tmp_path / "custdyn.toml").write_text(document.split("```toml\n")[1].split("```")[0])
    found = server_of(tmp_path)
    assert (found.host, found.port, found.sender.display_name) == ("mail.example.com", 587, "Reports")
    [waits] = re.findall('CUSTDYN_SMTP_WAITS="(.*?)"', document)
    assert tuple(map(float, waits.split())) == WAITS


def test_waits_are_seconds(tmp_path: Path) -> None:
    assert server_of(tmp_path, **URL, **FROM).waits == (5.0, 30.0, 120.0, 300.0)
    assert server_of(tmp_path, **URL, **FROM, CUSTDYN_SMTP_WAITS="1 2.5").waits == (1.0, 2.5)
    assert server_of(tmp_path, **URL, **FROM, CUSTDYN_SMTP_WAITS="").waits == ()
    for wrong in ("soon", "-1", "nan", "inf", "3601", "1 " * 11, "1,2"):
        with pytest.raises(SettingsError, match="CUSTDYN_SMTP_WAITS must be at most"):
            server_of(tmp_path, **URL, **FROM, CUSTDYN_SMTP_WAITS=wrong)
