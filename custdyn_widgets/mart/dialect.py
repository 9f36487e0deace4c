"""The dialect of a source: the format of its cells, numbers, dates and times."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Literal, get_args

from custdyn_widgets.errors import SourceError, nearest, shown
from custdyn_widgets.query import is_time_zone, time_zones

DateOrder = Literal["DMY", "MDY", "YMD"]
DecimalMark = Literal[".", ","]

DATE_ORDERS = get_args(DateOrder)
_DECIMAL_MARKS = get_args(DecimalMark)
_NO_DELIMITERS = '"\r\n\0 '


@dataclass(frozen=True)
class Dialect:
    r"""The format of a source's data.

    If an attribute is None, its value is detected, or reported as ambiguous.

    Attributes
    ----------
    delimiter
        The character between cells in CSV files, such as `;` or a tab (`"\t"`).
    decimal
        The decimal separator of amounts and quotes: `.` or `,`.
    encoding
        Python's name for the encoding of CSV files, such as `cp1251` or `utf-16`.
    dates
        The order of day, month and year: `DMY`, `MDY` or `YMD`.
    timezone
        The IANA name of the time zone of times without an offset. None means UTC. When clocks go back, a
        repeated time is read as its first occurrence; when they go forward, a skipped time is read with the
        offset that applied before the change.
    """

    delimiter: str | None = None
    decimal: DecimalMark | None = None
    encoding: str | None = None
    dates: DateOrder | None = None
    timezone: str | None = None

    def __post_init__(self) -> None:
        for name, value in zip(DIALECT_FIELDS, astuple(self), strict=True):
            if value is not None:
                if not isinstance(value, str):
                    raise _error(name, f"must be text, not {shown(value)}")
                _CHECKS[name](value)


DIALECT_FIELDS = tuple(Dialect.__dataclass_fields__)
NO_DIALECT = Dialect()


def _error(name: str, why: str) -> SourceError:
    return SourceError(f"{name} {why}.", field=name)


def _check_delimiter(value: str) -> None:
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in _NO_DELIMITERS:
        raise _error(
            "delimiter",
            r"must be one ASCII character that is not a letter, digit, quote or space, such as ';' or '\t', "
            f"not {shown(value)}",
        )


def _check_decimal(value: str) -> None:
    if value not in _DECIMAL_MARKS:
        raise _error("decimal", f"must be '.' or ',', not {shown(value)}")


def _check_encoding(value: str) -> None:
    try:
        "x".encode(value)  # rejects codecs that do not encode text, such as base64
    except (LookupError, ValueError):
        raise _error(
            "encoding", f"must be an encoding that Python supports, such as 'cp1252', not {shown(value)}"
        ) from None


def _check_dates(value: str) -> None:
    if value not in DATE_ORDERS:
        allowed = "'DMY' (31/12/2021), 'MDY' (12/31/2021) or 'YMD' (2021/12/31)"
        raise _error("dates", f"must be {allowed}, not {shown(value)}")


def _check_timezone(value: str) -> None:
    if not is_time_zone(value):
        close = nearest(value, time_zones(), 1)
        hint = f"; did you mean {shown(close[0])}?" if close else ""
        raise SourceError(
            f"timezone must be an IANA time zone, such as 'Europe/Kyiv', not {shown(value)}{hint or '.'}",
            field="timezone",
        )


_CHECKS = {
    "delimiter": _check_delimiter,
    "decimal": _check_decimal,
    "encoding": _check_encoding,
    "dates": _check_dates,
    "timezone": _check_timezone,
}
