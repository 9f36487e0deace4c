"""Plain email addresses (`local@domain`), the only form accepted from users and files."""

from __future__ import annotations

import re
import unicodedata

_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)
_MAX_LOCAL_LENGTH, _MAX_LENGTH = 64, 254


def ascii_address(text: str) -> str | None:
    """Return a plain address (`local@domain`) with its domain in ASCII, or None if the text is not one.

    The local part must be ASCII: few servers accept anything else.
    """
    if len(text) > _MAX_LENGTH:
        return None
    local, _, domain = text.rpartition("@")
    try:
        plain = domain.encode("idna").decode("ascii")
        if not domain.isascii() and not _is_same_domain(domain, plain):
            return None
        domain = plain
    except UnicodeError:
        return None
    fits = len(local) <= _MAX_LOCAL_LENGTH and len(local) + 1 + len(domain) <= _MAX_LENGTH
    is_plain = _LOCAL.fullmatch(local) and all(_LABEL.fullmatch(label) for label in domain.split("."))
    return f"{local}@{domain}" if fits and is_plain else None


def _is_same_domain(domain: str, plain: str) -> bool:
    """Return whether the ASCII form of a domain is the same domain, not just a similar one.

    Python implements IDNA 2003, which maps `faß` to `fass` and drops invisible characters. Under the current
    rules, these are different domains, which may belong to someone else.
    """
    written = unicodedata.normalize("NFC", domain).lower().split(".")
    meant = [label.encode().decode("idna") for label in plain.lower().split(".")]
    return len(written) == len(meant) and all(
        w.isascii() or w == m for w, m in zip(written, meant, strict=True)
    )


def mailbox(address: str) -> str:
    """Return an address in the form used for comparison: the domain in ASCII and lowercase."""
    local, _, domain = (ascii_address(address) or address).rpartition("@")
    return f"{local}@{domain.lower()}"
