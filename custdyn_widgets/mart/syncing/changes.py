"""Comparing two syncs to find changes to past transactions and to opening balances.

The ledgers are compared month by month using a hash of their rows, and only the rows of months that differ
are compared one by one. Even for large ledgers, this takes little time and memory.

If a mapping generates ids with row_number(), they may move to other rows when a row is added or removed. Rows
are therefore first compared without their ids: a row that differs only in its id counts as unchanged.
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
_STABLE_IDS = (
    "Build transaction_id from the keys of the source, so that it stays the same. See docs/own-mapping.md."
)
_COMPARED = ("client_id", "kind", "amount", "package_id")
_NAMES = ("instant", *_COMPARED)
_VALUES = ", ".join(_NAMES)
_OF_ROW = ", ".join(f"d.{name}" for name in _NAMES)
_SAME_VALUES = " AND ".join(f"d.{name} IS NOT DISTINCT FROM u.{name}" for name in _NAMES)
# The months that differ in the number of transactions or in the sum of the hashes of their values.
_DIFFERING = f"""
    CREATE TEMP TABLE differing AS
    WITH hashed AS (
        SELECT 'old' AS side, month, hash({_VALUES}) AS h FROM old_ledger
        UNION ALL
        SELECT 'new', month, hash({_VALUES}) FROM new_ledger
    )
    SELECT month FROM hashed GROUP BY month
    HAVING count(*) FILTER (side = 'old') <> count(*) FILTER (side = 'new')
        OR sum(h::HUGEINT) FILTER (side = 'old') IS DISTINCT FROM sum(h::HUGEINT) FILTER (side = 'new')
"""  # noqa: S608 (constants)
# The transactions in those months, with their ids, that occur more often in one ledger than in the other. If
# they occur more often in the old ledger, n is negative.
_DIFFERENT = f"""
    CREATE TEMP TABLE different AS
    SELECT id, month, {_VALUES}, sum(n)::BIGINT AS n
    FROM (
        SELECT -1 AS n, * FROM old_ledger SEMI JOIN differing USING (month)
        UNION ALL BY NAME
        SELECT 1 AS n, * FROM new_ledger SEMI JOIN differing USING (month)
    )
    GROUP BY id, month, {_VALUES} HAVING sum(n) <> 0
"""  # noqa: S608
# The values that occur more often in one ledger than in the other, regardless of transaction ids.
_UNEQUAL = f"""
    CREATE TEMP TABLE unequal AS
    SELECT month, {_VALUES} FROM different GROUP BY month, {_VALUES} HAVING sum(n) <> 0
"""  # noqa: S608
# The transactions with these values, except those that are in both ledgers with different ids.
_CHANGED = f"""
    CREATE TEMP TABLE changed AS
    WITH rows AS (
        SELECT d.id, d.month, {_OF_ROW}, if(d.n < 0, 'old', 'new') AS side, unnest(range(abs(d.n)))
        FROM different AS d SEMI JOIN unequal AS u ON d.month = u.month AND {_SAME_VALUES}
    ),
    numbered AS (
        SELECT *, row_number() OVER (PARTITION BY side, month, {_VALUES} ORDER BY id) AS nth FROM rows
    )
    SELECT any_value(side) AS side, any_value(id) AS id, month, {_VALUES}
    FROM numbered GROUP BY month, {_VALUES}, nth HAVING count(*) = 1
"""  # noqa: S608
_NEW_IDS = "SELECT (SELECT coalesce(sum(abs(n)), 0) FROM different) - (SELECT count(*) FROM changed)"
# Columns: month, kind, added, removed, changed, new. A transaction without a time counts as new, not as past.
# If ids have moved to other rows, the same id proves little, so the client must be the same too.
_PAST = """
    WITH o AS (SELECT * FROM changed WHERE side = 'old'),
    n AS (
        SELECT *, coalesce(instant > (SELECT max(instant) FROM old_ledger), true) AS late
        FROM changed WHERE side = 'new'
    )
    SELECT coalesce(o.month, n.month), coalesce(o.kind, n.kind, ''),
        count(*) FILTER (o.id IS NULL AND NOT late),
        count(*) FILTER (n.id IS NULL),
        count(*) FILTER (o.id IS NOT NULL AND n.id IS NOT NULL),
        count(*) FILTER (o.id IS NULL AND late)
    FROM n FULL JOIN o ON o.id = n.id AND ({same})
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
    """How many past transactions of one month and kind were added, removed or changed."""

    month: str
    kind: str
    added: int
    removed: int
    changed: int


@dataclass(frozen=True)
class Changes:
    """The changes since the previous sync.

    Attributes
    ----------
    new
        The number of transactions that are later than all transactions in the previous sync.
    past
        The other transactions that were added, removed or changed, by month and kind.
    openings
        The number of clients whose opening balance changed.
    clients_added, clients_removed
        The numbers of clients added and removed.
    same_mapping
        Whether both syncs used the same mapping.
    new_ids
        The number of transactions, in the months that differ, whose only change is a new id.
    """

    new: int
    past: tuple[PastChange, ...]
    openings: int
    clients_added: int
    clients_removed: int
    same_mapping: bool
    new_ids: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as a JSON object."""
        return {**asdict(self), "past": [asdict(change) for change in self.past]}

    def text(self) -> str:
        """Return the changes as text for a terminal."""
        lines = [f"New transactions: {self.new:,}. Clients added: {self.clients_added:,}."]
        if self.past:
            rows = [("Month", "Kind", "Added", "Removed", "Changed")]
            rows += [
                (c.month, printable(c.kind), f"{c.added:,}", f"{c.removed:,}", f"{c.changed:,}")
                for c in self.past[:_LISTED]
            ]
            lines += ["Changes to past transactions:", *(f"  {line}" for line in align_rows(rows))]
            if more := max(len(self.past) - _LISTED, 0):
                lines.append(
                    f"  … and {more:,} more line{'' if more == 1 else 's'}. --json prints all of them."
                )
        if self.openings:
            lines.append(
                f"Opening balances changed: {self.openings:,} client{'' if self.openings == 1 else 's'}."
            )
        if self.clients_removed:
            lines.append(f"Clients removed: {self.clients_removed:,}.")
        if not (self.past or self.openings or self.clients_removed):
            lines.append("Past data is unchanged.")
        if self.new_ids:
            advice = f" {_STABLE_IDS}" if self.same_mapping else ""
            lines.append(f"Transactions that differ only in their id: {self.new_ids:,}.{advice}")
        if not self.same_mapping and (self.past or self.openings or self.clients_removed or self.new_ids):
            lines.append("The mapping has changed since the last sync, which may be the reason.")
        return "\n".join(lines)


def changes_between(old: Path, new: Path, spill: Path, *, same_mapping: bool) -> Changes:
    """Compare two marts.

    Parameters
    ----------
    old, new
        The folders of the marts.
    spill
        A folder for temporary files, created if it does not exist.
    same_mapping
        Whether both come from the same mapping.
    """
    import duckdb  # imported late: slow to load

    with duckdb.connect(config=_CLOSED) as connection:
        connection.execute(f"SET temp_directory = {literal(spill)}")
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET preserve_insertion_order = false")
        for side, folder in (("old", old), ("new", new)):
            connection.execute(_ledger_view(side, folder / "transactions.parquet"))
            connection.execute(_clients_view(side, folder / "clients.parquet"))
        fresh, past, new_ids = _past(connection)
        [[openings, added, removed]] = connection.execute(_CLIENTS).fetchall()
        return Changes(fresh, past, openings, added, removed, same_mapping, new_ids)


def _past(connection: duckdb.DuckDBPyConnection) -> tuple[int, tuple[PastChange, ...], int]:
    """Return the number of new transactions, the changes to past ones, and the number of changed ids."""
    for statement in (_DIFFERING, _DIFFERENT, _UNEQUAL, _CHANGED):
        connection.execute(statement)
    [[rows]] = connection.execute(_NEW_IDS).fetchall()  # each changed id is counted in both ledgers
    same = "o.client_id = n.client_id" if rows else "true"
    found = connection.execute(_PAST.format(same=same)).fetchall()
    past = (PastChange(*line[:5]) for line in found if any(line[2:5]))
    return sum(line[5] for line in found), tuple(past), int(rows) // 2


def _ledger_view(side: str, file: Path) -> str:
    """Return the statement that creates a view of a ledger, with its values converted to common types."""
    names = pq.read_schema(file).names
    columns = ", ".join([_value("transaction_id", "id", names), _instant(file), *_compared(names)])
    rows = f"SELECT {columns} FROM read_parquet({literal(file)})"  # noqa: S608 (constants and a literal)
    month = "coalesce(strftime(make_timestamp(instant), '%Y-%m'), 'unknown') AS month"
    return f"CREATE TEMP VIEW {side}_ledger AS SELECT *, {month} FROM ({rows})"  # noqa: S608


def _instant(file: Path) -> str:
    """Return the SQL for a time as microseconds since 1970, without DuckDB's time zone extension."""
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
