"""One contender's work in a process of its own: `python -m bench.sync.child JOB`, JSON in, JSON out.

A job names the contender, the source and the folder of `sources.toml`, and the file to write by hand. The
answer names the file with the ledger.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Do the job on the command line."""
    print(json.dumps(done(json.loads(sys.argv[1]))))


def done(job: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a job."""
    answer: dict[str, Any] = _WORK[job["contender"]](job)
    return answer


def _sync(job: dict[str, Any]) -> dict[str, Any]:
    from custdyn_widgets.mart.synced import synced_folder
    from custdyn_widgets.mart.syncing.sync import sync_source

    sync_source(job["source"])
    return {"file": str(synced_folder(job["source"]) / "transactions.parquet")}


def _map(job: dict[str, Any]) -> dict[str, Any]:
    from custdyn_widgets.mart.mapping.mapped import mapped_mart
    from custdyn_widgets.mart.sources import resolve_source

    folder, _ = mapped_mart(resolve_source(job["source"]))
    return {"file": str(folder / "transactions.parquet")}


def _open(job: dict[str, Any]) -> dict[str, Any]:
    from custdyn_widgets.mart.opening import open_mart

    open_mart(job["source"])
    return _map(job)


def _by_hand(job: dict[str, Any]) -> dict[str, Any]:
    from . import by_hand

    getattr(by_hand, job["contender"])(job["url"], Path(job["file"]))
    return {"file": job["file"]}


def _duckdb_copy(job: dict[str, Any]) -> dict[str, Any]:
    from . import by_hand
    from .data import MAPPING

    by_hand.duckdb_copy(Path(job["folder"]) / "csv", MAPPING, Path(job["file"]))
    return {"file": job["file"]}


def _write_csv(job: dict[str, Any]) -> dict[str, Any]:
    from .data import write_csv

    write_csv(Path(job["folder"]) / "csv", job["rows"], job["seed"])
    return {}


def _look(job: dict[str, Any]) -> dict[str, Any]:
    """Return what two equal ledgers have in common, whatever the types of their columns."""
    import duckdb

    rows = f"FROM read_parquet('{job['file']}')"
    with duckdb.connect() as connection:
        [[kind]] = connection.execute(f'SELECT typeof("at") {rows} LIMIT 1').fetchall()
        at = '"at"::TIMESTAMP' if kind == "VARCHAR" else '"at"'
        columns = f"transaction_id, client_id, epoch_us({at}), kind, amount::DECIMAL(38, 6), package_id"
        found = connection.execute(
            f"SELECT count(*), sum(amount::DECIMAL(38, 6)), sum(hash({columns})::HUGEINT) {rows}"
        ).fetchall()
    return {"table": [["all", *map(str, row)] for row in found]}


_WORK = {
    "sync": _sync,
    "map": _map,
    "open": _open,
    "psql": _by_hand,
    "psycopg_copy": _by_hand,
    "unbuffered_cursor": _by_hand,
    "duckdb_copy": _duckdb_copy,
    "write_csv": _write_csv,
    "look": _look,
}

if __name__ == "__main__":
    main()
