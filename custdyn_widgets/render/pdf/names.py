"""The writing direction of names in a PDF, which WeasyPrint does not detect."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

_ISOLATED = re.compile(r"<bdi>([^<]*)</bdi>")


def with_directions(html: str) -> str:
    """Mark each isolated name as right-to-left if its first letter is; browsers detect this themselves."""
    return _ISOLATED.sub(_with_direction, html)


def _with_direction(name: re.Match[str]) -> str:
    strong = (unicodedata.bidirectional(character) for character in unescape(name[1]))
    first = next((kind for kind in strong if kind in ("L", "R", "AL")), "L")
    return name[0] if first == "L" else f'<bdi dir="rtl">{name[1]}</bdi>'
