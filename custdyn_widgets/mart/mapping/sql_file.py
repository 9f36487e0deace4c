"""Mapping files, which contain a SELECT for each table of a mart.

A line `-- :name clients` starts the SELECT for that table. A line `-- :count {n} free calls were left out.`
starts a SELECT that returns one number; checks show the sentence with that number. Text before the first such
line is a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path

from custdyn_widgets.errors import SourceError, nearest, shown
from custdyn_widgets.mart.schema import TABLES

_DIRECTIVE = re.compile(r"--\s*:(\w+)[ \t]*(.*)")
_COMMENT_OR_BLANK = re.compile(r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_LARGEST = 2**20  # bytes
FILL_IN = "FILL_IN"  # a placeholder in a draft for what could not be guessed


@dataclass(frozen=True)
class Count:
    """A number that checks show: a sentence with `{n}` in its place, and the SELECT that returns it."""

    sentence: str
    select: str


@dataclass(frozen=True)
class Mapping:
    """A mapping: the name of its file, its text, a SELECT for each table of the mart, and its counts."""

    name: str
    text: str
    selects: dict[str, str]
    counts: tuple[Count, ...] = ()


def whole_number(value: object) -> int:
    """Return the result of a count's SELECT as a whole number; NULL counts as 0.

    Raises
    ------
    SourceError
        If it is not a whole number.
    """
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or 0)
    try:
        number = Decimal(text)
        if number == int(number):
            return int(number)
    except (ValueError, ArithmeticError):
        pass
    raise SourceError(
        f"the SELECT returns {shown(text)}, not a whole number; use count(*).", field="mapping"
    ) from None


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises
    ------
    SourceError
        If the file cannot be read, has no SELECT for clients or transactions, or has a section that is
        empty, is repeated, or names a table that a mart does not have.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"The mapping {shown(str(path))} cannot be read: {error.strerror}.", field="mapping"
        ) from error
    if len(data) > _LARGEST:
        raise SourceError(
            f"The mapping {path.name} is larger than 1 MiB. Check that it is the right file.", field="mapping"
        )
    try:
        return parse_mapping(path.name, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SourceError(
            f"The mapping {path.name} is not UTF-8. Save it as UTF-8.", field="mapping"
        ) from None


def shipped_systems() -> dict[str, tuple[str, ...]]:
    """Return the SQL dialects of the shipped mappings, by system."""
    found: dict[str, tuple[str, ...]] = {}
    for file in sorted(_shipped().iterdir(), key=lambda file: file.name):
        system, dialect, *rest = file.name.split(".")
        if rest == ["sql"]:
            found[system] = (*found.get(system, ()), dialect)
    return found


def shipped_mapping(system: str, dialect: str) -> Mapping:
    """Return the shipped mapping of a billing system for one SQL dialect.

    Raises
    ------
    SourceError
        If there is none.
    """
    systems = shipped_systems()
    if dialect not in systems.get(system, ()):
        if system in systems:
            why = f"is for {' and '.join(systems[system])}, not {dialect}"
        else:
            close = nearest(system, systems, 1)
            hint = f"; did you mean {shown(close[0])}?" if close else f"; choose from {', '.join(systems)}"
            why = f"does not exist{hint}"
        raise SourceError(f"The mapping {shown(system)} {why}.", field="system")
    name = f"{system}.{dialect}.sql"
    return parse_mapping(name, _shipped().joinpath(name).read_text(encoding="utf-8"))


def _shipped() -> resources.abc.Traversable:
    return resources.files("custdyn_widgets.mart.mapping").joinpath("shipped")


def parse_mapping(name: str, text: str) -> Mapping:
    """Parse the text of a mapping file.

    Raises
    ------
    SourceError
        As in `read_mapping`.
    """
    selects: dict[str, str] = {}
    counts = []
    for directive, argument, select, line in _sections(text):
        place = f"{name}, line {line}"
        if not select:
            raise _error(place, f":{directive} {argument} has no SELECT below it")
        if directive == "count":
            if "{n}" not in argument:
                raise _error(place, "write a sentence after :count, with {n} in place of the number")
            counts.append(Count(argument, select))
        elif directive != "name":
            raise _error(place, f"unknown directive :{directive}; write :name TABLE or :count SENTENCE")
        elif argument not in TABLES:
            close = nearest(argument, TABLES, 1)
            hint = f"did you mean {shown(close[0])}?" if close else f"its tables are {', '.join(TABLES)}"
            raise _error(place, f"a mart has no table {shown(argument)}; {hint}")
        elif argument in selects:
            raise _error(place, f"the table {argument} occurs twice")
        elif FILL_IN in select:
            raise _error(place, f"write SQL in place of each {FILL_IN} in the SELECT for {argument}")
        else:
            selects[argument] = select
    for table, spec in TABLES.items():
        if spec.required and table not in selects:
            raise _error(name, f"the SELECT for {table} is missing; write it below a line “-- :name {table}”")
    return Mapping(name, text, selects, tuple(counts))


def _sections(text: str) -> list[tuple[str, str, str, int]]:
    """Return each section's directive, argument, SELECT without a final semicolon, and line number."""
    found: list[tuple[str, str, list[str], int]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if match := _DIRECTIVE.fullmatch(line.strip()):
            found.append((match[1], match[2].strip(), [], number))
        elif found:
            found[-1][2].append(line)
    return [(word, argument, _select(lines), number) for word, argument, lines, number in found]


def _select(lines: list[str]) -> str:
    """Return the SQL of a section, or an empty string if it has only comments."""
    sql = "\n".join(lines).strip()
    while sql.endswith(";"):
        sql = sql[:-1].rstrip()
    return "" if _COMMENT_OR_BLANK.fullmatch(sql) else sql


def _error(place: str, why: str) -> SourceError:
    return SourceError(f"{place}: {why}.", field="mapping")
