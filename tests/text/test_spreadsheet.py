"""No text from the data runs as a formula when a CSV file is opened in a spreadsheet."""

from __future__ import annotations

import pytest

from custdyn_widgets.text import guard_formula


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "  =1", "\n=1", "\x00=1", "\ufeff=1", "\u200b@x"]
)
def test_a_text_that_would_run_as_a_formula_gets_an_apostrophe(text: str) -> None:
    assert guard_formula(text) == "'" + text


@pytest.mark.parametrize("text", ["", " ", "a=1", "1-2", "'=1", "(no package)", "é", "a\tb"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert guard_formula(text) == text


@pytest.mark.parametrize("text", ["-1.5", "+2", "-3e1", "-.5"])
def test_numbers_stay_where_they_may(text: str) -> None:
    assert guard_formula(text, numbers_stay=True) == text
    assert guard_formula(text) == "'" + text


@pytest.mark.parametrize("text", ["-1+cmd", "\ufeff-1", "=1", "-٣"])
def test_what_only_begins_like_a_number_is_guarded(text: str) -> None:
    assert guard_formula(text, numbers_stay=True) == "'" + text
