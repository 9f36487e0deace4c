"""Masking passwords in values whose ends are known, such as the arguments of a command.

In running text, a password is assumed to end at whitespace. In a whole value, it may contain anything, and
extends to the last @ or to the next option.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, takewhile

from custdyn_widgets.errors.urls import mask_passwords

_SCHEME = re.compile(r"(?<=[\w+.-]):/{1,2}|\A//")
_BEGIN = r"(?<![^\s\"'/=(\[{,;])(?!mailto:)[^\W\d_]"  # of a user name
_NAME = re.compile(_BEGIN + r"[\w.+@-]*:(?=[^\s/\\])")
_ORACLE = re.compile(_BEGIN + r"[\w.$-]*/(?=[^/])")
_TO_HOST = re.compile(r".*@(?!\s)", re.DOTALL)
_PAGE = re.compile(r"https?://[^\s/?#:@]+(?::\d{1,5})?/[^\s?#:@]*\?[\w.-]+=\S*\Z")  # any @ is in its query
_PORT = re.compile(r"\d*(?:[/?#,]|\Z)", re.ASCII)
_OPTION = re.compile(
    r"""
    (?: (?: password | passwd | passphrase | \bpass | pwd ) \s{0,9} = \s{0,9}
        | (?: secret | token | credentials? | (?:api|access|account|secret)[_-]?key )
          (?: = | \s{0,9} = \s{0,9} (?=\S{3}) ) )
    (?P<secret>
        (?: '(?:[^'\\]|\\.)+' | "(?:[^"\\]|\\.)+" | \{[^}]+\} ) (?= [\s&;,)\]}"'] | \Z )
        | (?: (?! (?: [&;]\s{0,9} | \s{1,9} ) [\w.%-]+\s{0,9}= | [&;]\s{0,9}\Z ) . )+
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_SEARCHED = 4_000  # characters at the start of a value that are searched for options
_BEFORE = re.compile(r"[^/?&;,\s]*\Z")
_NEAR = 100  # characters before a password that are searched for its option or user name
_JOINED = 50  # arguments that may be parts of one password
_CLICK_OPTION = re.compile(r"--?[A-Za-z][^@]*\Z")  # ends the arguments that may be parts of a password
_SHORT = 4  # characters: a shorter part without anything around it is masked only in quotes or brackets
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
    for before, secret, after in sorted(set(_pieces(given)), key=lambda piece: (-len(piece[1]), piece)):
        left, right = "" if before else r"(?<!\w)", "" if before or after else r"(?!\w)"
        if len(secret) < _SHORT and not before and not after:
            left, right = r"(?<=['\"(])", r"(?=['\")])"
        for form in _forms(before + secret + after) if secret else ():
            masked = form[: len(before)] + _MASK + after
            pattern = f"{left}{re.escape(form)}{right}"
            text = re.sub(pattern, masked.replace("\\", r"\\"), text, flags=re.IGNORECASE)
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
    if _PAGE.match(value):
        return None
    scheme = _SCHEME.search(value)
    if scheme:
        start, at = value.find(":", scheme.end()) + 1, value.rfind("@")
        if 0 < start <= at:
            return None if value[start:at] == _MASK else (start, at)
        cut = start and not set("/?#[") & set(value[scheme.end() : start])
        if cut and not _PORT.match(value, start) and value[start:] != _MASK:  # the rest may be elsewhere
            return start, len(value)
        return None
    host = _TO_HOST.match(value)
    name = _NAME.search(value)
    if name and host and name.end() < host.end():
        start, at = name.end(), host.end() - 1
        return None if value[start:at] == _MASK else (start, at)
    at = value.rfind("@/")
    oracle = _ORACLE.search(value)
    if oracle and oracle.end() < at and value[oracle.end() : at] != _MASK:
        return oracle.end(), at
    return None


def _pieces(given: Sequence[str]) -> Iterator[_Piece]:
    """Yield each password in the given values, and the parts of it that a message may show.

    The shell splits a password at its spaces, so each value is also read together with those after it.
    """
    for position, value in enumerate(given):
        yield from _parts([value])
        if _PAGE.match(value):
            continue
        following = given[position + 1 : position + _JOINED]
        yield from _parts([value, *takewhile(lambda other: not _CLICK_OPTION.match(other), following)])


def _parts(words: Sequence[str]) -> Iterator[_Piece]:
    """Find the passwords in words joined by spaces, and yield the parts of each.

    The parts are each word of the password, and the text from the start of each word to the password's end.
    """
    text = " ".join(words)
    begins = [0, *accumulate(len(word) + 1 for word in words)]
    cut = text.find("=", 0, len(words[0])) + 1 if text.startswith("-") else 0  # where click splits an option
    for start, end in _secrets(text):
        found = _BEFORE.search(text, max(0, start - _NEAR), start)
        before, after = found[0] if found else "", text[end : end + 1].strip()
        inner = [begin for begin in sorted({cut, *begins}) if start < begin < end]
        for begin, stop in pairwise([start, *inner, end + 1]):
            yield before if begin == start else "", text[begin:end], after
            if stop <= end:
                yield before if begin == start else "", text[begin : stop - 1], ""


def _forms(text: str) -> set[str]:
    """Return the forms in which a message may show part of a value."""
    forms = {text, re.sub("/+", "/", text)}
    for form in tuple(forms):
        forms |= {repr(form)[1:-1], ascii(form)[1:-1], json.dumps(form)[1:-1], form.replace("'", "\\'")}
    return forms
