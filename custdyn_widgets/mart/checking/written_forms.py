"""Convert whole columns of numbers and times from other systems' formats to the mart's own.

A value in any other format is left unchanged, so that reading it reports the fault.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart.arrow_arrays import from_bools, from_numpy, scalar, to_bools, to_numpy
from custdyn_widgets.mart.dialect import DateOrder, DecimalMark

_SPACES = " \u00a0\u2009\u202f"  # including non-breaking and narrow spaces
_GROUP_MARKS = f"{_SPACES}'\u2019"
_SIGNS = "+\u2212-"  # including the minus sign U+2212
_UNREADABLE = "\0"  # no number starts with this

_TIME = (
    rf"(?:(?:[T{_SPACES}]|, ?)[{_SPACES}]*(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})"
    rf"(?::(?P<second>\d{{2}})(?:[.,](?P<part>\d{{1,9}}))?)?"
    rf"(?:[{_SPACES}]?(?P<half>[AaPp])\.?[Mm]\.?)?"
    rf"(?:[{_SPACES}]?(?P<offset>Z|[+-]\d{{2}}(?::?\d{{2}})?))?)?\s*$"
)
_DAY_AND_MONTH = r"^\s*(?P<{}>\d{{1,2}})[/.-](?P<{}>\d{{1,2}})[/.-](?P<year>\d{{4}})"
DATE_PATTERNS: dict[DateOrder, str] = {
    "DMY": _DAY_AND_MONTH.format("day", "month") + _TIME,
    "MDY": _DAY_AND_MONTH.format("month", "day") + _TIME,
    "YMD": r"^\s*(?P<year>\d{4})[/.-](?P<month>\d{1,2})[/.-](?P<day>\d{1,2})" + _TIME,
}
SERIAL_PATTERN = r"^\s*(?P<day>[1-9]\d{4})(?:[.,](?P<part>\d{1,15})\d*)?\s*$"  # Excel: 1927 to 2173
_SIMPLE_NUMBER = r"^[+-]?\d+(\.\d+)?$"
_ISO_TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{1,9})?)?$"
_CLOCK = r"[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)$"
_SIMPLE_TIMES: dict[DateOrder, tuple[str, str]] = {
    "DMY": (r"^(\d\d)[/.-](\d\d)[/.-](\d{4})" + _CLOCK, r"\3-\2-\1T\4"),
    "MDY": (r"^(\d\d)[/.-](\d\d)[/.-](\d{4})" + _CLOCK, r"\3-\1-\2T\4"),
    "YMD": (r"^(\d{4})[/.-](\d\d)[/.-](\d\d)" + _CLOCK, r"\1-\2-\3T\4"),
}
_EXCEL_EPOCH = scalar("25569", pa.decimal128(5, 0))  # the day number of 1970-01-01
_DAY_MILLIS = scalar("86400000", pa.decimal128(8, 0))


def number_pattern(decimal: DecimalMark) -> str:
    """Return a pattern for numbers with a decimal separator and optional thousands separators."""
    marks = (*_GROUP_MARKS, "." if decimal == "," else ",")
    grouped = "|".join(rf"[1-9]\d{{0,2}}(?:[{mark}]\d{{3}})+" for mark in marks)
    return (
        rf"^\s*(?P<sign>[{_SIGNS}]?)[{_SPACES}]*"
        rf"(?:(?P<whole>{grouped}|\d+)(?:[{decimal}](?P<part>\d*))?|[{decimal}](?P<only>\d+))\s*$"
    )


def plain_numbers(text: pa.Array, decimal: DecimalMark) -> pa.Array:
    """Convert numbers to a form with only a sign, digits and a decimal point.

    If `decimal` is a comma, `1.500` is read as one thousand five hundred, and `1.5` cannot be read.
    """
    simple = text if decimal == "." else pc.replace_substring(text, ",", ".", max_replacements=1)
    rest = pc.invert(pc.match_substring_regex(simple, _SIMPLE_NUMBER))
    if decimal == ",":
        rest = pc.or_(rest, pc.match_substring(text, "."))
    return _for_the_rest(simple, rest, text, lambda some: _any_plain_numbers(some, decimal))


def _any_plain_numbers(text: pa.Array, decimal: DecimalMark) -> pa.Array:
    found = pc.extract_regex(text, number_pattern(decimal))
    sign = pc.replace_substring(found.field("sign"), "\u2212", "-")
    whole = pc.replace_substring_regex(found.field("whole"), r"[^\d]", "")
    part = _joined("", found.field("part"), found.field("only"))
    point = _if_empty(part, "", ".")
    plain = _joined("", sign, whole, point, part)
    if decimal == ",":
        text = pc.replace_substring_regex(text, r"^([+-]?\d*\.\d*)$", _UNREADABLE + r"\1")
    return pc.if_else(found.is_valid(), plain.cast(text.type), text)


def iso_times(text: pa.Array, order: DateOrder) -> pa.Array:
    """Convert dates and times to ISO 8601; also accept dates with the year first, and Excel's day numbers."""
    simple = pc.replace_substring_regex(text, *_SIMPLE_TIMES[order])
    rest = pc.invert(pc.match_substring_regex(simple, _ISO_TIME))
    return _for_the_rest(simple, rest, text, lambda some: _any_iso_times(some, order))


def _any_iso_times(text: pa.Array, order: DateOrder) -> pa.Array:
    found = [_iso(text, DATE_PATTERNS[o]) for o in dict.fromkeys((order, "YMD"))]
    return pc.coalesce(*found, _of_serials(text), text)


def _for_the_rest(
    simple: pa.Array, rest: pa.Array, text: pa.Array, convert: Callable[[pa.Array], pa.Array]
) -> pa.Array:
    """Return `simple`, but with values converted from `text` where the mask `rest` is true."""
    rest = pc.fill_null(rest, scalar(False, pa.bool_()))
    if not pc.any(rest, min_count=0).as_py():
        return simple
    return pc.replace_with_mask(simple, rest, convert(text.filter(rest)))


def _iso(text: pa.Array, pattern: str) -> pa.Array:
    """Convert the times that match a pattern to ISO 8601, and other values to null."""
    found = pc.extract_regex(text, pattern)
    hour, minute, half = found.field("hour"), found.field("minute"), found.field("half")
    fits = found.is_valid()
    if pc.any(pc.not_equal(half, scalar("", half.type))).as_py():
        hour, possible = _in_24_hours(hour, half)
        fits = pc.and_(fits, possible)
    two = [pc.utf8_lpad(found.field(name), 2, "0") for name in ("month", "day")]
    date = _joined("-", found.field("year"), *two)
    second = _if_empty(found.field("second"), "00", found.field("second"))
    part = found.field("part")
    second = _if_empty(part, second, _joined(".", second, part))
    clock = _joined(":", pc.utf8_lpad(hour, 2, "0"), minute, second)
    time = _joined("", "T", clock, found.field("offset"))
    whole = _joined("", date, _if_empty(minute, "", time))
    return pc.if_else(fits, whole.cast(text.type), scalar(None, text.type))


def _in_24_hours(hour: pa.Array, half: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Convert hours on a 12-hour clock to a 24-hour clock; also return whether each hour is valid."""
    numbers = _if_empty(hour, "0", hour).cast(pa.int64())
    hours = to_numpy(pc.fill_null(numbers, scalar(0, numbers.type)))
    halves = pc.fill_null(pc.utf8_lower(half), scalar("", half.type))
    empty, is_pm = (to_bools(pc.equal(halves, scalar(text, half.type))) for text in ("", "p"))
    day = np.where(empty, hours, hours % 12 + 12 * is_pm)
    return from_numpy(day).cast(hour.type), from_bools(empty | ((hours >= 1) & (hours <= 12)))


def _of_serials(text: pa.Array) -> pa.Array:
    """Convert Excel's day numbers to times, rounded to milliseconds, and other values to null."""
    found = pc.extract_regex(text, SERIAL_PATTERN)
    digits = _joined(".", found.field("day"), found.field("part"))
    days = pc.if_else(found.is_valid(), digits, scalar(None, digits.type)).cast(pa.decimal128(20, 15))
    since_1970 = pc.subtract(days, _EXCEL_EPOCH)
    millis = pc.round(pc.multiply(since_1970, _DAY_MILLIS), 0)
    return millis.cast(pa.decimal128(38, 0)).cast(pa.int64()).cast(pa.timestamp("ms")).cast(text.type)


def _joined(separator: str, *parts: pa.Array | str) -> pa.Array:
    """Join strings row by row, in the type of the first array."""
    kind = next(part.type for part in parts if isinstance(part, pa.Array))
    texts = [scalar(part, kind) if isinstance(part, str) else part.cast(kind) for part in parts]
    return pc.binary_join_element_wise(*texts, scalar(separator, kind))


def _if_empty(texts: pa.Array, then: pa.Array | str, otherwise: pa.Array | str) -> pa.Array:
    """Choose row by row, by whether a string is empty."""
    kind = texts.type
    chosen = [scalar(part, kind) if isinstance(part, str) else part for part in (then, otherwise)]
    return pc.if_else(pc.equal(texts, scalar("", kind)), *chosen)
