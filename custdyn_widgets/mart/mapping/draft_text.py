"""The text of a drafted mapping: a SELECT for each table, with a certainty and a reason for each column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.mapping.choices import Choice, TableGuess
from custdyn_widgets.mart.mapping.sql_file import FILL_IN
from custdyn_widgets.mart.mapping.sql_text import DUCKDB, Syntax


class Guesses:
    """A guessed mapping: its SELECTs, the dialect of the data, and remarks for the reviewer.

    `str()` lists each choice with its certainty.
    """

    guesses: tuple[TableGuess, ...]
    dialect: Dialect
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the draft as JSON values."""
        guesses = [
            {"table": g.table, "source": g.source, "columns": [asdict(choice) for choice in g.choices]}
            for g in self.guesses
        ]
        return {"guesses": guesses, "dialect": asdict(self.dialect), "remarks": list(self.remarks)}

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from custdyn_widgets.mart.mapping.draft_html import draft_html  # imported late: for display only

        return draft_html(self.guesses, self.remarks)

    def __str__(self) -> str:
        lines = []
        for guess in self.guesses:
            width = max(len(choice.column) for choice in guess.choices)
            lines.append(f"{guess.source} → {guess.table}")
            lines += [f"  {c.column:<{width}}  {c.sql}  ({c.certainty}: {c.why})" for c in guess.choices]
        return "\n".join([*lines, *self.remarks])


def mapping_text(head: str, guesses: Sequence[TableGuess], syntax: Syntax) -> str:
    """Return the text of a mapping file: a comment, then a SELECT for each table of the mart."""
    sections = [head]
    for table in dict.fromkeys(guess.table for guess in guesses):
        of = [guess for guess in guesses if guess.table == table]
        union = "UNION ALL BY NAME\n"
        if syntax != DUCKDB:
            of, union = list(_alike(of)), "UNION ALL\n"
        selects = [_select(guess, syntax) for guess in of]
        sections.append(f"-- :name {table}\n" + union.join(selects))
    return "\n".join(sections)


def _alike(guesses: Sequence[TableGuess]) -> Iterator[TableGuess]:
    """Yield guesses with the same columns in the same order, for servers that match columns by position."""
    names = list(dict.fromkeys(choice.column for guess in guesses for choice in guess.choices))
    for guess in guesses:
        known = {choice.column: choice for choice in guess.choices}
        choices = [known.get(n) or Choice(n, "NULL", "sure", "the table has no such column") for n in names]
        yield TableGuess(guess.table, guess.source, tuple(choices), guess.where)


def _select(guess: TableGuess, syntax: Syntax) -> str:
    lines = []
    for choice in guess.choices:
        comma = "" if choice is guess.choices[-1] else ","
        why = " ".join(choice.why.split())
        lines.append(f"  {choice.sql} AS {choice.column}{comma}  -- {choice.certainty}: {why}")
    source = syntax.identifier(guess.source) if guess.source else FILL_IN
    where = f"WHERE {guess.where}\n" if guess.where else ""
    return "\n".join(["SELECT", *lines, f"FROM {source}", where])
