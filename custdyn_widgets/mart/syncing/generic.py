"""The mapping `generic`, for databases that have the tables and columns of a mart."""

from __future__ import annotations

from collections.abc import Callable

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.mapping.sql_file import Mapping
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.sources import GENERIC
from custdyn_widgets.mart.syncing.session import Session


def generic_mapping(session: Session, quoted: Callable[[str], str]) -> Mapping:
    """Return a mapping for a database with the tables of a mart, with their known columns.

    Raises
    ------
    SourceError
        If it lacks the clients or the transactions.
    """
    found = session.table_columns(list(TABLES))
    if not found:
        raise SourceError(
            "The database does not have any table of a mart, or its user may not read them. If it is the "
            'database of a billing system, set system = "…" or mapping = "….sql" for it in sources.toml.',
            field="system",
        )
    selects = {}
    for name, spec in TABLES.items():
        if name in found:
            known = [column for column in spec.column_names if column in found[name]]
            wanted = ", ".join(map(quoted, known)) or "1"
            selects[name] = f"SELECT {wanted} FROM {quoted(name)}"  # noqa: S608 (known names)
        elif spec.required:
            raise SourceError(
                f"The database has no table {name}, or its user may not read it; the mapping generic needs "
                "it. Create a view with that name, or write a mapping.",
                field="system",
            )
    text = "\n".join(f"-- :name {name}\n{select}" for name, select in selects.items())
    return Mapping(GENERIC, text, selects)
