"""Balance movement: how the balances at a row's start become those at its end."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from custdyn_widgets.engine.cells.flows import BALANCE_FLOW_COLUMNS
from custdyn_widgets.mart import Int64s


class BalanceFrames(NamedTuple):
    """The sums behind the movement of balances; see the schema in `cells.compute`."""

    openings: pd.DataFrame
    flows: pd.DataFrame
    left: pd.DataFrame


def balance_frames(
    openings: pd.DataFrame, closings: pd.DataFrame, flows: pd.DataFrame, ends: Int64s, groups: int
) -> BalanceFrames:
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
    opening = openings[["row", "currency", "value_day", "needs_quote"]].copy()
    opening["opening_balance"] = openings["all_pos"] + openings["all_neg"]
    left = _left(openings, closings, flows)
    left.insert(2, "value_day", ends[left["row"].to_numpy(np.int64) // groups])
    return BalanceFrames(openings=opening.reset_index(drop=True), flows=flows, left=left)


def _left(openings: pd.DataFrame, closings: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """Return the nonzero balances that left with closed clients, by row and currency.

    In each currency, these are the closing balances minus the opening balances and the flows.
    """
    keys = pd.concat([frame[["row", "currency"]] for frame in (closings, openings, flows)], ignore_index=True)
    held = ["all_pos", "all_neg"]
    amounts = np.concatenate(
        [_total(closings, held), -_total(openings, held), -_total(flows, list(BALANCE_FLOW_COLUMNS))]
    )
    codes, currencies = pd.factorize(keys["currency"], sort=True)
    place, lines = pd.factorize(keys["row"].to_numpy(np.int64) * len(currencies) + codes)
    left = np.zeros(len(lines), object)
    np.add.at(left, place, amounts)
    order = np.argsort(lines)
    order = order[left[order] != 0]
    row, currency = np.divmod(lines[order], max(len(currencies), 1))
    return pd.DataFrame(
        {
            "row": row,
            "currency": np.asarray(currencies, object)[currency],
            "needs_quote": np.ones(len(order), np.bool_),
            "left": left[order],
        }
    )


def _total(frame: pd.DataFrame, columns: list[str]) -> Any:
    """Return the sum of some columns for each line, as Python ints, which cannot overflow."""
    return sum((frame[name].to_numpy().astype(object) for name in columns), np.zeros(len(frame), object))
