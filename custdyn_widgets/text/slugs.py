"""Slugs: titles and names in a form for file names."""

from __future__ import annotations

import re

_OTHERS = re.compile("[^a-z0-9]+")
_LONGEST = 60


def slug(text: str) -> str:
    """Return a slug: at most 60 lowercase ASCII letters and digits, with single hyphens between them.

    The slug is empty if the text has no such characters. Different texts may have the same slug; for unique
    names, see `saved_queries.name_for`.
    """
    return _OTHERS.sub("-", text.lower())[:_LONGEST].strip("-")
