"""A template's parameters: a query's fields, flat, with the source and `as_of`.

papermill, jupyter-scheduler and Airflow hand a notebook JSON scalars and lists, and check nothing: a name
that the notebook does not know and a value of a wrong type both pass. So the query's fields stand in the
`parameters` cell one by one, and this module checks them, before a kernel starts and again inside it.

An `interval` is a preset's name. A fixed period is the two parameters `interval_start` and `interval_end`
instead, because papermill's command line can give scalars only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query import ReportQuery, parse_as_of

_QUERY = tuple(f.name for f in fields(ReportQuery))
_ENDS = ("interval_start", "interval_end")
NAMES = ("source", "interval", *_ENDS, *(name for name in _QUERY if name != "interval"), "as_of")
_INJECTED = "# Parameters\n"


def query_from_parameters(namespace: Mapping[str, object]) -> ReportQuery:
    """Check a template's parameters and return the query that they ask.

    Parameters
    ----------
    namespace
        The parameters by name. A notebook passes `globals()`: what is not a parameter is passed over, and
        the cell that papermill added is checked for names that no cell before it sets.

    Raises
    ------
    QueryError
        If a name is unknown, `source` or the interval is missing, the interval is given twice, or a value
        has a wrong type or means nothing.
    """
    _check_injected(namespace.get("In"))
    source = namespace.get("source")
    if source is None or source == "":
        raise QueryError.missing("source", "the folder of the billing data, or a source's name")
    if not isinstance(source, str):
        raise QueryError.wrong_type("source", source, "the text of a path or name")
    as_of = namespace.get("as_of")
    if as_of is not None and not isinstance(as_of, str):
        raise QueryError.wrong_type("as_of", as_of, "an ISO 8601 instant such as 2021-12-01T00:00:00Z")
    parse_as_of(as_of)
    asked = {name: namespace[name] for name in _QUERY if name in namespace}
    asked["interval"] = _interval(namespace)
    return ReportQuery.from_dict(asked)


def flat_parameters(given: Mapping[str, object]) -> dict[str, object]:
    """Return parameters with a fixed interval as two scalars, ready to be injected.

    A value that replaces a preset by a period, or a period by a preset, says so with a null, because the
    template's own default for the other form would stand beside it otherwise.
    """
    flat = dict(given)
    interval = flat.get("interval")
    if isinstance(interval, Mapping):
        ReportQuery.from_dict({"interval": interval})
        flat["interval"] = None
        flat.update(zip(_ENDS, (interval["start"], interval["end"]), strict=True))
    elif isinstance(interval, str):
        flat.update({end: flat.get(end) for end in _ENDS})
    elif any(flat.get(end) is not None for end in _ENDS):
        flat["interval"] = None
    return flat


def _interval(namespace: Mapping[str, object]) -> object:
    """Return the interval as a query has it: a preset's name or a start and an end."""
    preset = namespace.get("interval")
    ends = {end: namespace.get(end) for end in _ENDS}
    if all(value is None for value in ends.values()):
        return preset
    if preset is not None:
        raise QueryError.invalid(
            "interval", preset, "is given beside interval_start or interval_end: leave one out"
        )
    for name, value in ends.items():
        if value is None:
            raise QueryError.missing(name, "a wall time YYYY-MM-DD HH:MM:SS, as the other end has one")
    return {"start": ends["interval_start"], "end": ends["interval_end"]}


def _check_injected(cells: object) -> None:
    """Refuse a name that papermill's cell sets and no cell before it does (`cells`: IPython's `In`)."""
    if not isinstance(cells, Sequence):
        return
    known = set(NAMES)
    for source in map(str, cells):
        if source.startswith(_INJECTED):
            check_names(assigned_names(source), known)
            return
        known.update(assigned_names(source))


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a parameter that a template does not have.

    Raises
    ------
    QueryError
        With the nearest names that it has.
    """
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise QueryError.unknown_parameter(name, sorted(allowed))


def assigned_names(source: str) -> list[str]:
    """Return the names that a cell's own statements set, in order; none if it is not plain Python."""
    return list(_assignments(source))


def literal_values(source: str) -> dict[str, object]:
    """Return the names that a cell sets to literals, with their values."""
    values = {}
    for name, expression in _assignments(source).items():
        try:
            values[name] = ast.literal_eval(expression)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue  # computed: known by name, its value only to the kernel
    return values


def _assignments(source: str) -> dict[str, ast.expr]:
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):  # a cell with IPython magics
        return {}
    found: dict[str, ast.expr] = {}
    for statement in statements:
        if isinstance(statement, ast.Assign):
            found.update({t.id: statement.value for t in statement.targets if isinstance(t, ast.Name)})
        elif (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value
        ):
            found[statement.target.id] = statement.value
    return found
