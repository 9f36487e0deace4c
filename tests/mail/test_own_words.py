"""A saved query's own subject and opening words, however hostile what is inserted into them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from custdyn_widgets.errors import SavedQueryError
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.letter_words import fill_words
from tests.mail.test_letters import LETTER, bodies, sent
from tests.payloads import PAYLOADS

SAVED = SavedQuery("Board", ReportQuery("last_month"))
ALL = " | ".join(PAYLOADS)


def test_subject_and_opening_words_are_those_of_the_saved_query() -> None:
    letter = replace(
        LETTER,
        own_subject="{company} in {interval}",
        opening="Dear {company},\n\nhere is {title} ({name}).",
        company="Anna",
    )
    assert letter.subject.startswith("Anna in 20")
    text, html = bodies(sent(letter)[1])
    for body in (text, html):
        assert "Dear Anna," in body
        assert body.index("Dear Anna,") < body.index(f"here is {LETTER.title} ({LETTER.name}).")
    assert replace(letter, mark="Alert").subject.startswith("Alert: Anna in 20")
    assert replace(letter, own_subject="").subject == LETTER.subject


def test_what_is_inserted_is_not_read_again_and_adds_no_header() -> None:
    values = {"title": "{name}", "name": "{{x}}", "interval": "{", "company": "}"}
    assert fill_words("{title}{name}{interval}{company}{{title}}", values) == "{name}{{x}}{}{title}"
    masked = "{[the value of DB_PASSWORD]} for {title}}"  # secrets are masked before
    assert fill_words(masked, values) == "{[the value of DB_PASSWORD]} for {name}}"
    letter = replace(
        LETTER, own_subject="{company}", opening="{company}", company=f"{ALL}\r\nBcc: x@example.com"
    )
    message = sent(letter)[1]
    assert message["Bcc"] is None
    assert len(message.get_all("Subject")) == 1
    text, html = bodies(sent(letter)[1])
    assert "<script" not in html
    assert "x@example.com" not in text + html  # an invisible break is in it


@pytest.mark.parametrize("key", ["subject", "opening"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "For {month}",
            "contains {month}, which is not a placeholder. Use {title}, {name}, {interval}, {company}",
        ),
        ("{title!r}", "contains {title!r}"),
        ("{title.__class__}", "not a placeholder"),
        ("a { b", "contains {"),
        ("a } b", "contains }"),
        ("{}", "contains {}"),
        ("  ", "is blank"),
        ("a\0b", "control character"),
        ("x" * 2_001, "is longer than"),
        (3, "must be text"),
    ],
)
def test_words_that_cannot_be_used_are_refused_with_the_key(key: str, value: object, words: str) -> None:
    with pytest.raises(SavedQueryError) as refused:
        SavedQuery.from_dict({**SAVED.to_dict(), key: value})
    assert refused.value.field == key
    assert words in refused.value.message


def test_a_subject_is_one_line() -> None:
    for text in ("a\nBcc: b", "a\r\nb", "a\u2028b", "x" * 151):
        with pytest.raises(SavedQueryError, match="subject"):
            replace(SAVED, subject=text)
    assert replace(SAVED, opening="a\nb").opening == "a\nb"


def test_files_of_before_are_unchanged_and_new_keys_come_back() -> None:
    assert not {"subject", "opening"} & set(SAVED.to_dict())
    saved = replace(SAVED, subject="{{x}} {interval}", opening="Hello.")
    assert SavedQuery.from_dict(json.loads(saved.to_bytes())) == saved
