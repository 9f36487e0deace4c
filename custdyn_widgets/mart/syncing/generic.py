"""The `generic` mapping, for databases that have the tables and columns of a mart."""

from __future__ import annotations

from collections.abc import Callable

from custdyn_widgets.errors import SourceError, nearest, shown
from custdyn_widgets.mart.mapping.sql_file import Mapping
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.sources import GENERIC
from custdyn_widgets.mart.syncing.session import Session


def generic_mapping(session: Session, quoted: Callable[[str], str]) -> Mapping:
    """Return a mapping that selects the known columns from a database with the tables of a mart.

    Raises
    ------
    SourceError
        If the clients table, the transactions table or a required column is missing.
    """
    found = session.table_columns(list(TABLES))
    if not found:
        raise SourceError(
            "The database does not have any tables of a mart, or the database user cannot read them. If it "
            'belongs to a billing system, set system = "…" or mapping = "….sql" for it in sources.toml.',
            field="system",
        )
    selects = {}
    for name, spec in TABLES.items():
        if name in found:
            known = [column for column in spec.column_names if column in found[name]]
            missing = [c.name for c in spec.columns if c.required and c.name not in known]
            if missing:
                close = nearest(missing[0], set(found[name]) - set(known), 1)
                hint = f" (is it {shown(close[0])}?)" if close else ""
                raise SourceError(
                    f"The table {name} has no column {missing[0]}{hint}, or the database user cannot read "
                    "it. The generic mapping needs it: create a view with that column, or write a mapping.",
                    field="system",
                )
            wanted = ", ".join(map(quoted, known))
            selects[name] = f"SELECT {wanted} FROM {quoted(name)}"  # noqa: S608 (known names)
        elif spec.required:
            raise SourceError(
                f"The database has no table {name}, or the database user cannot read it. The generic "
                "mapping needs it: create a view with that name, or write a mapping.",
                field="system",
            )
    text = "\n".join(f"-- :name {name}\n{select}" for name, select in selects.items())
    return Mapping(GENERIC, text, selects)
