"""Descriptions of a report's conditions for run records, emails and lists of runs."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from custdyn_widgets.files import canonical_json
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report import Column, Report, Value, minor_digits
from custdyn_widgets.saved_queries import Condition, is_in_percent, is_rate
from custdyn_widgets.scheduling.conditions import Cell, Finding, evaluate
from custdyn_widgets.scheduling.outcomes import BECAME_TRUE, NOT_TRUE, PASSED, STILL_TRUE, Outcome

_SHOWN_ROWS = 5
_SHOWN_LINES = 12
_NEWS = (BECAME_TRUE, PASSED)
_NOTHING_NEW = "No condition became true or stopped being true."


def describe(
    report: Report, conditions: Sequence[Condition], query: ReportQuery, true_before: Container[str]
) -> tuple[dict[str, Any], ...]:
    """Evaluate conditions on a report and return each result as a JSON object for the run's record.

    Parameters
    ----------
    report
        The report.
    conditions, query
        The saved query's conditions and its query. If the query has changed, every condition counts as new.
    true_before
        The keys of the conditions that were true in the last report.

    Raises
    ------
    SavedQueryError
        If the report lacks a condition's column.
    """
    return tuple(
        _describe(found, report.currency, _key(found.condition, query), true_before)
        for found in evaluate(report, conditions)
    )


def has_news(conditions: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether any condition became true or stopped being true."""
    return any(one["state"] in _NEWS for one in conditions)


def letter_mark(conditions: Iterable[Mapping[str, Any]]) -> str:
    """Return the word that begins an email's subject if a condition changed, otherwise ""."""
    states = {one["state"] for one in conditions}
    return "Alert" if BECAME_TRUE in states else "Passed" if PASSED in states else ""


def letter_alerts(conditions: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """Return an email's lines about each condition, with changed conditions first."""
    order = (BECAME_TRUE, PASSED, STILL_TRUE, NOT_TRUE)
    told = [one for one in conditions if one["state"] != NOT_TRUE or one["unknown"]]
    return tuple(
        (_sentence(one), *one["lines"]) for one in sorted(told, key=lambda c: order.index(c["state"]))
    )


def run_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Return a few lines about the conditions of a run's reports, for a list of runs."""
    judged = [one for one in outcomes if one.conditions]
    lines = [
        (f"{outcome.company}: " if outcome.company else "")
        + " ".join([_sentence(one), *(f"{line}." for line in one["lines"])])
        for outcome in judged
        for one in outcome.conditions
        if one["state"] in _NEWS or one["unknown"]
    ]
    if judged and not any(has_news(one.conditions) for one in judged):
        lines.insert(0, _NOTHING_NEW)
    more = len(lines) - _SHOWN_LINES
    return lines[:_SHOWN_LINES] + ([f"And {more:,} more: see --json."] if more > 0 else [])


def _sentence(one: Mapping[str, Any]) -> str:
    return f"{str(one['state']).capitalize()}: {one['words']}."


def _key(condition: Condition, query: ReportQuery) -> str:
    """Return a key that identifies a condition of a query across runs."""
    return hashlib.sha256(canonical_json([condition.to_dict(), query.to_dict()])).hexdigest()


def _describe(found: Finding, currency: str, key: str, true_before: Container[str]) -> dict[str, Any]:
    if key in true_before:
        state = STILL_TRUE if found.is_true else PASSED
    else:
        state = BECAME_TRUE if found.is_true else NOT_TRUE
    return {
        "condition": found.condition.to_dict(),
        "words": str(found.condition),
        "key": key,
        "state": state,
        "rows": len(found.met),
        "unknown": len(found.unknown),
        "lines": [*_rows(found, currency), *_unknown(found)],
    }


def _rows(found: Finding, currency: str) -> list[str]:
    """Return the first rows that meet a condition, and the number of others.

    If no row meets it and only one could be evaluated, return that row.
    """
    cells = found.met or (found.unmet if found.condition.row == "total" or len(found.unmet) == 1 else ())
    lines = [_cell(cell, found.column, currency) for cell in cells[:_SHOWN_ROWS]]
    more = len(cells) - _SHOWN_ROWS
    return lines + ([f"and {more:,} more row{'' if more == 1 else 's'}"] if more > 0 else [])


def _unknown(found: Finding) -> list[str]:
    """Return each reason why a condition cannot be evaluated, with the first few rows affected."""
    by_reason: dict[str, list[str]] = {}
    for cell, reason in found.unknown:
        by_reason.setdefault(reason, []).extend([", ".join(cell.labels)] if cell else [])
    lines = []
    for reason, labels in by_reason.items():
        more = len(labels) - _SHOWN_ROWS
        rest = [f"{more:,} more row{'' if more == 1 else 's'}"] if more > 0 else []
        which = "; ".join([*labels[:_SHOWN_ROWS], *rest])
        lines.append(f"{which}: not met, because {reason}" if which else f"not met, because {reason}")
    return lines


def _cell(cell: Cell, column: Column, currency: str) -> str:
    value, before = (_exact(value, column, currency) for value in (cell.value, cell.before))
    after = f", after {before}" if cell.before is not None else ""
    partial = " (partial)" if cell.partial else ""
    return f"{', '.join(cell.labels)}{partial}: {value}{after}"


def _exact(value: Value, column: Column, currency: str) -> str:
    """Return a value with all its digits, because a rounded value may look equal to the bound."""
    if value is None or column.unit == "count":
        return f"{value:,}" if value is not None else "–"
    if is_rate(column):
        return f"{_trimmed(Decimal(value) * 100, 0)}%"
    if is_in_percent(column):
        return f"{_trimmed(Decimal(value), 0)}%"
    return f"{_trimmed(Decimal(value), minor_digits(currency))} {currency}"


def _trimmed(value: Decimal, places: int) -> str:
    """Return a number with at least `places` decimal places and no trailing zeros beyond them."""
    whole, _, part = f"{value:,f}".partition(".")
    part = part.rstrip("0").ljust(places, "0")
    return f"{whole}.{part}" if part else whole
