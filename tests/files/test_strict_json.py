"""JSON as people write it, read strictly."""

from __future__ import annotations

import pytest

from custdyn_widgets.files.strict_json import strict_json


def test_json_gives_its_value() -> None:
    assert strict_json('{"a": [1, null, true], "b": {"a": "x"}}') == {"a": [1, None, True], "b": {"a": "x"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 1}', "the key 'a' occurs twice"),
        ('[{"b": 1, "c": {"a": 1, "a": 2}}]', "the key 'a' occurs twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ("{", "line 1 column 2"),
    ],
)
def test_what_other_readers_pass_over_is_an_error(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        strict_json(text)


def test_nesting_without_end_is_an_error() -> None:
    with pytest.raises(RecursionError):
        strict_json("[" * 100_000)
