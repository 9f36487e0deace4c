"""Database errors, with their causes and remedies.

Messages name the source and the section of the mapping, but never show the host, the URL or the password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.syncing import session
from custdyn_widgets.mart.syncing.access import Login, password_variable
from custdyn_widgets.mart.syncing.session import DriverProblem

_UNCHANGED = "The mart from the last sync, if any, is unchanged."
_TLS_HELP = (
    "Check that the host in its url matches the server's certificate, and that the url names the file with "
    f"the issuer's certificate. {_UNCHANGED}"
)
_FILES = {"postgresql": "~/.pgpass", "mysql": "~/.my.cnf"}


def find_problem(error: Exception, login: Login) -> DriverProblem | None:
    """Return the meaning of a driver error, or None for any other error."""
    if login.kind == "postgresql":
        from custdyn_widgets.mart.syncing.postgresql import driver_problem
    else:
        from custdyn_widgets.mart.syncing.mysql import driver_problem
    return driver_problem(error)


@contextmanager
def explained(login: Login, place: str = "", grants: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Convert a driver error to a SourceError.

    Parameters
    ----------
    login
        The login, used to mask its password.
    place
        The mapping and the section in it, such as `astpp.mysql.sql, clients`.
    grants
        A function that returns the GRANT statements that the mapping needs.
    """
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        found = find_problem(error, login)
        if found is None:
            raise
        message = login.mask(_message(found, login, place, grants))
        # The driver's error is not chained, because a traceback would show its text.
        raise SourceError(message, field="mapping" if place else "source") from None


def _message(found: DriverProblem, login: Login, place: str, grants: Callable[[], str]) -> str:
    database = f"The database of source {shown(login.name)}"
    where = f"{place}: " if place else ""
    said = f" ({_plain(found.detail)})" if found.detail else ""
    match found.kind:
        case "login":
            user = shown(login.user or "default")
            return f"{database} rejected the login of user {user}. {_password_help(login)}"
        case "unreachable":
            return (
                f"{database} cannot be reached{said}. Check the host and port in its url, and check that "
                f"the server is running and that no firewall blocks this machine. {_UNCHANGED}"
            )
        case "tls":
            return f"The TLS connection to {database[0].lower()}{database[1:]} failed{said}. {_TLS_HELP}"
        case "no database":
            return f"{database} does not exist on the server: {_plain(found.detail)}. Correct its url."
        case "dropped":
            return (
                f"{where}The connection to the database of source {shown(login.name)} was lost during "
                f"the sync{said}. Run the sync again. {_UNCHANGED}"
            )
        case "no table":
            return (
                f"{where}{_plain(found.detail)}. Check that the url names the right database, and that the "
                "mapping is for this version of the system."
            )
        case "no column":
            return (
                f"{where}{_plain(found.detail)}. Correct the name in that section of the mapping, or use a "
                "mapping for this version of the system."
            )
        case "denied":
            return (
                f"{where}User {shown(login.user)} is not allowed to read what the mapping needs: "
                f"{_plain(found.detail)}. A database administrator can grant access with:\n{grants()}"
            )
        case "waited":
            return (
                f"{where}Another transaction kept a table locked for {session.LOCK_WAIT_S} seconds{said}. "
                f"Run the sync again once that transaction has ended. {_UNCHANGED}"
            )
        case "stopped":
            return (
                f"{where}The server stopped the SELECT{said}, because of a time limit or at an "
                f"administrator's request. Raise the limit for this user, or run the sync again. {_UNCHANGED}"
            )
        case "sql":
            return f"{where}The database rejected the SELECT: {_plain(found.detail)}. Correct the mapping."
    return f"{where}Reading {database[0].lower()}{database[1:]} failed{said}. {_UNCHANGED}"


def _password_help(login: Login) -> str:
    variable = password_variable(login.name)
    return (
        f"Provide the password in the environment variable {variable}, in a file named in {variable}_FILE, "
        f"in ~/.jupysql/connections.ini or in {_FILES[login.kind]}; never put it in the url."
    )


def _plain(detail: str) -> str:
    """Return a server's message on one line, without a user's host or the final period."""
    return re.sub(r"\s+", " ", re.sub(r"@'[^']*'", "", detail)).strip().rstrip(".")
