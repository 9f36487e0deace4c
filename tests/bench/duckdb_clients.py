"""The clients behind a month of the report as hand-written DuckDB SQL, converted in exact fractions."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from . import answer
from .duckdb_sql import connection
from .question import Question

CLIENTS = """
with ledger as (
    select client_id, t."at", amount, kind, amount < 0 and kind not in ('refill', 'other') paid
    from '{folder}/transactions.parquet' t where t."at" < $last
),
sums as (
    select client_id, min("at") seen, min("at") filter (paid) first_use, max("at") filter (paid) last_use,
        max("at") filter (paid and "at" < $first) used_before,
        bool_or("at" >= $first) moved, sum(amount) amount,
        count(*) filter ("at" >= $first and kind = 'refill' and amount > 0) refills,
        count(*) filter ("at" >= $first and kind = 'package_activation' and amount <= 0) activations,
        count(*) filter ("at" >= $first and kind = 'package_renewal' and amount <= 0) renewals
    from ledger group by all
),
states as (
    select c.*, s.* exclude (client_id), opening_balance + coalesce(amount, 0) balance,
        least(created_at, coalesce(seen, created_at)) since, coalesce(closed_at, 'infinity') closes,
        since < $last and closes >= $last alive, since < $first and closes >= $first was_alive,
        coalesce(alive and last_use >= $window, false) active,
        coalesce(was_alive and used_before >= $window_before, false) was_active
    from '{folder}/clients.parquet' c left join sums s using (client_id)
)
select client_id, name, coalesce(company, ''), coalesce(owner_user, ''), currency, active::int,
    (alive and first_use is not null)::int, alive::int,
    case when active and was_active then 'retained' when active and used_before is null then 'new'
        when active then 'reactivated' when was_active and alive then 'lapsed' when was_active then 'closed'
        else '' end movement,
    strftime(first_use, '%Y-%m-%dT%H:%M:%SZ'), strftime(last_use, '%Y-%m-%dT%H:%M:%SZ'), balance,
    coalesce(refills, 0), coalesce(activations, 0), coalesce(renewals, 0)
from states where alive or moved or movement <> '' order by client_id
"""

FLOWS = """
select client_id, "at"::date, sum(amount) filter (kind = 'refill' and amount > 0),
    sum(amount) filter (kind = 'usage'), sum(amount) filter (kind = 'package_activation'),
    sum(amount) filter (kind = 'package_renewal')
from '{folder}/transactions.parquet' where "at" >= $first and "at" < $last and kind <> 'other' group by all
"""


def report(folder: Path, question: Question) -> answer.Table:
    """Return the clients behind the last bucket of the question, without a total."""
    sql, (first, last) = connection(), question.edges[-2:]
    rates = sql.execute(f"select currency, date, units_per_base from '{folder}/rates.parquet'").fetchall()
    quotes = answer.Quotes(rates)
    given = {"first": f"{first} 00:00:00Z", "last": f"{last} 00:00:00Z"}
    before, window = (f"{day} 00:00:00Z" for day in question.windows[-2:])
    windows = {"window_before": before, "window": window}
    clients = sql.execute(CLIENTS.format(folder=folder), {**given, **windows}).fetchall()
    flows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for client, *sums in sql.execute(FLOWS.format(folder=folder), given).fetchall():
        flows[client].append(tuple(sums))
    end = last - timedelta(1)
    return [_line(client, flows.get(client[0], []), quotes, end) for client in clients]


def _line(
    client: tuple[Any, ...], flows: list[tuple[Any, ...]], quotes: answer.Quotes, end: date
) -> list[str]:
    *texts, balance, refills, activations, renewals = client
    currency, millionths = texts[4], int(balance.scaleb(6))
    refilled, used, activated, renewed = (
        answer.fraction_sum(
            [quotes.convert(sign * int(sums[i].scaleb(6)), currency, sums[0]) for sums in flows if sums[i]]
        )
        for i, sign in ((1, 1), (2, -1), (3, -1), (4, -1))
    )
    amounts = ((millionths, 10**6), quotes.convert(millionths, currency, end))
    return [
        *("" if text is None else str(text) for text in texts),
        *map(answer.money, amounts),
        str(refills), answer.money(refilled), answer.money(used),
        str(activations), answer.money(activated), str(renewals), answer.money(renewed),
    ]  # fmt: skip
