"""Drafting a mapping for the database of an unknown system, from its tables and a sample of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.mapping.choices import Choice, TableGuess
from custdyn_widgets.mart.mapping.draft_text import Guesses, mapping_text
from custdyn_widgets.mart.mapping.drafting import guess_dialect
from custdyn_widgets.mart.mapping.guesses import guess_tables
from custdyn_widgets.mart.mapping.profiles import Column
from custdyn_widgets.mart.mapping.sql_file import FILL_IN
from custdyn_widgets.mart.mapping.sql_text import Syntax
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.mart.syncing.access import Login, login_for
from custdyn_widgets.mart.syncing.opening import open_session, quoter
from custdyn_widgets.mart.syncing.problems import explained
from custdyn_widgets.mart.syncing.sampling import Sample

_HEAD = """-- SELECTs that turn a database into the tables of a mart, in the SQL of {server}, drafted by
-- custdyn from table and column names and some rows of each table.
-- Check the lines that say "please check", and change what is wrong.{fill_in}
"""
_FILL_IN = f"""
-- Write SQL in place of each {FILL_IN}, which marks what could not be guessed."""
_MOST_NAMES = 20


@dataclass(frozen=True, repr=False)
class DatabaseDraft(Guesses):
    """A guessed mapping of a database."""

    syntax: Syntax
    server: str
    guesses: tuple[TableGuess, ...]
    dialect: Dialect
    remarks: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to fill in."""
        return all(c.certainty != "fill in" for guess in self.guesses for c in guess.choices)

    def sql(self) -> str:
        """Return the text of the mapping file."""
        head = _HEAD.format(server=self.server, fill_in="" if self.is_whole else _FILL_IN)
        return mapping_text(head, self.guesses, self.syntax)


def draft_database(source: Source, currency: str | None = None) -> DatabaseDraft:
    """Guess the mapping of a database from at most 2,000 rows of each table, in one read-only transaction.

    Anything that cannot be guessed is left for the user to fill in.

    Parameters
    ----------
    source
        The source, with the URL of the database.
    currency
        The currency of all clients, for databases without a currency column.

    Raises
    ------
    SourceError
        If the database cannot be read, its user cannot read any table, or the order of day and month is
        ambiguous.
    """
    assert source.url is not None
    login = login_for(source)
    syntax = Syntax(login.kind)
    with explained(login):
        session = open_session(login, None)
    with session, explained(login, grants=lambda: _grant(login, session.grantee())):
        sample = Sample(session, syntax, source.dialect.decimal)
        if not sample.tables:
            raise _no_tables(login)
        guesses, unused = guess_tables(sample.tables, sample.overlap, currency, partly=True)
    used = [c for g in guesses for c in sample.tables.get(g.source, ()) if _uses(g, c)]
    dialect, remarks = guess_dialect(source.dialect, used)
    remarks += _not_used(sample, guesses, unused)
    server = session.server.split()[0]
    return DatabaseDraft(syntax, server, tuple(_comparable(guesses, sample)), dialect, tuple(remarks))


def _no_tables(login: Login) -> SourceError:
    more = "; for the tables of another schema, add ?options=-csearch_path%3DSCHEMA to it"
    return SourceError(
        "The database does not have the tables of any known system, nor any other tables that its user can "
        f"read. Check the url{more if login.kind == 'postgresql' else ''}.",
        field="source",
    )


def _grant(login: Login, grantee: str) -> str:
    quoted = quoter(login)
    if login.kind == "mysql":
        return f"  GRANT SELECT ON {quoted(login.database)}.* TO {grantee};"
    return f"  GRANT SELECT ON ALL TABLES IN SCHEMA public TO {grantee};"


def _uses(guess: TableGuess, column: Column) -> bool:
    return any(column.sql in choice.sql for choice in guess.choices)


def _comparable(guesses: Sequence[TableGuess], sample: Sample) -> Iterator[TableGuess]:
    """Yield the guesses, with the times of transactions converted to text if their types differ.

    Otherwise, the server would apply the session's offset to local times, or reject the UNION.
    """
    places = {
        guess: next(c for c in sample.tables[guess.source] if _is_at(guess, c))
        for guess in guesses
        if guess.table == "transactions" and guess.source
    }
    families = {column.time_family.replace("date", "naive") for column in places.values()}
    for guess in guesses:
        if guess in places and len(families) > 1:
            choices = [_as_text(c, places[guess]) if c.column == "at" else c for c in guess.choices]
            guess = replace(guess, choices=tuple(choices))
        yield guess


def _as_text(choice: Choice, column: Column) -> Choice:
    text = column.syntax.text(choice.sql)
    if column.syntax.name == "mysql" and column.time_family == "instant":
        text = f"CONCAT({text}, '+00:00')"
    return replace(choice, sql=text)


def _is_at(guess: TableGuess, column: Column) -> bool:
    return column.is_time and any(
        choice.column == "at" and column.sql in choice.sql for choice in guess.choices
    )


def _not_used(sample: Sample, guesses: Sequence[TableGuess], reasons: Mapping[str, str]) -> Iterator[str]:
    known = {guess.source for guess in guesses}
    unused = sorted(name for name in sample.tables if name not in known and not reasons.get(name))
    for words, names in (("Not used", unused), ("Not examined", sorted(sample.ignored))):
        if names:
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            yield f"{words}: {', '.join(map(shown, names[:_MOST_NAMES]))}{more}."
    for name, why in sorted(reasons.items()):
        if why:
            yield f"Not used: {name} (please check): {why}."
