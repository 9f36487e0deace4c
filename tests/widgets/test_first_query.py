"""The form starts with the settings' client type and time zone, or with those of the last query."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from custdyn_widgets import CustomerDynamics
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.widgets.first_query import first_query, remember

MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
DEFAULT = ReportQuery(interval="last_12_months")


@pytest.fixture
def stored() -> Path:
    return Path(os.environ["CUSTDYN_LAST_CHOICE"])


def chosen() -> tuple[str, str]:
    query = first_query(DEFAULT)
    return query.client_type, query.timezone


def test_the_settings_give_the_first_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert first_query(DEFAULT) == DEFAULT
    (tmp_path / "custdyn.toml").write_text('client_type = "reseller"\ntimezone = "Asia/Tokyo"\n')
    monkeypatch.chdir(tmp_path)
    assert chosen() == ("reseller", "Asia/Tokyo")
    monkeypatch.setenv("CUSTDYN_CLIENT_TYPE", "all")
    assert chosen() == ("all", "Asia/Tokyo")


def test_the_last_choice_counts_more_than_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_TIMEZONE", "Asia/Tokyo")
    remember(ReportQuery(interval="today", client_type="call_shop", timezone="Europe/Paris"))
    assert chosen() == ("call_shop", "Europe/Paris")


def test_a_form_starts_with_what_was_queried_in_the_one_before() -> None:
    first = CustomerDynamics(MART, publish=False)
    first._form._choices.client_type.value = "all"
    first._form._interval.zone.value = ["Europe/Paris"]
    assert CustomerDynamics(MART, publish=False).query == DEFAULT
    first._form._query_button.click()
    again = CustomerDynamics(MART, publish=False)
    assert again.query == ReportQuery(interval="last_12_months", client_type="all", timezone="Europe/Paris")


def test_a_form_starts_with_the_columns_of_the_one_before_but_not_with_those_that_are_gone(
    stored: Path,
) -> None:
    first = CustomerDynamics(MART, publish=False)
    first._form._choices.columns.value = ["active", "movement"]
    first._form._query_button.click()
    assert CustomerDynamics(MART, publish=False).query == replace(DEFAULT, columns=("active", "movement"))
    stored.write_text('{"columns": ["movement", "Metric Of Yesterday"]}')
    assert CustomerDynamics(MART, publish=False).query == replace(DEFAULT, columns=("movement",))


def test_a_query_run_by_code_is_no_choice_of_the_user(stored: Path) -> None:
    CustomerDynamics(MART, publish=False).run(ReportQuery(interval="today", client_type="all"))
    assert not stored.exists()


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"\xff", b'{"client_type": 3, "timezone": "Mars"}', b'{"timezone": null}']
)
def test_a_damaged_file_of_the_last_choice_is_ignored(stored: Path, content: bytes) -> None:
    stored.write_bytes(content)
    assert first_query(DEFAULT) == DEFAULT


def test_a_choice_that_cannot_be_stored_stops_nothing(stored: Path) -> None:
    stored.mkdir()
    remember(DEFAULT)
    assert first_query(DEFAULT) == DEFAULT


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("CLIENT_TYPE", "resellers", "'calling_card', 'call_shop', 'all'."),
        ("TIMEZONE", "Europe/Pari", "or 'Europe/Riga'?"),
    ],
)
def test_a_setting_that_no_query_allows_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(f"CUSTDYN_{name}", value)
    dynamics = CustomerDynamics(MART, publish=False)
    words = dynamics._result._error
    assert words.startswith("The setting")
    assert value in words
    assert words.endswith(hint)
    assert dynamics.query == DEFAULT
