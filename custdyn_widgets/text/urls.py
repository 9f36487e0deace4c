"""Passwords in URLs, which nothing may print or publish."""

from __future__ import annotations

import re

# One slash is enough, since a path drops the second. The lengths keep the search linear.
_PASSWORD = re.compile(
    r"""(?<=[\w+.-])(?P<before>:/{1,2}[^\s/:@"'<>]{0,300}:)(?!\*+@)[^\s/"'<>]{1,300}(?=@)""",
)


def has_password(text: str) -> bool:
    """Return whether a text has a URL with a password that is not masked: `scheme://user:password@host`."""
    return _PASSWORD.search(text) is not None


def mask_passwords(text: str) -> str:
    """Return a text with `***` in place of each password in a URL."""
    return _PASSWORD.sub(r"\g<before>***", text)
