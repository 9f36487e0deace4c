"""The golden marts, loaded into real servers and read through `generic`, give the golden tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from custdyn_widgets.mart.syncing.sync import sync_source
from tests import oracle
from tests.databases import Database, new_database
from tests.engine.test_golden import GOLDEN
from tests.engine.test_golden_dynamics import ALL, name
from tests.golden_answers import MARTS, wrong_cells
from tests.mart_forms import COLUMNS, MEANINGS

TYPES = {
    "postgresql": {"": "text", "tags": "text[]", "instant": "timestamptz", "amount": "numeric"},
    "mysql": {"": "varchar(200)", "tags": "text", "instant": "datetime(6)", "amount": "decimal(38,12)"},
}


def load(database: Database, mart: oracle.Mart) -> None:
    """Create the tables of a mart, in the types that a billing system would have, and fill them."""
    for table, rows in mart.items():
        names = [name for name in COLUMNS[table] if rows and name in rows[0]] or list(COLUMNS[table])
        kinds = [COLUMNS[table][name] for name in names]
        types = TYPES[database.kind]
        quote = '"' if database.kind == "postgresql" else "`"
        columns = ", ".join(f"{quote}{n}{quote} {types[k]}" for n, k in zip(names, kinds, strict=True))
        database.run(f"CREATE TABLE {table} ({columns})")
        values = [[stored(database, row[n], k) for n, k in zip(names, kinds, strict=True)] for row in rows]
        if values:
            database.fill(table, names, values)


def stored(database: Database, text: str, kind: str) -> object:
    if not kind:
        return text or None
    if kind == "tags" and database.kind == "mysql":
        return text
    value = MEANINGS[kind](text) if text else None
    if kind == "instant" and value is not None and database.kind == "mysql":
        return value.replace(tzinfo=None)  # DATETIME has no offset
    return value


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def synced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sync every golden mart as a source with its name; the databases are gone when reports are made."""
    home = tmp_path_factory.mktemp("synced")
    with pytest.MonkeyPatch.context() as patch:
        for place in ("sources.toml", "marts", "cache"):
            patch.setenv(f"CUSTDYN_{place.partition('.')[0].upper()}", str(home / place))
        for mart in MARTS:
            with new_database(request.param) as database:
                load(database, oracle.read_mart(GOLDEN / mart / "mart"))
                (home / "sources.toml").write_text(f'[{mart}]\nurl = "{database.url}"\n')
                sync_source(mart)
        (home / "sources.toml").write_text(
            "".join(f'[{mart}]\nurl = "{request.param}://nobody@localhost:9/gone"\n' for mart in MARTS)
        )
        yield


@pytest.mark.parametrize("case", ALL, ids=name)
@pytest.mark.usefixtures("synced")
def test_a_synced_mart_gives_the_golden_tables(case: Path) -> None:
    assert not wrong_cells(case, case.parent.name)
