"""Names and strings as SQL writes them."""

from __future__ import annotations


def identifier(name: str) -> str:
    """Return the name of a table or column in double quotes, as standard SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return a value as a string of SQL, in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"
