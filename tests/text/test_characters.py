"""What a text from the data may hold where it is shown, stored or handed on."""

from __future__ import annotations

import json

import pytest

from custdyn_widgets.text import (
    cut_short,
    has_control_character,
    isolate,
    join_surrogates,
    printable,
    replace_controls,
    replace_not_xml,
    replace_surrogates,
    split_isolates,
)


@pytest.mark.parametrize(
    "bad",
    ["\x00", "\x1b", "\x85", "\ud800", "\ufdd0", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff", "\u202e"],
)
def test_characters_that_no_format_takes_are_replaced(bad: str) -> None:
    assert printable(f"a{bad}b") == "a\N{REPLACEMENT CHARACTER}b"
    printable(bad).encode("utf-8")


def test_line_breaks_in_a_name_become_a_blank_and_other_scripts_stay() -> None:
    assert printable("a\r\nb\tc") == "a b c"
    assert printable("Ünïcode – 客戶 🎉") == "Ünïcode – 客戶 🎉"


def test_a_name_from_right_to_left_is_isolated_and_no_other() -> None:
    assert isolate("Ünïcode – 客戶 5GB") == "Ünïcode – 客戶 5GB"
    for name in ("باقة 5GB", "5GB חבילה", "ﻻ", "\U00010a00"):
        assert isolate(name) == f"\u2068{name}\u2069"
    assert isolate("ש\u2069 12 \u2068\u202e") == "\u2068ש\ufffd 12 \ufffd\ufffd\u2069"


@pytest.mark.parametrize(
    "bad", ["a\u2068b", "a\u2069b", "\u2069a\u2068", "\u2068a\u2066b\u2069", "\u2067a\u2069"]
)
def test_only_isolates_around_a_whole_name_stay_and_only_where_they_are_wanted(bad: str) -> None:
    sentence = f"of {isolate('חבילה')}, {bad} and {isolate('باقة 5')}"
    kept = printable(sentence, isolates=True)
    assert kept.startswith("of \u2068חבילה\u2069, ")
    assert kept.endswith(" and \u2068باقة 5\u2069")
    assert (kept.count("\u2068"), kept.count("\u2069")) in ((2, 2), (3, 3))
    assert printable(kept, isolates=True) == kept
    assert not set(printable(sentence)) & set("\u2066\u2067\u2068\u2069")


def test_a_name_that_is_cut_stays_isolated() -> None:
    sentence = f"of {isolate('חבילה גדולה')}, and more"
    for most in range(3, len(sentence)):
        cut = cut_short(sentence, most)
        assert len(cut) <= most
        assert printable(cut, isolates=True) == cut


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("\u2068abcdef\u2069", 5, "\u2068ab…\u2069"),
        ("\u2068a\u2069\u2068bcdef\u2069", 7, "\u2068a\u2069\u2068b…\u2069"),
        ("\u2068a\u2069bcdef", 6, "\u2068a\u2069bc…"),
    ],
)
def test_a_text_is_cut_to_exactly_the_length_that_is_allowed(text: str, most: int, cut: str) -> None:
    assert cut_short(text, most) == cut


def test_isolated_names_stand_between_the_other_parts() -> None:
    assert split_isolates(f"of {isolate('חבילה')}, all") == ["of ", "חבילה", ", all"]


def test_a_terminal_gets_no_control_character_except_tabs_and_line_breaks() -> None:
    assert replace_controls("a\x1b[1m\tb\r\n\x00\x9f") == "a\ufffd[1m\tb\r\n\ufffd\ufffd"


def test_line_breaks_can_be_marked_instead() -> None:
    assert printable("a\r\nb\u2028c\td", mark_breaks=True) == "a\ufffd\ufffdb\ufffdc\ufffdd"


@pytest.mark.parametrize("bad", ["\x00", "\n", "\t", "\x7f", "\x9f", "\u2028"])
def test_control_characters_are_found(bad: str) -> None:
    assert has_control_character(f"a{bad}b")
    assert not has_control_character("a b – ü\ufeff")


@pytest.mark.parametrize(("text", "found"), [("a\n\tb\u2028", False), ("a\rb", True), ("\x00", True)])
def test_a_text_of_several_lines_may_have_tabs_and_line_feeds(text: str, found: bool) -> None:
    assert has_control_character(text, lines=True) is found


def test_surrogates_are_replaced_or_joined() -> None:
    pair = "\ud83c\udf89"
    assert replace_surrogates(f"{pair}a\udc80") == "\ufffd\ufffda\ufffd"
    assert join_surrogates(f"{pair}a\udc80") == "🎉a\udc80"
    assert join_surrogates("plain") == "plain"
    assert join_surrogates(pair) == json.loads(json.dumps(pair))


def test_what_xml_cannot_hold_is_replaced_and_the_rest_stays() -> None:
    assert replace_not_xml("a\x0b\ud800\uffff\t\n\r\x85b") == "a\ufffd\ufffd\ufffd\t\n\r\x85b"
