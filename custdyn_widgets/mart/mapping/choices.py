"""Choices for the columns of a mart, each with its SQL and certainty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.mapping.profiles import Column
from custdyn_widgets.mart.mapping.words import meaning, rank

Certainty = Literal["sure", "likely", "please check", "fill in"]
# A function that returns the share of a column's values that occur in another column.
Overlap = Callable[[Column, Column], float]

FEW = 40  # the maximum number of distinct values in a kind column
ROWS_OF_KIND = 20  # rows to look at for each kind that a sample lacks
FOUND = 0.5  # a column refers to another if at least this share of its values occurs there
_NO_RANK = 99
_OF_KINDS = ("kind", "client_type", "pair")  # mart columns whose SQL lists the exported values


@dataclass(frozen=True)
class Choice:
    """A choice for a column of a mart: its SQL, its certainty, and the reason for it."""

    column: str
    sql: str
    certainty: Certainty
    why: str


@dataclass(frozen=True)
class TableGuess:
    """A guessed SELECT: the mart's table, the exported table, a choice for each column, and a condition."""

    table: str
    source: str
    choices: tuple[Choice, ...]
    where: str = ""


def heading_rank(column: Column, wanted: str) -> int:
    """Return how well a column's heading matches a column of a mart: 0 is the best match."""
    place = rank(column.plain, wanted)
    return _NO_RANK if place is None else place


def pick(columns: Iterable[Column], wanted: str, fits: Callable[[Column], bool]) -> Column | None:
    """Return the suitable column with the best-matching heading, or None if there is none."""
    found = [c for c in columns if rank(c.plain, wanted) is not None and fits(c)]
    return min(found, key=lambda c: heading_rank(c, wanted), default=None)


def is_text(column: Column) -> bool:
    """Return whether a column has values and is not a column of times."""
    return bool(column.values) and not column.is_time


def has_kinds(column: Column) -> bool:
    """Return whether a column has few distinct values and a heading that suggests a type or kind."""
    is_few = 0 < len(set(column.values)) <= FEW
    return is_few and any(rank(column.plain, wanted) is not None for wanted in _OF_KINDS)


def by_heading(name: str, column: Column, sql: str | None = None) -> Choice:
    """Choose a column by its heading."""
    is_clear = heading_rank(column, name) == 0 and not column.small_unit
    certainty: Certainty = "sure" if is_clear else "likely"
    return Choice(name, sql or column.sql, certainty, heading_of(column))


def heading_of(column: Column) -> str:
    """Return the reason for a choice made by heading: the column's heading and unit."""
    unit = f", in {column.small_unit}" if column.small_unit else ""
    return f"the heading {shown(column.name)}{unit}"


def time_by_heading(name: str, column: Column) -> Choice:
    """Choose a column of times by its heading, with the SQL that reads its format."""
    choice = by_heading(name, column, column.as_time)
    if column.times is None or not column.times.why:
        return choice
    return replace(choice, certainty="please check", why=f"{choice.why}; {column.times.why}")


def cases(name: str, column: Column, words: Mapping[str, tuple[str, ...]], other: str) -> Choice:
    """Choose a CASE that converts a column's values to the values that a mart uses.

    If the CASE lists all values in the sample, it leaves other values unchanged, so that checks report them.
    """
    values = sorted(set(column.values))
    meanings = {value: meaning(value, words) for value in values if value.isprintable()}
    unknown = [v for v in values if meanings.get(v) is None]
    is_whole = len(values) == len(meanings) <= FEW and column.padding.strip(" ") == ""
    listed = meanings if is_whole else {v: m for v, m in meanings.items() if m}
    lines = [f"WHEN {column.syntax.literal(v)} THEN '{m or other}'" for v, m in listed.items()]
    rest = column.word_as_text if is_whole else f"'{other}'"
    why = f"the values of {shown(column.name)}"
    if unknown:
        why += f"; unknown values become {other}: {', '.join(map(shown, unknown[:5]))}"
    if None in column.cells and is_whole:
        rest = f"coalesce({rest}, '{other}')"
        why += f"; blanks become {other}"
    certainty: Certainty = "please check" if unknown or None in column.cells else "likely"
    return Choice(name, f"CASE {column.word} {' '.join(lines)} ELSE {rest} END", certainty, why)
