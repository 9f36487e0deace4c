"""Opening a session with the database of a source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.syncing.access import Login
from custdyn_widgets.mart.syncing.session import Session

if TYPE_CHECKING:
    from sqlalchemy import Engine

_DRIVERS = {("postgresql", "psycopg"), ("mysql", "pymysql"), ("mariadb", "pymysql")}


def open_session(login: Login, engine: Engine | None) -> Session:
    """Open a session with a login, or with a connection from an engine.

    Raises
    ------
    SourceError
        If the engine's driver is neither psycopg nor PyMySQL.
    """
    from custdyn_widgets.mart.syncing.mysql import MysqlSession
    from custdyn_widgets.mart.syncing.postgresql import PostgresqlSession

    if engine is None:
        return (PostgresqlSession if login.kind == "postgresql" else MysqlSession).connect(login)
    if (engine.dialect.name, engine.dialect.driver) not in _DRIVERS:
        raise SourceError(
            f"The engine uses the driver {shown(engine.dialect.driver)}. Create the engine "
            "with a postgresql+psycopg:// or mysql+pymysql:// URL.",
            field="engine",
        )
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    pooled.detach()  # a connection with changed settings must not return to the pool
    if engine.dialect.name == "postgresql":
        return PostgresqlSession(connection)
    return MysqlSession.of_engine(connection)


def quoter(login: Login) -> Callable[[str], str]:
    """Return the function that quotes a name for the database."""
    if login.kind == "postgresql":
        from custdyn_widgets.mart.syncing.postgresql import quoted
    else:
        from custdyn_widgets.mart.syncing.mysql import quoted
    return quoted
