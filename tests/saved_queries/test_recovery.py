"""Failure recipients are read from the file of an invalid saved query wherever they are clearly listed."""

from __future__ import annotations

import json
import time

import pytest

from custdyn_widgets.saved_queries.content import MAX_BYTES
from custdyn_widgets.saved_queries.recovery import recover_failure_recipients

EVA, BEN = "eva@example.com", "ben@example.com"
OTHERS = '"recipients": ["anna@example.com"], "subject": "ask@example.com"'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_failure_recipients_are_recovered_from_a_file_in_any_encoding(encoding: str) -> None:
    text = '{"title": "Über", "failure_recipients": ["ops@example.com"], oops'
    assert recover_failure_recipients(text.encode(encoding)) == ("ops@example.com",)


@pytest.mark.parametrize(
    ("end", "found"),
    [
        ("]", ("ops@example.com", "night@example.com")),
        ("", ("ops@example.com", "night@example.com")),
        (", ", ("ops@example.com", "night@example.com")),
        (', "third@exa', ("ops@example.com", "night@example.com")),
        (
            ', 7, "no address", "third@example.com"',
            ("ops@example.com", "night@example.com", "third@example.com"),
        ),
    ],
)
def test_failure_recipients_are_recovered_from_a_file_that_ends_in_or_after_the_list(
    end: str, found: tuple[str, ...]
) -> None:
    text = '{"title": "T", "failure_recipients": ["ops@example.com",\n "night@example.com"' + end
    assert recover_failure_recipients(text.encode()) == found


def test_no_failure_recipient_is_recovered_from_half_an_address() -> None:
    assert recover_failure_recipients(b'{"failure_recipients": ["ops@example.com') == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_letter_whose_code_holds_a_quotation_mark_does_not_end_a_string(encoding: str) -> None:
    text = '{"description": "\u0122, \u0122failure_recipients\u0122: [\u0122x@example.com\u0122]"}'
    assert recover_failure_recipients(text.encode(encoding)) == ()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f'"{EVA}"', (EVA,)),
        (f'" {EVA} "', (EVA,)),
        (f'"{EVA}, {BEN}"', (EVA, BEN)),
        (f'"{EVA};{BEN};"', (EVA, BEN)),
        (f'"{EVA} {BEN}"', (EVA, BEN)),
        (f'"Eva Roth <{EVA}>, Roth, Ben <{BEN}>"', (EVA, BEN)),
        (f'["{EVA}; {BEN}"]', (EVA, BEN)),
        (f'["Eva <{EVA}>"]', (EVA,)),
        (f'[["{EVA}"], ["{BEN}"]]', (EVA, BEN)),
        (f'{{"to": ["{EVA}", "{BEN}"]}}', (EVA, BEN)),
        (f'{{"Eva": "{EVA}"}}', (EVA,)),
        (f'[{{"name": "Eva", "email": "{EVA}"}}]', (EVA,)),
        (f'["{EVA}", "{EVA}"]', (EVA,)),
        (f"['{EVA}', '{BEN}',]", (EVA, BEN)),
        (f"'{EVA}'", (EVA,)),
        (f'["{EVA}",]', (EVA,)),
        (f'["{EVA}", // at night\n"{BEN}", /* both */]', (EVA, BEN)),
        (f'["{EVA}" "{BEN}"]', (EVA, BEN)),
        (f"[{EVA}, {BEN}]", (EVA, BEN)),
        (f"{EVA}", (EVA,)),
        (f'["{EVA}"', (EVA,)),
        (f'"{EVA}" "{BEN}"', (EVA,)),
        ('"o\'neil@example.com"', ("o'neil@example.com",)),
        ("['o\\'neil@example.com']", ("o'neil@example.com",)),
        ('"eva\\u0040example.com"', (EVA,)),
    ],
)
def test_addresses_are_recovered_from_other_forms_of_the_value(value: str, found: tuple[str, ...]) -> None:
    for before, after in (("{", f", {OTHERS}}}"), (f"{{{OTHERS},\n", ",\n" + OTHERS), ("{", ",\noops")):
        text = f'{before}"failure_recipients": {value}{after}'
        assert recover_failure_recipients(text.encode()) == found, text


@pytest.mark.parametrize(
    "key",
    [
        '"Failure_Recipients"',
        '"failure-recipients"',
        '"failure recipients"',
        '"failureRecipients"',
        '"failure_recipient"',
        '"failure_recepients"',
        '"failure_recipents"',
        "'failure_recipients'",
        "failure_recipients",
    ],
)
@pytest.mark.parametrize("value", [f'"{EVA}"', f'["{EVA}"]', f"['{EVA}']"])
def test_addresses_are_recovered_under_other_spellings_of_the_key(key: str, value: str) -> None:
    for before in ("{", f"{{{OTHERS}, ", f"{{{OTHERS},\n  ", f"{OTHERS}\n"):
        text = f"{before}{key}: {value}, {OTHERS}}}"
        assert recover_failure_recipients(text.encode()) == (EVA,), text


@pytest.mark.parametrize(
    "text",
    [
        # another key
        f"{{{OTHERS}}}",
        '{"failure": ["x@example.com"]}',
        '{"_failure_recipients": ["x@example.com"]}',
        '{"failure_recipients_old": ["x@example.com"]}',
        '{"failure_recipients2": "x@example.com"}',
        '{"no_failure_recipients": ["x@example.com"]}',
        # text that mentions the key
        '{"description": "failure_recipients: x@example.com"}',
        '{"description": "see, failure_recipients: [x@example.com]"}',
        '{"description": "\\"failure_recipients\\": [\\"x@example.com\\"]"}',
        "{\"description\": \"{'failure_recipients': ['x@example.com']}\"}",
        # a comment
        '{\n// "failure_recipients": ["x@example.com"],\n"title": 1',
        '{\n# "failure_recipients": "x@example.com",\n"title": 1',
        '{/* "failure_recipients": ["x@example.com"], */',
        '{"failure_recipients": [// "x@example.com"\n]}',
        # a value that ends early, or that is missing
        f'{{"failure_recipients": [], {OTHERS}}}',
        f'{{"failure_recipients": null, {OTHERS}}}',
        f'{{"failure_recipients": , {OTHERS}}}',
        f'{{"failure_recipients": {OTHERS}}}',
        f'{{"failure_recipients": [{OTHERS}',
        f'{{"failure_recipients": [\n{OTHERS}',
        f'{{"failure_recipients": {{{OTHERS}}}}}',
        f'{{"failure_recipients": ["to"\n{OTHERS}',
        '{"failure_recipients": ["to", "recipients" ["x@example.com"]',
        '{"failure_recipients": ["to", recipients: ["x@example.com"]',
        '{"failure_recipients": ["to", "opening": "x@example.com"',
        '{"failure_recipients": {"to": [], "recipeints": ["x@example.com"]',
        f'{{"failure_recipients": "eva@\n{OTHERS}',
        f'{{"failure_recipients": ["eva@example.com], {OTHERS}}}',
        # half an address
        '{"failure_recipients": "eva@example.com',
        '{"failure_recipients": eva@example.com',
        "{\"failure_recipients\": ['o'neil@example.com']}",
        '{"failure_recipients": o\'neil@example.com, }',
        '{"failure_recipients": [x"eva@example.com]}',
        # prose
        '{"failure_recipients": "nobody, not even eva@example.com"}',
        '{"failure_recipients": 3}',
    ],
)
def test_nothing_is_recovered_from_anything_else(text: str) -> None:
    for whole in (text, f'{{"title": "T", {OTHERS},\n{text[1:]}' if text[0] == "{" else text):
        assert recover_failure_recipients(whole.encode()) == (), whole


def test_after_a_string_without_its_end_on_the_same_line_the_key_is_still_found() -> None:
    text = f'{{"title": "Board, "failure_recipients": ["{EVA}"], {OTHERS}}}'
    assert recover_failure_recipients(text.encode()) == (EVA,)


def test_a_missing_quotation_mark_in_the_list_costs_no_other_address() -> None:
    assert recover_failure_recipients(f'{{"failure_recipients": ["{EVA}, "{BEN}"]}}'.encode()) == (EVA,)
    assert recover_failure_recipients(f'{{"failure_recipients": ["{EVA}",\n"x@\n"{BEN}"]'.encode()) == (
        EVA,
        BEN,
    )


@pytest.mark.parametrize(
    "text",
    [
        '"failure_recipients":' * 3_000,
        '" "failure_recipients": ["' * 2_400,
        '"failure_recipients": [' + '"a", ' * 12_000,
        '"failure_recipients": [' + '"a@b.c", ' * 7_000,
        '"failure_recipients": ' + "[" * 60_000,
        "'" * 60_000,
        "/*" * 30_000,
    ],
)
def test_a_hostile_file_is_read_in_a_moment(text: str) -> None:
    assert len(text) <= MAX_BYTES
    began = time.monotonic()
    recover_failure_recipients(text.encode())
    assert time.monotonic() - began < 5


def test_a_file_that_lost_its_beginning_its_end_or_a_mark_gives_only_addresses_of_the_list() -> None:
    whole = {"recipients": ["anna@example.com"], "failure_recipients": [EVA, BEN], "opening": "x@example.com"}
    for indent in (None, 2):
        text = json.dumps(whole, indent=indent)
        for at, lost in enumerate(text):
            without = text if lost.isalnum() or lost in "@." else text[:at] + text[at + 1 :]
            for damaged in (text[:at], text[at:], without):
                assert set(recover_failure_recipients(damaged.encode())) <= {EVA, BEN}, damaged
