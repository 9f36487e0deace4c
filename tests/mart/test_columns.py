"""What is read from a column does not depend on how Arrow stores it: whole or sliced, plain or as codes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from custdyn_widgets.mart import columns, text_lookup
from custdyn_widgets.mart.columns import as_numbers, as_text, blanks, plain, scaled, to_bools
from custdyn_widgets.mart.positions import PositionLookup, positions

WORDS = ["", " ", "\t", "a", " a", "!", "é", "\u00a0", "\u2003 ", "\u3000x", "\x0b", None]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8)
KINDS = st.sampled_from([pa.string(), pa.large_string()])


def is_blank(text: str | None) -> bool:
    return text is None or not text.strip(" \t\n\r\f")


def forms(values: Sequence[str | int | None], kind: pa.DataType) -> list[pa.Array]:
    """Return an array, a slice of a longer one, and both as codes of the smallest type."""
    slice_of_more = (
        pa.array([None, values[0], *values, "9", None], kind)[2:-2] if values else pa.array([], kind)
    )
    codes = [array.dictionary_encode() for array in (pa.array(values, kind), slice_of_more)]
    small = [pa.DictionaryArray.from_arrays(each.indices.cast(pa.int8()), each.dictionary) for each in codes]
    return [pa.array(values, kind), slice_of_more, *codes, *small]


@given(values=TEXTS, kind=KINDS)
@example([" ", "!"], pa.string())
@example(["a", None, ""], pa.large_string())
def test_blank_is_what_is_missing_or_empty_or_white_space(
    values: list[str | None], kind: pa.DataType
) -> None:
    for column in forms(values, kind):
        assert blanks(column).tolist() == [is_blank(value) for value in values]


def test_a_missing_number_is_blank_and_nan_is_unless_it_is_a_number() -> None:
    column = pa.array([1.5, float("nan"), None])
    assert blanks(column).tolist() == [False, True, True]
    assert blanks(column, of_numbers=True).tolist() == [False, False, True]
    assert blanks(column[:2]).tolist() == [False, True]
    assert blanks(pa.array([1, None])).tolist() == [False, True]


@given(
    values=TEXTS,
    known=st.lists(st.sampled_from([word for word in WORDS if word is not None]), unique=True, max_size=6),
    kind=KINDS,
)
def test_the_position_of_a_string_is_that_in_the_list(
    values: list[str | None], known: list[str], kind: pa.DataType
) -> None:
    expected = [known.index(value) if value in known else -1 for value in values if value is not None]
    found = iter(expected)
    expected = [-1 if value is None else next(found) for value in values]
    lookup = PositionLookup(pa.array(known, kind))
    for column in forms(values, kind):
        assert positions(column, known).tolist() == expected
        assert lookup.positions(column).tolist() == expected


@pytest.mark.parametrize("step", [1, 3, 10**9, 10**17])
def test_the_position_of_a_number_is_that_of_its_text(step: int) -> None:
    """Numbers near each other are looked up in a table, others among sorted ones."""
    numbers = [step * n for n in (4, -3, 0, 5, -1)]
    known = pa.array([*map(str, numbers), "07", "+3", "x", None, ""])
    values = [*numbers, *(n + 1 for n in numbers), *(n - 1 for n in numbers), 2**63 - 1, -(2**63), 7, None]
    expected = [-1 if value is None or value not in numbers else numbers.index(value) for value in values]
    lookup = PositionLookup(known)
    for column in (pa.array(values), pa.array([1, *values])[1:]):
        assert positions(column, known).tolist() == expected
        assert lookup.positions(column).tolist() == expected
        assert lookup.positions(column[:5]).tolist() == [*range(5)]


def test_no_number_is_found_where_none_is_known() -> None:
    for known in (["x", None], []):
        assert positions(pa.array([0, 1, None]), pa.array(known, pa.string())).tolist() == [-1, -1, -1]


def test_all_codes_of_a_small_type_may_be_in_use_beside_missing_values() -> None:
    known = [f"{n:03}" for n in range(128)]
    codes = pa.array([*range(128), None], pa.int8())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(known))
    assert positions(column, known).tolist() == [*range(128), -1]
    assert PositionLookup(pa.array(known)).positions(column).tolist() == [*range(128), -1]


def test_the_positions_of_another_dictionary_are_looked_up_anew() -> None:
    lookup = PositionLookup(pa.array(["a", "b", "c"]))
    for words, expected in ((["c", "a"], [2, 0]), (["b", "x"], [1, -1]), (["b", "x"], [1, -1])):
        column = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(words))
        assert lookup.positions(column).tolist() == expected


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.int64()])
@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_column_without_rows_may_have_any_number_of_chunks(kind: pa.DataType, chunks: int) -> None:
    found = plain(pa.chunked_array([pa.nulls(0, kind)] * chunks, kind))
    assert (len(found), found.type) == (0, kind)


def test_chunks_are_joined_in_order() -> None:
    column = pa.chunked_array([["a"], [], ["b", None], ["c"]], pa.string())
    assert plain(column).to_pylist() == ["a", "b", None, "c"]


def test_two_gigabytes_of_text_are_not_joined_in_an_array_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_one_chunk", lambda column: column)
    megabyte = pa.array(["x" * 2**20])  # all chunks have the same memory
    assert plain(pa.chunked_array([megabyte] * 2047)).type == pa.string()
    assert plain(pa.chunked_array([megabyte] * 2048)).type == pa.large_string()


def test_uuids_have_their_usual_text_in_slices_and_beside_missing_ones() -> None:
    ids = [UUID(int=0x0123456789ABCDEF << 64 | n) for n in range(3)]
    storage = pa.array([i.bytes for i in ids] + [None, ids[0].bytes], pa.binary(16))
    column = pa.ExtensionArray.from_storage(pa.uuid(), storage)
    expected = [*map(str, ids), None, str(ids[0])]
    for begin in (0, 1, 3):
        assert plain(pa.chunked_array([column[begin:]])).to_pylist() == expected[begin:]
    assert plain(pa.chunked_array([column[1:3]])).to_pylist() == expected[1:3]


UUIDS = [UUID(int=n) for n in (0, 1, 2**64, 2**127 + 5, 2**128 - 1, 0x0123456789ABCDEF << 64)]


@pytest.mark.parametrize("collide", [False, True])
@given(
    known=st.lists(st.sampled_from([*map(str, UUIDS[:4]), UUIDS[3].hex, str(UUIDS[4]).upper(), "", "7"])),
    values=st.lists(st.sampled_from([*UUIDS, None]), min_size=1),
    begin=st.integers(0, 2),
)
def test_the_position_of_a_uuid_is_that_of_its_text(
    collide: bool, known: list[str], values: list[UUID | None], begin: int
) -> None:
    column = uuids(values)[begin:]
    expected = [known.index(str(v)) if v and str(v) in known else -1 for v in values[begin:]]
    texts = pa.array(known, pa.large_string())
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            patch.setattr(text_lookup._HashTable, "of", lambda _: None)
        assert PositionLookup(texts).positions(column).tolist() == expected
    assert positions(column, texts).tolist() == expected
    assert as_text(column).to_pylist() == [v and str(v) for v in values[begin:]]
    assert blanks(column).tolist() == [v is None for v in values[begin:]]


def uuids(values: Sequence[UUID | None]) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array([v and v.bytes for v in values], pa.binary(16)))


@pytest.mark.parametrize(
    ("values", "scale", "text"),
    [
        (["1", "-20"], 0, ["1", "-20"]),
        (["1.0", "-20.0", None], 1, ["1", "-20", None]),
        (["1.00", "2.00"], 2, ["1", "2"]),
        (["1.0", "2.5"], 1, ["1.0", "2.5"]),
    ],
)
def test_whole_decimals_are_ids_without_a_point(
    values: list[str | None], scale: int, text: list[str | None]
) -> None:
    column = pa.array(values).cast(pa.decimal128(20, scale))
    assert as_text(column).to_pylist() == text
    numbers = as_numbers(column)
    if "2.5" in values:
        assert numbers is None
    else:
        assert numbers is not None
        assert numbers.type == pa.int64()
        assert numbers.cast(pa.string()).to_pylist() == text


def test_floats_are_ids_without_a_point_if_all_are_whole() -> None:
    assert as_text(pa.array([1.0, None, float("nan")])).to_pylist() == ["1", None, None]
    assert as_text(pa.array([1.0, 2.5])).to_pylist() == ["1", "2.5"]
    assert as_text(pa.array([float("nan")])).to_pylist() == [None]
    assert as_numbers(pa.array([1.0])) is None


@pytest.mark.parametrize("kind", [pa.uint64(), pa.decimal128(20, 0), pa.decimal128(22, 2)])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2**63 - 1], pa.int64()),
        ([1, 2**63, None], pa.uint64()),
        ([2**64 - 1], pa.uint64()),
        ([-1, 2**63], None),
        ([2**64], None),
    ],
)
def test_ids_too_large_for_an_int64_are_unsigned_if_they_may_be(
    kind: pa.DataType, values: list[int | None], expected: pa.DataType | None
) -> None:
    if expected is None and kind == pa.uint64():
        return
    column = pa.array([None if value is None else Decimal(value) for value in values]).cast(kind)
    numbers = as_numbers(column, unsigned=True)
    assert (None if numbers is None else numbers.type) == expected
    assert numbers is None or numbers.to_pylist() == values
    assert (as_numbers(column) is None) == (expected != pa.int64())


_NEAR_POWERS = st.builds(
    lambda base, exponent, near, sign: sign * (base**exponent + near),
    st.sampled_from([2, 10]),
    st.integers(0, 37) | st.integers(60, 66),
    st.integers(-2, 2),
    st.sampled_from([1, -1]),
)


@given(
    values=st.lists(st.none() | st.integers(-(10**9), 10**9) | _NEAR_POWERS, min_size=1, max_size=4),
    whole=st.booleans(),
    scale=st.integers(0, 38),
    places=st.sampled_from([0, 6]),
    start=st.integers(0, 1),
)
@example([2**64 + 1], False, 1, 0, 0)  # neither whole nor small, but both lower halves might be
@example([2**63 - 1, -(2**63), None], True, 10, 0, 0)
@example([2**63], True, 10, 0, 0)
@example([2**63 - 1], True, 20, 0, 0)
def test_scaled_decimals_are_exact_or_none(
    values: list[int | None], whole: bool, scale: int, places: int, start: int
) -> None:
    if whole:  # a multiple of what it will be divided by
        values = [None if value is None else value * 10 ** max(scale - places, 0) for value in values]
    values = [value if value is None or abs(value) < 10**38 else 0 for value in values]
    unscaled = pa.array([None if value is None else Decimal(value) for value in values], pa.decimal128(38, 0))
    column = pa.Array.from_buffers(pa.decimal128(38, scale), len(values), unscaled.buffers())[start:]
    exact = [Fraction(value or 0) * 10**places / 10**scale for value in values[start:]]
    found = scaled(column, places)
    fit = all(value.denominator == 1 and -(2**63) <= value < 2**63 for value in exact)
    assert (None if found is None else found.tolist()) in ([exact] if fit and scale < 20 else [exact, None])
    assert found is None or fit


def test_decimals_of_a_negative_scale_are_scaled() -> None:
    unscaled = pa.array([Decimal(3), Decimal(0)], pa.decimal128(38, 0)).buffers()
    assert scaled(pa.Array.from_buffers(pa.decimal128(38, -2), 2, unscaled), 6).tolist() == [3 * 10**8, 0]
    assert scaled(pa.Array.from_buffers(pa.decimal128(38, -20), 2, unscaled).slice(1), 6) is None


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), st.sampled_from([0, 6]))
def test_scaled_integers_are_exact_or_none(values: list[int | None], places: int) -> None:
    found = scaled(pa.array(values, pa.int64()), places)
    exact = [(value or 0) * 10**places for value in values]
    fit = all(-(2**63) <= value < 2**63 for value in exact)
    assert (None if found is None else found.tolist()) == (exact if fit else None)


@pytest.mark.parametrize("offset", range(18))
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 17])
def test_a_mask_is_the_same_from_any_part_of_an_array(offset: int, length: int) -> None:
    values = [(n * n) % 5 < 2 for n in range(40)]
    part = values[offset : offset + length]
    mask = to_bools(pa.array(values).slice(offset, length))
    assert (mask.tolist(), mask.dtype.kind, mask.flags.writeable) == (part, "b", True)
    nulls = pa.array(["a" if value else None for value in values]).slice(offset, length)
    assert to_bools(nulls.is_valid()).tolist() == part
    assert to_bools(nulls.is_null()).tolist() == [not value for value in part]
