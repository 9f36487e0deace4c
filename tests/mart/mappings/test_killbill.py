"""Kill Bill, on real servers: rows that follow its rules give the facts stated here; balances reconcile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.mart.mappings import killbill_lago_support as support

pytestmark = pytest.mark.usefixtures("own_cache")

SCHEMA = """
CREATE TABLE accounts (
    record_id serial unique, id varchar(36) NOT NULL, external_key varchar(255) NOT NULL, name varchar(100),
    company_name varchar(50), currency varchar(3), parent_account_id varchar(36),
    time_zone varchar(50) NOT NULL, created_date datetime NOT NULL
){options};
CREATE TABLE invoices (
    record_id serial unique, id varchar(36) NOT NULL, account_id varchar(36) NOT NULL,
    invoice_date date NOT NULL, currency varchar(3) NOT NULL,
    status varchar(15) NOT NULL DEFAULT 'COMMITTED', migrated bool NOT NULL,
    created_date datetime NOT NULL
){options};
CREATE TABLE invoice_items (
    record_id serial unique, id varchar(36) NOT NULL, type varchar(24) NOT NULL,
    invoice_id varchar(36) NOT NULL, child_account_id varchar(36), subscription_id varchar(36),
    plan_name varchar(255), usage_name varchar(255),
    start_date date, amount numeric(15,9) NOT NULL, currency varchar(3) NOT NULL, linked_item_id varchar(36),
    created_date datetime NOT NULL
){options};
CREATE TABLE invoice_payments (
    record_id serial unique, id varchar(36) NOT NULL, type varchar(24) NOT NULL,
    invoice_id varchar(36) NOT NULL, payment_date datetime NOT NULL, amount numeric(15,9) NOT NULL,
    status varchar(50) NOT NULL
){options};
CREATE TABLE tag_definitions (
    record_id serial unique, id varchar(36) NOT NULL, name varchar(20) NOT NULL
){options};
CREATE TABLE tags (
    record_id serial unique, id varchar(36) NOT NULL, tag_definition_id varchar(36) NOT NULL,
    object_id varchar(36) NOT NULL, object_type varchar(30) NOT NULL, is_active boolean DEFAULT true,
    created_date datetime NOT NULL
){options};
"""
DATETIME = "CREATE DOMAIN datetime AS timestamp without time zone;\n"

KYIV, INDIA, NO_CURRENCY, TESTER, EMPTY, MARS = "a-kyiv", "a-india", "a-none", "a-test", "a-empty", "a-mars"
HOLDING, CHILD, HOLDING_TOO, CHILD_TOO, PARTNER = "p-1", "p-1-child", "p-2", "p-2-child", "p-3"
UNNAMED, CHILD_3 = "p-4", "p-4-child"
WRITTEN_OFF, MANUAL_PAY, TEST, IS_PARTNER = (f"00000000-0000-0000-0000-00000000000{n}" for n in (4, 5, 6, 7))


def account(key: str, zone: str, currency: str | None, **more: Any) -> dict[str, Any]:
    return {
        "id": key, "external_key": f"key-{key}", "time_zone": zone, "currency": currency,
        "created_date": "2024-01-01 10:00:00", **more,
    }  # fmt: skip


def invoice(name: str, account: str, created: str, day: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "account_id": account, "created_date": created, "invoice_date": day or created[:10],
        "currency": "EUR", "migrated": False, **more,
    }  # fmt: skip


def item(name: str, kind: str, invoice: str, created: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "type": kind, "invoice_id": invoice, "created_date": created, "amount": Decimal(amount),
        "currency": "EUR", **more,
    }  # fmt: skip


def payment(
    name: str, kind: str, invoice: str, at: str, amount: str, status: str = "SUCCESS"
) -> dict[str, Any]:
    return {
        "id": name, "type": kind, "invoice_id": invoice, "payment_date": at, "amount": Decimal(amount),
        "status": status,
    }  # fmt: skip


def tag(
    name: str, definition: str, thing: str, created: str = "2024-01-02 00:00:00", **more: Any
) -> dict[str, Any]:
    return {
        "id": name, "tag_definition_id": definition, "object_id": thing, "object_type": "ACCOUNT",
        "created_date": created, **more,
    }  # fmt: skip


MARCH, APRIL, REPAIRED = "2024-02-29 22:30:00", "2024-05-10 08:00:00", "2024-03-15 12:00:00"
GOLD = {"subscription_id": "s-1", "plan_name": "gold"}
DATA = {"subscription_id": "s-2", "plan_name": "data", "currency": "USD"}
ROWS: dict[str, list[dict[str, Any]]] = {
    "accounts": [
        account(KYIV, "Europe/Kyiv", "EUR", name="Олена"),
        account(INDIA, "+05:30", "USD", company_name="India Ltd"),
        account(NO_CURRENCY, "UTC", None, name=" ", company_name=" "),
        account(TESTER, "UTC", "EUR", name="Tester"),
        account(EMPTY, "UTC", None, name="No currency, no invoice"),
        account("a-empty-too", "UTC", None, name="No currency, no invoice"),
        account(MARS, "Mars/Olympus", "EUR", name="Mars"),
        account(HOLDING, "UTC", "EUR", name="Holding"),
        account(CHILD, "UTC", "EUR", name="Child", parent_account_id=HOLDING),
        account(HOLDING_TOO, "UTC", "EUR", name="Holding", parent_account_id=PARTNER),
        account(CHILD_TOO, "UTC", "EUR", name="Child", parent_account_id=HOLDING_TOO),
        account(PARTNER, "UTC", "EUR", name="Partner"),
        account(UNNAMED, "UTC", "EUR", name=" ", company_name=" "),
        account(CHILD_3, "UTC", "EUR", name="Child", parent_account_id=UNNAMED),
    ],
    "tag_definitions": [{"id": "d-1", "name": "vip;gold"}, {"id": "d-2", "name": "north"}],
    "tags": [
        tag("t-1", "d-1", KYIV),
        tag("t-2", MANUAL_PAY, KYIV),
        tag("t-3", "d-2", KYIV, is_active=False),
        tag("t-4", "d-2", INDIA),
        tag("t-5", "d-2", "i-3", object_type="INVOICE"),
        tag("t-6", TEST, TESTER),
        tag("t-7", TEST, KYIV, is_active=False),
        tag("t-8", IS_PARTNER, PARTNER),
        tag("t-9", WRITTEN_OFF, "i-8", "2024-06-02 09:00:00", object_type="INVOICE"),
        tag("t-99", WRITTEN_OFF, "i-8", "2024-06-03 09:00:00", object_type="INVOICE"),
        tag("t-10", WRITTEN_OFF, "i-1", "2024-06-02 09:00:00", object_type="INVOICE", is_active=False),
    ],
    "invoices": [
        # In Kyiv, the evening of 29 February in UTC is 1 March already.
        invoice("i-1", KYIV, MARCH, "2024-03-01"),
        invoice("i-2", KYIV, APRIL, "2024-04-01"),  # dated back
        invoice("i-3", KYIV, REPAIRED),
        invoice("i-4", KYIV, "2024-05-01 12:00:00"),
        invoice("i-5", KYIV, "2024-05-02 12:00:00"),  # a credit
        invoice("i-6", KYIV, "2024-05-03 12:00:00", status="DRAFT"),
        invoice("i-7", KYIV, "2024-05-04 12:00:00", status="VOID", currency="CHF"),
        invoice("i-8", KYIV, "2024-05-05 12:00:00"),  # written off
        invoice("i-9", KYIV, "2024-05-06 12:00:00", migrated=True, currency="CHF"),
        invoice("i-10", INDIA, "2024-02-10 20:00:00", "2024-02-11", currency="USD"),
        invoice("i-11", INDIA, "2024-03-10 20:00:00", "2024-03-10", currency="USD"),  # a day early
        invoice("i-12", INDIA, "2024-03-20 12:00:00"),  # in euros
        invoice("i-13", NO_CURRENCY, "2024-03-20 12:00:00", currency="GBP"),
        invoice("i-14", TESTER, "2024-03-20 12:00:00"),
        invoice("i-15", MARS, "2024-03-20 12:00:00", "2024-03-19"),
        invoice("i-16", CHILD, "2024-04-02 06:00:00"),
        invoice("i-17", HOLDING, "2024-04-02 23:00:00"),
        invoice("i-18", "a-nobody", "2024-04-02 23:00:00"),
        invoice("i-19", NO_CURRENCY, "2024-03-21 12:00:00", currency="USD"),
        invoice("i-20", NO_CURRENCY, "2024-03-22 12:00:00", currency="AED", status="VOID"),
    ],
    "invoice_items": [
        item("x-1", "FIXED", "i-1", MARCH, "5", **GOLD),
        item("x-2", "RECURRING", "i-1", MARCH, "20", **GOLD),
        item("x-3", "TAX", "i-1", MARCH, "4", linked_item_id="x-2"),
        item("x-4", "USAGE", "i-1", MARCH, "1.234567891", usage_name="minutes", **GOLD),
        item("x-5", "USAGE", "i-1", MARCH, "0", usage_name="minutes", **GOLD),
        item("x-6", "ITEM_ADJ", "i-1", "2024-03-05 10:00:00", "-0.5", linked_item_id="x-4",
             start_date="2024-03-05", **GOLD),
        item("x-7", "ITEM_ADJ", "i-1", "2024-03-06 10:00:00", "-1", linked_item_id="x-3"),
        item("x-8", "CBA_ADJ", "i-1", "2024-03-06 10:00:00", "1"),
        item("x-9", "RECURRING", "i-2", APRIL, "20", **GOLD),
        item("x-10", "REPAIR_ADJ", "i-3", REPAIRED, "-10", linked_item_id="x-2",
             start_date="2024-03-16", **GOLD),
        item("x-11", "FIXED", "i-3", REPAIRED, "2.5", **GOLD),  # a later phase of the plan
        item("x-12", "CBA_ADJ", "i-3", REPAIRED, "7.5"),
        item("x-13", "EXTERNAL_CHARGE", "i-4", "2024-05-01 12:00:00", "10"),
        item("x-14", "CBA_ADJ", "i-4", "2024-05-01 12:00:00", "-8.5"),
        item("x-15", "CREDIT_ADJ", "i-5", "2024-05-02 12:00:00", "-7"),
        item("x-16", "CBA_ADJ", "i-5", "2024-05-02 12:00:00", "7"),
        item("x-17", "USAGE", "i-6", "2024-05-03 12:00:00", "100"),
        item("x-18", "USAGE", "i-7", "2024-05-04 12:00:00", "100"),
        item("x-19", "EXTERNAL_CHARGE", "i-8", "2024-05-05 12:00:00", "9"),
        item("x-20", "EXTERNAL_CHARGE", "i-9", "2024-05-06 12:00:00", "1000"),
        item("x-21", "RECURRING", "i-10", "2024-02-10 20:00:00", "12", **DATA),
        item("x-22", "RECURRING", "i-11", "2024-03-10 20:00:00", "12", **DATA),
        item("x-23", "USAGE", "i-12", "2024-03-20 12:00:00", "3", usage_name="minutes"),
        item("x-24", "FIXED", "i-13", "2024-03-20 12:00:00", "0", subscription_id="s-3", plan_name="trial",
             currency="GBP"),
        item("x-25", "ITEM_ADJ", "i-13", "2024-03-20 13:00:00", "0", linked_item_id="x-24", currency="GBP"),
        item("x-26", "USAGE", "i-14", "2024-03-20 12:00:00", "50"),
        item("x-27", "USAGE", "i-15", "2024-03-20 12:00:00", "2"),
        item("x-28", "USAGE", "i-16", "2024-04-02 06:00:00", "6"),
        item("x-29", "ITEM_ADJ", "i-16", "2024-04-03 06:00:00", "-1", linked_item_id="x-28",
             start_date="2024-04-03"),
        item("x-30", "PARENT_SUMMARY", "i-17", "2024-04-02 23:00:00", "6", child_account_id=CHILD),
        item("x-31", "ITEM_ADJ", "i-17", "2024-04-03 06:00:00", "-1", linked_item_id="x-30",
             start_date="2024-04-03"),
        item("x-34", "FIXED", "i-4", "2024-05-01 12:00:00", "1", plan_name="once"),
        item("x-35", "FIXED", "i-4", "2024-05-01 12:00:00", "1", plan_name="once"),
        item("x-36", "FIXED", "i-4", "2024-05-01 12:00:00", "3"),
        item("x-37", "REPAIR_ADJ", "i-4", "2024-05-01 12:00:00", "-2", linked_item_id="x-20"),  # migrated
        item("x-38", "EXTERNAL_CHARGE", "i-19", "2024-03-21 12:00:00", "4", currency="USD"),
        item("x-32", "USAGE", "i-18", "2024-04-03 06:00:00", "1"),
        item("x-33", "USAGE", "i-nowhere", "2024-04-03 06:00:00", "1"),
    ],
    "invoice_payments": [
        payment("y-1", "ATTEMPT", "i-1", "2024-03-01 09:00:00", "30.234567891"),
        payment("y-2", "ATTEMPT", "i-1", "2024-03-01 08:00:00", "30.234567891", "INIT"),
        payment("y-3", "REFUND", "i-1", "2024-03-07 09:00:00", "-5"),
        payment("y-4", "CHARGED_BACK", "i-1", "2024-03-08 09:00:00", "-3.5"),
        payment("y-5", "CHARGED_BACK", "i-1", "2024-03-08 09:00:00", "-3.5", "INIT"),
        payment("y-6", "ATTEMPT", "i-8", "2024-05-06 09:00:00", "2"),
        payment("y-7", "ATTEMPT", "i-10", "2024-02-11 09:00:00", "12"),
        payment("y-8", "ATTEMPT", "i-17", "2024-04-04 09:00:00", "5"),
        payment("y-9", "ATTEMPT", "i-14", "2024-04-04 09:00:00", "50"),
        payment("y-10", "ATTEMPT", "i-nowhere", "2024-04-04 09:00:00", "50"),
        payment("y-12", "ATTEMPT", "i-8", "2024-05-06 09:00:00", "7", "INIT"),
        payment("y-11", "ATTEMPT", "i-4", "2024-05-01 12:00:05", "1.5", "PENDING"),
    ],
}  # fmt: skip


def row(
    name: str, client: str, at: str, kind: str, amount: str, package: str | None = None
) -> dict[str, Any]:
    table = {"x": "invoice_items", "y": "invoice_payments", "t": "tags"}[name[0]]
    found = {
        "transaction_id": f"{table}:{name}",
        "client_id": client,
        "at": at,
        "kind": kind,
        "amount": amount,
    }
    return found | ({"package_id": package} if package else {})


def client(name: str, label: str, currency: str = "EUR", kind: str = "client", **more: str) -> dict[str, Any]:
    return {
        "client_id": name, "name": label, "client_type": kind, "currency": currency,
        "created_at": "2024-01-01T10:00:00Z", **more,
    }  # fmt: skip


def facts(zones: bool) -> dict[str, list[dict[str, Any]]]:
    """Return the mart that the rows mean, on a server that knows the zones by name or one that does not."""
    march = "2024-02-29T22:30:00Z" if zones else "2024-03-01T00:00:00Z"
    april = "2024-03-31T21:00:00Z" if zones else "2024-04-01T00:00:00Z"
    return {
        "clients": [
            client(KYIV, "Олена", tags="MANUAL_PAY;vip/gold"),
            client(INDIA, "India Ltd", "USD", tags="north"),
            client(f"{INDIA}:EUR", "India Ltd", tags="north"),
            client(NO_CURRENCY, f"key-{NO_CURRENCY}", "GBP"),
            client(f"{NO_CURRENCY}:USD", f"key-{NO_CURRENCY}", "USD"),
            client(MARS, "Mars"),
            client(HOLDING, "Holding", kind="reseller"),
            client(CHILD, "Child", company=f"Holding ({HOLDING})"),
            client(HOLDING_TOO, "Holding", kind="reseller", company="Partner"),
            client(CHILD_TOO, "Child", company=f"Holding ({HOLDING_TOO})"),
            client(PARTNER, "Partner", kind="reseller", tags="PARTNER"),
            client(UNNAMED, f"key-{UNNAMED}", kind="reseller"),
            client(CHILD_3, "Child", company=f"key-{UNNAMED}"),
        ],
        "transactions": [
            row("x-1", KYIV, march, "package_activation", "-5", "gold"),
            row("x-2", KYIV, march, "package_renewal", "-20", "gold"),
            row("x-3", KYIV, march, "other", "-4"),
            row("x-4", KYIV, march, "usage", "-1.234568"),
            row("x-6", KYIV, "2024-03-05T10:00:00Z", "usage", "0.5"),
            row("x-7", KYIV, "2024-03-06T10:00:00Z", "other", "1"),
            row("x-9", KYIV, april, "package_renewal", "-20", "gold"),
            row("x-10", KYIV, "2024-03-15T12:00:00Z", "package_renewal", "10", "gold"),
            row("x-11", KYIV, "2024-03-15T12:00:00Z", "package_renewal", "-2.5", "gold"),
            row("x-13", KYIV, "2024-05-01T12:00:00Z", "usage", "-10"),
            row("x-15", KYIV, "2024-05-02T12:00:00Z", "other", "7"),
            row("x-19", KYIV, "2024-05-05T12:00:00Z", "usage", "-9"),
            row("t-9:written_off", KYIV, "2024-06-02T09:00:00Z", "other", "7"),
            row("y-1", KYIV, "2024-03-01T09:00:00Z", "refill", "30.234568"),
            row("y-3", KYIV, "2024-03-07T09:00:00Z", "other", "-5"),
            row("y-4", KYIV, "2024-03-08T09:00:00Z", "other", "-3.5"),
            row("y-6", KYIV, "2024-05-06T09:00:00Z", "refill", "2"),
            # 20:00 in UTC is 01:30 of the next day in India.
            row("x-21", INDIA, "2024-02-10T20:00:00Z", "package_renewal", "-12", "data"),
            row("x-21:activation", INDIA, "2024-02-10T20:00:00Z", "package_activation", "0", "data"),
            row("x-22", INDIA, "2024-03-09T18:30:00Z", "package_renewal", "-12", "data"),
            row("y-7", INDIA, "2024-02-11T09:00:00Z", "refill", "12"),
            row("x-23", f"{INDIA}:EUR", "2024-03-20T12:00:00Z", "usage", "-3"),
            row("x-24", NO_CURRENCY, "2024-03-20T12:00:00Z", "package_activation", "0", "trial"),
            row("x-34", KYIV, "2024-05-01T12:00:00Z", "package_activation", "-1", "once"),
            row("x-35", KYIV, "2024-05-01T12:00:00Z", "package_activation", "-1", "once"),
            row("x-36", KYIV, "2024-05-01T12:00:00Z", "usage", "-3"),
            row("x-37", KYIV, "2024-05-01T12:00:00Z", "other", "2"),
            row("x-38", f"{NO_CURRENCY}:USD", "2024-03-21T12:00:00Z", "usage", "-4"),
            row("x-27", MARS, "2024-03-19T00:00:00Z", "usage", "-2"),
            row("x-28", CHILD, "2024-04-02T06:00:00Z", "usage", "-6"),
            row("x-29", CHILD, "2024-04-03T06:00:00Z", "usage", "1"),
            row("x-30:child", CHILD, "2024-04-02T23:00:00Z", "other", "6"),
            row("x-31:child", CHILD, "2024-04-03T06:00:00Z", "other", "-1"),
            row("x-30", HOLDING, "2024-04-02T23:00:00Z", "other", "-6"),
            row("x-31", HOLDING, "2024-04-03T06:00:00Z", "other", "1"),
            row("y-8", HOLDING, "2024-04-04T09:00:00Z", "refill", "5"),
        ],
        "companies": [
            {"company": f"Holding ({HOLDING})"},
            {"company": f"Holding ({HOLDING_TOO})", "parent": "Partner"},
            {"company": "Partner"},
            {"company": f"key-{UNNAMED}"},
        ],
    }  # fmt: skip


RATES = [
    {"currency": currency, "date": "2023-01-01", "units_per_base": rate, "base": "EUR"}
    for currency, rate in (("EUR", "1"), ("USD", "1.25"), ("GBP", "0.8"))
]
YEAR = {"start": "2024-01-01", "end": "2024-12-31"}
QUERIES: list[dict[str, Any]] = [
    {"interval": YEAR, "client_type": "all", "currency": "EUR"},
    {"interval": YEAR, "client_type": "all", "currency": "EUR", "timezone": "Europe/Kyiv"},
    {"interval": YEAR, "client_type": "all", "currency": "EUR", "group_by": ["month", "package"]},
    {"interval": YEAR, "currency": "EUR", "company": ["Partner"], "group_by": []},
    {"interval": YEAR, "currency": "EUR", "client_tags": ["vip/gold"], "package": ["gold"]},
]


@dataclass(frozen=True)
class Server:
    connection: Any
    dialect: str
    zones: bool

    def read(self) -> dict[str, list[dict[str, Any]]]:
        return support.read(self.connection, "killbill", self.dialect)


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with getattr(support, request.param)() as connection:
        yield Server(connection, request.param, zones=create(connection, request.param))


def create(connection: Any, dialect: str) -> bool:
    """Create the tables and their rows; return whether the server knows time zones by name."""
    mysql = dialect == "mysql"
    options = " CHARACTER SET utf8 COLLATE utf8_bin" if mysql else ""
    support.execute(connection, ("" if mysql else DATETIME) + SCHEMA.format(options=options))
    for table, rows in ROWS.items():
        support.insert(connection, table, rows)
    zone = "SELECT CONVERT_TZ('2024-01-01', '+00:00', 'Europe/Kyiv') AS found"
    return not mysql or support.select(connection, zone)[0]["found"] is not None


def test_every_row_is_as_the_facts_say(server: Server) -> None:
    found, expected = server.read(), facts(server.zones)
    assert list(found) == list(expected)
    for table, rows in expected.items():
        assert support.as_text(found[table]) == support.amounts(rows, "amount")


def test_reports_are_those_of_the_oracle_on_the_facts(server: Server) -> None:
    rates = [{**rate, "units_per_base": Decimal(rate["units_per_base"])} for rate in RATES]
    expected = facts(server.zones)
    expected["packages"] = [{"package_id": name, "name": name} for name in ("gold", "data", "trial", "once")]
    support.compare_reports(server.read() | {"rates": rates}, expected | {"rates": RATES}, QUERIES)


def test_balances_are_those_that_kill_bill_computes(server: Server) -> None:
    """Of each account, and of parents with their children: the debt of a child is at the parent."""
    derived = support.balances(server.read())
    for clients in (
        [KYIV],
        [INDIA],
        [f"{INDIA}:EUR"],
        [NO_CURRENCY],
        [f"{NO_CURRENCY}:USD"],
        [MARS],
        [HOLDING, CHILD],
    ):
        paid_by_parent = [CHILD] if CHILD in clients else []
        owed = sum(owed_by(name) for name in clients if name not in paid_by_parent)
        assert abs(sum(derived[name] for name in clients) + owed) < Decimal("0.00001")


def owed_by(client: str) -> Decimal:
    """Return what Kill Bill says that an account owes: its invoices but those written off, less credit."""
    name, _, currency = client.partition(":")
    owed = Decimal(0)
    for invoice in ROWS["invoices"]:
        own = {INDIA: "USD", NO_CURRENCY: "GBP"}.get(name, "EUR")
        if invoice["account_id"] != name or invoice["currency"] != (currency or own):
            continue
        if invoice.get("status", "COMMITTED") != "COMMITTED" or invoice["migrated"]:
            continue
        items = [i for i in ROWS["invoice_items"] if i["invoice_id"] == invoice["id"]]
        paid = [p for p in ROWS["invoice_payments"] if p["invoice_id"] == invoice["id"]]
        if invoice["id"] != "i-8":
            owed += sum(i["amount"] for i in items) - sum(
                p["amount"] for p in paid if p["status"] == "SUCCESS"
            )
        owed -= sum(i["amount"] for i in items if i["type"] == "CBA_ADJ")
    return owed


def test_what_is_left_out_is_counted(server: Server) -> None:
    counts = list(support.counts(server.connection, "killbill", server.dialect).values())
    assert counts[:-1] == [4, 3, 4, 3, 2, 3]
    assert counts[-1] == (1 if server.zones else 13)  # without zone tables, only offsets are known


if DUMPS := [d for d in ("postgresql", "mysql") if support.dump(f"killbill.{d}.sql")]:

    @pytest.mark.parametrize("dialect", DUMPS)
    def test_the_full_schema_has_all_that_is_read(dialect: str) -> None:
        path = support.dump(f"killbill.{dialect}.sql")
        assert path
        with getattr(support, dialect)() as connection:
            getattr(support, f"load_{dialect}")(connection, path)
            assert not any(support.read(connection, "killbill", dialect).values())
            assert not any(support.counts(connection, "killbill", dialect).values())
