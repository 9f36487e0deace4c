"""Messages quote values safely and suggest what is allowed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from custdyn_widgets.errors.wording import hint, nearest, shown

MANY = [f"country {n:02}" for n in range(21)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("it's", '"it\'s"'),
        ("Олена", "'Олена'"),
        ("a\x1b[31m\n", r"'a\x1b[31m\n'"),
        ("Олена\n", r"'\u041e\u043b\u0435\u043d\u0430\n'"),
        (7, "7"),
        (["a\u202eb"], r"['a\u202eb']"),
        ("x" * 78, f"'{'x' * 78}'"),
        ("x" * 79, f"'{'x' * 78}…"),
        (["x" * 90], f"['{'x' * 77}…"),
    ],
)
def test_a_value_is_quoted_on_one_line_of_eighty_characters(value: object, text: str) -> None:
    assert shown(value) == text
    assert len(text) <= 80


SECRET = "postgresql://u:s3a s3b@h"


@pytest.mark.parametrize(
    "value",
    [
        Path(SECRET), PurePosixPath(SECRET), SECRET.encode(), bytearray(SECRET.encode()), {SECRET},
        frozenset([SECRET]), [{"a": ({SECRET: b"x"}, Path(SECRET))}], SECRET.encode() + b"\xff",
    ],
)  # fmt: skip
def test_passwords_are_masked_in_any_kind_of_value(value: object) -> None:
    assert "postgresql" in shown(value)
    assert "***@h" in shown(value)
    assert "s3" not in shown(value)


@pytest.mark.parametrize("value", [Path("a/b"), b"a\xff", {1}, frozenset(), bytearray(b"a")])
def test_other_values_are_shown_as_they_are(value: object) -> None:
    assert shown(value) == repr(value)


def test_a_list_that_contains_itself() -> None:
    itself: list[object] = [SECRET]
    itself.append(itself)
    deep: list[object] = [SECRET]
    for _ in range(100_000):
        deep = [deep]
    for value in (itself, deep):
        assert shown(value) == "a list that contains itself or is nested too deeply"


def test_what_a_value_shows_of_itself_is_on_one_line() -> None:
    class Hostile:
        def __repr__(self) -> str:
            return "a\nb\x1b"

    assert shown(Hostile()) == "a b "


def test_the_nearest_are_found_in_any_case_best_first() -> None:
    allowed = ["by_month", "Month", "week", "months_of_year"]
    assert nearest("MONTHS", allowed) == ["Month", "by_month", "months_of_year"]
    assert nearest("month", allowed, 1) == ["Month"]
    assert nearest("xyz", allowed) == []
    assert nearest(7, ["7", "8"]) == ["7"]
    assert nearest("a", ["A", "a"]) == ["A"]
    assert nearest("x" * 10_000, ["x" * 300]) == ["x" * 300]


@pytest.mark.parametrize(
    ("value", "allowed", "words"),
    [
        ("a", [], "There are none."),
        ("a", ["b"], "Choose from: 'b'."),
        ("country 1", MANY[:12], "Choose from: " + ", ".join(map(repr, MANY[:12])) + "."),
        ("country 012", MANY[:13], "Did you mean 'country 12' or 'country 02' or 'country 01'?"),
        ("xyz", MANY[:20], "Choose from: " + ", ".join(map(repr, MANY[:20])) + "."),
        ("xyz", MANY, "There are 21, including 'country 00', 'country 01', 'country 02'."),
    ],
)
def test_few_allowed_values_are_all_listed_and_of_many_the_nearest(
    value: str, allowed: list[str], words: str
) -> None:
    assert hint(value, allowed) == words
