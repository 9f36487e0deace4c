"""Definitions of the built-in columns of a report.

They follow sections 4 and 7 of the specification. Each works with both exact numbers and columns in fixed
point, because it only adds, subtracts, negates and calls `ratio`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custdyn_widgets.engine.registry import built_in_metric, chosen_metrics, metric, ratio
from custdyn_widgets.report import Unit

__all__ = ["SURPRISES", "chosen_metrics", "metric", "ratio"]  # importing this module registers the metrics

Columns = Any  # a DataFrame of exact numbers, or a mapping of columns that are exact or in fixed point

SURPRISES = (
    "Active Avg divides the spending in the row's bucket by the number of active clients, whose paid use may "
    "be anywhere in the window.",
    "A charge makes its client active even if it is reversed later.",
    "Reversals lower a Total but not its Qty.",
    "Tax and bonuses affect balances but no other columns.",
    "Balances are converted at the quote for the row's end, and flows at the quote for each transaction's "
    "date.",
)
"""Notes on surprising results, shown along with the definitions."""


def _like(lines: Columns, columns: dict[str, Any]) -> Columns:
    """Return columns in the form of the lines from which they were computed."""
    if isinstance(lines, Mapping):
        return columns
    import pandas as pd  # imported late: reports need no DataFrames

    return pd.DataFrame(columns)


def _stock(lines: Columns, level: str) -> Columns:
    pos, neg = lines[f"{level}_pos"], lines[f"{level}_neg"]
    columns = {"Qty": lines[f"{level}_qty"], "Balance Pos": pos, "Balance Neg": neg, "Balance": pos + neg}
    return _like(lines, columns)


def _stock_columns(who: str) -> list[tuple[str, Unit, str]]:
    return [
        ("Qty", "count", f"{who}."),
        ("Balance Pos", "money", "The sum of those clients' positive balances just before the row's end."),
        ("Balance Neg", "money", "The sum of those clients' negative balances just before the row's end."),
        ("Balance", "money", "Balance Pos + Balance Neg."),
    ]


@built_in_metric(
    "Clients - Active",
    _stock_columns(
        "Clients alive at the row's end with a paid use (usage, activation or renewal that cost something) "
        "in the active duration before it"
    ),
)
def clients_active(lines: Columns) -> Columns:
    """Clients alive at the row's end with a paid use in the window, and their balances."""
    return _stock(lines, "active")


@built_in_metric(
    "Clients - Overall Active",
    _stock_columns("Clients alive at the row's end with a paid use at any time before it"),
)
def clients_overall_active(lines: Columns) -> Columns:
    """Clients alive at the row's end with a paid use at any time before it, and their balances."""
    return _stock(lines, "overall")


@built_in_metric(
    "Clients - All",
    _stock_columns("Clients alive at the row's end: they existed before it and were not closed before it"),
)
def clients_all(lines: Columns) -> Columns:
    """Clients alive at the row's end, and their balances."""
    return _stock(lines, "all")


@built_in_metric(
    "Balance Refill",
    [
        ("Qty", "count", "Refills with an amount above 0."),
        ("Total", "money", "The sum of those refills."),
        ("Avg", "money", "Total / Qty; empty if there are no refills."),
    ],
)
def balance_refill(lines: Columns) -> Columns:
    """Refills above 0 in the bucket: their number, sum and average."""
    total, quantity = lines["refill"], lines["refill_qty"]
    return _like(lines, {"Qty": quantity, "Total": total, "Avg": ratio(total, quantity)})


@built_in_metric(
    "Pay As You Go",
    [
        ("Total", "money", "What usage cost: minus the sum of all usage, reversals included."),
        ("Active Avg", "money", "Total / Clients - Active: Qty of the row; empty if no client is active."),
    ],
)
def pay_as_you_go(lines: Columns) -> Columns:
    """Spending on usage in the bucket, and per active client."""
    total = -lines["usage"]
    return _like(lines, {"Total": total, "Active Avg": ratio(total, lines["active_qty"])})


@built_in_metric(
    "Packages",
    [
        ("Activation Qty", "count", "Package activations with an amount ≤ 0 (a set-up fee, perhaps 0)."),
        ("Activation Total", "money", "Minus the sum of all package activations, reversals included."),
        ("Renew Qty", "count", "Package renewals (a period's fee) with an amount ≤ 0."),
        ("Renew Total", "money", "Minus the sum of all package renewals, reversals included."),
    ],
)
def packages(lines: Columns) -> Columns:
    """Package activations and renewals in the bucket: their numbers and sums."""
    return _like(
        lines,
        {
            "Activation Qty": lines["activation_qty"],
            "Activation Total": -lines["activation"],
            "Renew Qty": lines["renewal_qty"],
            "Renew Total": -lines["renewal"],
        },
    )


@built_in_metric(
    "Clients - Movement",
    [
        ("Opening", "count", "Clients that were active at the row's start."),
        (
            "New",
            "count",
            "Clients active at the row's end that had no paid use before its start: first-time clients who "
            "are still active. First Use counts all first-time clients.",
        ),
        (
            "Reactivated",
            "count",
            "Clients active at the row's end that were not active at its start but had a paid use before it.",
        ),
        (
            "Lapsed",
            "count",
            "Clients that were active at the row's start and are alive but no longer active at its end. A "
            "lapse is dated one active duration after the last paid use.",
        ),
        ("Closed", "count", "Clients that were active at the row's start and are closed at its end."),
        ("Closing", "count", "Clients that are active at the row's end."),
        (
            "First Use",
            "count",
            "Clients whose first paid use is in the row, whether or not they are still alive.",
        ),
        (
            "Churn Rate",
            "rate",
            "(Lapsed + Closed) / Opening; empty if no client was active at the row's start. It depends on "
            "the row's length: do not compare the rate of a month with that of a year.",
        ),
    ],
)
def clients_movement(lines: Columns) -> Columns:
    """Clients that became active or stopped being active in the row."""
    return _like(
        lines,
        {
            "Opening": lines["opening_qty"],
            "New": lines["new_qty"],
            "Reactivated": lines["reactivated_qty"],
            "Lapsed": lines["lapsed_qty"],
            "Closed": lines["closed_qty"],
            "Closing": lines["active_qty"],
            "First Use": lines["first_use_qty"],
            "Churn Rate": ratio(lines["lapsed_qty"] + lines["closed_qty"], lines["opening_qty"]),
        },
    )


@built_in_metric(
    "Balance Movement",
    [
        ("Opening", "money", "Clients - All: Balance at the row's start, at the quote valid at that time."),
        ("Joined", "money", "The opening balances of clients created in the row."),
        ("Refills", "money", "The sum of all refills, reversals included."),
        ("Usage", "money", "The sum of all usage, reversals included; usually negative."),
        (
            "Packages",
            "money",
            "The sum of all activations and renewals, reversals included; usually negative.",
        ),
        ("Other", "money", "The sum of all other transactions, such as corrections, tax and bonuses."),
        (
            "Left",
            "money",
            "Minus the balances of clients closed in the row, and minus all transactions of clients closed "
            "before it.",
        ),
        (
            "Exchange",
            "money",
            "What changed because quotes changed: Closing minus all of the above. 0 if every client has the "
            "report's currency.",
        ),
        ("Closing", "money", "Clients - All: Balance at the row's end."),
    ],
)
def balance_movement(lines: Columns) -> Columns:
    """Balances at the row's start and end, and the changes between them."""
    parts = {
        "Opening": lines["opening_balance"],
        "Joined": lines["joined"],
        "Refills": lines["all_refills"],
        "Usage": lines["all_usage"],
        "Packages": lines["all_fees"],
        "Other": lines["other"],
        "Left": lines["left"],
    }
    closing = lines["all_pos"] + lines["all_neg"]
    return _like(lines, {**parts, "Exchange": closing - sum(parts.values()), "Closing": closing})
