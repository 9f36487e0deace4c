"""Slugs: titles and names converted for use in file names."""

from __future__ import annotations

import re
import unicodedata

_OTHERS = re.compile("[^a-z0-9]+")
_MAX_LENGTH = 60
_MAX_FILE_NAME_LENGTH = 120
_MAX_BYTES = 180  # file systems allow 255 bytes for an entire name


def slug(text: str) -> str:
    """Return a slug of up to 60 characters: words of lowercase ASCII letters and digits, joined by hyphens.

    The slug is empty if the text has no such characters. Different strings may have the same slug; for unique
    names, see `saved_queries.name_for`.
    """
    return _OTHERS.sub("-", text.lower())[:_MAX_LENGTH].strip("-")


def readable_slug(text: str) -> str:
    """Return a slug for the name of a download, with letters and digits from any script.

    It has at most 120 characters and 180 bytes in UTF-8, and may be empty. Dots and underscores are kept,
    except for dots at the ends.
    """
    kept = "".join(c if _is_readable(c) else " " for c in unicodedata.normalize("NFC", text).lower())
    words = "-".join(kept.split())[:_MAX_FILE_NAME_LENGTH]
    return words.encode()[:_MAX_BYTES].decode("utf-8", "ignore").strip("-.")


def _is_readable(character: str) -> bool:
    """Return whether a character is part of a word; in some scripts, vowels are combining marks."""
    return character.isalnum() or character in "_.-" or unicodedata.category(character)[0] == "M"
