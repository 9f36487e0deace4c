"""What each client adds to each row, worked out by hand: the values that evidence in snapshots is made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from custdyn_widgets.engine.cells import by_client
from custdyn_widgets.engine.cells.by_client import client_contributions
from custdyn_widgets.engine.plan import plan_report
from custdyn_widgets.mart import open_mart
from custdyn_widgets.query.query import ReportQuery, parse_as_of

pytestmark = pytest.mark.usefixtures("own_cache")
PRIMES = 2**31 - 1, 2**31 - 19  # digests in the snapshots of earlier versions stand on these
QUERY = {
    "interval": {"start": "2021-01-01", "end": "2021-03-31"},
    "group_by": ["month"],
    "active_duration": 1,
    "currency": "EUR",
}
Factor = Callable[[int, date], tuple[int, int]]
# client, time, kind, amount, package
LEDGER = [
    ("a", "2020-12-20", "usage", "-1", ""),
    ("a", "2021-02-03", "refill", "5000.5", ""),
    ("a", "2021-02-04", "usage", "-86000.000001", ""),
    ("a", "2021-02-05", "package_activation", "-2", "p1"),
    ("a", "2021-02-06", "package_renewal", "-4", "p2"),
    ("a", "2021-03-05", "other", "0.25", ""),
    ("b", "2021-01-31", "usage", "0", ""),
]
CLIENTS = {
    "client_id": ["a", "b", "c", "d"],
    "client_type": "client",
    "currency": ["EUR", "GBP", "EUR", "CHF"],
    "opening_balance": ["10", "0", "-3", "7"],
    "created_at": ["2020-06-01", "2020-06-01", "2021-01-15", "2020-06-01"],
    "closed_at": ["", "", "2021-02-01", ""],
}
# What a euro is worth on each of the days at which something is converted, as numerator and denominator.
WORTH = {
    date(2020, 12, 31): (2, 11),
    date(2021, 1, 1): (3, 7),
    date(2021, 1, 31): (5, 9),
    date(2021, 2, 1): (1, 10**30),
    date(2021, 2, 28): (7, 3),
    date(2021, 3, 1): (4, 17),
    date(2021, 3, 31): (10**20, 13),
}
LAST_DAYS = [(1, 31), (2, 28), (3, 31)]


def contributions(columns: list[str], factor: Factor) -> dict[tuple[str, int], list[int]]:
    ledger = pd.DataFrame(LEDGER, columns=["client_id", "at", "kind", "amount", "package_id"])
    source = {
        "clients": pd.DataFrame(CLIENTS),
        "transactions": ledger.assign(transaction_id=[str(i) for i in range(len(ledger))]),
        "rates": pd.DataFrame(
            {"currency": ["GBP", "CHF"], "date": "2020-06-01", "units_per_base": "2", "base": "EUR"}
        ),
    }
    facts = open_mart(source).facts
    plan = plan_report(ReportQuery.from_dict({**QUERY, "columns": columns}), facts, parse_as_of("2021-06-01"))
    ids = facts.client_ids().to_pylist()
    found: dict[tuple[str, int], list[int]] = {}
    for some in client_contributions(
        facts, plan.selection.clients, plan.grid(plan.buckets, plan.groups), factor
    ):
        assert not some.package_group.any()
        for client, bucket, values in zip(some.client, some.bucket, some.values.tolist(), strict=True):
            assert (ids[client], int(bucket)) not in found
            found[ids[client], int(bucket)] = values
    return found


def worth(currency: int, on: date) -> tuple[int, int]:
    """Return the worth of a euro, or of a franc, half of it. Nobody may ask for that of b's pounds."""
    by, of = WORTH[on]
    return {0: (by, of * 2), 1: (by, of)}[currency]


def money(units: str, on: date) -> list[int]:
    """Return the value of an amount on a day, modulo each prime."""
    by, of = WORTH[on]
    return [int(Decimal(units) * 10**6) * by * pow(of, -1, prime) % prime for prime in PRIMES]


@pytest.mark.parametrize("rows_at_a_time", [1, 2**18])
def test_contributions_are_states_counts_and_exact_amounts_modulo_two_primes(
    rows_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_client, "_ROWS", rows_at_a_time)
    found = contributions(["payg", "active", "movement", "balances"], worth)
    before, january, february, march = (date(2020, 12, 31), *(date(2021, m, d) for m, d in LAST_DAYS))
    nothing = [0] * (3 + 2 * 9)  # counts and flows
    flows = [
        *[1, 1, 1],  # refills, activations and renewals
        *money("5000.5", date(2021, 2, 1)),
        *money("-86000.000001", date(2021, 2, 1)),
        *money("-2", date(2021, 2, 1)),
        *money("-4", date(2021, 2, 1)),
        *[0, 0],  # joined
        *money("5000.5", date(2021, 2, 1)),
        *money("-86000.000001", date(2021, 2, 1)),
        *money("-6", date(2021, 2, 1)),
        *[0, 0],  # other
    ]
    later = [0] * (3 + 2 * 8) + money("0.25", date(2021, 3, 1))
    closing = "-80996.500001"
    assert found == {
        # The state is 1 if alive, 2 more if there was a paid use, and 4 more if active. Then come the
        # closing balance, 4 if active at the start, new, reactivated, lapsed, closed, first use, and the
        # opening balance.
        ("a", 0): [3, *money("9", january), 4, 0, 0, 1, 0, 0, *money("9", before), *nothing],
        ("a", 1): [7, *money(closing, february), 0, 0, 1, 0, 0, 0, *money("9", january), *flows],
        ("a", 2): [3, *money("-80996.250001", march), 4, 0, 0, 1, 0, 0, *money(closing, february), *later],
        ("b", 0): [1, *[0] * 31],
        ("b", 1): [1, *[0] * 31],
        ("b", 2): [1, *[0] * 31],
        ("c", 0): [1, *money("-3", january), *[0] * 8, *[0] * 11, *money("-3", date(2021, 1, 1)), *[0] * 8],
        ("d", 0): [1, *money("3.5", january), *[0] * 6, *money("3.5", before), *nothing],
        ("d", 1): [1, *money("3.5", february), *[0] * 6, *money("3.5", january), *nothing],
        ("d", 2): [1, *money("3.5", march), *[0] * 6, *money("3.5", february), *nothing],
        ("c", 1): [*[0] * 9, *money("-3", january), *nothing],
    }


@pytest.mark.parametrize("prime", PRIMES)
def test_a_worth_whose_denominator_is_one_of_the_primes_is_no_crash(prime: int) -> None:
    assert contributions(["all"], lambda *_: (1, prime))
    assert contributions(["all"], lambda *_: (prime, 1))
