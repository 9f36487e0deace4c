"""E-mail addresses: the plain ones (`local@domain`), which are all that is taken from people and files."""

from __future__ import annotations

import re

_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)
_LONGEST_LOCAL, _LONGEST = 64, 254


def ascii_address(text: str) -> str | None:
    """Return a plain address (`local@domain`) with its domain in ASCII; None if it is none.

    The local part has to be ASCII: what else it may be, only few servers take.
    """
    if len(text) > _LONGEST:
        return None
    local, _, domain = text.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    fits = len(local) <= _LONGEST_LOCAL and len(local) + 1 + len(domain) <= _LONGEST
    is_plain = _LOCAL.fullmatch(local) and all(_LABEL.fullmatch(label) for label in domain.split("."))
    return f"{local}@{domain}" if fits and is_plain else None


def mailbox(address: str) -> str:
    """Return what two ways of writing one address have in common: a domain has no capitals."""
    local, _, domain = (ascii_address(address) or address).rpartition("@")
    return f"{local}@{domain.lower()}"
