"""Replacing characters that are not safe to show, store or pass on."""

from __future__ import annotations

import re

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SURROGATES = "\ud800-\udfff"
_BREAK_CHARACTERS = "\t\n\r\u2028\u2029"
# Control characters, lone surrogates and noncharacters break HTML, XML and terminals; bidirectional
# embeddings and overrides would let a name reorder the numbers next to it.
_UNPRINTABLE = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_SURROGATES}\ufdd0-\ufdef\u202a-\u202e\u2066-\u2069]"
)
_BREAKS = re.compile(f"[{_BREAK_CHARACTERS}]+")
_CONTROL_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# An isolated right-to-left name: it neither reorders the text around it nor is reordered by it.
_OPEN, _CLOSE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_ISOLATED = re.compile(f"{_OPEN}([^\u2066-\u2069]*){_CLOSE}")
# `re` compiles these on first use, because they are slow to compile and rarely needed.
_PLANES = range(0, 0x110000, 0x10000)
_NONCHARACTERS = f"[{''.join(chr(plane + 0xFFFE) + chr(plane + 0xFFFF) for plane in _PLANES)}]"
_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
_NOT_XML = f"[\x00-\x08\x0b\x0c\x0e-\x1f{_SURROGATES}\ufffe\uffff]"


def printable(text: str, *, mark_breaks: bool = False, isolates: bool = False) -> str:
    """Return text on one line, with U+FFFD for each character that cannot be shown.

    Parameters
    ----------
    text
        The text.
    mark_breaks
        Whether to show each tab and line break as U+FFFD too; otherwise each run of them becomes one space.
    isolates
        Whether to keep the isolate characters around names; see `isolate`.
    """
    if isolates and _OPEN in text:
        # Names are at the odd positions of the split text.
        parts = [printable(part, mark_breaks=mark_breaks) for part in _ISOLATED.split(text)]
        return "".join(part if place % 2 == 0 else _OPEN + part + _CLOSE for place, part in enumerate(parts))
    line = re.sub(f"[{_BREAK_CHARACTERS}]", _REPLACEMENT, text) if mark_breaks else _BREAKS.sub(" ", text)
    shown = _UNPRINTABLE.sub(_REPLACEMENT, line)
    return shown if shown.isascii() else re.sub(_NONCHARACTERS, _REPLACEMENT, shown)


def isolate(name: str) -> str:
    """Return a printable name for use in a sentence.

    A name with right-to-left letters is enclosed in isolate characters, so that it does not scramble the text
    around it.
    """
    shown = printable(name)
    return f"{_OPEN}{shown}{_CLOSE}" if re.search(_RIGHT_TO_LEFT, shown) else shown


def split_isolates(text: str) -> list[str]:
    """Return the parts of printable text: isolated names at odd positions, other text at even ones."""
    return _ISOLATED.split(text)


def has_control_character(text: str, *, lines: bool = False) -> bool:
    """Return whether text contains a control character or a line break; with `lines`, allow tab and LF."""
    return bool(re.search(_CONTROL_IN_LINES if lines else _CONTROL, text))


def replace_controls(text: str) -> str:
    """Return text with U+FFFD for each control character except tabs and line breaks, for a terminal."""
    return _CONTROL_IN_LINES.sub(lambda found: found[0] if found[0] == "\r" else _REPLACEMENT, text)


def replace_surrogates(text: str) -> str:
    """Replace each surrogate with U+FFFD so that the text can be encoded as UTF-8."""
    return re.sub(f"[{_SURROGATES}]", _REPLACEMENT, text)


def join_surrogates(text: str) -> str:
    r"""Join split surrogate pairs, as JSON parsers do for `\u` escapes; keep lone surrogates."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def replace_not_xml(text: str) -> str:
    """Return text with U+FFFD for each character that XML 1.0 does not allow."""
    return re.sub(_NOT_XML, _REPLACEMENT, text)


def cut_short(text: str, most: int) -> str:
    """Truncate text to a given number of characters; an ellipsis marks the cut.

    A name in bidi isolates stays isolated when truncated.
    """
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    if kept.rfind(_OPEN) > kept.rfind(_CLOSE):
        kept = text[: most - 2]
        return kept + "…" + (_CLOSE if _OPEN in kept[kept.rfind(_CLOSE) + 1 :] else "")
    return kept + "…"
