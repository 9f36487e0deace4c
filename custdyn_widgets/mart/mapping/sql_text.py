"""Names, strings and expressions as the dialects of SQL write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


def identifier(name: str) -> str:
    """Return the name of a table or column in double quotes, as in standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return a value as an SQL string, in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"


@dataclass(frozen=True)
class Syntax:
    """How a dialect of SQL writes what drafted mappings need."""

    name: Literal["duckdb", "postgresql", "mysql"]

    def identifier(self, name: str) -> str:
        """Return the name of a table or column, quoted."""
        return "`" + name.replace("`", "``") + "`" if self.name == "mysql" else identifier(name)

    def literal(self, value: str) -> str:
        """Return a string in single quotes."""
        return literal(value.replace("\\", "\\\\") if self.name == "mysql" else value)

    def text(self, sql: str) -> str:
        """Return a value as text, so that columns of different types agree; DuckDB's tables agree already."""
        if self.name == "duckdb":
            return sql
        return f"CAST({sql} AS {'CHAR' if self.name == 'mysql' else 'TEXT'})"

    def joined(self, *parts: str) -> str:
        """Return the concatenation of texts."""
        return f"CONCAT({', '.join(parts)})" if self.name == "mysql" else " || ".join(parts)

    def number(self, sql: str, *, is_text: bool) -> str:
        """Return an exact number."""
        if self.name == "duckdb":
            return f"number({sql})"
        return f"CAST({sql} AS DECIMAL(38, 9))" if is_text else sql

    def any_of(self, sql: str) -> str:
        """Return the aggregate that takes a single value of a group."""
        return f"any_value({sql})" if self.name == "duckdb" else f"min({self.text(sql)})"

    def date(self, sql: str, *, has_clock: bool) -> str:
        """Return the date of a time."""
        return f"CAST({sql} AS DATE)" if has_clock and self.name != "duckdb" else sql


DUCKDB = Syntax("duckdb")
