"""A password in a value that is known as a whole is masked, whatever it contains and however it is quoted."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import is_address, mask_given, mask_value, shown
from tests.passwords import ELSEWHERE, IN_URLS, PASSWORD

ANY_TEXT = st.text(min_size=1, max_size=30)


@pytest.mark.parametrize("value", [*IN_URLS, *ELSEWHERE])
def test_each_form_is_masked_however_it_is_quoted(value: str) -> None:
    assert PASSWORD not in mask_value(value)
    assert PASSWORD not in shown(value)
    assert PASSWORD not in shown([value])
    assert PASSWORD not in shown({"a": (value,)})
    words = ["--url", value]
    for text in (value, repr(value), ascii(value), json.dumps(value), f"({value} {value})", repr(words)):
        masked = mask_given(f"It is {text} here.", words)
        assert PASSWORD not in masked
        assert masked.startswith("It is ")
        assert masked.endswith(" here.")


@pytest.mark.parametrize("value", IN_URLS)
def test_only_the_password_is_masked(value: str) -> None:
    assert mask_value(value) == "postgresql://u:***@h/d"
    assert mask_value(mask_value(value)) == "postgresql://u:***@h/d"
    assert mask_given(f"Odd: {value!r}.", [value]).startswith("Odd: ")


@given(ANY_TEXT)
def test_any_text_can_be_a_password(password: str) -> None:
    assert mask_value(f"mysql://u:{password}@h/d") == "mysql://u:***@h/d"
    masked = mask_given(f"Odd: mysql://u:{password}@h/d.", [f"mysql://u:{password}@h/d"])
    assert masked == "Odd: mysql://u:***@h/d."


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("host=h password='a \\' b' port=1", "host=h password=*** port=1"),
        ("Server=h;Pwd=a b;Database=x", "Server=h;Pwd=***;Database=x"),
        ("DRIVER={X};PWD={a;b c};X=1", "DRIVER={X};PWD=***;X=1"),
        ("mysql://h/d?password=a b&x=1", "mysql://h/d?password=***&x=1"),
        ("redis://:a b@h", "redis://:***@h"),
        ("--url=mysql://u:a b@h", "--url=mysql://u:***@h"),
        ("mysql://u:cut", "mysql://u:***"),
        (" u:a b@h", " u:***@h"),
        ('{"login": "u:a b@h"}', '{"login": "u:***@h"}'),
        ("/tmp/u/a b@//h:1/d", "/tmp/***@//h:1/d"),
        ("/no/u:a b@h/x.json", "/no/u:***@h/x.json"),
        ("mysql://u:8443/a b@h", "mysql://u:***@h"),
        ("https://u:8443/a@h", "https://u:***@h"),
        ("AccountName=x;AccountKey=a+b==;X=1", "AccountName=x;AccountKey=***;X=1"),
        ("secret_key=a b&x=1", "secret_key=***&x=1"),
        ("secret = a-b c", "secret = ***"),
    ],
)
def test_what_remains(value: str, masked: str) -> None:
    assert mask_value(value) == masked


@pytest.mark.parametrize(
    "value",
    [
        "demo", "s3://bucket/folder", "https://reports.example:8443/view?id=a", "10:30",
        "2021-01-01T10:00/2021-02-01", "mailto:bob@x.example", "https://[::1]:8080/", "C:/Users/x",
        "Note: ask bob@x", "postgresql://u@h:5432/d",
        "host=h user=u", "password=", "the password of x", "https://h/t?at=10:30", "",
        "https://host:8443/view?email=a@b", "https://h/t?a=1:2&m=bob@x", "Zone:A @ night", "secret = 5",
    ],
)  # fmt: skip
def test_nothing_else_is_masked(value: str) -> None:
    assert mask_value(value) == value
    assert mask_given(f"Odd: {value!r}.", [value]) == f"Odd: {value!r}."


@pytest.mark.parametrize(
    "words",
    [
        ["mysql://u:s3aa", "s3bb", "s3cc@h/d"],
        ["mysql://u:s3aa@s3bb", "s3cc@h/d"],
        ["mysql://u:s3aa", "s3bb@s3cc", "s3dd", "s3ee@h/d"],
        ["mysql://u:s3aa", "s3bb", "s3cc"],
        ["--url=mysql://u:s3aa", "s3bb", "", "s3cc@h/d"],
        ["u:s3aa", "s3bb", "s3cc@h/d"],
        ["u/s3aa", "s3bb", "s3cc@//h:1521/d"],
        ["host=h", "password=s3aa", "s3bb", "s3cc"],
        ["password", "=", "s3aa", "s3bb"],
        ["mysql://u:s3aa=s3bb", "s3cc=s3dd@h/d"],
    ],
)
def test_a_password_that_the_shell_divided_at_its_blanks(words: list[str]) -> None:
    given = ["check", *words, "--source", "demo"]
    for first in range(len(words)):
        message = f"Odd: ({' '.join(words[first:])}) {words[first:]} {words[first]!r} {words[first]}."
        masked = mask_given(message, given)
        assert "s3" not in masked.replace("--source", "")
        assert masked.startswith("Odd: (")
        assert "s3" not in mask_given(message, words)


def test_short_parts_of_a_divided_password() -> None:
    words = ["mysql://u:it", "is", "in", "a@h/d"]
    for text, masked in (
        ("It is in a list: (is in a@h/d)", "It is in a list: (***@h/d)"),
        ("There is no 'is'.", "There is no '***'."),
        ("(mysql://u:it is in a@h/d)", "(mysql://u:***@h/d)"),
    ):
        assert mask_given(text, words) == masked


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["check", "mysql://u:p", "--mail", "bob@x"], "Odd: bob@x."),
        (["-xpostgresql://u:p=e", "--more"], "Error: more."),
        (["demo", "bob@x"], "Odd: (demo bob@x)."),
        (["mysql://u:p@h", "-s", "demo"], "Odd: demo."),
        (["https://host:8443/latest?q=a@b", "shop"], "Odd: 'https://host:8443/latest?q=a@b' (shop)."),
        (["--company", "shop", "https://host:8443/view?id=abc"], "Odd: https://host:8443/view?id=abc."),
    ],
)
def test_other_arguments_are_not_masked(words: list[str], text: str) -> None:
    assert mask_given(text, words) == text


def test_the_path_of_an_address_is_masked_too() -> None:
    value = "mysql://u:a b/c@h"
    assert mask_given("mysql:/u:a b/c@h: No such file.", [value]) == "mysql:/u:***@h: No such file."


def test_a_password_longer_than_what_is_shown() -> None:
    assert shown(f"mysql://u:{'sea ' * 5_000}@h") == "'mysql://u:***@h'"
    assert "sea" not in shown(f"host=h password={'sea&' * 5_000}")


@pytest.mark.parametrize(
    "piece", ["a.", ":/", "a://b:", "::", "password=", "password = ", "a:b", "'", " ", "a/@", "&", "a"]
)
def test_a_long_value_takes_no_long_time(piece: str) -> None:
    began = time.process_time()
    shown(piece * 300_000)
    mask_value(piece * 30_000)
    mask_given("Odd.", [piece * 3_000])
    mask_given("Odd.", [f"{piece * 3_000}/{'u' * 100_000}://b:c@d"])
    mask_given("Odd.", [piece] * 1_000)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mysql://h", True), ("S3:/b", True), (" https://h", True), ("x/mysql://h", True),
        ("x/file.csv", False),
        ("C:/Users", False), ("/a:b/c", False), ("a:b", False), ("", False),
    ],
)  # fmt: skip
def test_an_address_is_not_a_path(text: str, expected: bool) -> None:
    assert is_address(text) is expected
