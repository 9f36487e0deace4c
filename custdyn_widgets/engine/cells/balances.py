"""Balance movement: how the balances at a row's start become those at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from custdyn_widgets.engine.cells.flows import BALANCE_FLOW_COLUMNS


@dataclass(frozen=True)
class BalanceFrames:
    """The sums behind the movement of balances; see the schema in `cells.compute`."""

    openings: pd.DataFrame
    flows: pd.DataFrame
    left: pd.DataFrame


def balance_frames(
    openings: pd.DataFrame, closings: pd.DataFrame, flows: pd.DataFrame, ends: Sequence[date], groups: int
) -> BalanceFrames:
    """Return the sums behind the movement of balances.

    Parameters
    ----------
    openings, closings
        The stocks at the start and at the end of each row.
    flows
        The balance flows of each row.
    ends
        The UTC date on which each bucket's end is valued.
    groups
        The number of rows in each bucket.
    """
    # In each currency, whatever joined or flowed in either is still held by clients that are alive, or left
    # with clients that closed.
    left = Counter[tuple[int, str]]()
    for frame, columns, sign in (
        (closings, ("all_pos", "all_neg"), 1),
        (openings, ("all_pos", "all_neg"), -1),
        (flows, BALANCE_FLOW_COLUMNS, -1),
    ):
        lines = zip(frame["row"].tolist(), frame["currency"].tolist(), strict=True)
        amounts = frame[list(columns)].to_numpy(object).sum(axis=1).tolist()
        for line, amount in zip(lines, amounts, strict=True):
            left[line] += sign * amount
    changed = sorted((row, currency, amount) for (row, currency), amount in left.items() if amount)
    opening = openings[["row", "currency", "value_date", "needs_quote"]].copy()
    opening["opening_balance"] = openings["all_pos"] + openings["all_neg"]
    return BalanceFrames(
        openings=opening.reset_index(drop=True),
        flows=flows,
        left=pd.DataFrame(
            {
                "row": [row for row, _, _ in changed],
                "currency": [currency for _, currency, _ in changed],
                "value_date": [ends[row // groups] for row, _, _ in changed],
                "needs_quote": [True] * len(changed),
                "left": pd.Series([amount for _, _, amount in changed], dtype=object),
            }
        ),
    )
