"""`custdyn mapping new NAME URL` recognizes a billing system by its tables, and keeps secrets to itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.databases import Database, new_database
from tests.mart.mappings import test_a2billing, test_astpp, test_killbill, test_lago, test_magnusbilling
from tests.synced import create, custdyn

pytestmark = pytest.mark.usefixtures("own_marts")

SCHEMAS = [
    ("astpp", "mysql", test_astpp.SCHEMA),
    ("a2billing", "mysql", test_a2billing.SCHEMA),
    ("magnusbilling", "mysql", test_magnusbilling.SCHEMA),
    ("lago", "postgresql", test_lago.SCHEMA),
    ("killbill", "postgresql", test_killbill.DATETIME + test_killbill.SCHEMA.format(options="")),
]


def section(tmp_path: Path, name: str) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((tmp_path / "sources.toml").read_text(encoding="utf-8"))[name]
    return found


def statements(schema: str) -> list[str]:
    return [part for part in schema.split(";") if part.strip()]


@pytest.mark.parametrize(("system", "kind", "schema"), SCHEMAS, ids=lambda value: str(value)[:12])
def test_a_system_is_recognized(system: str, kind: str, schema: str, tmp_path: Path) -> None:
    with new_database(kind) as database:
        database.run(*statements(schema))
        result = custdyn("mapping", "new", "billing", database.url)
        assert result.exit_code == 0, result.output
        assert f"{system!r} mapping reads." in result.stdout
        assert result.stderr.endswith("Next: custdyn sync billing\n")
        assert section(tmp_path, "billing") == {"url": database.url, "system": system}


def test_a_database_of_marts_is_generic(database: Database, tmp_path: Path) -> None:
    create(database)
    assert custdyn("mapping", "new", "billing", database.url, "--timezone", "Europe/Kyiv").exit_code == 0
    assert section(tmp_path, "billing")["system"] == "generic"
    assert section(tmp_path, "billing")["timezone"] == "Europe/Kyiv"
    assert custdyn("sync", "billing").exit_code == 0


def test_an_unknown_database_is_told_and_nothing_is_written(database: Database, tmp_path: Path) -> None:
    result = custdyn("mapping", "new", "billing", database.url)
    assert result.exit_code == 1
    assert "does not have the tables of any known system" in result.output
    assert not (tmp_path / "sources.toml").exists()


def test_a_password_in_the_url_is_refused_and_never_shown(tmp_path: Path) -> None:
    result = custdyn("mapping", "new", "billing", "mysql://anna:seashore@127.0.0.1/billing")
    assert result.exit_code == 1
    assert "seashore" not in result.output
    assert "Remove the password" in result.output
    assert not (tmp_path / "sources.toml").exists()
