"""Shortening names so that no two look the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

_ELLIPSIS = "…"
_HEAD = 0.4  # the fraction of the width reserved for a common prefix
_LEAD = 12  # words that differ keep up to this many characters of their common prefix


def short_names(names: Iterable[str], room: float, width: Callable[[str], float] = len) -> dict[str, str]:
    """Return each name, shortened to fit if necessary; no two results are the same.

    If several names would be shortened to the same text, part of what they have in common is cut out of the
    middle instead: `Unlimited Ukraine Zone A Mobile` and `… Zone B Mobile` become `Unlimited…A Mobile` and
    `Unlimited…B Mobile`. Names that are still the same are numbered.

    Parameters
    ----------
    names
        The names; duplicates are ignored.
    room
        The maximum width of a name as displayed.
    width
        A function that returns the width of a string. Defaults to `len`.
    """
    known = list(dict.fromkeys(names))
    shown = {name: _fit(name, room, width) for name in known}
    waiting = list(_alike(shown, known))
    while waiting:
        group = waiting.pop()
        shared = _shared_length(group)
        parted = {name: _without_middle(name, shared, room, width) for name in group}
        shown |= parted
        if len(set(parted.values())) > 1:
            waiting += _alike(parted, group)
    return _numbered(shown, room, width)


def _alike(shown: dict[str, str], names: list[str]) -> Iterator[list[str]]:
    """Yield the groups of names that look the same when shown."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[shown[name]].append(name)
    yield from (group for group in groups.values() if len(group) > 1)


def _shared_length(names: list[str]) -> int:
    """Return the length of the names' common prefix."""
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return next((place for place, (one, other) in pairs if one != other), len(first))


def _without_middle(name: str, shared: int, room: float, width: Callable[[str], float]) -> str:
    """Return the start of a name and the rest from the first word that differs, joined by an ellipsis."""
    if width(name) <= room:
        return name
    word = name.rfind(" ", 0, shared) + 1
    begin = word if shared - word <= _LEAD else shared - 1
    gap = width(_ELLIPSIS)
    head = _head(name, begin, room * _HEAD - gap, width).rstrip()
    tail = _fit(name[begin:], room - width(head) - gap, width)
    if tail == name[begin:]:  # the start may use any room that the end does not need
        head = max(head, _head(name, begin, room - gap - width(tail), width), key=len)
    return f"{head.rstrip()}{_ELLIPSIS}{tail}"


def _numbered(shown: dict[str, str], room: float, width: Callable[[str], float]) -> dict[str, str]:
    """Append a number to each shortened name that is already taken, and return all names."""
    taken = {text for name, text in shown.items() if name == text}
    numbers: dict[str, int] = defaultdict(lambda: 1)
    for name, text in shown.items():
        if name == text:
            continue
        unique = text
        while unique in taken:
            numbers[text] += 1
            number = f" ({numbers[text]})"
            unique = _fit(text, room - width(number), width) + number
        taken.add(unique)
        shown[name] = unique
    return shown


def _fit(text: str, room: float, width: Callable[[str], float]) -> str:
    """Return a string, truncated with an ellipsis if it is too wide."""
    if width(text) <= room:
        return text
    return _head(text, len(text), room - width(_ELLIPSIS), width).rstrip() + _ELLIPSIS


def _head(text: str, most: int, room: float, width: Callable[[str], float]) -> str:
    """Return the longest prefix of a string that fits and has no more than `most` characters."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(text[:middle]) <= room else (low, middle - 1)
    return text[:low]
