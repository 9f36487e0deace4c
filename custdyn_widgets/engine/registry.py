"""Metrics: functions that compute groups of a report's columns, and their registry.

A metric is a function from lines to columns. `lines` (see `conversion.to_lines` and the schema in
`cells.compute`) has one line for each row of the report: `…_qty` columns are Python ints, all others are
exact Fractions in the report's currency, and flows keep the signs of the ledger. The function returns a
DataFrame with the same index and a column for each label: ints for counts, ints or Fractions for amounts and
rates, and None for an undefined average or rate. Floats are rejected because they cannot be summed or
reproduced exactly.

Analysts define their own metrics with the same decorator::

    @metric("Refill Habits", [("Per Client", "money", "Refills divided by the number of clients.")])
    def refill_habits(lines):
        return pd.DataFrame({"Per Client": ratio(lines["refill"], lines["all_qty"])})

The built-in metrics are in `metrics.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.fixed_columns import FixedColumn
from custdyn_widgets.errors import CustDynError, QueryError, nearest, shown
from custdyn_widgets.query import COLUMN_GROUPS, DEFAULT_COLUMN_GROUPS
from custdyn_widgets.report import Column, Unit

if TYPE_CHECKING:
    import pandas as pd

MetricFunction = Callable[["pd.DataFrame"], "pd.DataFrame"]
_BuiltIn = Callable[[Any], Any]  # also from and to mappings of columns
_Exact = npt.NDArray[np.object_]  # ints, Fractions and Nones


class Metric(NamedTuple):
    """A group of columns with the function that computes them.

    `takes_fixed` is true if the function also takes a mapping of columns, which may be in fixed point (see
    `fixed_columns`), and returns such a mapping.
    """

    group: str
    columns: tuple[Column, ...]
    function: _BuiltIn
    takes_fixed: bool = False

    @property
    def id(self) -> str:
        """The id in a query's `columns`; the group's name for custom metrics."""
        return COLUMN_GROUP_IDS.get(self.group, self.group)

    def compute(self, lines: pd.DataFrame) -> dict[str, list[int | Fraction | None]]:
        """Return the exact, unrounded columns by their one-level names, after checking them.

        Raises
        ------
        CustDynError
            If the function fails, or returns the wrong columns, the wrong index or a float.
        """
        import pandas as pd  # imported late: only custom metrics need it

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

    def compute_fixed(self, lines: Mapping[str, FixedColumn]) -> dict[str, FixedColumn]:
        """Return the metric's columns by their one-level names, from fixed-point columns of lines."""
        result = self.function(lines)
        return {c.name: result[c.label] for c in self.columns}

    def compute_exact(self, lines: Mapping[str, _Exact]) -> dict[str, list[int | Fraction | None]]:
        """Return the same columns, unrounded, from columns of ints and Fractions."""
        result = self.function(lines)
        return {c.name: result[c.label].tolist() for c in self.columns}

    def _failed(self, error: Exception, lines: pd.DataFrame) -> CustDynError:
        """Describe the error without the metric's own messages, which may contain private data."""
        missing = error.args[0] if isinstance(error, KeyError) and error.args else None
        if isinstance(missing, str) and missing not in lines.columns:
            close = nearest(missing, lines.columns) or list(lines.columns)
            why = f"the lines have no column {shown(missing)}. Choose from {', '.join(close)}"
        else:
            why = f"it raised {type(error).__name__}. The traceback shows where"
        return CustDynError(f"The metric {shown(self.group)} failed: {why}.", field=self.group)

    def _exact(self, column: Column, value: object) -> int | Fraction | None:
        kind = type(value)  # common types first, by identity, because reports call this very often
        if kind is int or value is None or (kind is Fraction and column.unit != "count"):
            return value  # type: ignore[return-value]
        if isinstance(value, int) and kind is not bool:
            return int(value)
        if column.unit != "count" and isinstance(value, Decimal) and value.is_finite():
            return Fraction(value)
        raise CustDynError(
            f"The metric {column.name!r} returned {shown(value)}; "
            + (
                "counts must be ints."
                if column.unit == "count"
                else "amounts and rates must be ints, Fractions or Decimals."
            ),
            field=column.name,
        )


METRICS: dict[str, Metric] = {}
"""The metrics, keyed by group, in column order."""

_GROUPS = (
    "Clients - Active", "Clients - Overall Active", "Clients - All", "Balance Refill",
    "Pay As You Go", "Packages", "Clients - Movement", "Balance Movement",
)  # fmt: skip
COLUMN_GROUP_IDS = dict(zip(_GROUPS, COLUMN_GROUPS, strict=True))
"""The ids of the built-in column groups, keyed by name."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def built_in_metric(group: str, columns: Sequence[tuple[str, Unit, str]]) -> Callable[[_BuiltIn], _BuiltIn]:
    """Register a function as a metric that can compute columns in fixed point; see `metric`."""
    return _registering(group, columns, takes_fixed=True)


def metric(
    group: str, columns: Sequence[tuple[str, Unit, str]]
) -> Callable[[MetricFunction], MetricFunction]:
    """Register a function as a metric. Registering a group again replaces it.

    Parameters
    ----------
    group
        The upper level of the column headings.
    columns
        The label, unit (`count`, `money`, or `rate` for a fraction shown as a percentage) and definition of
        each column, in order.

    Raises
    ------
    CustDynError
        If there are no columns, two columns have the same name, a unit is unknown, or the group's name is the
        id of a built-in group.
    """
    return _registering(group, columns, takes_fixed=False)


def _registering(
    group: str, columns: Sequence[tuple[str, Unit, str]], *, takes_fixed: bool
) -> Callable[[_Function], _Function]:
    if group in COLUMN_GROUPS:
        why = "uses the id of a built-in group as its name; choose another name"
        raise CustDynError(f"The metric {shown(group)} {why}.", field=group)
    own = [Column(group, *column).name for column in columns]
    others = [c.name for m in METRICS.values() if m.group != group for c in m.columns]
    if not own or len({*own, *others}) < len(own) + len(others):
        what = "two columns with the same name" if own else "no columns"
        raise CustDynError(f"The metric {shown(group)} has {what}: {shown(own)}.", field=group)
    for label, unit, _ in columns:
        if unit not in ("count", "money", "rate"):
            raise CustDynError(
                f"The metric {group!r}: the unit of {label!r} must be count, money or rate, not "
                f"{shown(unit)}.",
                field=group,
            )

    def register(function: _Function) -> _Function:
        METRICS[group] = Metric(group, tuple(Column(group, *c) for c in columns), function, takes_fixed)
        return function

    return register


def chosen_metrics(columns: Sequence[str] = ()) -> tuple[Metric, ...]:
    """Return the metrics of a query's `columns`, in column order.

    Raises
    ------
    QueryError
        If a group of columns does not exist.
    """
    by_id = {m.id: m for m in METRICS.values()}
    for wanted in columns:
        if wanted not in by_id:
            raise QueryError.not_allowed("columns", wanted, list(by_id))
    left_out = set(COLUMN_GROUPS) - set(DEFAULT_COLUMN_GROUPS)
    shown_ids = columns or [name for name in by_id if name not in left_out]
    return tuple(m for m in METRICS.values() if m.id in shown_ids)


@overload
def ratio(part: FixedColumn, whole: FixedColumn) -> FixedColumn: ...
@overload
def ratio(part: _Exact, whole: _Exact) -> _Exact: ...
@overload
def ratio(part: pd.Series[Any], whole: pd.Series[Any]) -> pd.Series[Any]: ...
def ratio(part: Any, whole: Any) -> Any:
    """Return the exact quotient of two columns, with None where the divisor is 0."""
    if isinstance(part, FixedColumn) and isinstance(whole, FixedColumn):
        return part.divided_by(whole)
    quotients = [Fraction(p) / Fraction(w) if w else None for p, w in zip(part, whole, strict=True)]
    if isinstance(part, np.ndarray):
        return np.array(quotients, object)
    import pandas as pd  # imported late: only custom metrics need it

    return pd.Series(quotients, index=part.index, dtype=object)
