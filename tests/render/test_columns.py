"""Columns of text: which values are blank, and where texts stand among others."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.mart import columns
from custdyn_widgets.mart.positions import positions
from custdyn_widgets.mart.reading import parquet_files

BLANKS = " \t\n\r\f"  # of ASCII: other blanks are ink, as an id of them is not empty
TEXTS = st.lists(
    st.none() | st.sampled_from(["", "a", "b c", " ", "\t\n", " a", "\u00a0", "é", "\x00", "\x7f"]),
    max_size=8,
)
PLAIN = st.lists(st.none() | st.sampled_from(["", "a", "bc"]), max_size=8)


@given(TEXTS | PLAIN, st.sampled_from([pa.string(), pa.large_string()]), st.integers(0, 8), st.integers(0, 8))
def test_a_blank_is_null_or_empty_or_only_blanks_wherever_the_column_is_cut(
    texts: list[str | None], kind: pa.DataType, begin: int, length: int
) -> None:
    blank = [text is None or not text.strip(BLANKS) for text in texts]
    part = slice(begin, begin + length)
    assert columns.blanks(pa.array(texts, kind)[part]).tolist() == blank[part]
    as_codes = pa.array(texts, kind).dictionary_encode()
    assert columns.blanks(as_codes[part]).tolist() == blank[part]


@given(PLAIN)
def test_a_text_stands_where_it_is_known_whether_it_comes_as_itself_or_as_a_code(
    texts: list[str | None],
) -> None:
    stands = [{"bc": 0, "a": 1}.get(text or "", -1) for text in texts]
    array = pa.array(texts, pa.string())
    for column in (array, array.dictionary_encode()):
        assert positions(column, ["bc", "a"]).tolist() == stands


@pytest.mark.parametrize("kind", [pa.int32(), pa.int8(), pa.uint8(), pa.uint32()])
@pytest.mark.parametrize(("codes", "fine"), [([0, 1], True), ([0, 2], False), ([7, 9], False), ([], True)])
def test_a_column_whose_codes_count_no_value_is_looked_at_closely(
    codes: list[int], fine: bool, kind: pa.DataType
) -> None:
    made = pa.DictionaryArray.from_arrays(pa.array(codes, kind), pa.array(["a", "b"]), safe=False)
    assert parquet_files._needs_no_validation(made) is fine


def test_codes_below_zero_and_before_a_cut_are_told_apart() -> None:
    codes = pa.array([-1, 1], pa.int32())
    for column, fine in ((codes, False), (codes.slice(1), True)):
        made = pa.DictionaryArray.from_arrays(column, pa.array(["a", "b"]), safe=False)
        assert parquet_files._needs_no_validation(made) is fine


@pytest.mark.parametrize(("kind", "count"), [(pa.int8(), 128), (pa.uint8(), 256), (pa.int16(), 2**15)])
def test_a_dictionary_may_have_as_many_values_as_its_codes_can_count(kind: pa.DataType, count: int) -> None:
    known = [f"v{i}" for i in range(count)]
    column = pa.DictionaryArray.from_arrays(pa.array([0, None, count - 1], kind), pa.array(known))
    assert positions(column, known).tolist() == [0, -1, count - 1]


def test_chunks_whose_dictionaries_hold_a_null_become_one_column() -> None:
    made = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["a", None, "b"]))
    column = columns.plain(pa.chunked_array([made.slice(0, 2), made.slice(2)]))
    assert columns.blanks(column).tolist() == [False, True, False]
    assert positions(column, ["b", "a"]).tolist() == [1, -1, 0]
