"""Passwords in URLs, which must never be printed or published."""

from __future__ import annotations

import re

# One slash is enough, as paths drop the second. A user name may contain an @, and a password a slash. A port
# is not a password, and neither is a masked one. The limits on length, and on `:/`, keep the search linear.
_PASSWORD = re.compile(
    r"""
    (?<=[\w+.-])
    (?P<before> :/{1,2} (?!\[) [^\s/:"'<>]{0,300} : )
    (?! \*{3} @ [^\s/@]* (?:[\s/"'<>]|$) )
    (?! \d{1,5} [/?\#,] )
    (?: [^\s/"<>] | (?<!:)/ ){1,2000}
    (?=@)
    """,
    re.VERBOSE,
)


def has_password(text: str) -> bool:
    """Return whether text contains a URL with an unmasked password: `scheme://user:password@host`."""
    return _PASSWORD.search(text) is not None


def mask_passwords(text: str) -> str:
    """Return text with each password in a URL replaced by `***`."""
    return _PASSWORD.sub(r"\g<before>***", text)
