"""A2Billing 2, on a real MariaDB: rows that follow its rules give the facts here, and balances reconcile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mart.mappings import mysql_support as support

pytestmark = pytest.mark.usefixtures("own_cache")

CARD = """(
    id bigint(20) NOT NULL AUTO_INCREMENT, creationdate timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    username varchar(50) COLLATE utf8_bin NOT NULL, credit decimal(15,5) NOT NULL DEFAULT 0,
    status int(11) DEFAULT 1,
    lastname varchar(50) COLLATE utf8_bin NOT NULL, firstname varchar(50) COLLATE utf8_bin NOT NULL,
    currency char(3) COLLATE utf8_bin DEFAULT 'USD', typepaid int(11) DEFAULT 0,
    tag varchar(50) COLLATE utf8_bin NOT NULL, id_group int(11) NOT NULL DEFAULT 1,
    company_name varchar(50) COLLATE utf8_bin NOT NULL, PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin"""
CALL = """(
    id bigint(20) NOT NULL AUTO_INCREMENT, sessionid varchar(40) COLLATE utf8_bin NOT NULL,
    uniqueid varchar(30) COLLATE utf8_bin NOT NULL, card_id bigint(20) NOT NULL,
    starttime timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    calledstation varchar(100) COLLATE utf8_bin NOT NULL,
    sessionbill float DEFAULT NULL, PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin"""
SCHEMA = f"""
CREATE TABLE cc_card {CARD};
CREATE TABLE cc_card_archive {CARD};
CREATE TABLE cc_call {CALL};
CREATE TABLE cc_call_archive {CALL};
CREATE TABLE cc_agent (
    id bigint(20) NOT NULL AUTO_INCREMENT, datecreation timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    login char(20) COLLATE utf8_bin NOT NULL, credit decimal(15,5) NOT NULL DEFAULT 0,
    lastname char(50) COLLATE utf8_bin DEFAULT NULL, firstname char(50) COLLATE utf8_bin DEFAULT NULL,
    company varchar(50) COLLATE utf8_bin DEFAULT NULL, PRIMARY KEY (id), UNIQUE KEY login (login)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_card_group (
    id int(11) NOT NULL AUTO_INCREMENT, name varchar(50) DEFAULT NULL, id_agent int(11) DEFAULT NULL,
    PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
CREATE TABLE cc_logrefill (
    id bigint(20) NOT NULL AUTO_INCREMENT, date timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    credit decimal(15,5) NOT NULL, card_id bigint(20) NOT NULL, refill_type tinyint(4) NOT NULL DEFAULT 0,
    agent_id bigint(20) DEFAULT NULL, PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_logrefill_agent (
    id bigint(20) NOT NULL AUTO_INCREMENT, date timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    credit decimal(15,5) NOT NULL, agent_id bigint(20) NOT NULL, refill_type tinyint(4) NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_voucher (
    id bigint(20) NOT NULL AUTO_INCREMENT, usedate timestamp NOT NULL DEFAULT '0000-00-00 00:00:00',
    voucher char(50) COLLATE utf8_bin NOT NULL, usedcardnumber char(50) COLLATE utf8_bin DEFAULT NULL,
    credit float NOT NULL DEFAULT 0, currency char(3) COLLATE utf8_bin DEFAULT 'USD', PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_charge (
    id bigint(20) NOT NULL AUTO_INCREMENT, id_cc_card bigint(20) NOT NULL,
    creationdate timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, amount float NOT NULL DEFAULT 0,
    chargetype int(11) DEFAULT 0, id_cc_card_subscription bigint(20) DEFAULT NULL,
    charged_status tinyint(4) NOT NULL DEFAULT 0, PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_card_subscription (
    id bigint(20) NOT NULL AUTO_INCREMENT, id_cc_card bigint(20) DEFAULT NULL,
    id_subscription_fee int(11) DEFAULT NULL, startdate timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    product_name varchar(100) COLLATE utf8_bin DEFAULT NULL, PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_subscription_service (
    id bigint(20) NOT NULL AUTO_INCREMENT, label varchar(200) COLLATE utf8_bin NOT NULL,
    fee float NOT NULL DEFAULT 0, PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_currencies (
    id smallint(5) unsigned NOT NULL AUTO_INCREMENT, currency char(3) COLLATE utf8_bin NOT NULL DEFAULT '',
    value decimal(12,5) unsigned NOT NULL DEFAULT 0, PRIMARY KEY (id), UNIQUE KEY currency (currency)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
CREATE TABLE cc_config (
    id int(11) NOT NULL AUTO_INCREMENT, config_key varchar(100) COLLATE utf8_bin NOT NULL,
    config_value varchar(300) COLLATE utf8_bin DEFAULT NULL, PRIMARY KEY (id)
) ENGINE=MyISAM DEFAULT CHARSET=utf8 COLLATE=utf8_bin;
"""

NEVER = "0000-00-00 00:00:00"


def card(number: int, credit: str, **more: Any) -> dict[str, Any]:
    known = {
        "creationdate": "2024-01-01 00:00:00",
        "firstname": "",
        "lastname": "",
        "company_name": "",
        "tag": "",
    }
    return {"id": number, "username": f"card{number}", "credit": credit, **known, **more}


def call(session: str, key: str, of: int, at: str, bill: str | None) -> dict[str, Any]:
    return {"sessionid": session, "uniqueid": key, "card_id": of, "starttime": at, "sessionbill": bill}


def charge(
    key: int, of: int, at: str, amount: str, kind: int, charged: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "id": key, "id_cc_card": of, "creationdate": at, "amount": amount, "chargetype": kind,
        "charged_status": charged, **more,
    }  # fmt: skip


def refill(
    key: int, of: int, at: str, credit: str, kind: int = 0, agent: int | None = None
) -> dict[str, Any]:
    return {"id": key, "card_id": of, "date": at, "credit": credit, "refill_type": kind, "agent_id": agent}


def voucher(key: int, used_by: str | None, at: str, credit: str, currency: str) -> dict[str, Any]:
    return {
        "id": key, "voucher": f"{key}", "usedcardnumber": used_by, "usedate": at, "credit": credit,
        "currency": currency,
    }  # fmt: skip


ROWS: dict[str, list[Any]] = {
    "cc_config": [
        {"config_key": "currency_choose", "config_value": "eur"},
        {"config_key": "base_currency", "config_value": "usd"},
    ],
    "cc_currencies": [
        {"currency": "USD", "value": "1"},
        {"currency": "EUR", "value": "1.25"},
        {"currency": "GBP", "value": "1.60772"},
        {"currency": "ALL", "value": "0.00974"},
        {"currency": "SYP", "value": "0"},
    ],
    "cc_agent": [
        {"id": 1, "login": "alpha", "company": " Alpha ", "firstname": "Al", "lastname": "Pha",
         "credit": "20", "datecreation": "2023-12-01 00:00:00"},
        {"id": 2, "login": "beta", "credit": "7", "datecreation": NEVER},
    ],
    "cc_card_group": [
        {"id": 1, "name": "Default"}, {"id": 2, "name": "Resold; café", "id_agent": 1},
        {"id": 3, "name": "Left", "id_agent": 9},
    ],
    "cc_card": [
        card(1, "-13.41345", firstname="Zoë", lastname="Doe", id_group=2, tag="vip", currency="EUR"),
        card(2, "-12.5", company_name="Post Ltd", typepaid=1),
        card(3, "3", id_group=3, creationdate=NEVER, status=0),
    ],
    "cc_card_archive": [
        card(4, "1.5", creationdate="2023-01-01 00:00:00", tag="old"),
        card(1, "5"),
    ],
    "cc_call": [
        call("SIP/b", "u1", 1, "2024-01-12 10:00:00", "0.5"),
        call("SIP/a", "u1", 1, "2024-01-12 10:00:00", "0.123456"),
        call("SIP/c", "u2", 1, "2024-01-31 23:59:59", "20.1"),
        call("SIP/d", "u3", 1, "2024-02-01 00:00:00", "99.99999"),
        call("SIP/e", "u4", 1, "2024-02-02 00:00:00", "-0.3"),
        call("SIP/f", "u5", 1, "2024-02-03 00:00:00", None),
        call("SIP/g", "u6", 1, "2024-02-03 00:00:00", "0"),
        call("SIP/h", "u7", 1, NEVER, "0.7"),
        call("SIP/i", "u8", 2, "2024-02-05 10:00:00", "3.25"),
        call("SIP/j", "u9", 3, "2024-03-02 09:00:00", "2"),
        call("SIP/k", "u9", 77, "2024-03-02 09:00:00", "2"),
    ],
    "cc_call_archive": [
        call("SIP/l", "u0", 1, "2023-12-31 10:00:00", "1.5"),
        call("SIP/m", "u8", 2, "2024-02-05 10:00:00", "0.05"),
    ],
    "cc_logrefill": [
        refill(1, 1, "2024-01-10 08:00:00", "100"),
        refill(2, 1, "2024-01-11 08:00:00", "20", 3, agent=1),
        refill(3, 1, "2024-01-12 08:00:00", "-5", 1),
        refill(4, 1, "2024-01-13 08:00:00", "-2"),
        refill(5, 2, "2024-02-06 08:00:00", "1", 2),
        refill(6, 3, "2024-03-01 08:00:00", "5"),
        refill(7, 77, "2024-03-01 08:00:00", "5"),
    ],
    "cc_logrefill_agent": [
        {"id": 1, "agent_id": 1, "date": "2024-01-05 08:00:00", "credit": "50"},
        {"id": 2, "agent_id": 1, "date": "2024-01-06 08:00:00", "credit": "-10", "refill_type": 1},
    ],
    "cc_voucher": [
        voucher(1, "card1", "2024-02-10 08:00:00", "10", "EUR"),
        voucher(3, None, NEVER, "10", "USD"),
        voucher(4, "gone", "2024-02-10 08:00:00", "10", "USD"),
        voucher(5, "card2", "2024-02-10 08:00:00", "3", "ZZZ"),
    ],
    "cc_subscription_service": [{"id": 7, "label": "Talk", "fee": "9.99"}],
    "cc_card_subscription": [
        {"id": 1, "id_cc_card": 1, "id_subscription_fee": 7, "startdate": "2024-01-15 00:00:00"},
        {"id": 2, "id_cc_card": 2, "id_subscription_fee": 8, "startdate": "2024-02-15 00:00:00",
         "product_name": "Old plan"},
        {"id": 3, "id_cc_card": 2, "id_subscription_fee": 7, "startdate": "2037-01-01 00:00:00"},
    ],
    "cc_charge": [
        charge(1, 1, "2024-02-01 08:00:00", "3.3", 2),
        charge(2, 1, "2024-01-15 08:00:00", "9.99", 3, id_cc_card_subscription=1),
        charge(3, 1, "2024-02-15 08:00:00", "9.99", 3, 0, id_cc_card_subscription=1),
        charge(4, 1, "2024-02-16 08:00:00", "1", 4),
        charge(5, 1, "2024-02-01 08:00:00", "2", 1),
        charge(6, 2, "2024-02-15 08:00:00", "5.55", 3, id_cc_card_subscription=2),
        charge(7, 77, "2024-02-15 08:00:00", "5.55", 2),
    ],
}  # fmt: skip

CLIENTS = support.facts("""
client_id | name     | client_type | company | tags             | currency | created_at           | closed_at            | opening_balance | stored_balance
1         | Zoë Doe  | client      | Alpha   | vip;Resold/ café | USD      | 2024-01-01T00:00:00Z |                      | -0.700004       | -13.41345
2         | Post Ltd | client      |         | Default          | USD      | 2024-01-01T00:00:00Z |                      | -4.65           | -12.5
3         | card3    | client      |         | Left             | USD      | 2024-03-01T08:00:00Z | 2024-03-02T09:00:00Z | 0               | 3
4         | card4    | client      |         | old;Default      | USD      | 2023-01-01T00:00:00Z | 2023-01-01T00:00:00Z | 1.5             | 1.5
agent:1   | Al Pha   | reseller    |         |                  | USD      | 2023-12-01T00:00:00Z |                      | 0               | 20
agent:2   | beta     | reseller    |         |                  | USD      | 1970-01-01T00:00:00Z |                      | 7               | 7
""")  # noqa: E501
TRANSACTIONS = support.facts("""
transaction_id              | client_id | at                   | kind               | amount    | package_id
cc_call:u0:1:20231231100000 | 1         | 2023-12-31T10:00:00Z | usage              | -1.5      |
cc_call:u1:1:20240112100000 | 1         | 2024-01-12T10:00:00Z | usage              | -0.123456 |
cc_call:u1:1:20240112100000:2 | 1       | 2024-01-12T10:00:00Z | usage              | -0.5      |
cc_call:u2:1:20240131235959 | 1         | 2024-01-31T23:59:59Z | usage              | -20.1     |
cc_call:u3:1:20240201000000 | 1         | 2024-02-01T00:00:00Z | usage              | -99.99999 |
cc_call:u4:1:20240202000000 | 1         | 2024-02-02T00:00:00Z | usage              | 0.3       |
cc_call:u8:2:20240205100000 | 2         | 2024-02-05T10:00:00Z | usage              | -3.25     |
cc_call:u8:2:20240205100000:2 | 2       | 2024-02-05T10:00:00Z | usage              | -0.05     |
cc_call:u9:3:20240302090000 | 3         | 2024-03-02T09:00:00Z | usage              | -2        |
cc_logrefill:1              | 1         | 2024-01-10T08:00:00Z | refill             | 100       |
cc_logrefill:2              | 1         | 2024-01-11T08:00:00Z | refill             | 20        |
cc_logrefill:2:agent        | agent:1   | 2024-01-11T08:00:00Z | other              | -20       |
cc_logrefill:3              | 1         | 2024-01-12T08:00:00Z | other              | -5        |
cc_logrefill:4              | 1         | 2024-01-13T08:00:00Z | other              | -2        |
cc_logrefill:5              | 2         | 2024-02-06T08:00:00Z | other              | 1         |
cc_logrefill:6              | 3         | 2024-03-01T08:00:00Z | refill             | 5         |
cc_logrefill_agent:1        | agent:1   | 2024-01-05T08:00:00Z | refill             | 50        |
cc_logrefill_agent:2        | agent:1   | 2024-01-06T08:00:00Z | other              | -10       |
cc_voucher:1                | 1         | 2024-02-10T08:00:00Z | refill             | 12.5      |
cc_charge:1                 | 1         | 2024-02-01T08:00:00Z | usage              | -3.3      |
cc_charge:2                 | 1         | 2024-01-15T08:00:00Z | package_renewal    | -9.99     | 7
cc_charge:4                 | 1         | 2024-02-16T08:00:00Z | other              | -1        |
cc_charge:5                 | 1         | 2024-02-01T08:00:00Z | usage              | -2        |
cc_charge:6                 | 2         | 2024-02-15T08:00:00Z | package_renewal    | -5.55     | 8
cc_card_subscription:1      | 1         | 2024-01-15T00:00:00Z | package_activation | 0         | 7
cc_card_subscription:2      | 2         | 2024-02-15T00:00:00Z | package_activation | 0         | 8
""")
PACKAGES = support.facts("""
package_id | name
7          | Talk
8          | Old plan
""")
COMPANIES = support.facts("""
company
Alpha
beta
""")
RATES = support.facts("""
currency | date       | units_per_base         | base
ALL      | 1970-01-01 | 102.669404517453798768 | USD
EUR      | 1970-01-01 | 0.8                    | USD
GBP      | 1970-01-01 | 0.621998855522105839   | USD
""")
MART = {
    "clients": CLIENTS,
    "transactions": TRANSACTIONS,
    "packages": PACKAGES,
    "companies": COMPANIES,
    "rates": RATES,
}
COUNTS = {
    "{n} rows belong to cards or agents that no longer exist and were left out.": 4,
    "{n} calls that cost nothing were left out.": 2,
    "{n} charges were left out: they are not marked as taken from the credit.": 1,
    "{n} transactions without a date were left out; they are part of the opening balance.": 1,
    "{n} calls share id, card and start with another call; they were numbered.": 2,
    "{n} amounts of 16 or more are in FLOAT columns: the sixth decimal place may differ from what was "
    "charged.": 2,
    "{n} vouchers in another currency are converted at the current quote; the difference is in the opening "
    "balance.": 1,
    "{n} used vouchers were left out: their currency has no quote.": 1,
    "{n} cards and agents have no creation date; they exist from their first transaction.": 2,
    "{n} cancelled or archived cards have no closing date; they are closed at their last transaction.": 2,
    "{n} cards are in the group of an agent that does not exist; they have no company.": 1,
    "{n} cards are shown in another currency on A2Billing's pages; amounts are in the base currency, as "
    "stored.": 1,
    "{n} quotes were left out: they are 0, or their currency has no three-letter code.": 1,
    "{n} current quotes apply to all dates: A2Billing keeps no earlier ones.": 3,
}
INTERVAL = {"start": "2024-01-01", "end": "2024-12-31"}
QUERIES: list[dict[str, Any]] = [
    {"interval": INTERVAL, "client_type": "all"},
    {"interval": INTERVAL, "timezone": "Europe/Kyiv", "currency": "ALL", "group_by": ["date"]},
    {"interval": INTERVAL, "client_type": "all", "group_by": ["year", "package"], "currency": "GBP"},
    {"interval": INTERVAL, "company": ["Alpha"], "client_tags": ["Resold/ café"], "active_duration": 1},
    {"interval": INTERVAL, "client_type": "reseller", "package": None},
]


@pytest.fixture(scope="module", params=support.schemas("a2billing", SCHEMA))
def connection(request: pytest.FixtureRequest) -> Iterator[support.Connection]:
    with support.database() as connection:
        support.fill(connection, request.param, ROWS)
        yield connection


@pytest.fixture(scope="module")
def tables(connection: support.Connection) -> dict[str, Any]:
    return support.read(connection, "a2billing")


@pytest.mark.parametrize("table", MART)
def test_the_mapping_gives_the_facts(tables: dict[str, Any], table: str) -> None:
    assert support.as_text(tables[table]) == MART[table]


def test_reports_on_them_are_those_of_the_facts(tables: dict[str, Any]) -> None:
    assert support.faults(tables) == []
    support.compare_reports(support.as_tables(tables), MART, QUERIES)


def test_the_ledger_gives_the_balances_that_a2billing_stores(tables: dict[str, Any]) -> None:
    assert support.balances(tables) == support.stored(tables)


def test_what_is_left_out_or_changed_is_counted(connection: support.Connection) -> None:
    assert support.counts(connection, "a2billing") == COUNTS


def test_archiving_calls_changes_no_id(tables: dict[str, Any]) -> None:
    with support.database() as connection:
        support.fill(connection, SCHEMA, ROWS)
        columns = "sessionid, uniqueid, card_id, starttime, calledstation, sessionbill"
        support.execute(
            connection,
            f"INSERT INTO cc_call_archive ({columns}) SELECT {columns} FROM cc_call ORDER BY id DESC;\n"
            "DELETE FROM cc_call;\n",
        )
        archived = support.read(connection, "a2billing")
    for table in ("clients", "transactions"):
        assert support.as_text(archived[table]) == support.as_text(tables[table])


@pytest.mark.usefixtures("own_marts")
def test_a_sync_gives_the_reports_of_the_facts(
    connection: support.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    support.compare_synced(connection, "a2billing", MART, QUERIES, COUNTS, monkeypatch)


def test_an_empty_system_gives_an_empty_mart() -> None:
    with support.database() as connection:
        support.execute(connection, SCHEMA)
        assert not any(support.read(connection, "a2billing").values())
        assert support.counts(connection, "a2billing") == {}


if (FULL := support.dump("a2billing.mysql.sql")) is not None:

    def test_a_system_as_installed_has_no_faults() -> None:
        with support.database() as connection:
            support.load(connection, FULL)
            assert support.faults(support.read(connection, "a2billing")) == []
            support.counts(connection, "a2billing")
