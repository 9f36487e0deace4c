"""Tables on a terminal are aligned by what its columns show, not by the number of characters."""

from __future__ import annotations

import pytest

from custdyn_widgets.text import align_rows, text_width


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("売上", 4),
        ("ﾃｽﾄ", 3),
        ("Ａ", 2),
        ("e\u0301", 1),
        ("a\u200bb", 2),
        ("\u00ad", 1),
        ("🎉", 2),
    ],
)
def test_wide_characters_take_two_columns_and_combining_ones_none(text: str, width: int) -> None:
    assert text_width(text) == width


def test_each_column_is_as_wide_as_its_widest_cell_and_no_line_ends_in_blanks() -> None:
    lines = align_rows(
        [("Name", "kB", "Title"), ("売上", "7", "x"), ("é" + "\u0301", "1,000", "")], right={1}
    )
    assert lines == ["Name     kB  Title", "売上      7  x", "é\u0301     1,000"]


def test_a_table_without_rows_has_no_lines() -> None:
    assert align_rows([]) == []
