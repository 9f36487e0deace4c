"""Which texts are secret: of addresses, webhooks, connections, keys and passwords' files; which are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from custdyn_widgets.publish.secrets.known import Secret, known_secrets
from custdyn_widgets.publish.secrets.search import without_secrets
from custdyn_widgets.settings import Settings
from tests.publish.test_secrets import settings


def kept(env: dict[str, str], home: Path, own: Settings | None = None) -> list[Secret]:
    return known_secrets(own or settings(), environ=env, home=home)


def kinds(text: str, secrets: list[Secret]) -> set[str]:
    return {secret.kind for secret in secrets if secret.is_in(text)}


@pytest.mark.parametrize(
    ("url", "secret", "public"),
    [
        ("mysql://scott:tiger77@old-db", ["tiger77", "mysql://scott:***@old-db"], ["old-db", "scott"]),
        ("mysql://reader@old-db?ssl=1", ["mysql://reader@old-db", "mysql://old-db"], ["old-db", "reader"]),
        (
            "mysql://a:tiger77@old-db?x=1",
            ["mysql://a:***@old-db", "mysql://a:***@old-db?x=1"],
            ["old-db?x=1"],
        ),
        ("postgresql:///live_data", ["postgresql:///live_data"], ["/live_data"]),
        (
            "postgresql://me:sea-and-sand@",
            ["sea-and-sand", "postgresql://me:sea-and-sand@"],
            ["postgresql://"],
        ),
        ("postgresql://", ["postgresql://"], ["postgresql"]),
        ("/srv/exports/ledger", ["/srv/exports/ledger"], ["exports/ledger"]),
        ("a://b:one@two-and@host", ["one@two-and", "b:one@two-and"], ["b:one"]),
        ("a://b:longer-than@two@host", ["longer-than", "longer-than@two"], ["longer"]),
    ],
)
def test_of_an_address_these_forms_are_secret(
    tmp_path: Path, url: str, secret: list[str], public: list[str]
) -> None:
    secrets = kept({"CUSTDYN_SOURCE_SHOP_URL": url}, tmp_path)
    assert [text for text in secret if not kinds(f"({text})", secrets)] == []
    assert [text for text in public if kinds(f"({text})", secrets)] == []


def test_of_a_webhook_the_path_and_the_options_are_secret_if_a_token_fits_into_them(tmp_path: Path) -> None:
    def found(url: str, text: str) -> set[str]:
        return kinds(text, kept({}, tmp_path, settings(webhook_url=url)))

    secret = {"the webhook's address"}
    path, options = "services/T0/B0X", "k=0123456789abcd"
    assert len(path) == len(options) - 1 == 15
    url = f"https://hooks.example/{path}X?{options}"
    assert found(url, url) == found(url, f"({path}X?{options})") == found(url, options) == secret
    assert found(url, "https://hooks.example/") == set()
    assert found(f"https://hooks.example/{path}X", f"({path}X)") == secret
    assert found(f"https://hooks.example/{path}", f"({path})") == set()  # may be ordinary words
    assert found("", "any text") == set()


CONNECTIONS = """[one]
host = db.example
database = live
[two]
host = only-a-host.example
[three]
database = only-a-database
token = sea-and-sand
password = tiger77
username = scott
[four]
host = other.example
port = 5433
database = 100%%live
"""


def test_of_connections_the_complete_addresses_and_every_password_are_secret(tmp_path: Path) -> None:
    (tmp_path / ".jupysql").mkdir()
    (tmp_path / ".jupysql" / "connections.ini").write_text(CONNECTIONS)
    secrets = kept({}, tmp_path)
    assert kinds("db.example/live", secrets) == {"the address for connection one"}
    assert kinds("other.example:5433/100%live", secrets) == {"the address for connection four"}
    assert kinds("other.example/live, only-a-host.example, only-a-database, scott", secrets) == set()
    for text in ("sea-and-sand", "tiger77", "scott:tiger77"):
        assert kinds(text, secrets) == {"the password for connection three"}


def test_of_a_signing_key_its_lines_are_secret_and_its_frame_is_not(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n\n-----END PRIVATE KEY-----\n")
    secrets = kept({}, tmp_path, settings(signing_key=key))
    assert kinds("xMC4CAQAwBQx", secrets) == {"the signing key"}
    assert kinds("-----BEGIN PRIVATE KEY-----", secrets) == set()
    assert kept({}, tmp_path, settings(signing_key=tmp_path / "none")) == kept({}, tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "password"),
    [
        (".pgpass", "# h:1:d:u:comment-1\nh\\:x:5432:db:user:with\\:colon-2\n", "with:colon-2"),
        (".my.cnf", "[client]\n password = 'quoted-3' \n", "quoted-3"),
        (
            ".aws/credentials",
            "[a]\naws_access_key_id = public-4\naws_secret_access_key = secret-4\n",
            "secret-4",
        ),
        (".aws/credentials", "[a]\naws_session_token=secret-5\n", "secret-5"),
    ],
)
def test_the_passwords_of_database_clients_are_secret_and_nothing_else_of_their_files(
    tmp_path: Path, file: str, content: str, password: str
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    secrets = kept({}, tmp_path)
    assert kinds(f"({password})", secrets) == {f"a password in ~/{file}"}
    assert kinds("comment-1, public-4, [client], [a], user", secrets) == set()


@pytest.mark.parametrize("place", ["nowhere/file", "~no-such-account/file", ""])
@pytest.mark.parametrize("name", ["CUSTDYN_PASSWORD_SHOP_FILE", "CUSTDYN_SMTP_PASSWORD_FILE"])
def test_a_passwords_file_that_cannot_be_read_has_no_secret(tmp_path: Path, name: str, place: str) -> None:
    assert kept({name: place}, tmp_path) == kept({}, tmp_path)


def test_the_name_of_a_source_is_shown_even_if_it_is_its_password(tmp_path: Path) -> None:
    env = {"CUSTDYN_PASSWORD_BILLING": "billing", "CUSTDYN_PASSWORD_OTHERS_FILE": "none", "A_TOKEN": "others"}
    assert kinds("billing, BILLING and others", kept(env, tmp_path)) == set()
    assert kinds("(billing)", kept({"A_TOKEN": "billing"}, tmp_path)) == {"the value of A_TOKEN"}


def test_without_a_home_folder_everything_else_is_still_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    secrets = known_secrets(settings(), environ={"A_TOKEN": "sea-and-sand"})
    assert kinds("sea-and-sand in /srv/dynamics/snapshots", secrets) == {
        "the value of A_TOKEN",
        "the path of the snapshot store",
    }


def test_the_paths_of_all_stores_are_secret(tmp_path: Path) -> None:
    secrets = known_secrets(settings(), tmp_path / "other", environ={}, home=tmp_path / "home")
    for text in ("/srv/dynamics/snapshots", f"{tmp_path}/other/v1"):
        assert kinds(text, secrets) == {"the path of the snapshot store"}
    assert kinds(f"{tmp_path}/home", secrets) == {"the path of the home folder"}


def test_the_repr_shows_neither_a_secret_nor_where_it_is_looked_for(tmp_path: Path) -> None:
    secrets = kept({"A_TOKEN": "tiger77", "B_TOKEN": "sea-and-sand"}, tmp_path)
    assert "the value of A_TOKEN" in repr(secrets)
    assert not [word for word in ("tiger", "sand", str(tmp_path)) if word in repr(secrets)]


def test_a_secret_within_another_is_redacted_with_it(tmp_path: Path) -> None:
    env = {"A_TOKEN": "sea-and-sand", "B_TOKEN": "sea-and-sand-and-sun"}
    for order in (env, dict(reversed(env.items()))):
        secrets = kept(order, tmp_path, replace(settings(), role="analyst"))
        assert without_secrets("sea-and-sand-and-sun, sea-and-sand", secrets) == (
            "[the value of B_TOKEN], [the value of A_TOKEN]"
        )
        said = without_secrets("the snapshot store /srv/dynamics/snapshots is full", secrets)
        assert said == "the snapshot store is full"
