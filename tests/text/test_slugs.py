"""Slugs are safe parts of files' names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.text import readable_slug, slug


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Поповнення: разом", "поповнення-разом"),
        ("Balance Refill: Total", "balance-refill-total"),
        ("\u2068שיווק\u2069 7", "שיווק-7"),
        ("हिन्दी", "हिन्दी"),
        ("й", "й"),
        ("../a/..\\b\0\n: v1.5_x.", "a-..-b-v1.5_x"),
        ("€ / %", ""),
        ("x" * 200, "x" * 120),
        ("ї" * 200, "ї" * 90),
        ("a" + "ї" * 200, "a" + "ї" * 89),  # one more has 181 bytes
    ],
)
def test_a_readable_slug_keeps_letters_of_all_scripts(text: str, expected: str) -> None:
    assert readable_slug(text) == expected


@given(st.text(max_size=300))
def test_a_readable_slug_fits_in_a_file_name(text: str) -> None:
    name = readable_slug(text)
    assert len(name.encode()) <= 180
    assert not set(name) & set('/\\:*?"<>|\0\r\n\t \u202e\u2066\u2068')
    assert not name.startswith((".", "-"))
