"""A run reads the database of its source first if it is told to, and a failed sync fails the run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.mart.syncing.sync import sync_source
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.settings import Settings
from tests.databases import Database
from tests.mail_server import Received
from tests.scheduling.test_job import BOARD, Ask, ask, received, settings, text_of  # noqa: F401
from tests.synced import create, custdyn, define

PASSWORD = "wr0ng-p4ss"
SHOP = replace(BOARD, source="shop", recipients=(), sync=True)


@pytest.fixture(autouse=True)
def shop(own_marts: None, postgresql: Database) -> Database:
    create(postgresql)
    define("shop", postgresql.url)
    return postgresql


def test_a_saved_query_can_ask_for_a_sync(ask: Ask) -> None:  # noqa: F811
    run = ask(SHOP)
    assert run.problem is None
    assert run.result == "frozen"


def test_a_run_can_ask_for_a_sync(ask: Ask) -> None:  # noqa: F811
    saved = replace(SHOP, sync=False)
    assert "Run: custdyn sync shop" in str(ask(saved).problem)
    assert ask(saved, sync=True).problem is None
    assert ask(saved).problem is None


def test_a_failed_sync_fails_the_run_and_is_told(
    ask: Ask,  # noqa: F811
    received: Received,  # noqa: F811
    shop: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sync_source("shop")
    shop.run("DROP TABLE transactions")
    monkeypatch.setenv("CUSTDYN_PASSWORD_SHOP", PASSWORD)
    run = ask(SHOP)
    assert run.result == "failed"
    assert run.where == "syncing the source"
    assert "The database has no table transactions" in str(run.problem)
    assert "syncing the source" in text_of(received)
    assert "has no table transactions" in text_of(received)
    assert PASSWORD not in text_of(received)


def test_the_command_to_repeat_a_run_syncs_too(ask: Ask, received: Received, shop: Database) -> None:  # noqa: F811
    shop.run("DROP TABLE transactions")
    ask(replace(SHOP, sync=False), sync=True)
    assert " --sync" in text_of(received)


def test_sync_is_written_only_if_set() -> None:
    assert SavedQuery.from_dict(SHOP.to_dict()) == SHOP
    assert SHOP.to_dict()["sync"] is True
    assert "sync" not in replace(SHOP, sync=False).to_dict()
    with pytest.raises(SavedQueryError, match="sync must be true or false"):
        SavedQuery.from_dict({**SHOP.to_dict(), "sync": "yes"})


def test_the_command_line_passes_the_option_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(
        "custdyn_widgets.notebook.run_template", lambda *_, **__: pytest.fail("the sync failed")
    )
    define("shop", "postgresql://nobody@127.0.0.1:9/gone")
    result = custdyn("run", "--source", "shop", "--interval", "last_month", "--sync")
    assert result.exit_code == 1
    assert "cannot be reached" in result.stderr
    assert custdyn("run", "--interval", "last_month", "--sync").exit_code == 2
