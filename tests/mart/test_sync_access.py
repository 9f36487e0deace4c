"""Passwords come from where they are kept, TLS options reach the driver, and nothing shows a secret."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from custdyn_widgets.errors import SettingsError, SourceError
from custdyn_widgets.mart.facts.cache import finish_storing
from custdyn_widgets.mart.sources import Source, named_sources
from custdyn_widgets.mart.syncing.access import login_for
from custdyn_widgets.mart.syncing.sync import sync_source
from custdyn_widgets.publish.secrets.known import known_secrets
from custdyn_widgets.settings import load as load_settings
from tests import databases
from tests.databases import HOST, USERS, Database, new_user, password_server
from tests.synced import balance, create, custdyn, define

pytestmark = pytest.mark.usefixtures("own_marts")
PASSWORD = "s3cr3t-Pa55:w@rd/x%%y"
PG = "postgresql://reader@db.example:5433/billing"
MY = "mariadb://reader@db.example/billing"


def login(url: str, name: str = "shop-eu.1") -> str | None:
    return login_for(Source(url=url, name=name)).password


@pytest.fixture
def locked() -> Iterator[tuple[int, str]]:
    """A PostgreSQL of its own that asks for the password of its user `postgres`."""
    with password_server(PASSWORD) as port:
        yield port, f"postgresql://postgres@{HOST}:{port}/postgres"


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP_EU_1_FILE", str(tmp_path / "password"))
    (tmp_path / "password").write_text("of the file\n")
    assert login(PG) == "of the file"
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP_EU_1", "of the environment")
    assert login(PG) == "of the environment"
    assert login(PG, "other") is None


def test_a_password_of_bytes_that_are_not_text_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP_EU_1", os.fsdecode(b"caf\xe9"))
    with pytest.raises(SourceError, match="CUSTDYN_PASSWORD_SHOP_EU_1 is not UTF-8 text"):
        login(PG)


@pytest.mark.parametrize("password", ["naïve ö", "пароль", "a%40b:/#@?&=", '"double"', " blanks "])
def test_passwords_of_any_characters_open_a_session(
    password: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database)
    with new_user(database, password) as user:
        who = user if database.kind == "postgresql" else f"'{user}'@'%'"
        database.run(*(f"GRANT SELECT ON {table} TO {who}" for table in ("clients", "transactions")))
        define("shop", database.url_of(user), system="generic")
        monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", password)
        synced = custdyn("sync", "shop")
        assert synced.exit_code == 0, synced.output


def test_a_password_file_that_cannot_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP_EU_1_FILE", "/nowhere/at/all")
    with pytest.raises(SourceError, match="CUSTDYN_PASSWORD_SHOP_EU_1_FILE cannot be read: No such file"):
        login(PG)


def test_a_password_file_of_an_unknown_user_is_not_called_unreadable_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP_EU_1_FILE", "~no-such-user/secret")
    with pytest.raises(
        SourceError, match="_FILE cannot be read: the home folder that ~ stands for is unknown"
    ):
        login(PG)


def test_a_password_comes_from_connections_ini(tmp_path: Path) -> None:
    (tmp_path / ".jupysql").mkdir()
    (tmp_path / ".jupysql" / "connections.ini").write_text(
        "[other]\nhost = db.example\nport = 5432\nusername = reader\ndatabase = billing\npassword = other\n"
        "[same]\nhost = db.example\nport = 5433\nusername = reader\ndatabase = billing\npassword = 100%%\n"
        "[shop]\nhost = elsewhere\npassword = of the name\n"
    )
    assert login(PG) == "100%"
    assert login(PG, "shop") == "of the name"


def test_a_damaged_connections_ini_is_named_without_its_text(tmp_path: Path) -> None:
    (tmp_path / ".jupysql").mkdir()
    (tmp_path / ".jupysql" / "connections.ini").write_text(f"password = {PASSWORD}\n")
    with pytest.raises(SourceError) as caught:
        login(PG)
    assert "connections.ini is not a valid INI file" in caught.value.message
    assert PASSWORD not in caught.value.message


def test_a_password_comes_from_my_cnf(tmp_path: Path) -> None:
    (tmp_path / ".my.cnf").write_text(
        "!includedir /etc/my.cnf.d\n[mysqld]\nskip-networking\n[client]\nuser = reader\npassword = 'a # b'\n"
    )
    assert login(MY) == "a # b"
    assert login(MY.replace("reader", "other")) is None
    assert login(PG) is None


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("password = 'p w'", "p w"),
        ('password = "p"', "p"),
        ("password = ''", None),
        ("password = '", "'"),
        ("password = 'p", "'p"),
        ("password = p'", "p'"),
        ("""password = 'p\"""", """'p\""""),
        ("password = abca", "abca"),
        ("password", None),
        ("user = reader", None),
        ("user = other\npassword = p", None),
        ("password = p\n[client]\npassword = q", "q"),
    ],
)
def test_my_cnf_is_read_as_the_clients_of_mysql_read_it(
    tmp_path: Path, line: str, password: str | None
) -> None:
    (tmp_path / ".my.cnf").write_text(f"[client]\n{line}\n")
    assert login(MY) == password


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("host = db.example\nport = 5433\nusername = reader\ndatabase = billing", True),
        ("database = billing", True),
        ("host = db.example\nport = 5432\ndatabase = billing", False),
        ("host = other.example\ndatabase = billing", False),
        ("username = other\ndatabase = billing", False),
        ("host = db.example\ndatabase = other", False),
        ("host = db.example", False),
    ],
)
def test_a_section_of_connections_ini_must_be_for_the_same_database(
    tmp_path: Path, lines: str, found: bool
) -> None:
    (tmp_path / ".jupysql").mkdir()
    (tmp_path / ".jupysql" / "connections.ini").write_text(f"[a]\n{lines}\npassword = p\n")
    assert login(PG) == ("p" if found else None)
    assert login(PG, "a") == "p"


def test_a_url_names_a_database_in_mysql_alone() -> None:
    found = login_for(Source(url="postgres://db.example", name="x"))
    assert (found.kind, found.user, found.database) == ("postgresql", "", "")
    with pytest.raises(SourceError, match="does not name a database; write mysql://"):
        login_for(Source(url="mysql://reader@db.example", name="x"))
    assert login_for(Source(url=MY, name="x")).database == "billing"


def test_tls_options_reach_the_driver() -> None:
    options = login_for(Source(url=f"{PG}?sslmode=verify-full&sslrootcert=/ca.pem", name="x")).arguments
    assert options["sslmode"] == "verify-full"
    assert options["sslrootcert"] == "/ca.pem"
    options = login_for(Source(url=f"{MY}?ssl_ca=/ca.pem&ssl_verify_identity=false", name="x")).arguments
    assert options["ssl"] == {"ca": "/ca.pem"}
    assert options["ssl_verify_identity"] is False


def certificate(path: Path) -> Path:
    """Make a certificate of this host's address, which is its own authority; its key is beside it."""
    key = path.with_suffix(".key")
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={path.stem}",
    ]
    made += ["-addext", f"subjectAltName=IP:{HOST}", "-addext", "keyUsage=keyCertSign,digitalSignature"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    return path


@pytest.mark.parametrize(
    ("kind", "options"),
    [("postgresql", "sslmode=verify-full&sslrootcert={}"), ("mysql", "ssl_ca={}")],
)
def test_a_server_is_read_only_with_the_certificate_of_its_authority(
    kind: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = (certificate(tmp_path / name) for name in ("own.pem", "other.pem"))
    pem = tmp_path / "server.pem"
    pem.write_text(own.read_text() + own.with_suffix(".key").read_text())
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", PASSWORD)
    user, whole = USERS[kind], {"postgresql": "postgres", "mysql": "mysql"}[kind]
    failed = "The TLS connection to the database of source 'shop' failed"
    unread = "a file named in its TLS options cannot be read (No such file or"
    missing = failed if kind == "postgresql" else unread
    with password_server(PASSWORD, kind, pem) as port:
        for host, authority, said in (
            (HOST, own, "The database does not have any tables of a mart"),
            (HOST, other, failed),
            ("localhost", own, failed),
            (HOST, tmp_path / "missing.pem", missing),
        ):
            define("shop", f"{kind}://{user}@{host}:{port}/{whole}?{options.format(authority)}")
            synced = custdyn("sync", "shop")
            assert synced.exit_code == 1
            assert said in synced.stderr, synced.stderr
            assert PASSWORD not in synced.output


def test_a_server_without_tls_is_refused_if_it_is_demanded(database: Database, tmp_path: Path) -> None:
    options = "sslmode=require"
    if database.kind == "mysql":
        options = f"ssl_ca={certificate(tmp_path / 'ca.pem')}"
    create(database)
    define("shop", f"{database.url}?{options}")
    with pytest.raises(SourceError, match="The TLS connection to the database of source 'shop' failed"):
        sync_source("shop")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("oracle://reader@db/billing", "it must begin with postgresql://, mysql:// or mariadb://"),
        ("mysql://reader@db", "it does not name a database"),
        ("postgresql://reader@db:port/billing", "it is not valid"),
    ],
)
def test_urls_of_no_known_database_are_rejected(url: str, why: str) -> None:
    with pytest.raises(SourceError, match=why) as caught:
        login(url)
    assert "reader" not in caught.value.message


def test_an_unknown_option_is_rejected(database: Database) -> None:
    define("shop", f"{database.url}?no_such_option=1")
    with pytest.raises(SourceError, match=r"The source's url cannot be used: .*option"):
        sync_source("shop")


def test_a_url_with_a_password_is_refused_and_masked() -> None:
    define("shop", f"postgresql://reader:{PASSWORD}@db/billing")
    with pytest.raises(SettingsError) as caught:
        named_sources()
    assert PASSWORD not in caught.value.message
    result = custdyn(
        "query", "--source", f"postgresql://reader:{PASSWORD}@db/billing", "--interval", "last_month"
    )
    assert result.exit_code == 1
    assert PASSWORD not in result.output
    assert "db/billing" not in result.output


def test_a_url_as_source_is_told_how_to_become_one() -> None:
    Path(os.environ["CUSTDYN_SOURCES"]).write_text("")
    result = custdyn(
        "query", "--source", f"postgresql://reader:{PASSWORD}@db/billing", "--interval", "last_month"
    )
    assert "custdyn sync" in result.stderr
    assert "custdyn mapping new NAME URL (without the password)" in result.stderr


@pytest.mark.parametrize("options", [(), ("--show-grants",), ("--json",)])
def test_a_url_to_sync_is_refused_and_masked(options: tuple[str, ...]) -> None:
    result = custdyn("sync", f"postgresql://reader:{PASSWORD}@db/billing", *options)
    assert result.exit_code == 1
    assert "custdyn sync NAME" in result.stderr
    assert PASSWORD not in result.output


def test_the_password_of_a_real_server_is_used_and_never_shown(
    locked: tuple[int, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port, url = locked
    define("shop", url)
    for given in (None, "wrong" + PASSWORD):
        monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", given or "")
        result = custdyn("sync", "shop")
        assert result.exit_code == 1
        assert "rejected the login of user 'postgres'" in result.stderr
        assert PASSWORD not in result.output
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", PASSWORD)
    assert "does not have any tables of a mart" in custdyn("sync", "shop").stderr
    monkeypatch.delenv("CUSTDYN_PASSWORD_SHOP")
    escaped = PASSWORD.replace(":", "\\:")
    (tmp_path / ".pgpass").write_text(f"{HOST}:{port}:*:postgres:{escaped}\n")
    (tmp_path / ".pgpass").chmod(0o600)
    assert "does not have any tables of a mart" in custdyn("sync", "shop").stderr


def test_nothing_that_a_sync_writes_or_prints_holds_a_secret(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    create(database)
    with new_user(database, PASSWORD) as user:
        if database.kind == "postgresql":
            database.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
        else:
            database.run(f"GRANT SELECT ON {database.name}.* TO '{user}'@'%'")
        define("shop", database.url_of(user))
        monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", PASSWORD)
        outputs = [custdyn("sync", "shop").output, custdyn("sync", "shop", "--json").output]
        database.run("UPDATE transactions SET kind = 'x'")
        outputs.append(custdyn("sync", "shop").output)
        database.run("DROP TABLE transactions")
        outputs.append(custdyn("sync", "shop").output)
    assert balance()
    finish_storing()  # the cache is written in a thread, under other names first
    files = [path for name in ("marts", "cache") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert files
    for secret in (PASSWORD, user, HOST):
        assert not [path for path in files if secret.encode() in path.read_bytes()]
        assert not [output for output in outputs if secret in output]


def test_an_engine_can_be_passed_in(database: Database) -> None:
    import sqlalchemy

    create(database)
    driver = "postgresql+psycopg" if database.kind == "postgresql" else "mysql+pymysql"
    define("shop", f"{database.kind}://nobody@{HOST}:9/elsewhere")
    engine = sqlalchemy.create_engine(database.url.replace(database.kind, driver, 1))
    sync_source("shop", engine)
    assert balance()
    with engine.connect() as connection:  # its pool has no connection with the settings of the sync
        select = "SELECT CURRENT_TIMESTAMP, 1.5"
        assert float(connection.exec_driver_sql(select).one()[1]) == 1.5
    engine.dispose()


def test_an_engine_of_another_driver_is_refused() -> None:
    import sqlalchemy

    define("shop", PG)
    with pytest.raises(SourceError, match="The engine uses the driver 'pysqlite'"):
        sync_source("shop", sqlalchemy.create_engine("sqlite://"))


def test_the_passwords_of_sources_are_searched_for_in_snapshots(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from-a-file-1\n")
    (tmp_path / ".pgpass").write_text("# comment\nh\\:x:5432:db:user:with\\:colon-2\n")
    (tmp_path / ".my.cnf").write_text('[client]\npassword = "quoted-3"\n')
    env = {"CUSTDYN_PASSWORD_SHOP": "plain-word-0", "CUSTDYN_PASSWORD_A_FILE": str(tmp_path / "file")}
    settings = replace(load_settings(), snapshots=tmp_path / "snapshots")
    texts = {secret.text for secret in known_secrets(settings, environ=env, home=tmp_path)}
    assert {"plain-word-0", "from-a-file-1", "with:colon-2", "quoted-3"} <= texts


def test_without_the_extra_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from custdyn_widgets.mart.syncing.access import login_for\n"
        "from custdyn_widgets import Source\n"
        "try: login_for(Source(url='mysql://u@h/d', name='x'))\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'custdyn-widgets[sql]'" in done.stdout


def test_a_server_that_wants_a_password_is_left_alone(
    locked: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_TEST_SERVERS", tempfile.mkdtemp(prefix="custdyn-servers-"))
    monkeypatch.setattr(databases, "_READY", set())
    monkeypatch.setattr(databases, "PORTS", {"postgresql": locked[0]})
    with databases.new_database("postgresql") as database:
        assert f":{locked[0]}/" not in database.url
    databases.end_run()


def test_servers_are_started_once_and_end_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.mkdtemp(prefix="custdyn-servers-"))
    monkeypatch.setenv("CUSTDYN_TEST_SERVERS", str(folder))
    monkeypatch.setattr(databases, "_READY", set())
    monkeypatch.setattr(databases, "PORTS", {kind: databases.free_port() for kind in databases.PORTS})
    for kind in databases.PORTS:
        with databases.new_database(kind) as one, databases.new_database(kind) as other:
            assert one.name != other.name
    databases.end_run()
    assert not any(map(databases._lets_in, databases.PORTS))
