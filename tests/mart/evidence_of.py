"""Evidence for the search for likely mistakes, made of arrays: small, exact and fast to make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.mart.schema import KINDS, TABLES

SECOND, HOUR, DAY = 10**6, 3600 * 10**6, 86_400 * 10**6
START = 18_631  # days since 1970: Monday, 2021-01-04
NEVER = 10.0**10  # a Unix time after all times in these tests


def evidence(
    at: Any,
    kind: str | Sequence[str] = "usage",
    amount: Any = -1,
    client: Any = 0,
    clients: int = 1,
    written: float = NEVER,
    **columns: Any,
) -> Evidence:
    """Return the evidence of a ledger with times in microseconds and amounts in units of the currency.

    `columns` replaces columns of clients, who by default were created in 1970, have no balance and pay in
    USD; None in a column is a blank.
    """
    at = np.array(at, np.int64)
    kinds = [kind] * len(at) if isinstance(kind, str) else list(kind)
    codes = np.array([KINDS.index(name) for name in kinds], np.int32)
    millionths = np.rint(np.broadcast_to(np.array(amount, np.float64), len(at)) * 10**6).astype(np.int64)
    of_client = np.broadcast_to(np.array(client, np.int32), len(at)).copy()
    ledger = table_of("transactions", len(at), client_id=of_client, at=at, kind=codes, amount=millionths)
    ledger.codes = {"client_id": of_client, "kind": codes}
    owners = {
        "client_id": [f"c{i}" for i in range(clients)],
        "currency": ["USD"] * clients,
        "created_at": [0] * clients,
        "closed_at": [None] * clients,
        "opening_balance": [0] * clients,
        **columns,
    }
    return Evidence({"clients": table_of("clients", clients, **owners), "transactions": ledger}, (), written)


def table_of(name: str, rows: int, **columns: Any) -> CheckedTable:
    """Return a checked table with these columns, of integers or of text; None is a blank."""
    data = pa.table({column: pa.nulls(rows, pa.large_string()) for column in columns})
    checked = CheckedTable(StoredTable(TABLES[name], name, data))
    for column, values in columns.items():
        blank = np.array([value is None for value in values], np.bool_)
        is_text = any(isinstance(value, str) for value in values)
        checked.columns[column] = (
            pa.array(values, pa.large_string())
            if is_text
            else np.array([0 if value is None else value for value in values], np.int64)
        )
        checked.blank[column] = blank
    return checked
