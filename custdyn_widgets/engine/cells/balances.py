"""Balance movement: how the balances at a row's start become those at its end."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from custdyn_widgets.engine.cells.flows import BALANCE_FLOW_COLUMNS
from custdyn_widgets.engine.cells.table import KEYS, SumTable
from custdyn_widgets.mart import Int64s, distinct_values


class BalanceTables(NamedTuple):
    """The sums behind the movement of balances; see the schema in `cells.compute`."""

    openings: SumTable
    flows: SumTable
    left: SumTable


def balance_tables(
    openings: SumTable, closings: SumTable, flows: SumTable, ends: Int64s, groups: int
) -> BalanceTables:
    """Return the sums behind the movement of balances.

    Parameters
    ----------
    openings, closings
        The stocks at the start and at the end of each row.
    flows
        The balance flows of each row.
    ends
        The valuation day of each bucket's end.
    groups
        The number of rows in each bucket.
    """
    keys = {name: openings[name] for name in KEYS}
    balance = openings["all_pos"] + openings["all_neg"]
    return BalanceTables(
        openings=SumTable(openings.currencies, {**keys, "opening_balance": balance}),
        flows=flows,
        left=_left(openings, closings, flows, ends, groups),
    )


def _left(openings: SumTable, closings: SumTable, flows: SumTable, ends: Int64s, groups: int) -> SumTable:
    """Return the nonzero balances that left with closed clients, by row and currency.

    In each currency, these are the closing balances minus the opening balances and the flows.
    """
    count = len(flows.currencies)
    keys = [table["row"] * count + table["currency"] for table in (closings, openings, flows)]
    held = ["all_pos", "all_neg"]
    amounts = np.concatenate(
        [_total(closings, held), -_total(openings, held), -_total(flows, list(BALANCE_FLOW_COLUMNS))]
    )
    place, lines = distinct_values(np.concatenate(keys))
    left = np.zeros(len(lines), object)
    np.add.at(left, place, amounts)
    order = np.argsort(lines)
    order = order[left[order] != 0]
    row, currency = np.divmod(lines[order], count)
    return SumTable(
        flows.currencies,
        {
            "row": row,
            "currency": currency,
            "value_day": ends[row // groups],
            "needs_quote": np.ones(len(order), np.bool_),
            "left": left[order],
        },
    )


def _total(table: SumTable, columns: list[str]) -> Any:
    """Return the sum of some columns for each line, as Python ints, which cannot overflow."""
    return sum((table[name].astype(object) for name in columns), np.zeros(len(table), object))
