"""Reading a database with a mapping: writing the mart's tables, and reporting counts and rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.mapping.sql_file import Mapping as SqlMapping
from custdyn_widgets.mart.mapping.sql_file import read_mapping, shipped_mapping
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.sources import GENERIC, Source
from custdyn_widgets.mart.syncing.access import Login
from custdyn_widgets.mart.syncing.generic import generic_mapping
from custdyn_widgets.mart.syncing.grants import grant_lines
from custdyn_widgets.mart.syncing.opening import quoter
from custdyn_widgets.mart.syncing.problems import explained
from custdyn_widgets.mart.syncing.session import Session
from custdyn_widgets.mart.syncing.tables import TableProgress, WrittenTable, plan, write_table


def mapping_of(source: Source, login: Login, session: Session) -> SqlMapping:
    """Return the mapping of a source.

    Raises
    ------
    SourceError
        If it cannot be read, or if it is `generic` and a required table is missing.
    """
    if source.system != GENERIC:
        return written_mapping(source, login)
    with explained(login, GENERIC):
        return generic_mapping(session, quoter(login))


def written_mapping(source: Source, login: Login) -> SqlMapping:
    """Return the mapping of a source, which is either a file or a shipped mapping."""
    if source.mapping is not None:
        return read_mapping(source.mapping)
    assert source.system is not None
    return shipped_mapping(source.system, login.kind)


class Reading:
    """Reads a database in one session.

    Parameters
    ----------
    session
        The session.
    login
        The login, used in messages.
    mapping
        The mapping.
    """

    def __init__(self, session: Session, login: Login, mapping: SqlMapping) -> None:
        self._session, self._login, self._mapping = session, login, mapping
        self._written: dict[str, WrittenTable] = {}

    def write_tables(self, folder: Path, expected: Mapping[str, int], share: float) -> dict[str, int]:
        """Write every table, after checking the columns of all SELECTs.

        Parameters
        ----------
        folder
            The folder to write to.
        expected
            The numbers of rows in the previous sync, by table.
        share
            The share of the total progress that writing the tables accounts for.

        Returns
        -------
        The number of rows in each table.

        Raises
        ------
        SourceError
            If a SELECT fails or lacks a column, or there are no clients.
        """
        plans = {}
        for table, select in self._mapping.selects.items():
            with self._explained(table):
                plans[table] = plan(self._session, select, TABLES[table], self._place(table))
        weights = {table: max(expected.get(table, 1), 1) for table in plans}
        unit, done = share / sum(weights.values()), 0
        for table, columns in plans.items():
            table_progress = TableProgress(table, unit * done, unit * weights[table], expected.get(table, 0))
            file = folder / f"{table}.parquet"
            select = self._mapping.selects[table]
            with self._explained(table):
                self._written[table] = write_table(
                    self._session, select, TABLES[table], columns, file, table_progress, self._place(table)
                )
            done += weights[table]
        if not self._written["clients"].rows:
            raise SourceError(
                f"{self._place('clients')}: the SELECT returns no rows, so there is nothing to report on. "
                "Check that the url names the right database. The last sync's mart, if any, is unchanged.",
                field="source",
            )
        return {table: written.rows for table, written in self._written.items()}

    def counts(self) -> Iterator[str]:
        """Yield a sentence for each nonzero count in the mapping."""
        for count in self._mapping.counts:
            section = f"count “{count.sentence}”"
            with self._explained(section):
                try:
                    number = self._session.number(count.select)
                except SourceError as error:
                    raise SourceError(f"{self._place(section)}: {error.message}", field="mapping") from None
            if number:
                yield count.sentence.replace("{n}", f"{number:,}")

    def residues(self) -> Iterator[str]:
        """Yield a sentence for each column with rounded amounts."""
        for table, written in self._written.items():
            for column, residue in written.residues.items():
                if residue.count:
                    counted = f"{residue.count:,} amount{' was' if residue.count == 1 else 's were'}"
                    yield (
                        f"{table}, {column}: {counted} rounded to 6 places, half to even; this removed "
                        f"{residue.total.normalize():f} in total."
                    )

    def _place(self, section: str) -> str:
        return f"{self._mapping.name}, {section}"

    def _explained(self, section: str) -> AbstractContextManager[None]:
        return explained(self._login, self._place(section), self._grants)

    def _grants(self) -> str:
        lines = grant_lines(self._login, self._mapping, self._session.grantee(), quoter(self._login))
        return "\n".join(f"  {line}" for line in lines)
