"""What changed in the past between two syncs: transactions added, removed and changed, and openings moved.

The ledgers are compared by month with a hash of their rows, and only the rows of months that differ are
joined, so that the comparison takes little time and memory even for large ledgers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from custdyn_widgets.text import align_rows, printable

if TYPE_CHECKING:
    import duckdb

_MEMORY = "200MB"
_LISTED = 40  # lines
_COMPARED = ("client_id", "kind", "amount", "package_id")
_CLOSED: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


@dataclass(frozen=True)
class PastChange:
    """The transactions of a month and a kind that differ from the sync before."""

    month: str
    kind: str
    added: int
    removed: int
    changed: int


@dataclass(frozen=True)
class Changes:
    """What changed since the sync before.

    Attributes
    ----------
    new
        The number of transactions that are later than all transactions of the sync before.
    past
        The other transactions that were added, removed or changed, by month and kind.
    openings
        The number of clients whose opening balance changed.
    clients_added, clients_removed
        The number of clients that were added and removed.
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
        A folder for temporary files; it need not exist.
    same_mapping
        Whether both come from the same mapping.
    """
    import duckdb  # late: takes long to load

    with duckdb.connect(config=_CLOSED) as connection:
        connection.execute(f"SET temp_directory = {_literal(spill)}")
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET preserve_insertion_order = false")
        for side, folder in (("old", old), ("new", new)):
            connection.execute(_ledger_view(side, folder / "transactions.parquet"))
            connection.execute(_clients_view(side, folder / "clients.parquet"))
        fresh, past = _past(connection)
        return Changes(fresh, past, *_clients(connection), same_mapping=same_mapping)


def _past(connection: duckdb.DuckDBPyConnection) -> tuple[int, tuple[PastChange, ...]]:
    """Return the number of new transactions, and the changes in the past."""
    digest = "month, count(*) AS n, sum(hash(id, instant, client_id, kind, amount, package_id)::HUGEINT) AS h"
    connection.execute(
        "CREATE TEMP TABLE differing AS SELECT month FROM "
        f"(SELECT {digest} FROM old_ledger GROUP BY month) AS o "
        f"FULL JOIN (SELECT {digest} FROM new_ledger GROUP BY month) AS n USING (month) "
        "WHERE o.n IS DISTINCT FROM n.n OR o.h IS DISTINCT FROM n.h"
    )
    [[last]] = connection.execute("SELECT max(instant) FROM old_ledger").fetchall()
    differs = " OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in ("instant", *_COMPARED))
    old, new = (f"(SELECT * FROM {side}_ledger SEMI JOIN differing USING (month))" for side in ("old", "new"))
    found = connection.execute(
        "SELECT coalesce(o.month, n.month), coalesce(o.kind, n.kind, ''), "
        "count(*) FILTER (o.id IS NULL AND NOT late), count(*) FILTER (n.id IS NULL), "
        "count(*) FILTER (o.id IS NOT NULL AND n.id IS NOT NULL), count(*) FILTER (o.id IS NULL AND late) "
        f"FROM (SELECT *, coalesce(instant > $last, true) AS late FROM {new}) AS n FULL JOIN {old} AS o ON o.id = n.id "
        f"WHERE o.id IS NULL OR n.id IS NULL OR {differs} GROUP BY 1, 2 ORDER BY 1, 2",
        {"last": last},
    ).fetchall()
    past = (PastChange(month, kind, a, r, c) for month, kind, a, r, c, _ in found if a or r or c)
    return sum(line[-1] for line in found), tuple(past)


def _clients(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Return how many openings changed, and how many clients were added and removed."""
    [[openings, added, removed]] = connection.execute(
        "SELECT count(*) FILTER (o.id IS NOT NULL AND n.id IS NOT NULL AND o.opening IS DISTINCT FROM n.opening), "
        "count(*) FILTER (o.id IS NULL), count(*) FILTER (n.id IS NULL) "
        "FROM old_clients AS o FULL JOIN new_clients AS n ON o.id = n.id"
    ).fetchall()
    return openings, added, removed


def _ledger_view(side: str, file: Path) -> str:
    """Return the statement that creates a view of a ledger, in which equal values are equal in any type."""
    names = pq.read_schema(file).names
    wanted = [_instant(file), *(_value(name, names) for name in _COMPARED)]
    columns = ", ".join([f"{_value('transaction_id', names)} AS id", *wanted])
    month = "coalesce(strftime(make_timestamp(instant), '%Y-%m'), 'unknown') AS month"
    return (
        f"CREATE TEMP VIEW {side}_ledger AS SELECT *, {month} FROM "
        f"(SELECT {columns} FROM read_parquet({_literal(file)}))"
    )


def _instant(file: Path) -> str:
    """Return the SQL for a time as microseconds since 1970, without the zones of DuckDB's extensions."""
    if str(pq.read_schema(file).field("at").type).startswith("timestamp"):
        return 'epoch_us("at") AS instant'
    return 'epoch_us(TRY_CAST("at" AS TIMESTAMP)) AS instant'


def _value(name: str, names: Sequence[str]) -> str:
    if name not in names:
        return f"NULL::VARCHAR AS {name}"
    if name == "amount":
        return "TRY_CAST(amount AS DECIMAL(38, 6)) AS amount"
    return f"CAST({name} AS VARCHAR) AS {name}" if name != "transaction_id" else f"CAST({name} AS VARCHAR)"


def _clients_view(side: str, file: Path) -> str:
    opening = "coalesce(TRY_CAST(opening_balance AS DECIMAL(38, 6)), 0)"
    opening = opening if "opening_balance" in pq.read_schema(file).names else "0::DECIMAL(38, 6)"
    return (
        f"CREATE TEMP VIEW {side}_clients AS SELECT CAST(client_id AS VARCHAR) AS id, {opening} AS opening "
        f"FROM read_parquet({_literal(file)})"
    )


def _literal(value: object) -> str:
    """Return a string of SQL."""
    return "'" + str(value).replace("'", "''") + "'"
