"""Slugs are safe parts of files' names."""

from __future__ import annotations

import pytest

from custdyn_widgets.text import slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Balance by month", "balance-by-month"),
        ("../Évil\x00 name.", "vil-name"),
        ("売上", ""),
        ("", ""),
        ("a" * 59 + " b", "a" * 59),
        ("a" * 70, "a" * 60),
    ],
)
def test_a_slug_has_lowercase_letters_digits_and_single_hyphens(text: str, expected: str) -> None:
    assert slug(text) == expected
