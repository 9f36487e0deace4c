"""Database URLs, which are allowed in `sources.toml` unless they contain a password."""

from __future__ import annotations

import re
from urllib.parse import unquote

from custdyn_widgets.errors import SourceError, shown

SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|^pass$|pwd|secret|token|credential|(api|access)[_-]?key", re.IGNORECASE
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?=.)")
_OPTION = re.compile(r"[?&;\s]([^=?&;\s]+)=")


def has_secret(url: str) -> bool:
    """Return whether a URL contains a password, before its host or among its options.

    A password may contain a slash, so any URL with a colon before its last `@` is treated as containing a
    password.
    """
    rest = url.partition("://")[2] or url
    user, at, _ = rest.rpartition("@")
    return bool(at and ":" in user) or any(SECRET_KEY.search(unquote(key)) for key in _OPTION.findall(url))


def check_url(url: str) -> None:
    """Raise a SourceError, which shows no secrets, if a URL is not a database URL or contains a password."""
    scheme = _SCHEME.match(url)
    masked = f"{scheme[0]}…" if scheme else "…"
    if has_secret(url):
        raise SourceError(
            f"url {shown(masked)} contains a secret, but other users may be able to read it. Remove the "
            "password, and change it if others may have seen it.",
            field="url",
        )
    if not scheme:
        raise SourceError(
            "url must be the URL of a database, such as 'postgresql://reader@host/billing'.", field="url"
        )
