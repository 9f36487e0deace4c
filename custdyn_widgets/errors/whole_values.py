"""Masking passwords in values whose ends are known, such as the arguments of a command.

In running text, a password is assumed to end at whitespace. In a whole value, it may contain anything, and
extends to the last @ or to the next option.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from custdyn_widgets.errors.urls import mask_passwords

_SCHEME = re.compile(r"(?<=[\w+.-]):/{1,2}|\A//")
_NAME = re.compile(r"(?:--?[\w-]+=)?[\"']?(?!mailto:)[^\W\d_][\w.+@-]*(?=:[^\s/\\])")
_ORACLE = re.compile(r"(?:--?[\w-]+=)?[\"']?[^\W\d_][\w.$-]*/(?=[^/])")
_PORT = re.compile(r"\d*(?:[/?#,]|\Z)", re.ASCII)
_OPTION = re.compile(
    r"""
    (?: password | passwd | passphrase | \bpass | pwd | secret | token | credentials?
        | (?:api|access)[_-]?key )
    \s{0,9} = \s{0,9}
    (?P<secret>
        (?: '(?:[^'\\]|\\.)+' | "(?:[^"\\]|\\.)+" | \{[^}]+\} ) (?= [\s&;,)\]}"'] | \Z )
        | (?: (?! (?: [&;]\s{0,9} | \s{1,9} ) [\w.%-]+\s{0,9}= | [&;]\s{0,9}\Z ) . )+
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_SEARCHED = 4_000  # characters at the start of a value that are searched for options
_BEFORE = re.compile(r"[^/?&;,\s]*\Z")
_MASK = "***"

_Piece = tuple[str, str, str]  # a password with what precedes and follows it


def mask_value(value: str, limit: int | None = None) -> str:
    """Return a whole value, such as an address, with each password in it replaced by `***`.

    Parameters
    ----------
    value
        The value.
    limit
        The number of characters to return, if not all are needed.
    """
    for start, end in reversed(_secrets(value)):
        value = f"{value[:start]}{_MASK}{value[end:]}"
    return mask_passwords(value[:limit])


def mask_given(text: str, given: Sequence[str]) -> str:
    """Return text with each password masked, including those in the given values.

    The text may contain the values, or parts of them, quoted or escaped in several ways.
    """
    for before, secret, after in sorted(_pieces(given), key=lambda piece: -len(piece[1])):
        for form in _forms(before + secret + after):
            masked = form[: len(before)] + _MASK + after
            text = re.sub(re.escape(form), masked.replace("\\", r"\\"), text, flags=re.IGNORECASE)
    return mask_passwords(text)


def _secrets(value: str) -> list[tuple[int, int]]:
    """Return the start and end of each password in a value, in ascending order."""
    login = _login(value)
    found = [login] if login else []
    for option in _OPTION.finditer(value, 0, _SEARCHED):
        start, end = option.span("secret")
        end = len(value) if end > _SEARCHED - 20 else end  # the search may have ended within the password
        if value[start:end] != _MASK and not (login and start < login[1] and login[0] < end):
            found.append((start, end))
    return sorted(found)


def _login(value: str) -> tuple[int, int] | None:
    """Return the start and end of the password in `scheme://user:password@host` or `user:password@host`."""
    at = value.rfind("@")
    scheme = _SCHEME.search(value)
    if scheme or (at > 0 and _NAME.match(value)):
        begin = scheme.end() if scheme else 0
        colon = value.find(":", begin)
        start = colon + 1
        if 0 < start <= at:
            return None if value[start:at] == _MASK else (start, at)
        cut = scheme and colon >= 0 and not set("/?#[") & set(value[begin:colon])
        if cut and not _PORT.match(value, start) and value[start:] != _MASK:  # the rest may be elsewhere
            return start, len(value)
        return None
    at = value.rfind("@/")
    oracle = _ORACLE.match(value)
    if oracle and oracle.end() < at and value[oracle.end() : at] != _MASK:
        return oracle.end(), at
    return None


def _pieces(given: Sequence[str]) -> Iterator[_Piece]:
    """Yield each password in the given values, and the parts of it that a message may show."""
    for position, value in enumerate(given):
        for start, end in _secrets(value):
            found = _BEFORE.search(value, 0, start)
            before = found[0] if found else ""
            if end == len(value) and "@" not in value:  # split by the shell at a space
                yield from _continued(before, value[start:], given[position + 1 :])
            yield before, value[start:end], value[end : end + 1]
            cut = value.find("=") if value.startswith("-") else -1  # where click splits an option
            if start < cut < end:
                yield before, value[start:cut], ""
                yield "", value[cut + 1 : end], value[end : end + 1]


def _continued(before: str, secret: str, following: Sequence[str]) -> Iterator[_Piece]:
    """Yield the rest of a password that the shell has split at its spaces."""
    for count, value in enumerate(following, start=1):
        part, at, _ = value.rpartition("@")
        if at:
            yield before, " ".join((secret, *following[: count - 1], part)), "@"
            yield "", part, "@"
            return


def _forms(text: str) -> set[str]:
    """Return the forms in which a message may show part of a value."""
    forms = {text, re.sub("/+", "/", text)}
    for form in tuple(forms):
        forms |= {repr(form)[1:-1], ascii(form)[1:-1], json.dumps(form)[1:-1], form.replace("'", "\\'")}
    return forms
