"""Access to a database: its URL and its password.

URLs never contain passwords. A password is looked up, in this order, in the environment variable
`CUSTDYN_PASSWORD_<NAME>`, the file named in `CUSTDYN_PASSWORD_<NAME>_FILE`, JupySQL's `connections.ini`,
and the files of the database's own clients (`~/.pgpass`, which libpq reads itself, and `~/.my.cnf`).
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from custdyn_widgets.errors import SourceError
from custdyn_widgets.files import why_no_text
from custdyn_widgets.mart.sources import Source

if TYPE_CHECKING:
    from sqlalchemy import URL

Kind = Literal["postgresql", "mysql"]

CONNECT_TIMEOUT_S = 15
_SCHEMES: dict[str, Kind] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_BOOLEAN_OPTIONS = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")


@dataclass(frozen=True)
class Login:
    """The details needed to connect to a database.

    Attributes
    ----------
    name
        The name of the source.
    kind
        The kind of server, which determines its SQL dialect.
    user, database
        The names of the user and the database; empty for the driver's defaults.
    arguments
        The arguments for the driver's `connect`, without the password.
    password
        The password; None if there is none, or if the driver looks it up itself.
    """

    name: str
    kind: Kind
    user: str = ""
    database: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    password: str | None = field(default=None, repr=False)

    def mask(self, text: str) -> str:
        """Return text with the password replaced by `***`."""
        return text.replace(self.password, "***") if self.password else text


def login_for(source: Source) -> Login:
    """Return the login for the database of a source.

    Raises
    ------
    SourceError
        If a package is missing, or the URL or a password file cannot be used.
    """
    assert source.url is not None
    name = source.name or ""
    url, kind = _parsed(source.url)
    dialect = url.get_dialect()()
    try:
        _, arguments = dialect.create_connect_args(url)
    except (ValueError, TypeError, KeyError):
        raise invalid_url("its options are not valid") from None
    for option in _BOOLEAN_OPTIONS:
        if option in arguments:
            arguments[option] = str(arguments[option]).lower() in ("1", "true", "yes", "on")
    return Login(name, kind, url.username or "", url.database or "", arguments, _password(name, kind, url))


def needs_packages() -> SourceError:
    """Return the error for missing database packages."""
    return SourceError(
        "Reading a database needs the packages SQLAlchemy, psycopg and PyMySQL. Install them with: "
        "pip install 'custdyn-widgets[sql]'",
        field="source",
    )


def _parsed(text: str) -> tuple[URL, Kind]:
    """Return a parsed URL with the driver to use, and the kind of server."""
    try:
        import sqlalchemy  # imported late: an optional dependency
    except ImportError:
        raise needs_packages() from None
    scheme, colon, rest = text.strip().partition("://")
    kind = _SCHEMES.get(scheme.partition("+")[0].lower())
    if kind is None or not colon:
        raise invalid_url("it must begin with postgresql://, mysql:// or mariadb://")
    try:
        url = sqlalchemy.make_url(f"{_DRIVERS[kind]}://{rest}")
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise invalid_url("it is not valid; write postgresql://user@host:5432/database") from None
    if not url.database and kind == "mysql":
        raise invalid_url("it does not name a database; write mysql://user@host:3306/database")
    return url, kind


def invalid_url(why: str) -> SourceError:
    """Return the error for an invalid URL, without showing the URL, which may contain a secret."""
    return SourceError(f"The source's url cannot be used: {why}.", field="url")


# Passwords


def password_variable(name: str) -> str:
    """Return the name of the environment variable for a source's password."""
    return f"CUSTDYN_PASSWORD_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"


def _password(name: str, kind: Kind, url: URL) -> str | None:
    variable = password_variable(name)
    if given := os.environ.get(variable):
        try:
            given.encode()
        except UnicodeEncodeError:
            raise SourceError(f"{variable} is not UTF-8 text. Set it again.", field=variable) from None
        return given
    if file := os.environ.get(f"{variable}_FILE"):
        try:
            return Path(file).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError, RuntimeError) as error:
            raise SourceError(
                f"The file named in {variable}_FILE cannot be read: {why_no_text(error)}.",
                field=f"{variable}_FILE",
            ) from None
    found = _from_connections_ini(name, url)
    if found is None and kind == "mysql":
        found = _from_my_cnf(url.username)
    return found


def _from_connections_ini(name: str, url: URL) -> str | None:
    """Return the password in JupySQL's file for the source's name or, failing that, for the same database."""
    parser = _ini(Path(".jupysql", "connections.ini"), interpolated=True)
    same = {"host": url.host, "port": url.port and str(url.port), "username": url.username}
    for section in (name, *parser.sections()):
        if not parser.has_section(section):
            continue
        values = parser[section]
        agrees = all(values.get(key) in (None, wanted) for key, wanted in same.items())
        if values.get("password") and (
            section == name or (agrees and values.get("database") == url.database)
        ):
            return values["password"].replace("%%", "%")
    return None


def _from_my_cnf(user: str | None) -> str | None:
    """Return the password in `~/.my.cnf`, the file for MySQL's clients, unless it is for another user."""
    parser = _ini(Path(".my.cnf"), interpolated=False)
    if not parser.has_section("client"):
        return None
    values = {key: (value or "").strip() for key, value in parser["client"].items()}
    values = {
        key: v[1:-1] if len(v) > 1 and v[0] == v[-1] and v[0] in "'\"" else v for key, v in values.items()
    }
    return values.get("password") or None if values.get("user", user) == user else None


def _ini(below_home: Path, *, interpolated: bool) -> configparser.RawConfigParser:
    """Parse an INI file in the home folder; a missing file counts as empty."""
    parser = configparser.RawConfigParser(allow_no_value=True, strict=interpolated)
    try:
        text = (Path.home() / below_home).read_text(encoding="utf-8")
        parser.read_string("\n".join(line for line in text.splitlines() if not line.startswith("!include")))
    except (OSError, RuntimeError):
        pass
    except (UnicodeDecodeError, configparser.Error):  # the parser's message would show the line
        raise SourceError(
            f"~/{below_home} is not a valid INI file, so the password in it cannot be read. Correct the "
            "file.",
            field="source",
        ) from None
    return parser
