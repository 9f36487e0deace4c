"""Strict parsing of hand-written JSON: mistakes that other parsers silently accept are errors."""

from __future__ import annotations

import json
from collections import Counter
from typing import NoReturn

from custdyn_widgets.errors import shown


def strict_json(text: str) -> object:
    """Parse JSON, rejecting duplicate keys and NaN.

    Raises
    ------
    ValueError, RecursionError
        If the text is not strict JSON, or is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_reject)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {shown(twice)} occurs twice")
    return found


def _reject(number: str) -> NoReturn:
    raise ValueError(f"{number} is not a JSON number")
