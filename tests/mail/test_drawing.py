"""How letters are laid out: lines of plain text, and figures of HTML that fit on a phone."""

from __future__ import annotations

import re

import pytest

from custdyn_widgets.mail.drawing import LetterContent, to_html, to_text

BARE = {"title": "Board", "lead": "Lead.", "foot": "Foot."}


def lines(**parts: object) -> list[str]:
    return to_text(LetterContent(**{**BARE, **parts})).splitlines()  # type: ignore[arg-type]


def test_every_part_has_its_place_and_those_that_are_empty_have_none() -> None:
    assert lines() == ["Board", "=====", "", "Lead.", "", "-- ", "Foot."]
    assert lines(
        alerts=(("First.", "one", "two"), ("Second.",)),
        figures=(("Clients", "5", "", "", ""), ("Amount", "1.50", "USD", "", "")),
        link="https://reports.example/view?id=x",
        link_note="Until May.",
        attachment="A file.",
        note="A note.",
        command="custdyn run --saved board",
        command_note="Run:",
        facts=(("For", "May"), ("Generated", "now")),
        log=("line 1", "line 2"),
    ) == [
        *("Board", "=====", "", "Lead.", ""),
        *("! First.", "  - one", "  - two", "", "! Second.", ""),
        *("Clients  5", "Amount   1.50 USD", ""),
        *("https://reports.example/view?id=x", "Until May.", ""),
        *("A file.", "", "A note.", ""),
        *("Run:", "", "    custdyn run --saved board", ""),
        *("For        May", "Generated  now", ""),
        *("    line 1", "    line 2", ""),
        *("-- ", "Foot."),
    ]


def test_lines_break_between_words_only_and_after_76_characters() -> None:
    long, hyphens = "x" * 90, "-".join(["four"] * 20)
    assert lines(note=f"a {long} b")[5:8] == ["a", long, "b"]
    assert lines(note=f"a {hyphens} b")[5:8] == ["a", hyphens, "b"]
    assert lines(note=f"{'x' * 38} {'y' * 37}")[5] == f"{'x' * 38} {'y' * 37}"
    assert lines(note=f"{'x' * 38} {'y' * 38}")[5:7] == ["x" * 38, "y" * 38]


def test_what_is_wrapped_is_indented_below_its_beginning() -> None:
    words = " ".join(["word"] * 20)
    assert [line[:6] for line in lines(alerts=((words, words),))[5:9]] == [
        "! word", "  word", "  - wo", "    wo",
    ]  # fmt: skip
    assert [line[:10] for line in lines(facts=(("A", "b"), ("Label", words)))[5:8]] == [
        "A      b", "Label  wor", "       wor",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "longest"), [("x" * 76, 76), ("x" * 90, 76), ("x" * 40 + " " + "y" * 50, 50)]
)
def test_a_title_is_underlined_as_far_as_its_longest_line(title: str, longest: int) -> None:
    assert re.findall("^=+$", "\n".join(lines(title=title)), re.MULTILINE) == ["=" * longest]


def test_a_title_and_a_text_are_cut() -> None:
    assert sum(line.count("x") for line in lines(title="x" * 300)) == 199
    assert sum(line.count("x") for line in lines(note="x" * 2_000)) == 999


@pytest.mark.parametrize(
    ("numbers", "rows", "pixels"),
    [
        (["1", "2", "3"], 2, 20),
        (["1" * 16, "2"], 1, 13),  # two to a row, in a smaller font
        (["1" * 17, "2"], 2, 20),
        (["1" * 60, "2"], 2, 7),
    ],
)
def test_figures_fit_on_a_phone(numbers: list[str], rows: int, pixels: int) -> None:
    figures = tuple(("Heading", number, "USD", "#000000", "") for number in numbers)
    html = to_html(LetterContent(**BARE, figures=figures))  # type: ignore[arg-type]
    assert set(re.findall(r"<strong[^>]*font-size:(\d+)px", html)) == {str(pixels)}
    assert len([row for row in html.split("<tr>") if "Heading" in row]) == rows


def test_dates_and_options_stay_on_one_line_in_html() -> None:
    together = '<span style="white-space:nowrap">{}</span>'
    html = to_html(
        LetterContent(**BARE, note="To 2021-01-31.", command=f"run --no-send {'a-b' * 10} {'a-b' * 10}c")
    )
    for words in ("2021-01-31", "--no-send", "a-b" * 10):
        assert together.format(words) in html
    assert f" {'a-b' * 10}c" in html  # too long for a phone
