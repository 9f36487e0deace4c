"""Lago, on a real PostgreSQL: rows that follow its rules give the facts stated here; balances reconcile."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.mart.mappings import killbill_lago_support as support

pytestmark = pytest.mark.usefixtures("own_cache")

SCHEMA = """
CREATE TYPE customer_account_type AS ENUM ('customer', 'partner');
CREATE TABLE billing_entities (id uuid PRIMARY KEY, name varchar NOT NULL, default_currency varchar NOT NULL);
CREATE TABLE customers (
    id uuid PRIMARY KEY, external_id varchar NOT NULL, name varchar, legal_name varchar, firstname varchar,
    lastname varchar, currency varchar, account_type customer_account_type NOT NULL DEFAULT 'customer',
    billing_entity_id uuid NOT NULL, created_at timestamp(6) NOT NULL, deleted_at timestamp(6)
);
CREATE TABLE customer_metadata (id uuid PRIMARY KEY, customer_id uuid NOT NULL, key varchar NOT NULL,
    value varchar NOT NULL);
CREATE TABLE wallets (
    id uuid PRIMARY KEY, customer_id uuid NOT NULL, status integer NOT NULL,
    balance_cents bigint NOT NULL DEFAULT 0, balance_currency varchar NOT NULL,
    allowed_fee_types varchar[] NOT NULL DEFAULT '{}', terminated_at timestamp,
    updated_at timestamp(6) NOT NULL
);
CREATE TABLE wallet_targets (id uuid PRIMARY KEY, wallet_id uuid NOT NULL, billable_metric_id uuid NOT NULL);
CREATE TABLE wallet_transactions (
    id uuid PRIMARY KEY, wallet_id uuid NOT NULL, transaction_type integer NOT NULL, status integer NOT NULL,
    transaction_status integer NOT NULL DEFAULT 0, amount numeric(30,5) NOT NULL DEFAULT 0,
    settled_at timestamp, created_at timestamp(6) NOT NULL, invoice_id uuid, voided_invoice_id uuid
);
CREATE TABLE invoices (
    id uuid PRIMARY KEY, status integer NOT NULL, invoice_type integer NOT NULL DEFAULT 0,
    total_amount_cents bigint NOT NULL DEFAULT 0
);
CREATE TABLE fees (
    id uuid PRIMARY KEY, invoice_id uuid, charge_id uuid, subscription_id uuid, fee_type integer,
    amount_cents bigint NOT NULL, taxes_amount_cents bigint NOT NULL DEFAULT 0,
    precise_coupons_amount_cents numeric(30,5) NOT NULL DEFAULT 0,
    precise_credit_notes_amount_cents numeric(30,5) NOT NULL DEFAULT 0, deleted_at timestamp(6)
);
CREATE TABLE charges (id uuid PRIMARY KEY, billable_metric_id uuid);
CREATE TABLE plans (id uuid PRIMARY KEY, name varchar NOT NULL, parent_id uuid,
    amount_currency varchar NOT NULL);
CREATE TABLE subscriptions (id uuid PRIMARY KEY, customer_id uuid NOT NULL, plan_id uuid NOT NULL,
    status integer NOT NULL, started_at timestamp);
"""

ALPHA, BETA, BETA_TOO = (f"e0000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))
ANNA, TOKYO, PARTNER, POSTPAID, LIMITED, BARE = (
    f"c0000000-0000-0000-0000-00000000000{n}" for n in range(1, 7)
)
BASIC, TALK, TALK_FOR_ANNA, ABROAD, ABROAD_TOO = (
    f"b0000000-0000-0000-0000-00000000000{n}" for n in range(1, 6)
)
INBOUND, OUTBOUND = 0, 1
PENDING, SETTLED, FAILED = 0, 1, 2
PURCHASED, GRANTED, VOIDED, INVOICED = 0, 1, 2, 3
CHARGE, ADD_ON, SUBSCRIPTION, COMMITMENT, FIXED, PRODUCT = 0, 1, 2, 4, 5, 6


def key(kind: str, number: int) -> str:
    """Return a UUID: `kind` is one hexadecimal digit."""
    return f"{kind}{number:07d}-0000-0000-0000-000000000000"


def moved(
    number: int, wallet: int, at: str, amount: str, way: int, what: int, status: int = SETTLED, **more: Any
) -> dict[str, Any]:
    settled = at if status == SETTLED else None
    return {
        "id": key("d", number), "wallet_id": key("a", wallet), "transaction_type": way, "status": status,
        "transaction_status": what, "amount": Decimal(amount), "settled_at": settled, "created_at": at,
        **more,
    }  # fmt: skip


def fee(number: int, invoice: int, kind: int, net: int, tax: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": key("f", number), "invoice_id": key("1", invoice), "fee_type": kind, "amount_cents": net,
        "taxes_amount_cents": tax, **more,
    }  # fmt: skip


ROWS: dict[str, list[dict[str, Any]]] = {
    "billing_entities": [
        {"id": ALPHA, "name": "Alpha", "default_currency": "EUR"},
        {"id": BETA, "name": "Beta", "default_currency": "USD"},
        {"id": BETA_TOO, "name": "Beta", "default_currency": "USD"},
    ],
    "customers": [
        {"id": ANNA, "external_id": "a", "name": "Anna; “A”", "currency": "EUR", "billing_entity_id": ALPHA,
         "created_at": "2024-01-01 00:30:00.123456"},
        {"id": TOKYO, "external_id": "t", "name": " ", "legal_name": " ", "firstname": "Taro",
         "lastname": "Abe", "currency": "JPY", "billing_entity_id": BETA, "created_at": "2024-01-02 00:00"},
        {"id": PARTNER, "external_id": "p", "legal_name": "Partner Ltd", "currency": "EUR",
         "account_type": "partner", "billing_entity_id": BETA_TOO, "created_at": "2024-01-03 00:00",
         "deleted_at": "2024-06-01 12:00"},
        {"id": POSTPAID, "external_id": "post", "currency": "EUR", "billing_entity_id": ALPHA,
         "created_at": "2024-01-04 00:00"},
        {"id": LIMITED, "external_id": "l", "name": "Limited", "currency": "BHD", "billing_entity_id": ALPHA,
         "created_at": "2024-01-05 00:00"},
        {"id": BARE, "external_id": "b", "name": "Bare", "currency": None, "billing_entity_id": BETA,
         "created_at": "2024-01-06 00:00"},
    ],
    "customer_metadata": [
        {"id": key("2", 1), "customer_id": ANNA, "key": "tier", "value": "gold"},
        {"id": key("2", 2), "customer_id": ANNA, "key": "note", "value": "a;b, c"},
    ],
    "plans": [
        {"id": BASIC, "name": "Basic", "amount_currency": "EUR"},
        {"id": TALK, "name": "Talk", "amount_currency": "EUR"},
        {"id": ABROAD, "name": "Abroad", "amount_currency": "CHF"},
        {"id": ABROAD_TOO, "name": "Abroad", "amount_currency": "GBP"},
        {"id": TALK_FOR_ANNA, "name": "Talk", "parent_id": TALK, "amount_currency": "EUR"},
    ],
    "subscriptions": [
        {"id": key("5", 1), "customer_id": ANNA, "plan_id": BASIC, "status": 2,
         "started_at": "2024-01-10 00:00"},
        {"id": key("5", 2), "customer_id": ANNA, "plan_id": TALK_FOR_ANNA, "status": 1,
         "started_at": "2024-02-10 08:00"},
        {"id": key("5", 3), "customer_id": ANNA, "plan_id": BASIC, "status": 0, "started_at": None},
        {"id": key("5", 4), "customer_id": POSTPAID, "plan_id": TALK, "status": 1,
         "started_at": "2024-03-01 00:00"},
        {"id": key("5", 5), "customer_id": POSTPAID, "plan_id": ABROAD_TOO, "status": 3,
         "started_at": "2024-03-01 00:00"},
        {"id": key("5", 6), "customer_id": POSTPAID, "plan_id": ABROAD_TOO, "status": 1, "started_at": None},
        {"id": key("5", 7), "customer_id": BARE, "plan_id": ABROAD, "status": 1,
         "started_at": "2024-03-02 00:00"},
    ],
    "charges": [
        {"id": key("3", 1), "billable_metric_id": key("4", 1)},
        {"id": key("3", 2), "billable_metric_id": key("4", 2)},
    ],
    "wallets": [
        # Anna: 100 + 10 - 48 - 62 + 62 (voided) - 1.5; and an old wallet of hers, ended with 7.50 in it.
        {"id": key("a", 1), "customer_id": ANNA, "status": 0, "balance_cents": 6050,
         "balance_currency": "EUR", "updated_at": "2024-05-01 00:00"},
        {"id": key("a", 2), "customer_id": ANNA, "status": 1, "balance_cents": 750,
         "balance_currency": "EUR", "terminated_at": "2024-04-01 00:00", "updated_at": "2024-05-01 00:00"},
        {"id": key("a", 3), "customer_id": TOKYO, "status": 0, "balance_cents": 498,
         "balance_currency": "JPY", "updated_at": "2024-05-01 00:00"},
        {"id": key("a", 9), "customer_id": TOKYO, "status": 0, "balance_cents": 0,
         "balance_currency": "JPY", "updated_at": "2024-05-01 00:00"},
        {"id": key("a", 4), "customer_id": TOKYO, "status": 0, "balance_cents": 1999,
         "balance_currency": "USD", "updated_at": "2024-05-01 00:00"},
        {"id": key("a", 5), "customer_id": PARTNER, "status": 1, "balance_cents": 300,
         "balance_currency": "EUR", "updated_at": "2024-06-01 12:00"},
        # Two wallets pay one invoice: one only subscriptions, the other only one metric and commitments.
        {"id": key("a", 6), "customer_id": LIMITED, "status": 0, "balance_cents": 0,
         "balance_currency": "BHD", "allowed_fee_types": ["subscription"], "updated_at": "2024-05-01 00:00"},
        {"id": key("a", 7), "customer_id": LIMITED, "status": 0, "balance_cents": 5001,
         "balance_currency": "BHD", "allowed_fee_types": ["commitment"], "updated_at": "2024-05-01 00:00"},
        {"id": key("a", 10), "customer_id": LIMITED, "status": 0, "balance_cents": 1,
         "balance_currency": "BHD", "updated_at": "2024-05-01 00:00"},
        # Its credit was there before its transactions: the opening balance.
        {"id": key("a", 8), "customer_id": BARE, "status": 0, "balance_cents": 700, "balance_currency": "USD",
         "updated_at": "2024-05-01 00:00"},
    ],
    "wallet_targets": [{"id": key("6", 1), "wallet_id": key("a", 7), "billable_metric_id": key("4", 1)}],
    "wallet_transactions": [
        moved(1, 1, "2024-01-15 10:00", "100", INBOUND, PURCHASED),
        moved(2, 1, "2024-01-15 11:00", "10", INBOUND, GRANTED),
        moved(3, 1, "2024-01-16 10:00", "50", INBOUND, PURCHASED, PENDING),
        moved(4, 1, "2024-01-16 11:00", "20", INBOUND, PURCHASED, FAILED),
        moved(5, 1, "2024-02-01 00:00:05", "48", OUTBOUND, INVOICED, invoice_id=key("1", 1)),
        moved(6, 1, "2024-03-01 00:00:05", "62", OUTBOUND, INVOICED, invoice_id=key("1", 2)),
        moved(7, 1, "2024-03-05 09:00", "62", INBOUND, GRANTED, voided_invoice_id=key("1", 2)),
        moved(8, 1, "2024-03-06 09:00", "1.50000", OUTBOUND, VOIDED, invoice_id=key("1", 1)),
        moved(9, 2, "2024-01-20 09:00", "7.5", INBOUND, PURCHASED),
        moved(10, 3, "2024-01-20 09:00", "1000", INBOUND, PURCHASED),
        moved(11, 3, "2024-02-20 09:00", "300", OUTBOUND, INVOICED, invoice_id=key("1", 3)),
        moved(12, 4, "2024-01-21 09:00", "19.99", INBOUND, PURCHASED) | {"settled_at": None},
        moved(13, 5, "2024-01-22 09:00", "3", INBOUND, PURCHASED),
        moved(14, 6, "2024-01-23 09:00", "4.000", INBOUND, PURCHASED),
        moved(15, 7, "2024-01-23 09:00", "10.001", INBOUND, PURCHASED),
        moved(16, 6, "2024-02-23 09:00", "4.000", OUTBOUND, INVOICED, invoice_id=key("1", 4)),
        moved(17, 7, "2024-02-23 09:00", "5.000", OUTBOUND, INVOICED, invoice_id=key("1", 4)),
        moved(18, 3, "2024-03-20 23:59:59.999999", "1", OUTBOUND, INVOICED, invoice_id=key("1", 8)),
        moved(23, 3, "2024-03-21 09:00", "1", OUTBOUND, INVOICED),
        moved(19, 9, "2024-01-25 09:00", "100", INBOUND, GRANTED),
        moved(20, 3, "2024-03-01 00:00:02", "200", OUTBOUND, INVOICED, invoice_id=key("1", 7)),
        moved(21, 9, "2024-03-01 00:00:01", "100", OUTBOUND, INVOICED, invoice_id=key("1", 7)),
        moved(22, 8, "2024-03-02 09:00", "2", INBOUND, PURCHASED),
    ],
    "invoices": [
        {"id": key("1", 1), "status": 1},
        {"id": key("1", 2), "status": 2, "total_amount_cents": 3800},
        {"id": key("1", 3), "status": 1},
        {"id": key("1", 4), "status": 1, "total_amount_cents": 1000},
        {"id": key("1", 5), "status": 1, "total_amount_cents": 900000},  # of the customer without a wallet
        {"id": key("1", 6), "status": 1, "invoice_type": 2, "total_amount_cents": 10000},  # bought credits
    ],
    "fees": [
        # Invoice 1: 20 + 4 tax for the plan, 25 less 5 of a coupon + 4 tax for calls; free ones.
        fee(1, 1, SUBSCRIPTION, 2000, 400, subscription_id=key("5", 1)),
        fee(2, 1, CHARGE, 2500, 400, charge_id=key("3", 1), subscription_id=key("5", 1),
            precise_coupons_amount_cents=Decimal(500)),
        fee(3, 1, CHARGE, 0, charge_id=key("3", 2), subscription_id=key("5", 1)),
        fee(4, 1, FIXED, 0, subscription_id=key("5", 2)),
        fee(5, 1, CHARGE, 9999, 99, deleted_at="2024-02-01 00:00"),
        # Invoice 2 of 100, of which the wallet paid 62: 20.66 + 20.67 + 20.67.
        fee(6, 2, PRODUCT, 3333, subscription_id=key("5", 2)),
        fee(7, 2, CHARGE, 3333, charge_id=key("3", 1), subscription_id=key("5", 2)),
        fee(8, 2, ADD_ON, 3334),
        # Invoice 3, in yen: 100 and 200 of 450 and 900.
        fee(9, 3, CHARGE, 450),
        fee(10, 3, COMMITMENT, 1000, precise_credit_notes_amount_cents=Decimal(100)),
        fee(15, 3, CHARGE, 100, precise_credit_notes_amount_cents=Decimal(150)),
        # Invoice 4, in dinars of 1000 fils: each wallet pays its fees.
        fee(11, 4, SUBSCRIPTION, 8000, subscription_id=key("5", 1)),
        fee(12, 4, CHARGE, 6000, charge_id=key("3", 1)),
        fee(13, 4, CHARGE, 6000, charge_id=key("3", 2)),
        fee(14, 4, COMMITMENT, 3000),
        fee(16, 7, CHARGE, 300),  # paid from two wallets
        fee(17, 8, CHARGE, 0),  # nothing that says what was paid
    ],
}  # fmt: skip


def row(
    name: str, client: str, at: str, kind: str, amount: str, package: str | None = None
) -> dict[str, Any]:
    found = {"transaction_id": name, "client_id": client, "at": at, "kind": kind, "amount": amount}
    return found | ({"package_id": package} if package else {})


def wallet_row(number: int) -> str:
    return f"wallet_transactions:{key('d', number)}"


def fee_row(number: int, part: str = "") -> str:
    return f"fees:{key('f', number)}{part}"


FACTS: dict[str, list[dict[str, Any]]] = {
    "clients": [
        {"client_id": ANNA, "name": "Anna; “A”", "client_type": "client", "company": "Alpha",
         "tags": "note=a/b, c;tier=gold", "currency": "EUR", "created_at": "2024-01-01T00:30:00Z",
         "opening_balance": "0", "stored_balance": "60.5"},
        {"client_id": TOKYO, "name": "Taro Abe", "client_type": "client", "company": f"Beta ({BETA})",
         "currency": "JPY", "created_at": "2024-01-02T00:00:00Z", "opening_balance": "0",
         "stored_balance": "498"},
        {"client_id": f"{TOKYO}:USD", "name": "Taro Abe", "client_type": "client",
         "company": f"Beta ({BETA})", "currency": "USD", "created_at": "2024-01-02T00:00:00Z",
         "opening_balance": "0", "stored_balance": "19.99"},
        {"client_id": PARTNER, "name": "Partner Ltd", "client_type": "reseller",
         "company": f"Beta ({BETA_TOO})", "currency": "EUR", "created_at": "2024-01-03T00:00:00Z",
         "closed_at": "2024-06-01T12:00:00Z", "opening_balance": "0", "stored_balance": "0"},
        {"client_id": POSTPAID, "name": "post", "client_type": "client", "company": "Alpha",
         "currency": "EUR", "created_at": "2024-01-04T00:00:00Z", "opening_balance": "0"},
        {"client_id": LIMITED, "name": "Limited", "client_type": "client", "company": "Alpha",
         "currency": "BHD", "created_at": "2024-01-05T00:00:00Z",
         "opening_balance": "0.001", "stored_balance": "5.002"},
        {"client_id": BARE, "name": "Bare", "client_type": "client",
         "company": f"Beta ({BETA})", "currency": "USD", "created_at": "2024-01-06T00:00:00Z",
         "opening_balance": "5", "stored_balance": "7"},
        {"client_id": f"{BARE}:CHF", "name": "Bare", "client_type": "client",
         "company": f"Beta ({BETA})", "currency": "CHF", "created_at": "2024-01-06T00:00:00Z",
         "opening_balance": "0"},
    ],
    "transactions": [
        row(wallet_row(1), ANNA, "2024-01-15T10:00:00Z", "refill", "100"),
        row(wallet_row(2), ANNA, "2024-01-15T11:00:00Z", "other", "10"),
        row(fee_row(1), ANNA, "2024-02-01T00:00:05Z", "package_renewal", "-20", BASIC),
        row(fee_row(1, ":tax"), ANNA, "2024-02-01T00:00:05Z", "other", "-4"),
        row(fee_row(2), ANNA, "2024-02-01T00:00:05Z", "usage", "-20"),
        row(fee_row(2, ":tax"), ANNA, "2024-02-01T00:00:05Z", "other", "-4"),
        row(fee_row(4), ANNA, "2024-02-01T00:00:05Z", "package_renewal", "0", TALK),
        row(fee_row(6), ANNA, "2024-03-01T00:00:05Z", "package_renewal", "-20.66", TALK),
        row(fee_row(7), ANNA, "2024-03-01T00:00:05Z", "usage", "-20.67"),
        row(fee_row(8), ANNA, "2024-03-01T00:00:05Z", "usage", "-20.67"),
        row(fee_row(6, ":voided"), ANNA, "2024-03-05T09:00:00Z", "package_renewal", "20.66", TALK),
        row(fee_row(7, ":voided"), ANNA, "2024-03-05T09:00:00Z", "usage", "20.67"),
        row(fee_row(8, ":voided"), ANNA, "2024-03-05T09:00:00Z", "usage", "20.67"),
        row(wallet_row(8), ANNA, "2024-03-06T09:00:00Z", "other", "-1.5"),
        row(wallet_row(9), ANNA, "2024-01-20T09:00:00Z", "refill", "7.5"),
        row(f"wallets:{key('a', 2)}:terminated", ANNA, "2024-04-01T00:00:00Z", "other", "-7.5"),
        row(f"subscriptions:{key('5', 1)}", ANNA, "2024-01-10T00:00:00Z", "package_activation", "0", BASIC),
        row(f"subscriptions:{key('5', 2)}", ANNA, "2024-02-10T08:00:00Z", "package_activation", "0", TALK),
        row(f"subscriptions:{key('5', 4)}", POSTPAID, "2024-03-01T00:00:00Z", "package_activation", "0",
            TALK),
        row(wallet_row(10), TOKYO, "2024-01-20T09:00:00Z", "refill", "1000"),
        row(fee_row(9), TOKYO, "2024-02-20T09:00:00Z", "usage", "-100"),
        row(fee_row(10), TOKYO, "2024-02-20T09:00:00Z", "usage", "-200"),
        row(wallet_row(18), TOKYO, "2024-03-20T23:59:59Z", "usage", "-1"),
        row(wallet_row(23), TOKYO, "2024-03-21T09:00:00Z", "usage", "-1"),
        row(wallet_row(19), TOKYO, "2024-01-25T09:00:00Z", "other", "100"),
        row(fee_row(16), TOKYO, "2024-03-01T00:00:01Z", "usage", "-300"),
        row(wallet_row(22), BARE, "2024-03-02T09:00:00Z", "refill", "2"),
        row(f"subscriptions:{key('5', 7)}", f"{BARE}:CHF", "2024-03-02T00:00:00Z", "package_activation", "0",
            ABROAD),
        row(wallet_row(12), f"{TOKYO}:USD", "2024-01-21T09:00:00Z", "refill", "19.99"),
        row(wallet_row(13), PARTNER, "2024-01-22T09:00:00Z", "refill", "3"),
        row(f"wallets:{key('a', 5)}:terminated", PARTNER, "2024-06-01T12:00:00Z", "other", "-3"),
        row(wallet_row(14), LIMITED, "2024-01-23T09:00:00Z", "refill", "4"),
        row(wallet_row(15), LIMITED, "2024-01-23T09:00:00Z", "refill", "10.001"),
        row(fee_row(11), LIMITED, "2024-02-23T09:00:00Z", "package_renewal", "-4", BASIC),
        row(fee_row(12), LIMITED, "2024-02-23T09:00:00Z", "usage", "-3.333"),
        row(fee_row(14), LIMITED, "2024-02-23T09:00:00Z", "usage", "-1.667"),
    ],
    "packages": [{"package_id": BASIC, "name": "Basic"}, {"package_id": TALK, "name": "Talk"},
                 {"package_id": ABROAD, "name": "Abroad"}, {"package_id": ABROAD_TOO, "name": "Abroad"}],
    "companies": [{"company": name} for name in ("Alpha", f"Beta ({BETA})", f"Beta ({BETA_TOO})")],
}  # fmt: skip
RATES = [
    {"currency": currency, "date": "2023-01-01", "units_per_base": rate, "base": "EUR"}
    for currency, rate in (("EUR", "1"), ("USD", "1.25"), ("JPY", "160"), ("BHD", "0.4"), ("CHF", "0.95"))
]
YEAR = {"start": "2024-01-01", "end": "2024-12-31"}
QUERIES: list[dict[str, Any]] = [
    {"interval": YEAR, "client_type": "all", "currency": "EUR"},
    {"interval": YEAR, "client_type": "all", "currency": "EUR", "group_by": ["month", "package"]},
    {"interval": YEAR, "client_type": "reseller", "currency": "EUR", "group_by": []},
    {"interval": YEAR, "client_tags": ["tier=gold"], "currency": "EUR", "company": ["Alpha"]},
    {"interval": YEAR, "currency": "EUR", "package": ["Talk"], "timezone": "Asia/Tokyo"},
]


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    with support.postgresql() as connection:
        support.execute(connection, SCHEMA)
        for table, rows in ROWS.items():
            support.insert(connection, table, rows)
        yield connection


def test_every_row_is_as_the_facts_say(database: Any) -> None:
    found = support.read(database, "lago", "postgresql")
    assert list(found) == list(FACTS)
    for table, rows in FACTS.items():
        amounts = ("opening_balance", "stored_balance") if table == "clients" else ("amount",)
        assert support.as_text(found[table]) == support.amounts(rows, *amounts)


def test_reports_are_those_of_the_oracle_on_the_facts(database: Any) -> None:
    found = support.read(database, "lago", "postgresql") | {"rates": in_decimals(RATES)}
    support.compare_reports(found, FACTS | {"rates": RATES}, QUERIES)


def test_balances_are_those_that_lago_stores(database: Any) -> None:
    found = support.read(database, "lago", "postgresql")
    derived = support.balances(found)
    stored = {
        c["client_id"]: c["stored_balance"] for c in found["clients"] if c["stored_balance"] is not None
    }
    assert stored == {client: derived[client] for client in stored}
    assert len(stored) == 6


def test_what_is_left_out_is_counted(database: Any) -> None:
    counts = support.counts(database, "lago", "postgresql")
    assert [(sentence.split(" ", 2)[1], n) for sentence, n in counts.items()] == [
        ("wallet", 2),  # pending and failed transactions
        ("finalized", 2),
        ("wallets", 2),
    ]


def test_a_second_read_gives_the_same_ids(database: Any) -> None:
    first, second = (support.read(database, "lago", "postgresql")["transactions"] for _ in range(2))
    assert sorted(str(r) for r in first) == sorted(str(r) for r in second)
    assert len({r["transaction_id"] for r in first}) == len(first)


def in_decimals(rates: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{**rate, "units_per_base": Decimal(rate["units_per_base"])} for rate in rates]


if DUMP := support.dump("lago.postgresql.sql"):

    def test_the_full_schema_has_all_that_is_read() -> None:
        with support.postgresql() as connection:
            support.load_postgresql(connection, DUMP)
            assert not any(support.read(connection, "lago", "postgresql").values())
            assert not any(support.counts(connection, "lago", "postgresql").values())
