"""Definitions of a report's columns.

A metric is a function from lines to columns. `lines` (see `conversion.to_lines` and the schema in
`cells.compute`) has one line for each row of the report: `…_qty` columns are Python ints, all others exact
Fractions in the report's currency, and flows keep the signs of the ledger. The function returns a DataFrame
with the same index and a column for each label: ints for counts, ints or Fractions for money, None for an
undefined average. Floats are rejected because they cannot be summed or reproduced exactly.

Analysts define their own metrics with the same decorator::

    @metric("Refill Habits", [("Per Client", "money", "Refills divided by the number of clients.")])
    def refill_habits(lines):
        return pd.DataFrame({"Per Client": ratio(lines["refill"], lines["all_qty"])})

The definitions follow section 4 of the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd

from custdyn_widgets.errors import CustDynError, nearest, shown
from custdyn_widgets.report import Column, Unit

MetricFunction = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Metric:
    """Group of columns with the function that computes them."""

    group: str
    columns: tuple[Column, ...]
    function: MetricFunction

    def compute(self, lines: pd.DataFrame) -> dict[str, list[int | Fraction | None]]:
        """Return the exact, unrounded columns by their one-level names.

        Raises
        ------
        CustDynError
            If the function fails, or returns the wrong columns, the wrong index or a float.
        """
        try:
            result = self.function(lines.copy())
        except Exception as error:
            raise self._failed(error, lines) from error
        labels = [c.label for c in self.columns]
        if not isinstance(result, pd.DataFrame):
            raise CustDynError(
                f"The metric {self.group!r} must return a DataFrame with the columns {labels}, not "
                f"{shown(result)}.",
                field=self.group,
            )
        if list(result.columns) != labels or not result.index.equals(lines.index):
            raise CustDynError(
                f"The metric {self.group!r} must return the columns {labels} with the same index as its "
                f"lines, not {list(result.columns)}.",
                field=self.group,
            )
        return {c.name: [self._exact(c, v) for v in result[c.label]] for c in self.columns}

    def _failed(self, error: Exception, lines: pd.DataFrame) -> CustDynError:
        """Describe the error without messages from the metric's own code, which may be private."""
        missing = error.args[0] if isinstance(error, KeyError) and error.args else None
        if isinstance(missing, str) and missing not in lines.columns:
            close = nearest(missing, lines.columns) or list(lines.columns)
            why = f"the lines have no column {shown(missing)}. Choose from {', '.join(close)}"
        else:
            why = f"it raised {type(error).__name__}. The traceback shows where"
        return CustDynError(f"The metric {shown(self.group)} failed: {why}.", field=self.group)

    def _exact(self, column: Column, value: object) -> int | Fraction | None:
        kind = type(value)  # common types first, by identity: daily reports call this thousands of times
        if kind is int or value is None or (kind is Fraction and column.unit == "money"):
            return value  # type: ignore[return-value]
        if isinstance(value, int) and kind is not bool:
            return int(value)
        if column.unit == "money" and isinstance(value, Decimal) and value.is_finite():
            return Fraction(value)
        raise CustDynError(
            f"The metric {column.name!r} returned {shown(value)}; "
            + (
                "counts must be ints."
                if column.unit == "count"
                else "amounts must be ints, Fractions or Decimals."
            ),
            field=column.name,
        )


METRICS: dict[str, Metric] = {}
"""The metrics of every report by group, in column order."""

SURPRISES = (
    "Active Avg divides the spending of the row's bucket by the clients active in the whole window.",
    "A charge that was reversed later still made its client active.",
    "Reversals lower a Total and not its Qty.",
    "Tax and bonuses move balances and no other column.",
    "Balances are converted at the quote of each row's end, flows at the quote of each transaction's date.",
)
"""Notes on surprising results, shown along with the definitions."""

MetricDecorator = Callable[[MetricFunction], MetricFunction]


def metric(group: str, columns: Sequence[tuple[str, Unit, str]]) -> MetricDecorator:
    """Register a function as a metric. Registering a group again replaces it.

    Parameters
    ----------
    group
        The upper level of the column headings.
    columns
        The label, unit (`count` or `money`) and definition of each column, in order.

    Raises
    ------
    CustDynError
        If there are no columns, two columns have the same name, or a unit is unknown.
    """
    own = [Column(group, *column).name for column in columns]
    others = [c.name for m in METRICS.values() if m.group != group for c in m.columns]
    if not own or len({*own, *others}) < len(own) + len(others):
        what = "two columns with the same name" if own else "no columns"
        raise CustDynError(f"The metric {shown(group)} has {what}: {shown(own)}.", field=group)
    for label, unit, _ in columns:
        if unit not in ("count", "money"):
            raise CustDynError(
                f"The metric {group!r}: the unit of {label!r} must be count or money, not {shown(unit)}.",
                field=group,
            )

    def register(function: MetricFunction) -> MetricFunction:
        METRICS[group] = Metric(group, tuple(Column(group, *c) for c in columns), function)
        return function

    return register


def columns() -> tuple[Column, ...]:
    """Return the columns of all registered metrics, in order."""
    return tuple(column for m in METRICS.values() for column in m.columns)


def compute_metrics(lines: pd.DataFrame) -> dict[str, list[int | Fraction | None]]:
    """Compute the columns of all registered metrics for these lines, by name, exact and unrounded."""
    return {name: values for m in METRICS.values() for name, values in m.compute(lines).items()}


def ratio(part: pd.Series[Any], whole: pd.Series[Any]) -> pd.Series[Any]:
    """Return the exact quotient of two columns, with None where the divisor is 0."""
    quotients = [Fraction(p) / Fraction(w) if w else None for p, w in zip(part, whole, strict=True)]
    return pd.Series(quotients, index=part.index, dtype=object)


def _stock(lines: pd.DataFrame, level: str) -> pd.DataFrame:
    pos, neg = lines[f"{level}_pos"], lines[f"{level}_neg"]
    return pd.DataFrame(
        {"Qty": lines[f"{level}_qty"], "Balance Pos": pos, "Balance Neg": neg, "Balance": pos + neg}
    )


def _stock_columns(who: str) -> list[tuple[str, Unit, str]]:
    return [
        ("Qty", "count", f"{who}."),
        ("Balance Pos", "money", "The sum of those clients' positive balances just before the row's end."),
        ("Balance Neg", "money", "The sum of those clients' negative balances just before the row's end."),
        ("Balance", "money", "Balance Pos + Balance Neg."),
    ]


@metric(
    "Clients - Active",
    _stock_columns(
        "Clients alive at the row's end with a paid use (usage, activation or renewal that cost something) "
        "in the active duration before it"
    ),
)
def clients_active(lines: pd.DataFrame) -> pd.DataFrame:
    """Clients alive at the row's end with a paid use in the window, and their balances."""
    return _stock(lines, "active")


@metric(
    "Clients - Overall Active",
    _stock_columns("Clients alive at the row's end with a paid use at any time before it"),
)
def clients_overall_active(lines: pd.DataFrame) -> pd.DataFrame:
    """Clients alive at the row's end with a paid use at any time before it, and their balances."""
    return _stock(lines, "overall")


@metric(
    "Clients - All",
    _stock_columns("Clients alive at the row's end: they existed before it and were not closed before it"),
)
def clients_all(lines: pd.DataFrame) -> pd.DataFrame:
    """Clients alive at the row's end, and their balances."""
    return _stock(lines, "all")


@metric(
    "Balance Refill",
    [
        ("Qty", "count", "Refills with an amount above 0."),
        ("Total", "money", "The sum of those refills."),
        ("Avg", "money", "Total / Qty; empty without a refill."),
    ],
)
def balance_refill(lines: pd.DataFrame) -> pd.DataFrame:
    """Refills above 0 in the bucket: their number, sum and average."""
    total, quantity = lines["refill"], lines["refill_qty"]
    return pd.DataFrame({"Qty": quantity, "Total": total, "Avg": ratio(total, quantity)})


@metric(
    "Pay As You Go",
    [
        ("Total", "money", "What usage cost: minus the sum of all usage, reversals included."),
        ("Active Avg", "money", "Total / Clients - Active: Qty of the row; empty without an active client."),
    ],
)
def pay_as_you_go(lines: pd.DataFrame) -> pd.DataFrame:
    """Spending on usage in the bucket, and per active client."""
    total = -lines["usage"]
    return pd.DataFrame({"Total": total, "Active Avg": ratio(total, lines["active_qty"])})


@metric(
    "Packages",
    [
        ("Activation Qty", "count", "Package activations with an amount ≤ 0 (a set-up fee, perhaps 0)."),
        ("Activation Total", "money", "Minus the sum of all package activations, reversals included."),
        ("Renew Qty", "count", "Package renewals (a period's fee) with an amount ≤ 0."),
        ("Renew Total", "money", "Minus the sum of all package renewals, reversals included."),
    ],
)
def packages(lines: pd.DataFrame) -> pd.DataFrame:
    """Package activations and renewals in the bucket: their numbers and sums."""
    return pd.DataFrame(
        {
            "Activation Qty": lines["activation_qty"],
            "Activation Total": -lines["activation"],
            "Renew Qty": lines["renewal_qty"],
            "Renew Total": -lines["renewal"],
        }
    )
