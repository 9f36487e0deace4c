"""Slugs: titles and names as parts of files' names."""

from __future__ import annotations

import re

_OTHERS = re.compile("[^a-z0-9]+")
_LONGEST = 60


def slug(text: str) -> str:
    """Return a text as at most 60 lowercase ASCII letters and digits with single hyphens between them.

    The slug is empty if the text has none of these, and different texts may share one: for unique names
    see `saved_queries.name_for`.
    """
    return _OTHERS.sub("-", text.lower())[:_LONGEST].strip("-")
