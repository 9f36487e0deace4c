"""Parse links and host names: the query strings of snapshots, and the hosts that a viewer serves."""

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
    """Return the base path of routes, with a slash at both ends."""
    return f"/{base_url.strip('/')}/".replace("//", "/")


def parse_link(query: str, others: frozenset[str] = frozenset()) -> tuple[str, str | None] | None:
    """Return the id and the format (None: the page under its bar) of a link; None if it is not a link.

    A link has exactly one id, at most one format, and no other parameters except those in `others`, which are
    the server's own. Nothing is decoded, so each link has only one spelling.
    """
    parts = [part.partition("=") for part in query.split("&")]
    given = {name: value for name, _, value in parts}
    if len(given) < len(parts) or not given.keys() <= {"id", "format", *others}:
        return None
    snapshot_id, kind = given.get("id", ""), given.get("format")
    return (snapshot_id, kind) if is_id(snapshot_id) and kind in (None, *FORMATS) else None


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without its port; empty if it is invalid."""
    match = _HOST.fullmatch(host)
    return match[1].lower() if match else ""


def hosts_for(host: str, extra: Iterable[str] = (), share_url: str | None = None) -> tuple[str, ...]:
    """Return the host names that a viewer at `host` serves: loopback, its own, the links', and `extra`.

    Raises
    ------
    SettingsError
        If one of the names is invalid, or has a scheme, a port or a path.
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
                f"{shown(name)} is not a host name: remove any scheme, port or path.",
                field="allowed_hosts",
            )
    return names


def bracketed(host: str) -> str:
    """Return a host for use in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
