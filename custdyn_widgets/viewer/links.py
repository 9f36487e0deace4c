"""Links and hosts: which query strings ask for a snapshot, and under which names a viewer answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from custdyn_widgets.errors import SettingsError, shown
from custdyn_widgets.snapshots import is_id

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
FORMATS = ("html", "csv", "xlsx", "json")
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def base(base_url: str) -> str:
    """Return the path prefix of the routes, with a slash at both ends."""
    return f"/{base_url.strip('/')}/".replace("//", "/")


def asked_for(query: str, also: frozenset[str] = frozenset()) -> tuple[str, str | None] | None:
    """Return the id and the format (None: the page under its bar) that a query string asks for.

    It has exactly one id, at most one format, each written in its one form (nothing is decoded), and nothing
    else, or it asks for nothing; `also` names what whoever serves takes out of it for itself.
    """
    parts = [part.partition("=") for part in query.split("&")]
    given = {name: value for name, _, value in parts}
    if len(given) < len(parts) or not given.keys() <= {"id", "format", *also}:
        return None
    snapshot_id, kind = given.get("id", ""), given.get("format")
    return (snapshot_id, kind) if is_id(snapshot_id) and kind in (None, *FORMATS) else None


def asked_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without its port; empty if it has no such form."""
    match = _HOST.fullmatch(host)
    return match[1].lower() if match else ""


def hosts_for(host: str, extra: Iterable[str] = (), share_url: str | None = None) -> tuple[str, ...]:
    """Return the names that a viewer bound to `host` answers under: loopback's, its own, the links', more.

    Raises
    ------
    SettingsError
        If one of the names is not a host name, without scheme, port or path.
    """
    own = [] if host in ("", "0.0.0.0", "::") else [bracketed(host)]  # noqa: S104 - compared
    linked = urlsplit(share_url).hostname if share_url else None
    if linked:
        own.append(bracketed(linked))
    names = (*LOOPBACK_HOSTS, *own, *extra)
    for name in names:
        match = _HOST.fullmatch(name)
        if match is None or match[1] != name:
            raise SettingsError(
                f"{shown(name)} is not a host name: give it without scheme, port or path.",
                field="allowed_hosts",
            )
    return names


def bracketed(host: str) -> str:
    """Return a host as addresses have it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
