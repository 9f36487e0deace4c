"""Names that are cut together stay apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.text import short_names

NAMES = st.lists(
    st.builds(
        lambda begin, middle, end: begin + middle + end,
        st.sampled_from(["", "Unlimited Ukraine Zone ", "x" * 30, "Unlimited Ukraine Zone Alpha 2"]),
        st.text("ab …1", max_size=40),
        st.sampled_from(["", " Mobile and Fixed for a whole Year", "y" * 30]),
    ),
    max_size=12,
)


@given(NAMES, st.integers(12, 40))
def test_no_two_are_alike_and_each_has_room(names: list[str], room: int) -> None:
    shown = short_names(names, room)
    assert list(shown) == list(dict.fromkeys(names))
    assert len(set(shown.values())) == len(shown)
    assert all(len(text) <= room for text in shown.values())
    assert all(shown[name] == name for name in names if len(name) <= room)
    assert short_names(names, room) == shown


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["Unlimited Ukraine Zone A", "Basic"], ["Unlimited Ukrain…", "Basic"]),
        (
            ["Unlimited Ukraine Zone A", "Unlimited Ukraine Zone B"],
            ["Unlimited Ukrai…A", "Unlimited Ukrai…B"],
        ),
        (
            ["Unlimited Ukraine Zone Alpha 1", "Unlimited Ukraine Zone Alpha 2", "Unlimited Ukraine Sea"],
            ["Unlimited Ukrai…1", "Unlimited Ukrai…2", "Unlimited Ukr…Sea"],
        ),
        (["x" * 30 + "1", "x" * 30 + "2"], ["x" * 14 + "…x1", "x" * 14 + "…x2"]),
    ],
)
def test_names_are_cut_where_they_are_alike(names: list[str], shown: list[str]) -> None:
    assert list(short_names(names, 17).values()) == shown


@pytest.mark.parametrize(
    ("names", "room", "shown"),
    [
        (["Unlimited Ukraine"], 17, ["Unlimited Ukraine"]),  # fits exactly
        (["Unlimited Ukrain…", "Unlimited Ukraine Zone A"], 17, ["Unlimited Ukrain…", "Unlim…Ukraine Zo…"]),
        (["x" * 30, "x" * 30 + "1"], 17, ["xxxxxxxxxxxxxxx…x", "xxxxxxxxxxxxxx…x1"]),
        (
            ["Very Unlimited abcdefghijkl1", "Very Unlimited abcdefghijkl2"],
            24,
            ["Very Unlim…abcdefghijkl1", "Very Unlim…abcdefghijkl2"],
        ),
        (
            ["Very Unlimited abcdefghijklm1", "Very Unlimited abcdefghijklm2"],
            24,
            ["Very Unlimited abcdef…m1", "Very Unlimited abcdef…m2"],
        ),
        (
            ["Unlimited Ukraine Alpha and Beta, Gamma", "Unlimited Ukraine Omega and Beta, Gamma"],
            17,
            ["Unlim…Alpha and…", "Unlim…Omega and…"],
        ),
        (["aaaa bbbb1 cccc", "aaaa bbbb2 cccc"], 8, ["aa…bbbb…", "aa…… (2)"]),
        (["abc"], 1, ["…"]),
    ],
)
def test_names_are_cut_exactly(names: list[str], room: int, shown: list[str]) -> None:
    assert list(short_names(names, room).values()) == shown


def test_what_stays_alike_is_numbered() -> None:
    names = [f"{'a' * 30} {i} {'b' * 30} {j}" for i in range(2) for j in range(2)]
    assert list(short_names(names, 10).values()) == ["aaaaaaaa…0", "aaaaaaaa…1", "aaaaa… (2)", "aaaaa… (3)"]
