"""Validation of base URLs, from which links are built."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_base_url(text: str) -> bool:
    """Return whether text is a URL, of any scheme, without a user name, password, query or spaces."""
    try:
        parts = urlsplit(text)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # an incomplete IPv6 address, or a port that is not a number
        return False
    plain = text.isprintable() and not any(c.isspace() or c in "?#" for c in text)
    return named and plain and parts.username is None and parts.password is None
