"""The report as hand-written SQL in PostgreSQL, over the mart in tables of its own.

The same statement as `duckdb_sql`, in PostgreSQL's dialect. Loading the tables is not part of any figure: a
billing system's database has them.
"""

from __future__ import annotations

import functools
import re
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from . import answer
from .duckdb_sql import flow_rows, stock_changes
from .question import Question

SERVER = "postgresql://postgres@127.0.0.1:5432"
DATABASE = "custdyn_bench"
TABLES = {
    "clients": "client_id text, currency text, created_at timestamptz, closed_at timestamptz, "
    "opening_balance numeric(18, 6)",
    "transactions": "transaction_id text, client_id text, at timestamptz, kind text, amount numeric(18, 6), "
    "package_id text",
    "rates": "currency text, date date, units_per_base numeric(18, 6)",
    "packages": "package_id text",
}
CHECKS = {
    "transaction_id": "select count(*) - count(distinct transaction_id) from transactions",
    "client_id": "select count(*) from transactions t where not exists "
    "(select from clients c where c.client_id = t.client_id)",
    "kind": "select count(*) from transactions where kind is null or kind not in "
    "('usage', 'refill', 'package_activation', 'package_renewal', 'other')",
    "package_id": "select count(*) from transactions t where package_id is not null and not exists "
    "(select from packages p where p.package_id = t.package_id)",
    "at or amount": "select count(*) from transactions where at is null or amount is null",
}
REPORT = """
with edges as (select unnest(%(edges)s::int[]) as edge),
windows as (select unnest(%(windows)s::int[]) as opens),
days as (
    select day, greatest((select count(*) from edges where edge <= day) - 1, 0)::int as bucket,
        ((select count(*) from windows where opens <= day) - 1)::int as reach
    from generate_series({earliest}, {last} - 1) as day
),
chosen as materialized (
    select client_id, opening_balance, (row_number() over () - 1)::int as client,
        array_position(%(currencies)s::text[], currency) - 1 as code,
        floor(extract(epoch from created_at) / 86400)::int as created,
        floor(extract(epoch from closed_at) / 86400)::int as closed
    from clients
),
ledger as materialized (
    select client, code, amount, greatest(floor(extract(epoch from t.at) / 86400)::int, {earliest}) as day,
        case kind when 'usage' then 1 when 'refill' then 2 when 'package_activation' then 3
            when 'package_renewal' then 4 else 0 end as kind
    from transactions t join chosen using (client_id) where t.at < to_timestamp({last} * 86400.0)
),
flows as (
    select code, day, kind, amount > 0 as up, count(*) as n, sum(amount) as total
    from ledger where kind <> 0 and day >= {first} group by 1, 2, 3, 4
),
cells as (
    select client, bucket, sum(amount) as moved,
        max(reach) filter (where amount < 0 and kind not in (0, 2)) as reach
    from ledger join days using (day) group by 1, 2
),
lives as materialized (
    select client, code, opening_balance,
        (select count(*) from edges where edge between {first} + 1 and created)::int as born,
        case when closed is null then {buckets}
            else (select count(*) from edges where edge between {first} + 1 and closed) end::int as gone
    from chosen
),
events as (
    select * from cells union all select client, born, 0, null from lives where born < {buckets}
),
held as (
    select client, bucket, lead(bucket, 1, {buckets}) over own as until_bucket,
        sum(moved) over (own rows unbounded preceding) as moved,
        max(reach) over (own rows unbounded preceding) as reach
    from events window own as (partition by client order by bucket)
),
spans as (
    select code, bucket, least(until_bucket, gone) as ends, reach is not null as paid,
        least(until_bucket, gone, coalesce(reach + 1, 0)) as active_ends,
        greatest(moved + opening_balance, 0) as pos, least(moved + opening_balance, 0) as neg
    from held join lives using (client) where bucket < least(until_bucket, gone)
)
select grouping(bucket, ends, active_ends)::int as side, code,
    coalesce(bucket, ends, active_ends)::int as place,
    count(*) filter (where active_ends > bucket) as n0,
    sum(pos) filter (where active_ends > bucket) as pos0,
    sum(neg) filter (where active_ends > bucket) as neg0,
    count(*) filter (where paid) as n1, sum(pos) filter (where paid) as pos1,
    sum(neg) filter (where paid) as neg1, count(*) as n2, sum(pos) as pos2, sum(neg) as neg2
from spans group by grouping sets ((code, bucket), (code, ends), (code, active_ends))
union all
select -kind, code, day, n, case when up then total end, total, null, null, null, null, null, null
from flows
"""


@functools.cache
def connection() -> psycopg.Connection[tuple[Any, ...]]:
    """Return the process's connection, in UTC."""
    opened = psycopg.connect(f"{SERVER}/{DATABASE}", autocommit=True)
    opened.execute("set timezone = 'UTC'")
    return opened


def load(folder: Path) -> None:
    """Copy a mart of Parquet files into new tables of a new database."""
    drop()
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(f"create database {DATABASE}")
    with psycopg.connect(f"{SERVER}/{DATABASE}", autocommit=True) as target, duckdb.connect() as reader:
        reader.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        for name, columns in TABLES.items():
            names = ", ".join(f'"{column}"' for column in re.findall(r"(\w+) [a-z]", columns))
            target.execute(f"create unlogged table {name} ({columns})")
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch, "rows.csv")
                rows = f"select {names} from '{folder}/{name}.parquet'"
                reader.execute(f"copy ({rows}) to '{file}' (format csv, header false)")
                with file.open("rb") as text, target.cursor().copy(f"copy {name} from stdin csv") as copy:
                    while part := text.read(2**20):
                        copy.write(part)
            target.execute(f"analyze {name}")


def drop() -> None:
    """Delete the database, if there is one."""
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(f"drop database if exists {DATABASE} (force)")


def check(_: Path) -> None:
    """Raise ValueError unless ids are unique and every client, kind and package is known."""
    counts = {name: _rows(sql)[0][0] for name, sql in CHECKS.items()}
    if any(counts.values()):
        raise ValueError(f"faults: {counts}")


def report(_: Path, question: Question) -> answer.Table:
    """Return the table of a question without filters."""
    rates = _rows("select currency, date, units_per_base from rates")
    currencies = sorted({row[0] for row in rates})
    edges = [answer.day_number(day) for day in question.edges]
    windows = [answer.day_number(day) for day in question.windows]
    sql = REPORT.format(
        first=edges[0],
        last=edges[-1],
        earliest=min(edges[0], windows[0]) - 1,
        buckets=len(question.labels),
    )
    rows = _rows(sql, {"edges": edges, "windows": windows, "currencies": currencies})
    flows = answer.flows(question, flow_rows((r for r in rows if r[0] < 0), currencies))
    stocks = answer.stocks(question, currencies, stock_changes((r for r in rows if r[0] >= 0), currencies))
    return answer.table(question, answer.Quotes(rates), flows, stocks)


def _rows(sql: str, given: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    return connection().execute(sql, given).fetchall()
