"""Errors for values whose format cannot be guessed; each error names the setting to add."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.arrow_arrays import scalar
from custdyn_widgets.mart.checking.written_forms import DATE_PATTERNS
from custdyn_widgets.mart.reading.stored import StoredTable

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def ambiguous_number(table: StoredTable, column: str, value: str) -> SourceError:
    """Return the error for a number whose comma or point may be a decimal or a thousands separator."""
    digits = value.replace(",", ".").lstrip()
    return SourceError(
        f"{table.origin}, {column}: {shown(value)} may be {digits.replace('.', '')} or {digits}. "
        f"{_set('decimal', ',', '.')}",
        field="decimal",
    )


def ambiguous_date(table: StoredTable, column: str, value: str) -> SourceError:
    """Return the error for a date whose day and month may be in either order."""
    parts = pc.extract_regex(scalar(value, pa.string()), DATE_PATTERNS["DMY"]).as_py()
    first, second = int(parts["day"]), int(parts["month"])
    return SourceError(
        f"{table.origin}, {column}: {shown(value)} may be {first} {_MONTHS[second - 1]} or "
        f"{second} {_MONTHS[first - 1]} {parts['year']}. {_set('dates', 'DMY', 'MDY')}",
        field="dates",
    )


def mixed(
    table: StoredTable, one: tuple[str, str], other: tuple[str, str], setting: str, *choices: str
) -> SourceError:
    """Return the error for a file with two values in different formats, each given with its column."""
    (column, value), (second, different) = one, other
    places = column if column == second else f"{column} and {second}"
    return SourceError(
        f"{table.origin}, {places}: {shown(value)} and {shown(different)} are in different formats. "
        f"{_set(setting, *choices)}",
        field=setting,
    )


def _set(name: str, *choices: str) -> str:
    settings = " or ".join(f'{name} = "{choice}"' for choice in choices)
    return f"Set {settings} for the source, in sources.toml or with Source(…, dialect=Dialect(…))."
