"""Characters: what a text from the data may hold when it is shown."""

from __future__ import annotations

import re

# Control characters, lone surrogates and noncharacters break HTML, XML and terminals; bidirectional
# embeddings and overrides would let a name reorder the numbers beside it.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
_BREAKS = re.compile("[\t\n\r\u2028\u2029]+")


def printable(text: str) -> str:
    """Return a text from the data on one line, each character that cannot be shown as U+FFFD."""
    shown = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", _BREAKS.sub(" ", text))
    return "".join("\N{REPLACEMENT CHARACTER}" if ord(c) & 0xFFFE == 0xFFFE else c for c in shown)


def cut_short(text: str, most: int) -> str:
    """Return a text of at most so many characters; an ellipsis tells that it was longer."""
    return text if len(text) <= most else text[: most - 1] + "…"
