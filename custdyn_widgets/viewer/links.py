"""Parsing snapshot links, and the host names that a viewer serves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from custdyn_widgets.errors import SettingsError, is_address, mask_value, shown
from custdyn_widgets.snapshots import addresses, is_id

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
FORMATS = ("html", "csv", "csv-total", "xlsx", "pdf", "json", "zip")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?", re.ASCII)
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def check_base(base_url: str) -> None:
    """Raise a SettingsError, which does not show the value, unless it is a path that links can start with."""
    plain = base_url.isprintable() and not any(c.isspace() or c in "?#" for c in base_url)
    if not plain or is_address(base_url) or base_url.startswith("//") or mask_value(base_url) != base_url:
        raise SettingsError(
            "The base URL must be a path such as /reports/, not an address: a password in it would be in "
            "every link. Set the address of the links with CUSTDYN_SHARE_URL.",
            field="base_url",
        )


def base(base_url: str) -> str:
    """Return the base path of routes, with a slash at both ends."""
    return f"/{base_url.strip('/')}/".replace("//", "/")


def parse_link(query: str, others: frozenset[str] = frozenset()) -> tuple[str, str | None] | None:
    """Return a link's id and format from its query string, or None if it is not a valid link.

    The format is None if the link leads to the page with its bar. A link has exactly one id, at most one
    format, and no other parameters except those in `others`, which belong to the server. Nothing is decoded,
    so each link has only one spelling.
    """
    given = _parameters(query, {"id", "format", *others})
    snapshot_id, kind = given.get("id", ""), given.get("format")
    return (snapshot_id, kind) if is_id(snapshot_id) and kind in (None, *FORMATS) else None


def parse_address(query: str, others: frozenset[str] = frozenset()) -> tuple[str, str | None] | None:
    """Return the token and format of an address that leads to the newest snapshot; see `parse_link`."""
    given = _parameters(query, {"q", "format", *others})
    token, kind = given.get("q", ""), given.get("format")
    return (token, kind) if addresses.is_token(token) and kind in (None, *FORMATS) else None


def _parameters(query: str, allowed: set[str]) -> dict[str, str]:
    """Return the parameters of a query string; an empty dict if one is repeated or not allowed."""
    parts = [part.partition("=") for part in query.split("&")]
    given = {name: value for name, _, value in parts}
    return {} if len(given) < len(parts) or not given.keys() <= allowed else given


def origins_in(text: str | None) -> tuple[str, ...]:
    """Return the origins in a setting, such as `https://wiki.example https://intranet.example:8443`.

    Raises
    ------
    SettingsError
        If any of them is not an origin. Wildcards are not allowed.
    """
    if "@" in (text or ""):  # not shown, because it may contain a password
        raise SettingsError(
            "CUSTDYN_EMBED_ORIGINS contains a login. Use https:// and a host name, without a user name or "
            "password.",
            field="CUSTDYN_EMBED_ORIGINS",
        )
    origins = tuple((text or "").split())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"CUSTDYN_EMBED_ORIGINS: {shown(origin)} is not an origin. Use https:// and a host name in "
                "lowercase, with a port if necessary, but no path and no *.",
                field="CUSTDYN_EMBED_ORIGINS",
            )
    return origins


def host_name(host: str) -> str:
    """Return the name in a Host header in lowercase and without its port; "" if it is invalid."""
    match = _HOST.fullmatch(host)
    return match[1].lower() if match else ""


def hosts_for(host: str, extra: Iterable[str] = (), share_url: str | None = None) -> tuple[str, ...]:
    """Return the host names that a viewer serves: loopback, `host`, the host of `share_url`, and `extra`.

    Raises
    ------
    SettingsError
        If a name is invalid, or has a scheme, port or path.
    """
    own = [] if host in ("", "0.0.0.0", "::") else [bracketed(host)]  # noqa: S104  # only compared
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
    """Return a host as it appears in a URL, with IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
