"""Looking up many strings and numbers: the result is that of Arrow's `index_in`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.mart import text_lookup
from custdyn_widgets.mart.text_lookup import NumberLookup, TextLookup

TYPES = st.sampled_from([pa.string(), pa.large_string()])
# Few letters and lengths around those of words, so that strings are equal or differ in one place.
TEXT = st.one_of(
    st.text("a\0", max_size=18),
    st.sampled_from([letter * length for letter in "a\0é" for length in (0, 1, 7, 8, 9, 16, 39, 40, 41)]),
)


def expected(known: pa.Array, values: pa.Array) -> list[int]:
    found: list[int] = pc.fill_null(pc.index_in(values, value_set=known.cast(values.type)), -1).to_pylist()
    return found


@given(TYPES, TYPES, st.lists(TEXT | st.none()), st.lists(TEXT | st.none()), st.integers(0, 3))
def test_strings_are_found_as_arrow_finds_them(
    known_type: pa.DataType,
    type_: pa.DataType,
    known: list[str | None],
    more: list[str | None],
    first: int,
) -> None:
    among = pa.array(known, known_type)[first:]
    values = pa.array([*known, *more], type_)[first:]
    assert TextLookup(among).positions(values).tolist() == expected(among, values)
    inner = pa.array([*known, "a", "\0"], known_type)[first:-2]
    assert TextLookup(inner).positions(values[:-1]).tolist() == expected(inner, values[:-1])


@pytest.mark.parametrize(
    "form", ["C{:07}", "{:09}", "C{}", "{}", "customer-{:012}", "{0:08x}-aaaa-bbbb-cccc-{0:012x}", "{:039}ab"]
)
def test_ids_are_found_as_arrow_finds_them(form: str) -> None:
    known = pa.array([form.format(7919 * i % 100_003) for i in range(20_000)], pa.large_string())
    values = pa.array([form.format(i) for i in range(100_003)], pa.string())
    found = TextLookup(known).positions(values)
    assert found.dtype == np.int32
    assert found.tolist() == expected(known, values)


def test_known_strings_are_hashed_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = pa.array([f"C{i}" for i in range(1000)])
    lookup = TextLookup(known)
    monkeypatch.setattr(pc, "index_in", None)
    assert lookup.positions(known).tolist() == list(range(1000))


def test_strings_that_collide_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_slots(strings: text_lookup._Strings, bits: int) -> np.ndarray:
        return np.full(len(strings.words[0]), 2**bits - 1)

    monkeypatch.setattr(text_lookup._Strings, "slots", first_slots)
    for count in (text_lookup._MOST_PROBES, 10 * text_lookup._MOST_PROBES):
        known = pa.array([f"C{i}" for i in range(count)])
        values = pa.array([f"C{i}" for i in range(-3, count + 3)])
        assert TextLookup(known).positions(values).tolist() == expected(known, values)


def test_the_search_for_an_unknown_string_is_short_even_among_chosen_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def own_slots(strings: text_lookup._Strings, bits: int) -> np.ndarray:
        return strings.words[0].view(np.int64) % 1000

    monkeypatch.setattr(text_lookup._Strings, "slots", own_slots)
    known = pa.array([chr(n) for n in range(1, 128)])  # each in its own slot, without an empty one between
    unknown = pa.array([chr(2) + "\0\0\0\0\0\0\0\0"])
    lookup, searched = TextLookup(known), []
    equal = text_lookup._Strings.equal
    monkeypatch.setattr(text_lookup._Strings, "equal", lambda *args: searched.append(1) or equal(*args))
    assert lookup.positions(unknown).tolist() == [-1]
    assert len(searched) <= text_lookup._MOST_PROBES + 1


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3), st.integers(0, 63).map(lambda bits: 2**bits - 1)
)


@given(st.lists(NUMBERS, min_size=1), st.lists(NUMBERS))
def test_numbers_are_found_as_arrow_finds_them(known: list[int], more: list[int]) -> None:
    values = np.array([*known, *more], np.int64)
    found = NumberLookup(np.array(known, np.int64)).positions(values)
    assert found.dtype == np.int32
    assert found.tolist() == expected(pa.array(known, pa.int64()), pa.array(values))


def test_numbers_that_collide_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lookup._Strings, "slots", lambda own, _: np.zeros(len(own.words[0]), np.int64))
    for count in (text_lookup._MOST_PROBES, 10 * text_lookup._MOST_PROBES):
        known = np.random.default_rng(0).permutation(count)
        values = np.arange(-3, count + 3)
        found = NumberLookup(known).positions(values).tolist()
        assert found == expected(pa.array(known), pa.array(values))
