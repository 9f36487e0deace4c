"""Finding the failure recipients in the file of a saved query that is not valid.

The file need not be valid JSON or UTF-8, and may be cut off anywhere. Someone must be told about the
failure, but an email to the wrong person is worse than none, so only text that is clearly an address under
this key counts:

- Comments are skipped, and so are unterminated strings, which may contain only part of an address.
- The value ends at the first word that is or resembles another key, whether or not its brackets are closed.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import json
import re
from collections.abc import Iterator

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.saved_queries.automation import parse_recipients
from custdyn_widgets.saved_queries.content import KEYS
from custdyn_widgets.text import ascii_address

_KEY = "failure_recipients"
_TOKEN = re.compile(
    r"""(?P<comment> //[^\n]* | \#[^\n]* | /\*[\s\S]*?(?:\*/|\Z) )
      | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
      | (?P<cut> ["'][^\n]* )
      | (?P<mark> [\[\]{},;:=] )
      # Text next to a quote, or at the end of the file, may be only part of a word.
      | (?P<word> (?<![^\s\[\]{},;:=]) [^\s"'\[\]{},;:=]+ (?=[\s\[\]{},;:=]) )""",
    re.VERBOSE,
)
_AFTER_AN_OPEN_STRING = re.compile(rf'"{_KEY}"\s*:')
_NAMED = re.compile(r"[^<>@]*<([^<>]+)>")  # Eva <eva@example.com>
_SEPARATORS = re.compile(r"[\s_-]")
_ALMOST, _SIMILAR = 0.9, 0.8  # the minimum similarity in `_is_key` and in `_resembles_key`

_Token = re.Match[str]


def recover_failure_recipients(data: bytes) -> tuple[str, ...]:
    """Return the failure recipients in an invalid saved query's file, or () if none can be read.

    They may be given as a string instead of a list, in a list within another list or an object, or under
    another spelling of the key (`Failure-Recipients`). Invalid addresses are left out.
    """
    text = _decode(data)
    for tokens in _values(text):
        recipients: tuple[str, ...] = ()
        for address in itertools.chain.from_iterable(map(_addresses, _texts(tokens))):
            with contextlib.suppress(SavedQueryError):  # a duplicate, or one address too many
                recipients = parse_recipients(_KEY, [*recipients, address])
        if recipients:
            return recipients
    return ()


def _decode(data: bytes) -> str:
    """Return the text of a file in UTF-8, UTF-16 or any ASCII-compatible encoding."""
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data[:2]:  # UTF-16 without a byte order mark, beginning with an ASCII character
        encoding = "utf-16-be" if data.startswith(b"\0") else "utf-16-le"
    return data.decode(encoding, errors="replace").replace("\0", "")


def _values(text: str) -> Iterator[Iterator[_Token]]:
    """Yield the tokens that follow each occurrence of the key."""
    tokens = list(_tokens(text))
    for at, (key, colon) in enumerate(itertools.pairwise(tokens)):
        if _is_colon(colon) and _is_key(_plain(key)):
            value = at + 2
            is_quoted = value < len(tokens) and tokens[value].lastgroup != "word"
            if key.lastgroup == "string" or (_begins_entry(text, key) and is_quoted):
                yield (tokens[n] for n in range(value, len(tokens)))
    for found in _AFTER_AN_OPEN_STRING.finditer(text):
        if text[text.rfind("\n", 0, found.start()) + 1 : found.start()].count('"') % 2:
            yield _tokens(text, found.end())


def _tokens(text: str, start: int = 0) -> Iterator[_Token]:
    return (token for token in _TOKEN.finditer(text, start) if token.lastgroup != "comment")


def _is_colon(token: _Token | None) -> bool:
    return token is not None and token[0] in (":", "=")


def _is_key(name: str) -> bool:
    """Return whether a key is `failure_recipients`, ignoring case, separators and misspellings.

    Keys such as `_failure_recipients` and `failure_recipients_old`, which people use to disable a setting, do
    not count.
    """
    folded, known = _folded(name), _folded(_KEY)
    if not name.strip().casefold().startswith("fail") or abs(len(folded) - len(known)) > 1:
        return False
    return folded == known or (
        not folded.startswith(known) and difflib.SequenceMatcher(None, folded, known).ratio() >= _ALMOST
    )


def _begins_entry(text: str, word: _Token) -> bool:
    """Return whether an unquoted word is where a key could be, not in the middle of other text."""
    line = text[text.rfind("\n", 0, word.start()) + 1 : word.start()]
    return line.rstrip()[-1:] in ("", "{", ",")


def _texts(tokens: Iterator[_Token]) -> Iterator[str]:
    """Yield the strings in the value that these tokens begin with."""
    opened: list[str] = []
    for token, following in itertools.pairwise(itertools.chain(tokens, [None])):
        assert token is not None
        if token.lastgroup == "mark":
            if token[0] in ("[", "{"):
                opened.append(token[0])
            elif token[0] in ("]", "}"):
                del opened[-1:]
            if not opened:
                return
            continue
        text, names_value = _plain(token), _is_colon(following)
        if _resembles_key(text) or (names_value and opened[-1:] != ["{"]):
            return
        if token.lastgroup != "cut" and not names_value:
            yield text
        if not opened:
            return


def _plain(token: _Token) -> str:
    """Return what a token stands for, without quotes; "" if that is unknown."""
    if token.lastgroup == "word":
        return token[0]
    if token.lastgroup != "string":
        return ""
    inner = token[0][1:-1]
    if token[0][0] == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        return ""


def _resembles_key(text: str) -> bool:
    known = map(_folded, KEYS)
    return "@" not in text and bool(difflib.get_close_matches(_folded(text), known, cutoff=_SIMILAR))


def _folded(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()


def _addresses(text: str) -> Iterator[str]:
    """Yield the plain addresses in a string, which may list several."""
    for part in map(str.strip, re.split("[,;]", text)):
        named = _NAMED.fullmatch(part)
        listed = [named[1].strip()] if named else part.split()
        if all(map(ascii_address, listed)):  # otherwise, it is prose that mentions an address
            yield from listed
