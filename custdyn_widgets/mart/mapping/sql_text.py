"""Quoting names and strings for SQL."""

from __future__ import annotations


def identifier(name: str) -> str:
    """Return the name of a table or column in double quotes, as in standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return a value as an SQL string, in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"
