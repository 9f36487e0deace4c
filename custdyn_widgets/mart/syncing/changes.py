"""Comparing two syncs: past transactions added, removed or changed, and changed opening balances.

The ledgers are compared by month with a hash of their rows, and only the rows of months that differ are
joined. Even for large ledgers, this takes little time and memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from custdyn_widgets.mart.mapping.sql_text import literal
from custdyn_widgets.text import align_rows, printable

if TYPE_CHECKING:
    import duckdb

_MEMORY = "200MB"
_LISTED = 40  # lines
_COMPARED = ("client_id", "kind", "amount", "package_id")
# The months that differ in the number of transactions or in the sum of their hashes.
_DIFFERING = """
    CREATE TEMP TABLE differing AS
    WITH hashed AS (
        SELECT 'old' AS side, month, hash(id, instant, client_id, kind, amount, package_id) AS h
        FROM old_ledger
        UNION ALL
        SELECT 'new', month, hash(id, instant, client_id, kind, amount, package_id) FROM new_ledger
    )
    SELECT month FROM hashed GROUP BY month
    HAVING count(*) FILTER (side = 'old') <> count(*) FILTER (side = 'new')
        OR sum(h::HUGEINT) FILTER (side = 'old') IS DISTINCT FROM sum(h::HUGEINT) FILTER (side = 'new')
"""
# Columns: month, kind, added, removed, changed, new. A transaction without a time counts as new, not as past.
_PAST = """
    WITH o AS (SELECT * FROM old_ledger SEMI JOIN differing USING (month)),
    n AS (
        SELECT *, coalesce(instant > (SELECT max(instant) FROM old_ledger), true) AS late
        FROM new_ledger SEMI JOIN differing USING (month)
    )
    SELECT coalesce(o.month, n.month), coalesce(o.kind, n.kind, ''),
        count(*) FILTER (o.id IS NULL AND NOT late),
        count(*) FILTER (n.id IS NULL),
        count(*) FILTER (o.id IS NOT NULL AND n.id IS NOT NULL),
        count(*) FILTER (o.id IS NULL AND late)
    FROM n FULL JOIN o ON o.id = n.id
    WHERE o.id IS NULL OR n.id IS NULL
        OR (o.instant, o.client_id, o.kind, o.amount, o.package_id)
            IS DISTINCT FROM (n.instant, n.client_id, n.kind, n.amount, n.package_id)
    GROUP BY 1, 2 ORDER BY 1, 2
"""
# Columns: opening balances changed, clients added, clients removed.
_CLIENTS = """
    SELECT count(*) FILTER (o.id IS NOT NULL AND n.id IS NOT NULL AND o.opening <> n.opening),
        count(*) FILTER (o.id IS NULL), count(*) FILTER (n.id IS NULL)
    FROM old_clients AS o FULL JOIN new_clients AS n ON o.id = n.id
"""
_CLOSED: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


@dataclass(frozen=True)
class PastChange:
    """Counts of the transactions of one month and kind that differ from the previous sync."""

    month: str
    kind: str
    added: int
    removed: int
    changed: int


@dataclass(frozen=True)
class Changes:
    """What changed since the previous sync.

    Attributes
    ----------
    new
        The number of transactions that are later than all transactions of the previous sync.
    past
        The other transactions that were added, removed or changed, by month and kind.
    openings
        The number of clients whose opening balance changed.
    clients_added, clients_removed
        The numbers of clients added and removed.
    same_mapping
        Whether both syncs used the same mapping.
    """

    new: int
    past: tuple[PastChange, ...]
    openings: int
    clients_added: int
    clients_removed: int
    same_mapping: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as a JSON object."""
        return {**asdict(self), "past": [asdict(change) for change in self.past]}

    def text(self) -> str:
        """Return the changes for a terminal."""
        lines = [f"New transactions: {self.new:,}. Clients added: {self.clients_added:,}."]
        if self.past:
            rows = [("Month", "Kind", "Added", "Removed", "Changed")]
            rows += [
                (c.month, printable(c.kind), f"{c.added:,}", f"{c.removed:,}", f"{c.changed:,}")
                for c in self.past[:_LISTED]
            ]
            lines += ["Changed in the past:", *(f"  {line}" for line in align_rows(rows))]
            if len(self.past) > _LISTED:
                lines.append(f"  … and {len(self.past) - _LISTED:,} more lines: --json prints them all.")
        if self.openings:
            lines.append(f"Opening balances changed: {self.openings:,} clients.")
        if self.clients_removed:
            lines.append(f"Clients removed: {self.clients_removed:,}.")
        if not (self.past or self.openings or self.clients_removed):
            lines.append("Nothing changed in the past.")
        elif not self.same_mapping:
            lines.append("The mapping has changed since the last sync, which may be the reason.")
        return "\n".join(lines)


def changes_between(old: Path, new: Path, spill: Path, *, same_mapping: bool) -> Changes:
    """Compare two marts.

    Parameters
    ----------
    old, new
        Their folders.
    spill
        A folder for temporary files, created if it does not exist.
    same_mapping
        Whether both come from the same mapping.
    """
    import duckdb  # late: slow to load

    with duckdb.connect(config=_CLOSED) as connection:
        connection.execute(f"SET temp_directory = {literal(spill)}")
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET preserve_insertion_order = false")
        for side, folder in (("old", old), ("new", new)):
            connection.execute(_ledger_view(side, folder / "transactions.parquet"))
            connection.execute(_clients_view(side, folder / "clients.parquet"))
        fresh, past = _past(connection)
        [[openings, added, removed]] = connection.execute(_CLIENTS).fetchall()
        return Changes(fresh, past, openings, added, removed, same_mapping)


def _past(connection: duckdb.DuckDBPyConnection) -> tuple[int, tuple[PastChange, ...]]:
    """Return the number of new transactions, and the changes in the past."""
    connection.execute(_DIFFERING)
    found = connection.execute(_PAST).fetchall()
    past = (PastChange(*line[:5]) for line in found if any(line[2:5]))
    return sum(line[5] for line in found), tuple(past)


def _ledger_view(side: str, file: Path) -> str:
    """Return the statement that creates a view of a ledger, with its values converted to common types."""
    names = pq.read_schema(file).names
    columns = ", ".join([_value("transaction_id", "id", names), _instant(file), *_compared(names)])
    rows = f"SELECT {columns} FROM read_parquet({literal(file)})"  # noqa: S608 (constants and a literal)
    month = "coalesce(strftime(make_timestamp(instant), '%Y-%m'), 'unknown') AS month"
    return f"CREATE TEMP VIEW {side}_ledger AS SELECT *, {month} FROM ({rows})"  # noqa: S608


def _instant(file: Path) -> str:
    """Return the SQL for a time as microseconds since 1970; it needs no time zone extension of DuckDB."""
    if str(pq.read_schema(file).field("at").type).startswith("timestamp"):
        return 'epoch_us("at") AS instant'
    return 'epoch_us(TRY_CAST("at" AS TIMESTAMP)) AS instant'


def _compared(names: Sequence[str]) -> list[str]:
    return [_value(name, name, names) for name in _COMPARED]


def _value(name: str, alias: str, names: Sequence[str]) -> str:
    kind = "DECIMAL(38, 6)" if name == "amount" else "VARCHAR"
    return f"TRY_CAST({name if name in names else 'NULL'} AS {kind}) AS {alias}"


def _clients_view(side: str, file: Path) -> str:
    known = "opening_balance" in pq.read_schema(file).names
    opening = f"coalesce(TRY_CAST({'opening_balance' if known else 'NULL'} AS DECIMAL(38, 6)), 0) AS opening"
    rows = f"SELECT client_id::VARCHAR AS id, {opening} FROM read_parquet({literal(file)})"  # noqa: S608
    return f"CREATE TEMP VIEW {side}_clients AS {rows}"
