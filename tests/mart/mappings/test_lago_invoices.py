"""Lago's invoices, on a real PostgreSQL: rows that follow its rules give the facts stated here."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.mart.mappings import killbill_lago_support as support
from tests.mart.mappings import test_lago as lago
from tests.mart.mappings.test_lago import ADD_ON, CHARGE, COMMITMENT, FIXED, PRODUCT, SUBSCRIPTION, key, row

pytestmark = pytest.mark.usefixtures("own_cache")

MORE = """
CREATE TYPE payment_payable_payment_status AS ENUM ('pending', 'processing', 'succeeded', 'failed');
ALTER TABLE invoices ADD COLUMN customer_id uuid, ADD COLUMN currency varchar,
    ADD COLUMN total_paid_amount_cents bigint NOT NULL DEFAULT 0, ADD COLUMN finalized_at timestamp,
    ADD COLUMN created_at timestamp(6) NOT NULL;
CREATE TABLE payments (id uuid PRIMARY KEY, payable_type varchar NOT NULL DEFAULT 'Invoice', payable_id uuid,
    amount_cents bigint NOT NULL, payable_payment_status payment_payable_payment_status,
    created_at timestamp(6) NOT NULL);
CREATE TABLE invoices_payment_requests (id uuid PRIMARY KEY, invoice_id uuid NOT NULL,
    payment_request_id uuid NOT NULL);
CREATE TABLE credit_notes (id uuid PRIMARY KEY, invoice_id uuid NOT NULL, status integer NOT NULL DEFAULT 1,
    offset_amount_cents bigint NOT NULL DEFAULT 0, created_at timestamp(6) NOT NULL);
"""
FINALIZED, VOID = 1, 2
ANNA, TOKYO, OFFICE = lago.ANNA, lago.TOKYO, lago.PARTNER
BASIC, TALK = lago.BASIC, lago.TALK


def invoice(number: int, of: str, day: str, total: int, paid: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": key("1", number), "customer_id": of, "status": FINALIZED, "invoice_type": 0, "currency": "EUR",
        "total_amount_cents": total, "total_paid_amount_cents": paid, "finalized_at": f"{day} 03:00",
        "created_at": f"{day} 01:00", **more,
    }  # fmt: skip


def payment(
    number: int, payable: str, at: str, cents: int, status: str | None = "succeeded", **more: Any
) -> Any:
    return {
        "id": key("7", number), "payable_id": payable, "amount_cents": cents, "created_at": at,
        "payable_payment_status": status, **more,
    }  # fmt: skip


ROWS: dict[str, list[dict[str, Any]]] = {
    **{
        table: lago.ROWS[table]
        for table in ("billing_entities", "customers", "customer_metadata", "plans", "subscriptions")
    },
    "invoices": [
        # 20 + 10 + 5 and 7 of taxes, less 4 of a coupon and 3 of a wallet: 35; 30 are paid, 5 settled.
        invoice(1, ANNA, "2024-02-01", 3500, 3000),
        invoice(2, ANNA, "2024-03-01", 1000, 1000),  # paid with a payment request
        invoice(3, ANNA, "2024-03-02", 500, 500, invoice_type=5, finalized_at=None),  # progressive
        invoice(4, ANNA, "2024-03-03", 9900, status=VOID),
        invoice(5, ANNA, "2024-03-04", 5000, 5000, invoice_type=2),  # bought wallet credits
        invoice(6, TOKYO, "2024-03-05", 800, currency="JPY"),
        invoice(7, TOKYO, "2024-03-06", 250, currency="USD"),
        invoice(8, OFFICE, "2024-03-07", 100, 40, currency=None),
        invoice(10, lago.POSTPAID, "2024-03-10", 100),  # without fees
        invoice(11, lago.LIMITED, "2024-03-11", 1500, currency=None),  # in dinars of 1000 fils
        invoice(12, lago.BARE, "2024-03-12", 200),
        invoice(9, ANNA, "2024-03-08", 300, 200),  # a payment of 300, of which 100 were taken back
    ],
    "fees": [
        lago.fee(1, 1, SUBSCRIPTION, 2000, 400, subscription_id=key("5", 1)),
        lago.fee(2, 1, CHARGE, 1000, 200, precise_coupons_amount_cents=Decimal(400)),
        lago.fee(3, 1, ADD_ON, 500, 100),
        lago.fee(4, 1, CHARGE, 0),
        lago.fee(5, 1, FIXED, 0, subscription_id=key("5", 2)),
        lago.fee(6, 1, CHARGE, 777, 77, deleted_at="2024-02-01 00:00"),
        lago.fee(7, 2, PRODUCT, 1000, subscription_id=key("5", 2)),
        lago.fee(8, 3, CHARGE, 300),
        lago.fee(9, 3, SUBSCRIPTION, 200, subscription_id=key("5", 1)),
        lago.fee(10, 4, CHARGE, 9900),
        lago.fee(11, 5, 3, 5000),
        lago.fee(12, 6, COMMITMENT, 800),
        lago.fee(13, 7, CHARGE, 250),
        lago.fee(14, 8, CHARGE, 100),
        lago.fee(15, 9, CHARGE, 300),
        lago.fee(16, 11, CHARGE, 1500),
        lago.fee(17, 12, CHARGE, 200),
    ],
    "payments": [
        payment(1, key("1", 1), "2024-02-03 09:00", 3000),
        payment(2, key("1", 1), "2024-02-02 09:00", 3500, "failed"),
        payment(3, key("9", 1), "2024-03-20 09:00", 400, payable_type="PaymentRequest"),
        payment(4, key("9", 1), "2024-03-21 09:00", 600, payable_type="PaymentRequest"),
        payment(5, key("9", 1), "2024-03-22 09:00", 600, "failed", payable_type="PaymentRequest"),
        payment(6, key("1", 5), "2024-03-04 09:00", 5000),
        payment(7, key("1", 8), "2024-03-08 09:00", 40),
        payment(8, key("1", 6), "2024-03-08 09:00", 800, None),
        payment(10, key("9", 2), "2024-03-22 09:00", 500, "failed", payable_type="PaymentRequest"),
        payment(9, key("1", 9), "2024-03-09 09:00", 300),
    ],
    "invoices_payment_requests": [
        {"id": key("8", 1), "invoice_id": key("1", 2), "payment_request_id": key("9", 1)},
        {"id": key("8", 2), "invoice_id": key("1", 3), "payment_request_id": key("9", 2)},
    ],
    "credit_notes": [
        {"id": key("4", 1), "invoice_id": key("1", 1), "offset_amount_cents": 500,
         "created_at": "2024-02-09 09:00"},
        {"id": key("4", 2), "invoice_id": key("1", 1), "offset_amount_cents": 300, "status": 0,
         "created_at": "2024-02-09 09:00"},
        {"id": key("4", 3), "invoice_id": key("1", 1), "created_at": "2024-02-10 09:00"},
    ],
}  # fmt: skip


def of_invoice(number: int, part: str) -> str:
    return f"invoices:{key('1', number)}:{part}"


def facts() -> dict[str, list[dict[str, Any]]]:
    due = {ANNA: "-1", TOKYO: "-800", f"{TOKYO}:USD": "-2.5", OFFICE: "-0.6", lago.POSTPAID: "-1"}
    due |= {lago.LIMITED: "-1.5", f"{lago.BARE}:EUR": "-2"}
    bare = next(client for client in lago.FACTS["clients"] if client["client_id"] == lago.BARE)
    clients = []
    for known in (*lago.FACTS["clients"], {**bare, "client_id": f"{lago.BARE}:EUR", "currency": "EUR"}):
        client = {k: v for k, v in known.items() if k not in ("opening_balance", "stored_balance")}
        owed = due.get(client["client_id"])
        clients.append(client | ({"stored_balance": owed} if owed else {}))
    first, paid = "2024-02-01T03:00:00Z", "2024-02-03T09:00:00Z"
    return {
        "clients": clients,
        "transactions": [
            row(lago.fee_row(1), ANNA, first, "package_renewal", "-20", BASIC),
            row(lago.fee_row(1, ":tax"), ANNA, first, "other", "-4"),
            row(lago.fee_row(2), ANNA, first, "usage", "-10"),
            row(lago.fee_row(2, ":tax"), ANNA, first, "other", "-2"),
            row(lago.fee_row(3), ANNA, first, "usage", "-5"),
            row(lago.fee_row(3, ":tax"), ANNA, first, "other", "-1"),
            row(lago.fee_row(5), ANNA, first, "package_renewal", "0", TALK),
            row(of_invoice(1, "deducted"), ANNA, first, "other", "7"),
            row(f"payments:{key('7', 1)}", ANNA, paid, "refill", "30"),
            row(f"credit_notes:{key('4', 1)}", ANNA, "2024-02-09T09:00:00Z", "other", "5"),
            row(lago.fee_row(7), ANNA, "2024-03-01T03:00:00Z", "package_renewal", "-10", TALK),
            row(of_invoice(2, "paid"), ANNA, "2024-03-21T09:00:00Z", "refill", "10"),
            row(lago.fee_row(8), ANNA, "2024-03-02T01:00:00Z", "other", "-3"),
            row(lago.fee_row(9), ANNA, "2024-03-02T01:00:00Z", "other", "-2"),
            row(of_invoice(3, "paid"), ANNA, "2024-03-02T01:00:00Z", "refill", "5"),
            row(lago.fee_row(15), ANNA, "2024-03-08T03:00:00Z", "usage", "-3"),
            row(f"payments:{key('7', 9)}", ANNA, "2024-03-09T09:00:00Z", "refill", "3"),
            row(of_invoice(9, "paid"), ANNA, "2024-03-08T03:00:00Z", "other", "-1"),
            row(lago.fee_row(12), TOKYO, "2024-03-05T03:00:00Z", "usage", "-800"),
            row(lago.fee_row(13), f"{TOKYO}:USD", "2024-03-06T03:00:00Z", "usage", "-2.5"),
            row(of_invoice(10, "deducted"), lago.POSTPAID, "2024-03-10T03:00:00Z", "other", "-1"),
            row(lago.fee_row(16), lago.LIMITED, "2024-03-11T03:00:00Z", "usage", "-1.5"),
            row(lago.fee_row(17), f"{lago.BARE}:EUR", "2024-03-12T03:00:00Z", "usage", "-2"),
            row(lago.fee_row(14), OFFICE, "2024-03-07T03:00:00Z", "usage", "-1"),
            row(f"payments:{key('7', 7)}", OFFICE, "2024-03-08T09:00:00Z", "refill", "0.4"),
            *(r for r in lago.FACTS["transactions"] if r["kind"] == "package_activation"),
        ],
        "packages": lago.FACTS["packages"],
        "companies": lago.FACTS["companies"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    with support.postgresql() as connection:
        support.execute(connection, lago.SCHEMA + MORE)
        for table, rows in ROWS.items():
            support.insert(connection, table, rows)
        yield connection


def test_every_row_is_as_the_facts_say(database: Any) -> None:
    found = support.read(database, "lago_invoices", "postgresql")
    assert list(found) == list(facts())
    for table, rows in facts().items():
        amounts = ("stored_balance",) if table == "clients" else ("amount",)
        assert support.as_text(found[table]) == support.amounts(rows, *amounts)


def test_reports_are_those_of_the_oracle_on_the_facts(database: Any) -> None:
    found = support.read(database, "lago_invoices", "postgresql") | {"rates": lago.in_decimals(lago.RATES)}
    support.compare_reports(found, facts() | {"rates": lago.RATES}, lago.QUERIES)


def test_balances_are_what_lago_says_is_due(database: Any) -> None:
    found = support.read(database, "lago_invoices", "postgresql")
    derived = support.balances(found)
    stored = {
        c["client_id"]: c["stored_balance"] for c in found["clients"] if c["stored_balance"] is not None
    }
    assert stored == {client: derived[client] for client in stored}
    assert len(stored) == 7


def test_what_is_left_out_is_counted(database: Any) -> None:
    assert list(support.counts(database, "lago_invoices", "postgresql").values()) == [2, 2, 4]


if DUMP := support.dump("lago.postgresql.sql"):

    def test_the_full_schema_has_all_that_is_read() -> None:
        with support.postgresql() as connection:
            support.load_postgresql(connection, DUMP)
            assert not any(support.read(connection, "lago_invoices", "postgresql").values())
            assert not any(support.counts(connection, "lago_invoices", "postgresql").values())
