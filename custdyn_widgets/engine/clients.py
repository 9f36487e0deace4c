"""The individual clients behind a row of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from custdyn_widgets.engine.cells.grid import utc_date
from custdyn_widgets.engine.cells.states import NOT_YET, RowStates, row_states
from custdyn_widgets.engine.client_flows import ClientFlows
from custdyn_widgets.engine.fixed_point import MILLION, Factors, add_up
from custdyn_widgets.engine.groups import UNGROUPED, Groups
from custdyn_widgets.engine.plan import Plan, plan_report
from custdyn_widgets.engine.rounding import decimals_of, round_to_six_places
from custdyn_widgets.engine.rows import is_shown, row_labels
from custdyn_widgets.errors import QueryError, RateError
from custdyn_widgets.mart import NEVER, Int64s, OpenedMart, SourceLike, open_mart
from custdyn_widgets.query import Bucket, ReportQuery, parse_as_of
from custdyn_widgets.report import Report
from custdyn_widgets.text import guard_formula

if TYPE_CHECKING:
    import pandas as pd

# For each flow column, the column of `lines` that it is computed from, and the sign to multiply it by.
_FLOWS = {
    "Refill Qty": ("refill_qty", 1),
    "Refill Total": ("refill", 1),
    "Pay As You Go Total": ("usage", -1),
    "Activation Qty": ("activation_qty", 1),
    "Activation Total": ("activation", -1),
    "Renew Qty": ("renewal_qty", 1),
    "Renew Total": ("renewal", -1),
}
_MOVEMENTS = {
    "new_qty": "new", "reactivated_qty": "reactivated", "lapsed_qty": "lapsed", "closed_qty": "closed",
}  # fmt: skip
_Columns = dict[str, Any]  # lists, or arrays of objects or int64


def clients_behind(
    query: Report | ReportQuery | Mapping[str, Any],
    row: str | Sequence[str] | None,
    source: SourceLike | OpenedMart,
    *,
    as_of: str | datetime | None = None,
    total: bool = False,
    change: bool = False,
) -> pd.DataFrame:
    """Return the clients behind a row of a report.

    Parameters
    ----------
    query, source
        A report or its query, and its source, which may already be open.
    row
        The row's label for each heading, in order; None for the Total (with `total`) or the only row.
    as_of
        As for `run_report`; defaults to the report's own `as_of`.
    total
        Whether to return the clients behind the Total.
    change
        Whether to return the change in each client's flows since the earlier period of the query's `compare`.

    Returns
    -------
    DataFrame
        One line for each client that is alive at the row's end, has a transaction in the row, or is counted
        in its movement, ordered by id. `Active`, `Overall Active` and `Alive` are 1 or 0, and quantities are
        ints. Amounts are Decimals with 6 places: `Balance` is in the client's currency, and all others are
        in the report's. With `change`, the clients are those with a transaction in the row or in the
        earlier period, and each flow column is followed by its earlier value and its change.

    Raises
    ------
    QueryError
        If the report does not have the row, several rows have these labels, or `change` is given without
        `compare`.
    SourceError, MartError, RateError
        As for `run_report`.
    """
    if isinstance(query, Report):
        as_of = query.info.as_of if as_of is None else as_of
        query = query.query
    asked = query if isinstance(query, ReportQuery) else ReportQuery.from_dict(query)
    mart = source if isinstance(source, OpenedMart) else open_mart(source)
    plan = plan_report(asked, mart.facts, parse_as_of(as_of))
    return _table(plan, row, total, change)


def _table(plan: Plan, row: str | Sequence[str] | None, total: bool, change: bool) -> pd.DataFrame:
    if change and not plan.query.compare:
        raise QueryError.missing("compare", "the period to compare with, such as previous_month")
    position, bucket, before = _find_row(plan, row, total)
    groups = UNGROUPED if position is None else plan.groups
    clients = plan.selection.clients
    if groups.of_client is not None:
        clients = clients[groups.of_client[clients] == position]
    package_group = position if groups.packages else None
    columns = (_changes if change else _clients)(plan, clients, groups, package_group, bucket, before)
    return _frame(columns)


def _frame(columns: _Columns) -> pd.DataFrame:
    import pandas as pd  # imported late: reports need no DataFrames

    def series(values: Any) -> pd.Series[Any]:
        return pd.Series(values, dtype=values.dtype if isinstance(values, np.ndarray) else object)

    return pd.DataFrame({name: series(values) for name, values in columns.items()}, copy=False)


def _find_row(
    plan: Plan, row: str | Sequence[str] | None, total: bool
) -> tuple[int | None, Bucket, Bucket | None]:
    """Return a row's group (None for all), its bucket, and the earlier period it is compared with.

    Raises
    ------
    QueryError
        If the report does not have the row, or several rows have its labels.
    """
    if not plan.buckets:
        if row is None:
            raise QueryError("The report has no rows, so there are no clients to list.", field="row")
        raise QueryError.invalid("row", row, "is not in the report, which has no rows")
    grouped = bool(plan.query.group_by)
    wanted = (row,) if isinstance(row, str) else tuple(row or ())
    if total or not grouped:
        if wanted:
            why = "cannot be given together with the Total" if grouped else "is not needed without grouping"
            raise QueryError.invalid("row", row, why)
        return None, plan.interval.whole(), plan.whole_before
    if len(wanted) != len(plan.query.group_by):
        what = f"a label for each of {', '.join(plan.query.group_by)}; for the Total, set total=True"
        if row is None:
            raise QueryError.missing("row", what)
        raise QueryError.invalid("row", row, f"must have {what} instead")
    found = [
        i
        for i, labels in enumerate(row_labels(plan))
        if all(own in (label, guard_formula(label)) for own, label in zip(wanted, labels, strict=True))
    ]
    if plan.query.row_group:
        found = [i for i in found if is_shown(plan, i)]
    if len(found) != 1:
        why = "is the label of several rows" if found else "is not a row of the report"
        raise QueryError.invalid("row", list(wanted), why)
    bucket, group = divmod(found[0], len(plan.groups.labels))
    before = plan.befores[bucket] if plan.befores else None
    return group, plan.buckets[bucket], before


def _clients(
    plan: Plan, clients: Int64s, groups: Groups, package_group: int | None, bucket: Bucket, _: Bucket | None
) -> _Columns:
    states = row_states(plan.facts, clients, plan.grid([bucket], groups), package_group)
    moves = {name: states.movement[name] for name in _MOVEMENTS}
    retained = states.start.active & states.end.active
    chosen = states.end.alive | states.has_transactions | retained | np.logical_or.reduce([*moves.values()])
    at, order = _by_id(plan, clients, chosen)
    movement = np.full(len(clients), "", object)
    movement[retained] = "retained"
    for name, mask in moves.items():
        movement[mask] = _MOVEMENTS[name]
    end, picked = states.end, np.flatnonzero(chosen)[order]
    flows = ClientFlows(plan, at, groups, package_group, [bucket], [states.rows_of(chosen)])
    return {
        **_names(plan, at),
        "Active": end.active[picked].astype(np.int64),
        "Overall Active": (end.alive & end.paid)[picked].astype(np.int64),
        "Alive": end.alive[picked].astype(np.int64),
        "Movement": movement[picked].tolist(),
        "First Use": _instants(states.first_paid[picked], NEVER),
        "Last Use": _instants(end.last_paid[picked], NOT_YET),
        "Balance": decimals_of(end.balance[picked].tolist()),
        "Balance Converted": _converted(plan, states, at, picked, utc_date(bucket.end - 1)),
        **{label: flows.column(*own) for label, own in _FLOWS.items()},
    }


def _changes(
    plan: Plan,
    clients: Int64s,
    groups: Groups,
    package_group: int | None,
    bucket: Bucket,
    before: Bucket | None,
) -> _Columns:
    periods = [bucket, before] if before else [bucket]
    states = [row_states(plan.facts, clients, plan.grid([p], groups), package_group) for p in periods]
    chosen = np.logical_or.reduce([own.has_transactions for own in states])
    at, _ = _by_id(plan, clients, chosen)
    rows = [own.rows_of(chosen) for own in states]
    flows = ClientFlows(plan, at, groups, package_group, periods, rows)
    columns: _Columns = _names(plan, at)
    for label, own in _FLOWS.items():
        columns[label] = flows.column(*own)
        columns[f"{label} Before"] = flows.column(*own, [0, 1]) if before else [None] * len(at)
        columns[f"{label} Change"] = flows.column(*own, [1, -1]) if before else [None] * len(at)
    return columns


def _by_id(plan: Plan, clients: Int64s, chosen: Any) -> tuple[Int64s, Int64s]:
    """Return the chosen clients sorted by id, in code-point order, and their positions in that order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    at = clients[chosen]
    order = pc.sort_indices(plan.facts.client_ids().take(pa.array(at))).to_numpy().astype(np.int64)
    return at[order], order


def _names(plan: Plan, at: Int64s) -> _Columns:
    import pyarrow as pa

    facts, positions = plan.facts, pa.array(at)
    companies, owners = (("", *names) for names in (facts.names.companies, facts.names.owners))
    return {
        "Client Id": facts.client_ids().take(positions).to_pylist(),
        "Name": facts.client_names().take(positions).to_pylist(),
        "Company": _objects(companies)[facts.company[at].astype(np.int64) + 1],
        "Owner User": _objects(owners)[facts.owner[at].astype(np.int64) + 1],
        "Currency": _objects(facts.names.currencies)[facts.currency[at]],
    }


def _objects(values: Sequence[str]) -> Any:
    return np.array([*values, None], object)[:-1]


def _instants(times: Int64s, missing: int) -> list[str | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    instants = pa.array(times, mask=times == missing).cast(pa.timestamp("s"))
    texts = pc.replace_substring(instants.cast(pa.string()), " ", "T")
    found: list[str | None] = pc.binary_join_element_wise(texts, "Z", "").to_pylist()
    return found


def _converted(plan: Plan, states: RowStates, at: Int64s, picked: Int64s, on: Any) -> list[object]:
    """Return balances in the report's currency; None if a quote is missing and the client is not alive."""
    codes, balances = plan.facts.currency[at].astype(np.int64), states.end.balance[picked]
    alive, some = states.end.alive[picked], balances != 0
    ratios, missing = [], np.zeros(len(at), np.bool_)
    for code, currency in enumerate(plan.facts.names.currencies):
        own = (codes == code) & some
        try:
            ratios.append(plan.rates.factor(currency, on) if own.any() else (0, 1))
        except RateError:
            if (own & alive).any():
                raise
            ratios.append((0, 1))
            missing |= own
    one_each = np.arange(len(at) + 1)
    millionths, sure = add_up(balances, one_each, Factors.of(ratios), codes).rounded()
    found: list[object] = [*decimals_of(millionths.tolist())]
    for i in np.flatnonzero(~sure).tolist():
        numerator, denominator = ratios[codes[i]]
        found[i] = round_to_six_places(Fraction(int(balances[i]) * numerator, MILLION * denominator))
    for i in np.flatnonzero(missing).tolist():
        found[i] = None
    return found
