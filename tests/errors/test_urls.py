"""A password in a URL is found and masked wherever it stands, and nothing else is taken for one."""

from __future__ import annotations

import time

import pytest

from custdyn_widgets.errors import has_password, mask_passwords, shown


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mysql+pymysql://anna:sea@db/crm", "mysql+pymysql://anna:***@db/crm"),
        ("mysql+pymysql:/anna:sea@db/crm", "mysql+pymysql:/anna:***@db/crm"),
        ("redis://:sea@cache:6379/0", "redis://:***@cache:6379/0"),
        ("https://anna:p@ss:w@host/x", "https://anna:***@host/x"),
        ("see 'a://b:c@d' and e://f:g@h.", "see 'a://b:***@d' and e://f:***@h."),
        ("postgresql://anna:%40sea@db", "postgresql://anna:***@db"),
        ("Василь://анна:море@хост", "Василь://анна:***@хост"),
        ("postgresql://me@corp.example:sea@db", "postgresql://me@corp.example:***@db"),
        ("a://b:it's@d", "a://b:***@d"),
        (f"a://b:{'x' * 1_900}@d", "a://b:***@d"),
        ("a://b:***@sea@d", "a://b:***@d"),
        ("postgresql://anna:s/ea@db/crm", "postgresql://anna:***@db/crm"),
    ],
)
def test_a_password_is_masked(text: str, masked: str) -> None:
    assert has_password(text)
    assert mask_passwords(text) == masked
    assert not has_password(masked)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://db/crm?user=anna&password=sea&x=1", "postgresql://db/crm?user=anna&password=***&x=1"),
        ("host=db user=anna password=sea", "host=db user=anna password=***"),
        ("host=db password='sea and sand' port=1", "host=db password=*** port=1"),
        ("Server=db;Uid=anna;Pwd=sea;", "Server=db;Uid=anna;Pwd=***;"),
        ("PGPASSWORD=sea psql", "PGPASSWORD=*** psql"),
        ("DRIVER={X};UID=anna;PWD={sea;and sand};X=1", "DRIVER={X};UID=anna;PWD=***;X=1"),
        ("mysql://db/crm?ssl_passphrase=sea", "mysql://db/crm?ssl_passphrase=***"),
    ],
)
def test_a_password_in_a_connection_string_is_masked(text: str, masked: str) -> None:
    assert has_password(text)
    assert mask_passwords(text) == masked
    assert not has_password(masked)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("{'password': 'x'}", "{'password': ***}"),
        (
            "{'host': 'db', 'DB_PASSWORD': \"it's\", 'port': 1}",
            "{'host': 'db', 'DB_PASSWORD': ***, 'port': 1}",
        ),
        ('{"user":"anna","pwd":"sea","x":1}', '{"user":"anna","pwd":***,"x":1}'),
        ("{'password': b'sea'}", "{'password': ***}"),
        ('{\n  "passphrase":\n  "sea and sand"\n}', '{\n  "passphrase":\n  ***\n}'),
    ],
)
def test_a_password_in_a_dict_or_json_is_masked(text: str, masked: str) -> None:
    assert has_password(text)
    assert mask_passwords(text) == masked
    assert not has_password(masked)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("--source 'anna:sea@db.example/crm'", "--source 'anna:***@db.example/crm'"),
        ("anna/sea@//db:1521/xe", "anna/***@//db:1521/xe"),
        ("anna/sea@/db:1521/xe", "anna/***@/db:1521/xe"),
        ("anna:***@db", "anna:***@db"),
        ("Password = sea; Server=db", "Password = ***; Server=db"),
        ("the password of x", "the password of x"),
        ("//anna:sea@host/share", "//anna:***@host/share"),
        ("https://host/a:b", "https://host/a:b"),
        ("mailto:anna@example.com", "mailto:anna@example.com"),
        ("10:30@noon", "10:30@noon"),
    ],
)
def test_a_login_without_a_scheme_is_masked_and_may_be_published(text: str, masked: str) -> None:
    assert not has_password(text)
    assert mask_passwords(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "password=",
        "password=***",
        "{'password': ''}",
        "{'password': '***'}",
        "{'password': '**********'}",
        "{'password': None, 'x': 'y'}",
        '{"title": "password", "x": "y"}',
        'type="password" name="x"',
        "postgresql://db.example:5432/billing",
        "https://anna@host/x",
        "https://host:443/@anna",
        "http://www.w3.org/2000/svg … @media print",
        "mail anna@example.com: see https://reports.example",
        "10:30 @ noon",
        "https://shop.example:443?user=bob@x.example",
        "http://host:8080,mail:bob@x.example",
        "http://[::1]:8080/@anna",
        "",
    ],
)
def test_nothing_else_is_taken_for_one(text: str) -> None:
    assert not has_password(text)
    assert mask_passwords(text) == text


@pytest.mark.parametrize(
    "piece", ["a.", ":/", "a://b:", "a:/b:c", "::", "x:/", "password=", "a:b", "'password':", "'", '"pwd" ']
)
def test_a_long_text_takes_no_long_time(piece: str) -> None:
    began = time.process_time()
    has_password(piece * 300_000)
    mask_passwords(piece * 30_000)
    assert time.process_time() - began < 20


@pytest.mark.parametrize("beginning", ["", "x" * 60, "\n"])
def test_a_quoted_value_never_shows_a_password(beginning: str) -> None:
    for value in (f"{beginning}mysql://anna:seashore@db/crm", [f"{beginning}mysql://anna:seashore@db/crm"]):
        assert "mysql" in shown(value)
        assert "sea" not in shown(value)


def test_a_password_too_long_to_show_is_masked_before_the_value_is_cut() -> None:
    assert shown(f"mysql://anna:{'sea' * 600}@db") == "'mysql://anna:***@db'"
