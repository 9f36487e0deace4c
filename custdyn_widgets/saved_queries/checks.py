"""Checks on JSON values, shared by the parts of a saved query; errors name the key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from custdyn_widgets.errors import SavedQueryError, has_password, mask_value
from custdyn_widgets.text import has_control_character

_MAX_PATH_LENGTH = 1_000
_URL = re.compile(r"\s*[A-Za-z][\w+.:-]+:/")  # `Path` removes the second slash of a URL


def check_text(key: str, value: object, longest: int, *, lines: bool = False) -> None:
    """Reject anything other than a string of limited length without control characters."""
    if not isinstance(value, str):
        raise SavedQueryError.wrong_type(key, value, "text")
    if len(value) > longest:
        raise SavedQueryError.invalid(key, value, f"is longer than {longest:,} characters")
    if has_control_character(value, lines=lines):
        raise SavedQueryError.invalid(key, value, "contains a control character: remove it")


def check_path(key: str, value: object) -> None:
    """Reject anything but a name or a path."""
    if isinstance(value, str) and not value.strip():
        raise SavedQueryError.invalid(key, value, "is blank")
    check_text(key, value, _MAX_PATH_LENGTH)
    text = str(value)
    if _URL.match(text) or has_password(text) or mask_value(text) != text:  # not repeated in the message
        raise SavedQueryError(
            f"{key} must be a name or a path, not a URL: give the source a name in sources.toml.",
            field=key,
        )


def object_fields(
    key: str, value: object, known: Sequence[str], required: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the fields that are set in a JSON object; null counts as absent.

    `required` describes each field that must be set.
    """
    if not isinstance(value, Mapping):
        raise SavedQueryError.wrong_type(key, value, "an object, or null for none")
    for name in value:
        if name not in known:
            raise SavedQueryError.unknown_key(f"{key}.{name}", [f"{key}.{k}" for k in known])
    given = {str(name): field for name, field in value.items() if field is not None}
    for name, what in (required or {}).items():
        if name not in given:
            raise SavedQueryError.missing(f"{key}.{name}", what)
    return given
