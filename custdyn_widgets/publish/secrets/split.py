"""Logins that are split by formatting, by invisible characters, or across two or more lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from custdyn_widgets.errors import has_password

# Inline tags in HTML and SVG. Any other tag, such as one for a cell or a paragraph, begins a new line.
_IN_LINE = re.compile(
    r"<!--.{0,500}?-->|</?(?:a|abbr|b|bdi|bdo|code|data|del|em|font|i|ins|kbd|mark|q|s|samp|small|span|strong|sub|sup"
    r"|tt|tspan|u|var|wbr)\b[^<>]{0,2000}>",
    re.DOTALL | re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,2000}>")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffd]"
)
# An address, or the beginning of one, at the end of a line, and the first word of the next line.
_CUT = re.compile(r"://(?P<cut>[^\s\"<>]{0,500})(?=[^\S\n]*\n)")
_SCHEME = re.compile(r"[\w+.-]{1,30}\Z")
_NEXT = re.compile(r"[^\S\n]*\n[>|#*\s]*+(?P<word>[^\s\"<>|]{1,500})")
_MOST_LINES = 4
_OF_PAGES = ("http", "https", "ftp")
_PORT = re.compile(r"\d{1,5}")


def as_shown(markup: str) -> str:
    """Return the text of HTML or SVG as a reader sees it: without tags, with each block on its own line."""
    return _TAG.sub("\n", _IN_LINE.sub("", markup))


def without_invisible(text: str) -> str:
    """Return text without invisible characters, such as soft hyphens."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def has_split_password(text: str) -> bool:
    """Return whether text contains an address with a password that is split across lines.

    An address that looks complete (it has a port, or no login) is not joined with an email address below it.
    """
    return any(map(has_password, _joined(text)))


def _joined(text: str) -> Iterator[str]:
    """Yield each address at the end of a line, joined with the first words of the next lines."""
    for found in _CUT.finditer(text):
        scheme = _SCHEME.search(text, max(0, found.start() - 30), found.start())
        if not scheme or _looks_complete(scheme[0], found["cut"]):
            continue
        address, place = f"{scheme[0]}{found[0]}", found.end()
        for _ in range(_MOST_LINES - 1):
            word = _NEXT.match(text, place)
            if not word:
                break
            address, place = address + word["word"], word.end()
            yield address


def _looks_complete(scheme: str, cut: str) -> bool:
    """Return whether an address seems to end on this line, given its scheme and what follows `://`."""
    user, colon, password = cut.partition(":")
    is_of_page = scheme.lower().endswith(_OF_PAGES)
    if not colon:
        return bool(cut) and (is_of_page or "/" in cut or "@" in cut)
    if not password:
        return is_of_page and "." in user
    return "@" in password or _PORT.fullmatch(password) is not None
