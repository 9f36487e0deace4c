"""Passwords in URLs, which nothing may print or publish."""

from __future__ import annotations

import re

# One slash is enough, since a path drops the second. A user's name may have an @. A port is not a password,
# and neither is a masked one. The lengths keep the search linear.
_PASSWORD = re.compile(
    r"""
    (?<=[\w+.-])
    (?P<before> :/{1,2} [^\s/:"'<>]{0,300} : )
    (?! \*{3} @ [^\s/@]* (?:[\s/"'<>]|$) )
    (?! \d{1,5} [?\#,] )
    [^\s/"<>]{1,2000}
    (?=@)
    """,
    re.VERBOSE,
)


def has_password(text: str) -> bool:
    """Return whether a text has a URL with a password that is not masked: `scheme://user:password@host`."""
    return _PASSWORD.search(text) is not None


def mask_passwords(text: str) -> str:
    """Return a text with `***` in place of each password in a URL."""
    return _PASSWORD.sub(r"\g<before>***", text)
