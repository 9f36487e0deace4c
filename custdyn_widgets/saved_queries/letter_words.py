"""The subject and opening words of a report's email, and their placeholders.

Values are inserted in a single pass, so that braces in a title or a company's name have no special meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.saved_queries.checks import check_text

PLACEHOLDERS = ("title", "name", "interval", "company")
MAX_SUBJECT_LENGTH, MAX_OPENING_LENGTH = 150, 2_000
_PARTS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LITERAL = {"{{": "{", "}}": "}"}


def check_subject(value: object) -> None:
    """Reject anything but a line of text whose placeholders are all known."""
    check_text("subject", value, MAX_SUBJECT_LENGTH)
    _check("subject", str(value))


def check_opening(value: object) -> None:
    """Reject anything but text whose placeholders are all known."""
    check_text("opening", value, MAX_OPENING_LENGTH, lines=True)
    _check("opening", str(value))


def fill_words(text: str, values: Mapping[str, str]) -> str:
    """Return text with its placeholders replaced; unknown ones stay as they are.

    Parameters
    ----------
    text
        Text with placeholders such as `{interval}`; `{{` and `}}` stand for braces.
    values
        The value of each of `PLACEHOLDERS`.
    """
    return _PARTS.sub(lambda found: _LITERAL.get(found[0]) or values.get(found[1], found[0]), text)


def _check(key: str, text: str) -> None:
    if text and not text.strip():
        raise SavedQueryError.invalid(key, text, "is blank")
    for found in _PARTS.finditer(text):
        if found[0] in _LITERAL or found[1] in PLACEHOLDERS:
            continue
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        why = (
            f"contains {found[0]}, which is not a placeholder. Use {known}, or write {{{{ and }}}} for braces"
        )
        raise SavedQueryError.invalid(key, text, why)
