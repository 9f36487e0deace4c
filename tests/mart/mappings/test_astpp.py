"""ASTPP 6, on a real MariaDB: rows that follow its rules give the facts stated here; balances reconcile."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.mart.mappings import mysql_support as support

pytestmark = pytest.mark.usefixtures("own_cache")

SCHEMA = """
CREATE TABLE accounts (
    id int NOT NULL AUTO_INCREMENT, number varchar(20) NOT NULL, reseller_id int DEFAULT NULL,
    pricelist_id int NOT NULL DEFAULT 0, creation datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
    posttoexternal tinyint(1) NOT NULL DEFAULT 0, balance decimal(20,5) NOT NULL DEFAULT 0,
    first_name varchar(40) NOT NULL DEFAULT '', last_name varchar(40) NOT NULL DEFAULT '',
    company_name varchar(40) NOT NULL DEFAULT '', currency_id int NOT NULL DEFAULT 0,
    type tinyint(1) DEFAULT 0,
    deleted tinyint(1) NOT NULL DEFAULT 0, deleted_date datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE cdrs (
    uniqueid varchar(60) NOT NULL DEFAULT '', accountid int DEFAULT 0,
    callednum varchar(30) NOT NULL DEFAULT '',
    callstart datetime NOT NULL DEFAULT '1000-01-01 00:00:00', debit decimal(20,6) NOT NULL DEFAULT 0,
    call_direction enum('outbound','inbound') NOT NULL,
    calltype enum('STANDARD','DID','FREE','CALLINGCARD','FAX','LOCAL','BROADCAST') CHARACTER SET utf8
        COLLATE utf8_general_ci NOT NULL DEFAULT 'STANDARD'
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE reseller_cdrs (
    uniqueid varchar(60) NOT NULL DEFAULT '', accountid int DEFAULT 0,
    callednum varchar(30) NOT NULL DEFAULT '',
    callstart datetime NOT NULL DEFAULT '0000-00-00 00:00:00', debit decimal(20,6) NOT NULL DEFAULT 0,
    calltype enum('STANDARD','DID','FREE','CALLINGCARD','FAX','LOCAL') NOT NULL DEFAULT 'STANDARD',
    call_direction enum('outbound','inbound') NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE invoice_details (
    id int NOT NULL AUTO_INCREMENT, accountid int NOT NULL, order_item_id int NOT NULL DEFAULT 0,
    charge_type varchar(30) CHARACTER SET utf8 COLLATE utf8_general_ci NOT NULL,
    payment_id int NOT NULL DEFAULT 0,
    description varchar(255) CHARACTER SET utf8 COLLATE utf8_general_ci DEFAULT NULL,
    debit decimal(20,5) NOT NULL DEFAULT 0, credit decimal(20,5) NOT NULL DEFAULT 0,
    created_date datetime NOT NULL, generate_type int NOT NULL DEFAULT 0,
    before_balance varchar(100) NOT NULL DEFAULT '0', after_balance varchar(100) NOT NULL DEFAULT '0',
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE order_items (
    id int NOT NULL AUTO_INCREMENT, order_id int NOT NULL, product_id int NOT NULL,
    setup_fee decimal(10,5) NOT NULL DEFAULT 0, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE products (
    id int NOT NULL AUTO_INCREMENT, name varchar(100) NOT NULL, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE pricelists (
    id int NOT NULL AUTO_INCREMENT, name varchar(30) NOT NULL DEFAULT '', PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE currency (
    id int NOT NULL AUTO_INCREMENT, currency varchar(3) NOT NULL DEFAULT '',
    currencyrate decimal(10,3) NOT NULL,
    last_updated timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE `system` (
    id int NOT NULL AUTO_INCREMENT, name varchar(48) DEFAULT NULL,
    value varchar(1111) CHARACTER SET utf8 COLLATE utf8_general_ci DEFAULT NULL, reseller_id int NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
"""

NEVER = "0000-00-00 00:00:00"
ORDERS = {501: (7, "2"), 502: (8, "1"), 503: (9, "0")}  # order: product, set-up fee


def account(number: int, kind: int, balance: str, **more: Any) -> dict[str, Any]:
    known = {"creation": "2024-01-01 00:00:00", "reseller_id": 0, "currency_id": 1}
    return {"id": number, "number": f"55500{number}", "type": kind, "balance": balance, **known, **more}


def call(
    key: str, of: int, at: str, debit: str, calltype: str = "STANDARD", way: str = "outbound"
) -> support.Row:
    return {
        "uniqueid": key, "accountid": of, "callstart": at, "debit": debit, "calltype": calltype,
        "call_direction": way,
    }  # fmt: skip


def line(
    key: int, of: int, at: str, charge: str, debit: str = "0", credit: str = "0", text: str = "", **more: Any
) -> dict[str, Any]:
    """Return a line that moved the balance, as the system writes most of them."""
    after = Decimal(100) + Decimal(credit) - Decimal(debit)
    moved = {"before_balance": "100.00000", "after_balance": f"{after}", "payment_id": 1000 + key}
    return {
        "id": key, "accountid": of, "created_date": at, "charge_type": charge, "debit": debit,
        "credit": credit, "description": text, **moved, **more,
    }  # fmt: skip


ROWS: dict[str, list[Any]] = {
    "system": [
        {"name": "base_currency", "value": "EUR", "reseller_id": 2},
        {"name": "base_currency", "value": "USD", "reseller_id": 0},
        {"name": "version", "value": "6.0", "reseller_id": 0},
    ],
    "currency": [
        {"id": 1, "currency": "USD", "currencyrate": "1", "last_updated": "2024-05-01 00:00:00"},
        {"id": 2, "currency": "EUR", "currencyrate": "0.920", "last_updated": "2024-05-01 00:00:00"},
        {"id": 3, "currency": "EUR", "currencyrate": "0.910", "last_updated": "2023-05-01 00:00:00"},
        {"id": 4, "currency": "ALL", "currencyrate": "111.604", "last_updated": "2024-05-01 00:00:00"},
        {"id": 5, "currency": "ZWL", "currencyrate": "0", "last_updated": "2024-05-01 00:00:00"},
        {"id": 6, "currency": "", "currencyrate": "1", "last_updated": "2024-05-01 00:00:00"},
    ],
    "pricelists": [{"id": 1, "name": "default"}, {"id": 2, "name": "gold; fast"}],
    "products": [{"id": 7, "name": "Talk"}, {"id": 8, "name": "+355 4 555"}],
    "order_items": [
        {"order_id": order, "product_id": product, "setup_fee": fee}
        for order, (product, fee) in ORDERS.items()
    ],
    "accounts": [
        account(1, -1, "0", first_name="Admin"),
        account(5, 2, "0", first_name="Sub"),
        account(6, 4, "0", first_name="Support"),
        account(14, 3, "900", first_name="Carrier"),
        account(2, 1, "2.9", company_name="Alpha", first_name="Al", creation="2023-06-01 00:00:00"),
        account(3, 1, "6", company_name="ALPHA", reseller_id=2),
        account(4, 1, "0", deleted=1, deleted_date="2024-06-01 00:00:00"),
        account(10, 0, "60", reseller_id=2, first_name="Zoë ", last_name=" Doe", pricelist_id=2,
                currency_id=2),
        account(11, 0, "12.5", posttoexternal=1, reseller_id=4, company_name="Post Ltd", pricelist_id=1),
        account(12, 0, "0.99", reseller_id=3, first_name="Gone", creation=NEVER, deleted=1),
        account(13, 0, "0", reseller_id=99, creation="1000-01-01 00:00:00"),
    ],
    "cdrs": [
        call("u1", 10, "2024-01-12 10:00:00", "0.123456"),
        call("u1", 10, "2024-01-12 10:00:05", "0.5", "DID"),
        call("u2", 10, "2024-01-13 10:00:00", "0.9", "FREE"),
        call("u3", 10, "2024-01-13 11:00:00", "0"),
        call("u4LOCAL_10", 10, "2024-01-14 10:00:00", "0.3", "LOCAL", "inbound"),
        call("u5", 10, "2024-01-31 23:59:59", "0.2", "LOCAL"),
        call("u6", 10, NEVER, "0.7"),
        call("u7", 11, "2024-02-05 10:00:00", "5.25", "CALLINGCARD"),
        call("u8", 12, "2024-04-01 09:00:00", "0.005"),
        call("u8", 12, "2024-04-01 09:00:00", "0.005"),
        call("u9", 77, "2024-04-01 09:00:00", "1"),
        call("u9", 14, "2024-04-01 09:00:00", "1"),
    ],
    "reseller_cdrs": [
        call("u1", 2, "2024-01-12 10:00:00", "0.1"),
        call("u2", 2, "2024-01-13 10:00:00", "0.4", "FREE"),
    ],
    "invoice_details": [
        line(1, 10, "2024-01-10 08:00:00", "REFILL", credit="100", text="Initial Balance"),
        line(2, 10, "2024-01-11 08:00:00", "PACKAGE", "12", text="PACKAGE (Talk X 1) has been added.",
             order_item_id=501),
        line(3, 10, "2024-01-11 08:00:00", "TAX", "1.2", text="VAT", order_item_id=501),
        line(4, 10, "2024-02-11 00:00:01", "PACKAGE", "10", text="PACKAGE (Talk) has been renewed.",
             order_item_id=501),
        line(5, 10, "2024-02-01 08:00:00", "DID", "4", text="DID (+355 4 555 X 1) has been added.",
             order_item_id=502),
        line(6, 10, "2024-02-01 00:00:00", "DID", "0.62", text="DID-00:10. Minutes", payment_id=0,
             before_balance="0", after_balance="0"),
        line(7, 10, "2024-02-01 00:00:00", "STANDARD", "0.323456", text="STANDARD-01:10. Minutes",
             payment_id=0, before_balance="", after_balance=""),
        line(8, 10, "2024-02-10 08:00:00", "Voucher", credit="5", text="Voucher 123"),
        line(9, 10, "2024-02-12 08:00:00", "FUNDTRANSFER", "20",
             text="Fund has been transfered from 10 '( 11 ')'"),
        line(10, 11, "2024-02-12 08:00:00", "REFILL", credit="20",
             text="Fund has been sucessfully received from 5550010"),
        line(11, 10, "2024-02-13 08:00:00", "", "50", text="Draft", generate_type=1, payment_id=0,
             before_balance="0", after_balance="0"),
        line(12, 10, "2024-02-14 08:00:00", "", "3", text="Visit", generate_type=1, payment_id=0),
        line(13, 10, "2024-02-15 08:00:00", "REFILL", credit="30", text="International",
             before_balance="50,5", after_balance="50.5"),
        line(14, 10, "2024-03-01 08:00:00", "PACKAGE", credit="10", text="PACKAGE (Talk) fee returned.",
             order_item_id=501),
        line(15, 11, "2024-03-05 08:00:00", "INVPAY", credit="5", text="Payment received from Paypal"),
        line(16, 11, "2024-03-06 08:00:00", "POSTCHARGE", "1.5"),
        line(17, 12, "2024-03-31 08:00:00", "REFILL", credit="1"),
        line(18, 2, "2024-01-20 08:00:00", "INVPAY", credit="7", text="Payment received from Paypal"),
        line(19, 2, "2024-01-20 08:00:00", "COMMISSION", credit="2", order_item_id=501),
        line(20, 2, "2024-01-21 08:00:00", "PACKAGE", "6", text="Order has been generated for Product (Gone)",
             order_item_id=503),
        line(21, 3, "2024-01-22 08:00:00", "REFILL", credit="10"),
        line(22, 3, "2024-01-23 08:00:00", "REFILL", "4", text="Taken back"),
        line(23, 77, "2024-01-23 08:00:00", "REFILL", credit="4"),
        line(24, 11, "2024-03-07 08:00:00", "PACKAGE", text="PACKAGE (Talk X 1) has been added.",
             order_item_id=501, before_balance="30", after_balance="30"),
        line(25, 10, "2024-03-01 00:00:01", "DID", "3", text="DID (+355 4 555) has been renewed.",
             order_item_id=502, payment_id=0),
        line(26, 10, "2024-03-08 08:00:00", "REFILL", text="Nothing"),
    ],
}  # fmt: skip

CLIENTS = support.facts("""
client_id | name     | client_type | company   | tags       | currency | created_at           | closed_at            | opening_balance | stored_balance
2         | Al       | reseller    |           |            | USD      | 2023-06-01T00:00:00Z |                      | 0               | 2.9
3         | ALPHA    | reseller    | Alpha (2) |            | USD      | 2024-01-01T00:00:00Z |                      | 0               | 6
4         | 555004   | reseller    |           |            | USD      | 2024-01-01T00:00:00Z | 2024-06-01T00:00:00Z | 0               | 0
10        | Zoë Doe  | client      | Alpha (2) | gold/ fast | USD      | 2024-01-01T00:00:00Z |                      | -0.976544       | 60
11        | Post Ltd | client      | 555004    | default    | USD      | 2024-01-01T00:00:00Z |                      | -30.75          | -12.5
12        | Gone     | client      | ALPHA (3) |            | USD      | 2024-03-31T08:00:00Z | 2024-04-01T09:00:00Z | 0               | 0.99
13        | 5550013  | client      |           |            | USD      | 1970-01-01T00:00:00Z |                      | 0               | 0
""")  # noqa: E501
TRANSACTIONS = support.facts("""
transaction_id            | client_id | at                   | kind               | amount    | package_id
cdrs:u1:10                | 10        | 2024-01-12T10:00:00Z | usage              | -0.123456 |
cdrs:u1:10:2              | 10        | 2024-01-12T10:00:05Z | usage              | -0.5      |
cdrs:u5:10                | 10        | 2024-01-31T23:59:59Z | usage              | -0.2      |
cdrs:u7:11                | 11        | 2024-02-05T10:00:00Z | usage              | -5.25     |
cdrs:u8:12                | 12        | 2024-04-01T09:00:00Z | usage              | -0.005    |
cdrs:u8:12:2              | 12        | 2024-04-01T09:00:00Z | usage              | -0.005    |
reseller_cdrs:u1:2        | 2         | 2024-01-12T10:00:00Z | usage              | -0.1      |
invoice_details:1         | 10        | 2024-01-10T08:00:00Z | refill             | 100       |
invoice_details:2:setup   | 10        | 2024-01-11T08:00:00Z | package_activation | -2        | 7
invoice_details:2:period  | 10        | 2024-01-11T08:00:00Z | package_renewal    | -10       | 7
invoice_details:3         | 10        | 2024-01-11T08:00:00Z | other              | -1.2      |
invoice_details:4         | 10        | 2024-02-11T00:00:01Z | package_renewal    | -10       | 7
invoice_details:5:setup   | 10        | 2024-02-01T08:00:00Z | package_activation | -1        | 8
invoice_details:5:period  | 10        | 2024-02-01T08:00:00Z | package_renewal    | -3        | 8
invoice_details:8         | 10        | 2024-02-10T08:00:00Z | refill             | 5         |
invoice_details:9         | 10        | 2024-02-12T08:00:00Z | other              | -20       |
invoice_details:10        | 11        | 2024-02-12T08:00:00Z | other              | 20        |
invoice_details:12        | 10        | 2024-02-14T08:00:00Z | other              | -3        |
invoice_details:14        | 10        | 2024-03-01T08:00:00Z | package_renewal    | 10        | 7
invoice_details:15        | 11        | 2024-03-05T08:00:00Z | refill             | 5         |
invoice_details:16        | 11        | 2024-03-06T08:00:00Z | other              | -1.5      |
invoice_details:17        | 12        | 2024-03-31T08:00:00Z | refill             | 1         |
invoice_details:18        | 2         | 2024-01-20T08:00:00Z | other              | 7         |
invoice_details:19        | 2         | 2024-01-20T08:00:00Z | other              | 2         |
invoice_details:20:setup  | 2         | 2024-01-21T08:00:00Z | package_activation | 0         | 9
invoice_details:20:period | 2         | 2024-01-21T08:00:00Z | package_renewal    | -6        | 9
invoice_details:21        | 3         | 2024-01-22T08:00:00Z | refill             | 10        |
invoice_details:22        | 3         | 2024-01-23T08:00:00Z | other              | -4        |
invoice_details:25        | 10        | 2024-03-01T00:00:01Z | package_renewal    | -3        | 8
invoice_details:24:setup  | 11        | 2024-03-07T08:00:00Z | package_activation | 0         | 7
invoice_details:24:period | 11        | 2024-03-07T08:00:00Z | package_renewal    | 0         | 7
""")
PACKAGES = support.facts("""
package_id | name
7          | Talk
8          | +355 4 555
9          | Product 9
""")
COMPANIES = support.facts("""
company   | parent
Alpha (2) |
ALPHA (3) | Alpha (2)
555004    |
""")
RATES = support.facts("""
currency | date       | units_per_base | base
ALL      | 1970-01-01 | 111.604        | USD
EUR      | 1970-01-01 | 0.92           | USD
""")
MART = {
    "clients": CLIENTS,
    "transactions": TRANSACTIONS,
    "packages": PACKAGES,
    "companies": COMPANIES,
    "rates": RATES,
}
COUNTS = {
    "{n} accounts of staff and providers were left out.": 4,
    "{n} calls of accounts that are not in this mart were left out.": 2,
    "{n} free calls with a price were left out: they have not changed a balance.": 3,
    "{n} calls that cost nothing were left out.": 1,
    "{n} invoice lines repeat the calls as a sum and were left out.": 2,
    "{n} invoice lines have not changed a balance and were left out.": 2,
    "{n} invoice lines of accounts that are not in this mart were left out.": 1,
    "{n} transactions without a date were left out; they are part of the opening balance.": 1,
    "{n} calls share id and account with another call; they were numbered.": 2,
    "{n} accounts have no creation date; they exist from their first transaction.": 2,
    "{n} deleted accounts have no deletion date; they are closed at their last transaction.": 1,
    "{n} accounts belong to a reseller that does not exist; they have no company.": 1,
    "{n} accounts are shown in another currency on ASTPP's pages; amounts are in the base currency, as "
    "stored.": 1,
    "{n} quotes were left out: listed twice, not above 0, or without a three-letter code.": 3,
    "{n} current quotes apply to all dates: ASTPP keeps no earlier ones.": 2,
}
INTERVAL = {"start": "2024-01-01", "end": "2024-12-31"}
QUERIES: list[dict[str, Any]] = [
    {"interval": INTERVAL, "client_type": "all"},
    {"interval": INTERVAL, "client_type": "client", "timezone": "Europe/Kyiv", "currency": "EUR"},
    {"interval": INTERVAL, "client_type": "all", "group_by": ["year", "package"], "currency": "ALL"},
    {"interval": INTERVAL, "client_type": "all", "company": ["Alpha (2)"], "active_duration": 1},
    {"interval": INTERVAL, "client_tags": ["gold/ fast"], "package": ["Talk"]},
]


@pytest.fixture(scope="module", params=support.schemas("astpp", SCHEMA))
def connection(request: pytest.FixtureRequest) -> Iterator[support.Connection]:
    with support.database() as connection:
        support.fill(connection, request.param, ROWS)
        yield connection


@pytest.fixture(scope="module")
def tables(connection: support.Connection) -> dict[str, Any]:
    return support.read(connection, "astpp")


@pytest.mark.parametrize("table", MART)
def test_the_mapping_gives_the_facts(tables: dict[str, Any], table: str) -> None:
    assert support.as_text(tables[table]) == MART[table]


def test_reports_on_them_are_those_of_the_facts(tables: dict[str, Any]) -> None:
    assert support.faults(tables) == []
    support.compare_reports(support.as_tables(tables), MART, QUERIES)


def test_the_ledger_gives_the_balances_that_astpp_stores(tables: dict[str, Any]) -> None:
    assert support.balances(tables) == support.stored(tables)


def test_what_is_left_out_or_changed_is_counted(connection: support.Connection) -> None:
    assert support.counts(connection, "astpp") == COUNTS


@pytest.mark.usefixtures("own_marts")
def test_a_sync_gives_the_reports_of_the_facts(
    connection: support.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    support.compare_synced(connection, "astpp", MART, QUERIES, COUNTS, monkeypatch)


def test_an_empty_system_gives_an_empty_mart() -> None:
    with support.database() as connection:
        support.execute(connection, SCHEMA)
        assert not any(support.read(connection, "astpp").values())
        assert support.counts(connection, "astpp") == {}


if (FULL := support.dump("astpp.mysql.sql")) is not None:

    def test_a_system_as_installed_has_no_faults() -> None:
        with support.database() as connection:
            support.load(connection, FULL)
            assert support.faults(support.read(connection, "astpp")) == []
            support.counts(connection, "astpp")
