"""A template's parameters: a query's fields, flat, with the source and `as_of`.

papermill and Airflow hand a notebook JSON scalars and lists, jupyter-scheduler whatever Python was typed, and
they check nothing: a name that the notebook does not know and a value of a wrong type both pass. So the
query's fields stand in the `parameters` cell one by one, and this module checks them, before a kernel starts
and again inside it.

An `interval` is a preset's name. A fixed period is the two parameters `interval_start` and `interval_end`
instead, because papermill's command line can give scalars only.

`saved` names a saved query, which holds the whole query: then no field of it is given besides, and `source`
only to ask another one than the saved query's own. It is the one parameter that a scheduler needs.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterable, Mapping, Sequence

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import QueryError
from custdyn_widgets.query import FIELDS, ReportQuery, parse_as_of

_ENDS = ("interval_start", "interval_end")
NAMES = ("saved", "source", "interval", *_ENDS, *(name for name in FIELDS if name != "interval"), "as_of")
_DEFAULTS = {**ReportQuery("today").to_dict(), "interval": None}
_INJECTED = "# Parameters\n"
# Jupyter Server sets it for a notebook that somebody has open: what is tried there has no heading either.
_OPEN = "JPY_SESSION_NAME"


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
        If a name is unknown, `source` or the interval is missing, the interval is given twice, a field of
        the query stands beside `saved`, or a value has a wrong type or means nothing.
    SavedQueryError
        If there is no saved query named `saved`, or it cannot be read.
    """
    return asked(namespace, check_injected(namespace.get("In")))[0]


def source_from_parameters(namespace: Mapping[str, object]) -> str:
    """Check a template's parameters and return the source to read: their own, else the saved query's.

    `namespace` and errors as for `query_from_parameters`.
    """
    return asked(namespace, check_injected(namespace.get("In")))[1]


def asked(namespace: Mapping[str, object], given: Collection[str]) -> tuple[ReportQuery, str]:
    """Return the query and the source that parameters ask.

    Parameters
    ----------
    namespace
        The parameters by name.
    given
        The names that somebody gave a value, even if it is the usual one.

    Raises
    ------
    QueryError, SavedQueryError
        As `query_from_parameters`, except for unknown names.
    """
    source, as_of, name = (namespace.get(key) for key in ("source", "as_of", "saved"))
    if source is not None and not isinstance(source, str):
        raise QueryError.wrong_type("source", source, "the text of a path or name")
    if as_of is not None and not isinstance(as_of, str):
        raise QueryError.wrong_type("as_of", as_of, "an ISO 8601 instant such as 2021-12-01T00:00:00Z")
    if name is not None and not isinstance(name, str):
        raise QueryError.wrong_type("saved", name, "the name of a saved query")
    parse_as_of(as_of)
    saved = None
    if name:
        _refuse_beside_saved(namespace, given)
        saved = saved_queries.load(name).saved
        source = source or saved.source
    if not source:
        raise QueryError.missing("source", "the folder of the billing data, or a source's name")
    if saved is not None:
        return saved.query, source
    fields_asked = {field: namespace[field] for field in FIELDS if field in namespace}
    return ReportQuery.from_dict({**fields_asked, "interval": _interval(namespace)}), source


def _refuse_beside_saved(namespace: Mapping[str, object], given: Collection[str]) -> None:
    """Refuse a query field given together with a saved query, which has all of them."""
    for name in (*_ENDS, *FIELDS):
        value = namespace.get(name)
        if value is not None and (name in given or value != _DEFAULTS.get(name)):
            raise QueryError.invalid(
                name,
                value,
                "is given together with saved, which names a whole query: leave out one of the two",
            )


def flat_parameters(given: Mapping[str, object]) -> dict[str, object]:
    """Return parameters with a fixed interval as two scalars, ready to be injected.

    A value that replaces a preset by a period, or a period by a preset, says so with a null, because the
    template's own default for the other form would stand beside it otherwise.
    """
    flat = dict(given)
    interval = flat.get("interval")
    if isinstance(interval, Mapping):
        FIELDS["interval"].check(interval)
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
            "interval", preset, "is given together with interval_start or interval_end: leave one out"
        )
    for name, value in ends.items():
        if value is None:
            raise QueryError.missing(name, "a wall time YYYY-MM-DD HH:MM:SS, as the other end has one")
    return {"start": ends["interval_start"], "end": ends["interval_end"]}


def check_injected(cells: object) -> tuple[str, ...]:
    """Return the names that a scheduler's cell sets (`cells`: IPython's `In`); no cell before it lacks one.

    Raises
    ------
    QueryError
        If one does.
    """
    if not isinstance(cells, Sequence):
        return ()
    sources, known, begins = list(map(str, cells)), set(NAMES), None
    is_open = _OPEN in os.environ
    for number, source in enumerate(sources):
        names = assigned_names(source)
        is_next = begins is not None and number == begins + 1 and not is_open
        if source.startswith(_INJECTED) or (is_next and _is_bare_injection(source, sources[number - 1])):
            check_names(names, known)
            return tuple(names)
        if begins is None and not known.isdisjoint(names):
            begins = number
        known.update(names)
    return ()


def _is_bare_injection(source: str, parameters: str) -> bool:
    """Return whether the cell after the `parameters` cell is jupyter-scheduler's, which has no heading.

    It is nothing but lines `name = value`. A cell that sets all parameters is that cell, run again by hand.
    """
    names, offered = literal_values(source).keys(), set(assigned_names(parameters))
    return len(names) == len(source.splitlines()) and not offered.isdisjoint(names) and not offered <= names


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
