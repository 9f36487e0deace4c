"""MagnusBilling 7, on a real MariaDB: rows that follow its rules give the facts here; balances reconcile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mart.mappings import mysql_support as support

pytestmark = pytest.mark.usefixtures("own_cache")

CALL = """(
    id bigint(11) NOT NULL AUTO_INCREMENT, id_user int(11) NOT NULL, uniqueid varchar(30) NOT NULL,
    starttime timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, calledstation varchar(30) NOT NULL,
    sessionbill float DEFAULT NULL, agent_bill decimal(15,{places}) DEFAULT 0, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8"""
SCHEMA = f"""
CREATE TABLE pkg_group_user (
    id int(11) NOT NULL AUTO_INCREMENT, name varchar(100) NOT NULL, id_user_type int(11) NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_user (
    id int(11) NOT NULL AUTO_INCREMENT, id_user int(11) DEFAULT NULL, id_group int(11) NOT NULL,
    username varchar(20) NOT NULL, credit decimal(15,4) DEFAULT NULL,
    creationdate timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, lastname varchar(50) NOT NULL DEFAULT '',
    firstname varchar(50) NOT NULL DEFAULT '', company_name varchar(100) DEFAULT NULL,
    typepaid tinyint(1) DEFAULT 0, callshop varchar(20) DEFAULT '', PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_cdr {CALL.format(places=6)};
CREATE TABLE pkg_cdr_archive {CALL.format(places=5)};
CREATE TABLE pkg_refill (
    id int(11) NOT NULL AUTO_INCREMENT, id_user int(11) NOT NULL,
    date timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, credit decimal(15,5) NOT NULL, description mediumtext,
    payment tinyint(1) DEFAULT 0, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_services (
    id int(11) NOT NULL AUTO_INCREMENT, name varchar(100) NOT NULL, price decimal(15,4) NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_services_use (
    id int(11) NOT NULL AUTO_INCREMENT, id_user int(11) DEFAULT NULL, id_services int(11) NOT NULL,
    reservationdate timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, status int(11) DEFAULT 0, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_offer (
    id int(11) NOT NULL AUTO_INCREMENT, label varchar(70) NOT NULL, price decimal(10,3) NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_offer_use (
    id int(11) NOT NULL AUTO_INCREMENT, id_user int(11) DEFAULT NULL, id_offer int(11) NOT NULL,
    reservationdate timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, status int(11) DEFAULT 0, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_did (
    id int(11) NOT NULL AUTO_INCREMENT, did char(50) NOT NULL, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_did_use (
    id int(11) NOT NULL AUTO_INCREMENT, id_user int(11) DEFAULT NULL, id_did int(11) DEFAULT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE pkg_configuration (
    id int(11) NOT NULL AUTO_INCREMENT, config_key varchar(100) DEFAULT NULL,
    config_value varchar(200) DEFAULT NULL, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
"""

NEVER = "0000-00-00 00:00:00"


def user(number: int, owner: int, group: int, credit: str | None, **more: Any) -> dict[str, Any]:
    known = {"creationdate": "2024-01-01 00:00:00"}
    return {
        "id": number, "id_user": owner, "id_group": group, "username": f"user{number}", "credit": credit,
        **known, **more,
    }  # fmt: skip


def call(key: str, of: int, at: str, bill: str | None, agent_bill: str = "0") -> dict[str, Any]:
    return {"uniqueid": key, "id_user": of, "starttime": at, "sessionbill": bill, "agent_bill": agent_bill}


def refill(key: int, of: int, at: str, credit: str, text: str | None, payment: int = 1) -> dict[str, Any]:
    return {"id": key, "id_user": of, "date": at, "credit": credit, "description": text, "payment": payment}


ROWS: dict[str, list[Any]] = {
    "pkg_configuration": [
        {"config_key": "base_language", "config_value": "es"},
        {"config_key": "base_currency", "config_value": "eur"},
    ],
    "pkg_group_user": [
        {"id": 1, "name": "Administrator", "id_user_type": 1},
        {"id": 2, "name": "Agent; Süd", "id_user_type": 2},
        {"id": 3, "name": "Client", "id_user_type": 3},
    ],
    "pkg_user": [
        user(1, 1, 1, "0", creationdate=NEVER),
        user(2, 1, 2, "47", company_name="Alfa "),
        user(3, 2, 3, "88.4265", firstname="Zoë", lastname="Doe", callshop="0"),
        user(4, 1, 3, "-12.5", company_name="Shop", callshop="1", typepaid=1),
        user(5, 2, 3, None, creationdate=NEVER),
        user(6, 1, 2, "1"),
    ],
    "pkg_services": [
        {"id": 1, "name": "Basic", "price": "5"},
        {"id": 2, "name": "Super Basic", "price": "9"},
    ],
    "pkg_services_use": [
        {"id": 1, "id_user": 3, "id_services": 2, "reservationdate": "2024-01-15 08:00:00", "status": 1},
        {"id": 2, "id_user": 3, "id_services": 1, "reservationdate": "2024-01-16 08:00:00", "status": 0},
        {"id": 3, "id_user": 4, "id_services": 1, "reservationdate": "2024-01-17 08:00:00", "status": 2},
        {"id": 4, "id_user": 3, "id_services": 1, "reservationdate": NEVER, "status": 0},
    ],
    "pkg_offer": [{"id": 1, "label": "Talk, 100 min", "price": "3"}],
    "pkg_offer_use": [
        {"id": 1, "id_user": 4, "id_offer": 1, "reservationdate": "2024-02-01 08:00:00", "status": 1},
    ],
    "pkg_did": [{"id": 1, "did": "5511999"}],
    "pkg_did_use": [{"id_user": 3, "id_did": 1}],
    "pkg_refill": [
        refill(1, 3, "2024-01-10 08:00:00", "100", "Pix, Old credit 0"),
        refill(2, 3, "2024-01-15 08:00:00", "-9", "activation Service Super Basic, Old credit 100"),
        refill(3, 3, "2024-02-15 08:00:00", "-9", "Pago mensual de Servicio Super Basic, Saldo 12,5"),
        refill(4, 3, "2024-01-16 08:00:00", "-5", "Ativação Serviço Basic, Crédito anterior 3"),
        refill(5, 3, "2024-01-17 08:00:00", "2.5",
               "Return credit after cancellation. Service name Basic, Old credit 1"),
        refill(6, 3, "2024-01-18 08:00:00", "-1.5", "Monthly payment DID 5511999, Old credit 5"),
        refill(7, 3, "2024-01-19 08:00:00", "-2", "Send Credit to 0178 via bkash at 2"),
        refill(8, 3, "2024-01-20 08:00:00", "-4", "Correction, Old credit 5"),
        refill(9, 3, "2024-01-21 08:00:00", "10",
               "Recarga PlaceToPay <font color=blue>Pendiente</font>, Old credit 1", 0),
        refill(10, 3, "2024-01-22 08:00:00", "20", "On account, Old credit 3", 0),
        refill(11, 4, "2024-02-01 08:00:00", "-3", "Monatliche Zahlungs-Plan Talk, 100 min, Old credit 3"),
        refill(12, 4, "2024-02-02 08:00:00", "-6", "PENDING: Send Credit to 1", 0),
        refill(13, 4, "2024-02-03 08:00:00", "7", None),
        refill(14, 2, "2024-01-05 08:00:00", "50", "Transfer of Basic, Old credit 0"),
        refill(15, 1, "2024-01-05 08:00:00", "99", "Admin"),
        refill(16, 3, NEVER, "1", "Lost"),
        refill(17, 5, "2024-03-02 08:00:00", "0.5", None, 0),
        refill(18, 2, "2024-02-04 08:00:00", "-1", "Correction of Super Basic, Old credit 3"),
        refill(19, 4, "2024-02-05 08:00:00", "2", "Boleto gerado, Status:Pago dia 24-02-05, ID:abc"),
    ],
    "pkg_cdr": [
        call("u1", 3, "2024-01-12 10:00:00", "0.5", "0.75"),
        call("u1", 3, "2024-01-12 10:00:00", "0.123456"),
        call("u2", 4, "2024-01-31 23:59:59", "20.1"),
        call("u3", 4, "2024-02-01 00:00:00", "0"),
        call("u4", 4, "2024-02-01 00:00:00", "-1"),
        call("u4", 4, "2024-02-01 00:00:00", None),
        call("u6", 77, "2024-02-01 00:00:00", "1"),
        call("u7", 1, "2024-02-01 00:00:00", "1"),
        call("u8", 5, "2024-03-01 08:00:00", "0.01"),
        call("u9", 3, NEVER, "0.7"),
    ],
    "pkg_cdr_archive": [call("u5", 3, "2023-12-31 10:00:00", "2.5", "3")],
}  # fmt: skip

CLIENTS = support.facts("""
client_id | name    | client_type | company | tags       | currency | created_at           | opening_balance | stored_balance
2         | Alfa    | reseller    |         | Agent/ Süd | EUR      | 2024-01-01T00:00:00Z | 1               | 47
3         | Zoë Doe | client      | Alfa    | Client     | EUR      | 2024-01-01T00:00:00Z | 0.299956        | 88.4265
4         | Shop    | call_shop   |         | Client     | EUR      | 2024-01-01T00:00:00Z | 1.6             | -12.5
5         | user5   | client      | Alfa    | Client     | EUR      | 2024-03-01T08:00:00Z | -0.49           | 0
6         | user6   | reseller    |         | Agent/ Süd | EUR      | 2024-01-01T00:00:00Z | 1               | 1
""")  # noqa: E501
TRANSACTIONS = support.facts("""
transaction_id                      | client_id | at                   | kind               | amount    | package_id
pkg_cdr:u1:3:20240112100000         | 3         | 2024-01-12T10:00:00Z | usage              | -0.123456 |
pkg_cdr:u1:3:20240112100000:2       | 3         | 2024-01-12T10:00:00Z | usage              | -0.75     |
pkg_cdr:u1:3:20240112100000:2:agent | 2         | 2024-01-12T10:00:00Z | usage              | -0.5      |
pkg_cdr:u2:4:20240131235959         | 4         | 2024-01-31T23:59:59Z | usage              | -20.1     |
pkg_cdr:u5:3:20231231100000         | 3         | 2023-12-31T10:00:00Z | usage              | -3        |
pkg_cdr:u5:3:20231231100000:agent   | 2         | 2023-12-31T10:00:00Z | usage              | -2.5      |
pkg_cdr:u8:5:20240301080000         | 5         | 2024-03-01T08:00:00Z | usage              | -0.01     |
pkg_refill:1                        | 3         | 2024-01-10T08:00:00Z | refill             | 100       |
pkg_refill:2                        | 3         | 2024-01-15T08:00:00Z | package_renewal    | -9        | service:2
pkg_refill:3                        | 3         | 2024-02-15T08:00:00Z | package_renewal    | -9        | service:2
pkg_refill:4                        | 3         | 2024-01-16T08:00:00Z | package_renewal    | -5        | service:1
pkg_refill:5                        | 3         | 2024-01-17T08:00:00Z | package_renewal    | 2.5       | service:1
pkg_refill:6                        | 3         | 2024-01-18T08:00:00Z | usage              | -1.5      |
pkg_refill:7                        | 3         | 2024-01-19T08:00:00Z | usage              | -2        |
pkg_refill:8                        | 3         | 2024-01-20T08:00:00Z | other              | -4        |
pkg_refill:10                       | 3         | 2024-01-22T08:00:00Z | refill             | 20        |
pkg_refill:11                       | 4         | 2024-02-01T08:00:00Z | package_renewal    | -3        | offer:1
pkg_refill:13                       | 4         | 2024-02-03T08:00:00Z | refill             | 7         |
pkg_refill:14                       | 2         | 2024-01-05T08:00:00Z | refill             | 50        |
pkg_refill:17                       | 5         | 2024-03-02T08:00:00Z | refill             | 0.5       |
pkg_refill:18                       | 2         | 2024-02-04T08:00:00Z | other              | -1        |
pkg_refill:19                       | 4         | 2024-02-05T08:00:00Z | refill             | 2         |
pkg_services_use:1                  | 3         | 2024-01-15T08:00:00Z | package_activation | 0         | service:2
pkg_services_use:2                  | 3         | 2024-01-16T08:00:00Z | package_activation | 0         | service:1
pkg_offer_use:1                     | 4         | 2024-02-01T08:00:00Z | package_activation | 0         | offer:1
""")  # noqa: E501
PACKAGES = support.facts("""
package_id | name
offer:1    | Talk, 100 min
service:1  | Basic
service:2  | Super Basic
""")
COMPANIES = support.facts("""
company | parent
Alfa    |
user6   |
""")
MART = {"clients": CLIENTS, "transactions": TRANSACTIONS, "packages": PACKAGES, "companies": COMPANIES}
COUNTS = {
    "{n} administrators were left out.": 1,
    "{n} calls of administrators and of users who no longer exist were left out.": 2,
    "{n} calls that cost nothing were left out.": 3,
    "{n} calls share id, user and start with another call; they were numbered.": 1,
    "{n} calls cost 16 or more in a FLOAT column: the sixth decimal place may differ from what "
    "was charged.": 1,
    "{n} refills and charges wait for a payment gateway or were rejected; they were left out.": 2,
    "{n} refills are not marked as paid but have changed the credit; they count.": 2,
    "{n} transactions without a date were left out; they are part of the opening balance.": 2,
    "{n} users have no creation date; they exist from their first transaction.": 1,
}
INTERVAL = {"start": "2024-01-01", "end": "2024-12-31"}
QUERIES: list[dict[str, Any]] = [
    {"interval": INTERVAL, "client_type": "all"},
    {"interval": INTERVAL, "timezone": "America/Sao_Paulo", "group_by": ["date"]},
    {"interval": INTERVAL, "client_type": "all", "group_by": ["year", "package"]},
    {"interval": INTERVAL, "company": ["Alfa"], "client_tags": ["Client"], "package": ["Basic"]},
    {"interval": INTERVAL, "client_type": "call_shop", "active_duration": 1},
]


@pytest.fixture(scope="module", params=support.schemas("magnusbilling", SCHEMA))
def connection(request: pytest.FixtureRequest) -> Iterator[support.Connection]:
    with support.database() as connection:
        support.fill(connection, request.param, ROWS)
        yield connection


@pytest.fixture(scope="module")
def tables(connection: support.Connection) -> dict[str, Any]:
    return support.read(connection, "magnusbilling")


@pytest.mark.parametrize("table", MART)
def test_the_mapping_gives_the_facts(tables: dict[str, Any], table: str) -> None:
    assert support.as_text(tables[table]) == MART[table]


def test_reports_on_them_are_those_of_the_facts(tables: dict[str, Any]) -> None:
    assert support.faults(tables) == []
    support.compare_reports(support.as_tables(tables), MART, QUERIES)


def test_the_ledger_gives_the_balances_that_magnusbilling_stores(tables: dict[str, Any]) -> None:
    assert support.balances(tables) == support.stored(tables)


def test_what_is_left_out_or_changed_is_counted(connection: support.Connection) -> None:
    assert support.counts(connection, "magnusbilling") == COUNTS


def test_archiving_calls_changes_no_id(tables: dict[str, Any]) -> None:
    with support.database() as connection:
        support.fill(connection, SCHEMA, ROWS)
        columns = "id_user, uniqueid, starttime, calledstation, sessionbill, agent_bill"
        support.execute(
            connection,
            f"INSERT INTO pkg_cdr_archive ({columns}) SELECT {columns} FROM pkg_cdr ORDER BY id DESC;\n"
            "DELETE FROM pkg_cdr;\n",
        )
        archived = support.read(connection, "magnusbilling")
    for table in ("clients", "transactions"):
        assert support.as_text(archived[table]) == support.as_text(tables[table])


@pytest.mark.parametrize(
    ("written", "code"), [("R$", "BRL"), (" € ", "EUR"), ("£", "GBP"), ("0", "USD"), ("$", "USD")]
)
def test_a_system_currency_in_other_words_is_told(written: str, code: str) -> None:
    assumed = (
        "{n} users have USD as their currency, because the system's currency is not a three-letter code."
    )
    with support.database() as connection:
        support.execute(connection, SCHEMA)
        support.insert(
            connection,
            ROWS | {"pkg_configuration": [{"config_key": "base_currency", "config_value": written}]},
        )
        clients = support.read(connection, "magnusbilling")["clients"]
        counts = support.counts(connection, "magnusbilling")
    assert {row["currency"] for row in clients} == {code}
    assert counts.get(assumed) == (5 if code == "USD" else None)


@pytest.mark.usefixtures("own_marts")
def test_a_sync_gives_the_reports_of_the_facts(
    connection: support.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    support.compare_synced(connection, "magnusbilling", MART, QUERIES, COUNTS, monkeypatch)


def test_an_empty_system_gives_an_empty_mart() -> None:
    with support.database() as connection:
        support.execute(connection, SCHEMA)
        assert not any(support.read(connection, "magnusbilling").values())
        assert support.counts(connection, "magnusbilling") == {}


if (FULL := support.dump("magnusbilling.mysql.sql")) is not None:

    def test_a_system_as_installed_has_no_faults() -> None:
        with support.database() as connection:
            support.load(connection, FULL)
            assert support.faults(support.read(connection, "magnusbilling")) == []
            support.counts(connection, "magnusbilling")
