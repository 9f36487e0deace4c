"""Names, strings and expressions in the syntax of SQL dialects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


def identifier(name: str) -> str:
    """Return the name of a table or column in double quotes, as in standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return a value as a SQL string, in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"


@dataclass(frozen=True)
class Syntax:
    """The parts of a SQL dialect's syntax that drafted mappings need."""

    name: Literal["duckdb", "postgresql", "mysql"]

    def identifier(self, name: str) -> str:
        """Return the name of a table or column, quoted."""
        return "`" + name.replace("`", "``") + "`" if self.name == "mysql" else identifier(name)

    def literal(self, value: str) -> str:
        """Return a string in single quotes."""
        return literal(value.replace("\\", "\\\\") if self.name == "mysql" else value)

    def text(self, sql: str) -> str:
        """Return a value as text, so that columns of different types can be combined.

        DuckDB combines them without a conversion.
        """
        if self.name == "duckdb":
            return sql
        return f"CAST({sql} AS {'CHAR' if self.name == 'mysql' else 'TEXT'})"

    def joined(self, *parts: str) -> str:
        """Return the SQL that concatenates strings."""
        return f"CONCAT({', '.join(parts)})" if self.name == "mysql" else " || ".join(parts)

    def number(self, sql: str, removed: Iterable[str], mark: str) -> str:
        """Return the SQL that reads an exact number from text, ignoring thousands separators.

        In MySQL, text that is not a number becomes NULL, because CAST would read any digits at its start.
        """
        for separator in removed:
            sql = f"REPLACE({sql}, {self.literal(separator)}, '')"
        sql = f"TRIM(REPLACE({sql}, ',', '.'))" if mark == "," else f"TRIM({sql})"
        if self.name == "mysql":
            is_number = f"{sql} REGEXP '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)$'"
            return f"CASE WHEN {is_number} THEN CAST({sql} AS DECIMAL(38, 9)) END"
        return f"CAST(NULLIF({sql}, '') AS DECIMAL(38, 9))"

    def since_1970(self, unit: int) -> str:
        """Return the SQL for an instant, with `{}` for the time since 1970 in units of 1/`unit` seconds.

        In MySQL, the result is text with an offset, because a DATETIME would be taken for a local time.
        """
        number = "NULLIF(CAST({} AS DECIMAL(30, 6)), 0)"
        if self.name == "postgresql":
            return f"to_timestamp({number}{f' / {unit}' if unit > 1 else ''})"
        microseconds = f"{number} * {1_000_000 // unit}"
        if self.name == "mysql":
            return f"CONCAT(TIMESTAMPADD(MICROSECOND, {microseconds}, '1970-01-01'), '+00:00')"
        return f"make_timestamptz(CAST({microseconds} AS BIGINT))"

    def digits_as_time(self, *, has_clock: bool) -> str:
        """Return the SQL for a date or a local time, with `{}` for its digits."""
        if self.name == "postgresql":
            digits = "CAST({} AS TEXT)"
            if has_clock:  # the session is in UTC, so the cast changes nothing
                return f"CAST(to_timestamp({digits}, 'YYYYMMDDHH24MISS') AS TIMESTAMP)"
            return f"to_date({digits}, 'YYYYMMDD')"
        if self.name == "mysql":
            return f"STR_TO_DATE({{}}, '%Y%m%d{'%H%i%s' if has_clock else ''}')"
        return f"strptime({{}}, '%Y%m%d{'%H%M%S' if has_clock else ''}')"

    def any_of(self, sql: str) -> str:
        """Return the SQL that picks any one value from a group."""
        return f"any_value({sql})" if self.name == "duckdb" else f"min({self.text(sql)})"

    def date(self, sql: str, *, has_clock: bool) -> str:
        """Return the SQL for the date part of a time."""
        return f"CAST({sql} AS DATE)" if has_clock and self.name != "duckdb" else sql


DUCKDB = Syntax("duckdb")
