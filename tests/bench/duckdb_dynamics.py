"""Movement, balances, comparison and cohorts as hand-written DuckDB SQL.

The usual columns are those of `duckdb_sql`, and a comparison is one report over both periods. The statements
here set every client beside every edge: its balance, its last paid use and whether it is there. Days stand
for times, as all edges are days in UTC.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from . import answer, duckdb_sql
from .question import WINDOW_MONTHS, Question, clamped_months_before, months_before

STATES = """
with edges as (
    select unnest(range({edges})) place, unnest($edges::int[]) edge, unnest($windows::int[]) opens
),
days as (
    select day::int "day", (select count(*) from edges where edge <= day) place
    from range({first} - 1, {last}) every(day)
),
ledger as (
    select client_id, (epoch_us("at") // 86400000000)::int "day", greatest("day", {first} - 1) known,
        kind, amount, amount < 0 and kind not in ('refill', 'other') paid
    from '{folder}/transactions.parquet' t where t."at" < make_timestamptz({last} * 86400000000)
),
moved as materialized (
    select client_id, place, sum(amount) amount, min(ledger."day") seen,
        min(ledger."day") filter (paid) first_use, max(ledger."day") filter (paid) last_use
    from ledger join days on days."day" = known group by all
),
lives as materialized (
    select client_id, currency, opening_balance, (epoch_us(closed_at) // 86400000000)::int closed,
        least((epoch_us(created_at) // 86400000000)::int, seen) since,
        strftime(date '1970-01-01' + first_use::int, '%Y-%m') cohort
    from '{folder}/clients.parquet' left join (
        select client_id, min(seen) seen, min(first_use) first_use from moved group by all
    ) using (client_id)
),
states as materialized (
    select client_id, currency, cohort, place,
        since < edge and coalesce(closed >= edge, true) alive, since < edge and closed < edge gone,
        opening_balance + coalesce(sum(amount) over own, 0) balance,
        max(last_use) over own used, alive and coalesce(used >= opens, false) active
    from lives cross join edges left join moved using (client_id, place)
    window own as (partition by client_id order by place rows unbounded preceding)
)
"""

MOVEMENT = """
select count(*) filter (a.active), count(*) filter (e.active and a.used is null),
    count(*) filter (e.active and not a.active and a.used is not null),
    count(*) filter (a.active and not e.active and e.alive), count(*) filter (a.active and not e.alive),
    count(*) filter (e.active), count(*) filter (a.used is null and e.used is not null)
from (select unnest(range({spans})) number, unnest($begins::int[]) begins, unnest($ends::int[]) ends)
    join states a on a.place = begins join states e on e.place = ends and e.client_id = a.client_id
group by number order by number
"""

BALANCES = """
select 'alive' what, currency, place, sum(balance) from states where alive group by all
union all select 'gone', currency, place, sum(balance) from states where gone group by all
union all select 'joined', currency, since, sum(opening_balance) from lives
    where since between {first} and {last} - 1 group by all
union all select case when kind[:7] = 'package' then 'package' else kind end, currency, "day", sum(amount)
    from ledger join lives using (client_id) where "day" >= {first} group by all
"""
FLOWS = ("joined", "refill", "usage", "package", "other")

COHORTS = """
select cohort, currency, place, count(*) filter (active),
    sum(greatest(balance, 0)) filter (active), sum(least(balance, 0)) filter (active),
    count(used), sum(greatest(balance, 0)) filter (used is not null),
    sum(least(balance, 0)) filter (used is not null),
    count(*), sum(greatest(balance, 0)), sum(least(balance, 0))
from states where alive and place > 0 group by all
"""

# Quotes are units for a dollar. Amounts in dollars have 15 places after the millionths.
COHORT_FLOWS = """,
dated as (
    select cohort, currency, place, "day", kind, amount > 0 up, count(*) n, sum(amount) amount
    from ledger join lives using (client_id) join days using ("day")
    where "day" >= {first} and kind <> 'other' group by all
),
quoted as (
    select dated.*,
        (amount * 1000000)::hugeint * 1000000000000000000000 // (units_per_base * 1000000)::bigint dollars
    from dated asof join '{folder}/rates.parquet' r
        on dated.currency = r.currency and date '1970-01-01' + dated."day" >= r.date
)
select cohort, place, sum(dollars) filter (kind = 'refill' and up), sum(dollars) filter (kind = 'usage'),
    sum(dollars) filter (kind = 'package_activation'), sum(dollars) filter (kind = 'package_renewal'),
    sum(n) filter (kind = 'refill' and up), sum(n) filter (kind = 'package_activation' and not up),
    sum(n) filter (kind = 'package_renewal' and not up)
from quoted group by all
"""
DOLLAR = 10**21

Span = tuple[int, int]  # the places of a row's edges
Cells = list[answer.Cell]
Sum = TypeVar("Sum", answer.Flow, answer.Stock)


def report(folder: Path, question: Question) -> answer.Table:
    """Return the table of the question."""
    if question.query["group_by"] == ["month", "cohort"]:
        return _by_cohort(folder, question)
    count, shift = len(question.labels), 12 if "compare" in question.query else 0
    wide = _begun_earlier(question, shift)
    quotes, flows, stocks = duckdb_sql.sums(folder, wide)
    periods: list[list[Cells]] = []
    for skip in sorted({shift, 0}, reverse=True):
        part = dataclasses.replace(question, edges=wide.edges[skip : skip + count + 1])
        rows = answer.exact_rows(part, quotes, _part(flows, skip, count), _part(stocks, skip, count))
        periods.append([cells for _, cells in rows])
    spans = [
        (skip + a, skip + e)
        for skip in sorted({shift, 0}, reverse=True)
        for a, e in (*((k, k + 1) for k in range(count)), (0, count))
    ]
    every = [cells for period in periods for cells in period]
    wanted = question.query.get("columns", ())
    if "movement" in wanted:
        every = [[*a, *b] for a, b in zip(every, _movement(folder, wide, spans), strict=True)]
    if "balances" in wanted:
        every = [[*a, *b] for a, b in zip(every, _balances(folder, wide, spans, quotes), strict=True)]
    if shift:
        every = [_compared(*both) for both in zip(every[: count + 1], every[count + 1 :], strict=True)]
    labels = (*question.labels, "Total")
    return [[label, *map(answer.shown, cells)] for label, cells in zip(labels, every, strict=True)]


def _begun_earlier(question: Question, months: int) -> Question:
    """Return the question with so many months before its own."""
    earlier = [months_before(question.edges[0], months - i) for i in range(months)]
    edges = (*earlier, *question.edges)
    windows = tuple(clamped_months_before(e, WINDOW_MONTHS) for e in edges[1:])
    return dataclasses.replace(
        question, edges=edges, windows=windows, labels=tuple(str(e)[:7] for e in edges[:-1])
    )


def _part(sums: list[Sum], skip: int, count: int) -> Iterator[Sum]:
    """Yield the sums of so many buckets, numbered from 0."""
    for found in sums:
        if skip <= found.bucket < skip + count:
            yield dataclasses.replace(found, bucket=found.bucket - skip)


def _rows(folder: Path, question: Question, select: str, spans: list[Span] | None = None) -> list[Any]:
    """Return what a statement on the states of all clients at the question's edges gives."""
    edges = [answer.day_number(e) for e in question.edges]
    windows = [answer.day_number(clamped_months_before(e, WINDOW_MONTHS)) for e in question.edges]
    counts = {"edges": len(edges), "spans": len(spans or ())}
    sql = (STATES + select).format(folder=folder, first=edges[0], last=edges[-1], **counts)
    given = {"edges": edges, "windows": windows}
    if spans:
        given |= {"begins": [a for a, _ in spans], "ends": [e for _, e in spans]}
    return duckdb_sql.connection().execute(sql, given).fetchall()


def _movement(folder: Path, question: Question, spans: list[Span]) -> Iterator[Cells]:
    """Yield the columns of movement of each span."""
    for counts in _rows(folder, question, MOVEMENT, spans):
        opening, _, _, lapsed, closed, *_ = counts
        yield [*counts, answer.quotient((lapsed + closed, 1), opening)]


def _balances(folder: Path, question: Question, spans: list[Span], quotes: answer.Quotes) -> Iterator[Cells]:
    """Yield the columns of the movement of balances of each span."""
    stocks: dict[str, list[dict[str, int]]] = {w: [{} for _ in question.edges] for w in ("alive", "gone")}
    terms: dict[tuple[str, int], list[answer.Fraction]] = defaultdict(list)
    edges = [answer.day_number(edge) for edge in question.edges]
    bucket = {day: k for k in range(len(edges) - 1) for day in range(edges[k], edges[k + 1])}
    for what, currency, place, amount in _rows(folder, question, BALANCES):
        millionths = int(amount.scaleb(6))
        if what in stocks:
            stocks[what][place][currency] = millionths
        else:
            day = answer.EPOCH + timedelta(place)
            terms[what, bucket[place]].append(quotes.convert(millionths, currency, day))
    flows = {key: answer.fraction_sum(found) for key, found in terms.items()}

    def converted(stock: dict[str, int], edge: date) -> answer.Fraction:
        day = edge - timedelta(1)
        return answer.fraction_sum([quotes.convert(m, currency, day) for currency, m in stock.items()])

    for a, e in spans:
        opening, closing = (converted(stocks["alive"][k], question.edges[k]) for k in (a, e))
        gone = [converted(stocks["gone"][k], question.edges[e]) for k in (a, e)]
        moved = [answer.fraction_sum([flows.get((w, k), answer.ZERO) for k in range(a, e)]) for w in FLOWS]
        known = [opening, *moved, answer.fraction_sum([gone[0], answer.minus(gone[1])])]
        yield [*known, answer.fraction_sum([closing, *map(answer.minus, known)]), closing]


def _compared(now: Cells, before: Cells) -> Cells:
    """Return each cell with that of the period before, the change and the change in percent."""
    cells: Cells = []
    for x, b in zip(now, before, strict=True):
        change: answer.Cell = None
        percent: answer.Cell = None
        if x is not None and b is not None:
            top, below = (c if isinstance(c, tuple) else (c, 1) for c in (x, b))
            exact = answer.fraction_sum([top, answer.minus(below)])
            change = exact if isinstance(x, tuple) else exact[0]
            if below[0]:
                percent = (100 * exact[0] * below[1], exact[1] * abs(below[0]))
        cells += [x, b, change, percent]
    return cells


def _by_cohort(folder: Path, question: Question) -> answer.Table:
    """Return the table of months and cohorts."""
    plain = duckdb_sql.sums(folder, question)
    quotes, total = plain[0], answer.table(question, *plain)[-1]
    stocks: dict[tuple[int, str], list[list[answer.Stock]]] = defaultdict(lambda: [[], [], []])
    for cohort, currency, place, *sums in _rows(folder, question, COHORTS):
        for level in range(3):
            clients, *amounts = sums[3 * level : 3 * level + 3]
            positive, negative = (int(m.scaleb(6)) if m else 0 for m in amounts)
            found = answer.Stock(place - 1, currency, level, clients, positive, negative)
            stocks[place, cohort or "~"][level].append(found)
    flows = {(place, c or "~"): sums for c, place, *sums in _rows(folder, question, COHORT_FLOWS)}
    table: answer.Table = []
    for place, cohort in sorted({*stocks, *flows}):
        sums = [s or 0 for s in flows.get((place, cohort), [0] * 7)]
        held = answer.stock_cells(quotes, question.edges[place] - timedelta(1), stocks[place, cohort])
        moved = answer.flow_cells(held[0], [(s, DOLLAR) for s in sums[:4]], [int(n) for n in sums[4:]])
        if any(cell[0] if isinstance(cell, tuple) else cell for cell in (*held, *moved)):
            labels = question.labels[place - 1], "(none)" if cohort == "~" else cohort
            table.append([*labels, *map(answer.shown, (*held, *moved))])
    return [*table, ["Total", "", *total[1:]]]
