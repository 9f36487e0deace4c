"""A condition's bound: a plain number or a percentage, stored exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from custdyn_widgets.errors import SavedQueryError

PLACES = 6
_MOST_DIGITS = 18
_FORM = re.compile(rf"(-?[0-9]{{1,{_MOST_DIGITS}}}(?:\.[0-9]+)?) ?(%?)", re.ASCII)
_EXPECTED = 'a number such as 100 or "0.5", or a percentage such as "5%"'


@dataclass(frozen=True)
class Bound:
    """A number, or a percentage if `percent` is true (5 for 5%)."""

    number: Decimal
    percent: bool

    @property
    def fraction(self) -> Fraction:
        """The number, or the percentage as a fraction: 1/20 for 5%."""
        return Fraction(self.number) / (100 if self.percent else 1)

    def to_json(self) -> int | str:
        """Return the bound as a JSON value: an int for a whole number, otherwise exact text."""
        if not self.percent and self.number == int(self.number):
            return int(self.number)
        return str(self)

    def __str__(self) -> str:
        text = f"{self.number:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return ("0" if text == "-0" else text) + ("%" if self.percent else "")


def parse_bound(field: str, value: object) -> Bound:
    """Return the bound given as a JSON value or as text.

    Raises
    ------
    SavedQueryError
        If it is neither a number nor a percentage, or has too many digits.
    """
    if isinstance(value, Bound):
        return value
    text = value.strip() if isinstance(value, str) else _number_text(value)
    if text is None:
        raise SavedQueryError.wrong_type(field, value, _EXPECTED)
    found = _FORM.fullmatch(text)
    if found is None:
        raise SavedQueryError.invalid(
            field, value, f"must be {_EXPECTED}, with at most {_MOST_DIGITS} digits before the decimal point"
        )
    number = Decimal(found[1])
    if len(found[1].partition(".")[2].rstrip("0")) > PLACES:
        raise SavedQueryError.invalid(field, value, f"has more than {PLACES} decimal places")
    return Bound(number.quantize(Decimal(1).scaleb(-PLACES)), bool(found[2]))


def _number_text(value: object) -> str | None:
    """Return a number as text without an exponent; a float is written as its shortest decimal."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, int):
        return str(value)
    return f"{Decimal(repr(value)) if isinstance(value, float) else value:f}"
