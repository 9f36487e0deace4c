"""Checking a template's parameters: the fields of a query, the source and `as_of`.

papermill and Airflow pass JSON scalars and lists to a notebook, jupyter-scheduler passes arbitrary Python
values, and none of them checks names or types. Therefore, the `parameters` cell lists each field of the
query, and this module checks the parameters before a kernel starts and again inside it.

`interval` is the name of a preset. A fixed period uses the two parameters `interval_start` and
`interval_end`, because papermill's command line accepts only scalars.

`saved` names a saved query, which replaces all fields of a query; `source` then overrides the saved query's
source. A scheduler needs no other parameters.
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
_DEFAULTS = {
    "columns": [],
    **ReportQuery("today").to_dict(),
    "interval": None,
}  # `to_dict` omits `columns` if it is empty
_INJECTED = "# Parameters\n"
# Jupyter Server sets this for an open notebook, where a cell without a heading may be the user's own.
_OPEN_VARIABLE = "JPY_SESSION_NAME"


def query_from_parameters(namespace: Mapping[str, object]) -> ReportQuery:
    """Check a template's parameters and return the query that they define.

    Parameters
    ----------
    namespace
        The parameters by name. A notebook passes `globals()`; other variables are ignored, and the cell added
        by papermill may set only names that an earlier cell sets.

    Raises
    ------
    QueryError
        If a name is unknown, `source` or the interval is missing, the interval is given twice, a field of
        the query is given together with `saved`, or a value is invalid.
    SavedQueryError
        If the saved query named by `saved` does not exist or is invalid.
    """
    return parse_parameters(namespace, check_injected(namespace.get("In")))[0]


def source_from_parameters(namespace: Mapping[str, object]) -> str:
    """Check a template's parameters and return the source they name, or else the saved query's.

    `namespace` and errors are the same as for `query_from_parameters`.
    """
    return parse_parameters(namespace, check_injected(namespace.get("In")))[1]


def parse_parameters(namespace: Mapping[str, object], given: Collection[str]) -> tuple[ReportQuery, str]:
    """Return the query and the source that parameters define.

    Parameters
    ----------
    namespace
        The parameters by name.
    given
        The names that were set explicitly, even to the default.

    Raises
    ------
    QueryError, SavedQueryError
        As for `query_from_parameters`, except that unknown names are not checked here.
    """
    source, as_of, name = (namespace.get(key) for key in ("source", "as_of", "saved"))
    if source is not None and not isinstance(source, str):
        raise QueryError.wrong_type("source", source, "the name or path of a source, as text")
    if as_of is not None and not isinstance(as_of, str):
        raise QueryError.wrong_type("as_of", as_of, "an ISO 8601 timestamp such as 2021-12-01T00:00:00Z")
    if name is not None and not isinstance(name, str):
        raise QueryError.wrong_type("saved", name, "the name of a saved query")
    parse_as_of(as_of)
    query = None
    if name:
        _refuse_fields_with_saved(namespace, given)
        saved = saved_queries.load(name).saved
        query, source = saved.query, source or saved.source
    if not source:
        raise QueryError.missing("source", "a folder with the billing data, or the name of a source")
    if query is None:
        fields = {field: namespace[field] for field in FIELDS if field in namespace}
        if fields.get("group_by") == "":  # papermill's command line cannot pass an empty list
            fields["group_by"] = []
        query = ReportQuery.from_dict({**fields, "interval": _interval(namespace)})
    return query, source


def _refuse_fields_with_saved(namespace: Mapping[str, object], given: Collection[str]) -> None:
    for name in (*_ENDS, *FIELDS):
        value = namespace.get(name)
        if value is not None and (name in given or value != _DEFAULTS.get(name)):
            raise QueryError.invalid(
                name, value, "cannot be combined with saved, which defines the query: remove one of them"
            )


def flat_parameters(given: Mapping[str, object]) -> dict[str, object]:
    """Return parameters ready for injection, with a fixed interval as two scalars.

    The other form of the interval is set to null because the template may have a default for it.
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
    """Return the interval as a query field: the name of a preset, or a start and an end."""
    preset = namespace.get("interval")
    ends = {end: namespace.get(end) for end in _ENDS}
    if all(value is None for value in ends.values()):
        return preset
    if preset is not None:
        raise QueryError.invalid(
            "interval",
            preset,
            "cannot be combined with interval_start and interval_end: remove one or the other",
        )
    for name, value in ends.items():
        if value is None:
            raise QueryError.missing(
                name, "a wall time YYYY-MM-DD HH:MM:SS, because the other end of the interval is set"
            )
    return {"start": ends["interval_start"], "end": ends["interval_end"]}


def check_injected(cells: object) -> tuple[str, ...]:
    """Return the names set by the cell that a scheduler inserted; `cells` is IPython's `In`.

    Raises
    ------
    QueryError
        If one of these names is not set by an earlier cell.
    """
    if not isinstance(cells, Sequence):
        return ()
    sources, known, begins = list(map(str, cells)), set(NAMES), None
    is_open = _OPEN_VARIABLE in os.environ
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
    """Return whether the cell after `parameters` was injected by jupyter-scheduler, which adds no heading.

    An injected cell consists of lines of the form `name = value`. A cell that sets all parameters is taken to
    be the `parameters` cell, run again.
    """
    names, offered = literal_values(source).keys(), set(assigned_names(parameters))
    return len(names) == len(source.splitlines()) and not offered.isdisjoint(names) and not offered <= names


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise a QueryError for a parameter that the template does not have, suggesting similar names."""
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise QueryError.unknown_parameter(name, sorted(allowed))


def assigned_names(source: str) -> list[str]:
    """Return the names set at a cell's top level, in order, or none if the cell is not plain Python."""
    return list(_assignments(source))


def literal_values(source: str) -> dict[str, object]:
    """Return the names that a cell sets to literals, with their values."""
    values = {}
    for name, expression in _assignments(source).items():
        try:
            values[name] = ast.literal_eval(expression)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue  # computed, so only the kernel knows the value
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
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            found.update({t.id: statement.value for t in [statement.target] if isinstance(t, ast.Name)})
    return found
