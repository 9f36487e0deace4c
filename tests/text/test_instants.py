"""Instants have one form as text, and come back from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from custdyn_widgets.text import format_clock, format_instant_utc, parse_instant


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2021, 11, 1, 0, 0, 0, 999_999, timezone(timedelta(hours=1))), "2021-10-31T23:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ],
)
def test_an_instant_is_told_in_utc_to_the_second(instant: datetime | int, text: str) -> None:
    assert format_instant_utc(instant) == text
    assert format_instant_utc(parse_instant(text)) == text


@pytest.mark.parametrize(
    "text", ["", "soon", "2021-01-01", "2021-01-01T00:00:00", "0001-01-01T00:00:00+14:00"]
)
def test_what_names_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_instant(text)


def test_lists_show_a_clock_without_letters_and_a_dash_for_none() -> None:
    assert format_clock("2021-10-31T23:00:00.5Z") == "2021-10-31 23:00:00"
    assert format_clock(None) == format_clock("") == "–"
