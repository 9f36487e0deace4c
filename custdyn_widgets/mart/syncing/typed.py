"""Converting text from a database to the columns of a mart: exact amounts, instants and lists of tags.

Every value is fetched as text, so that no driver converts an amount to a float or shifts a time. A column
with values that do not fit its type, such as a zero date or a NaN, stays text, and the faults are reported
when the mart is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.schema import Kind

Family = Literal["text", "integer", "decimal", "float", "naive", "instant", "date", "json", "bytes"]

AMOUNT = pa.decimal128(38, 6)
_EXACT = pa.decimal256(60, 30)
_LONGEST = 50  # the maximum length of an amount that Arrow parses
_TAGS = pa.list_(pa.string())
_MILLIONTH = Decimal("0.000001")
_CONTEXT = Context(prec=200, rounding=ROUND_HALF_EVEN)
_TIME_TYPES: dict[Family, pa.DataType] = {
    "instant": pa.timestamp("us", "UTC"),
    "naive": pa.timestamp("us"),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class ResultColumn:
    """A column of a SELECT: its name, the family of its type, and the driver's code for the type."""

    name: str
    family: Family
    code: int


@dataclass
class Residue:
    """The number of values in a column that were rounded to 6 places, and the sum of what was removed."""

    count: int = 0
    total: Decimal = Decimal(0)

    def add(self, count: int, total: Decimal) -> None:
        """Add a number of rounded values, and the sum of what was removed from them."""
        self.count += count
        self.total = _CONTEXT.add(self.total, total)


class StaysText(Exception):  # noqa: N818 (it is a signal, not an error)
    """Values in a column do not fit its type, so the whole column must stay text."""

    def __init__(self, column: str) -> None:
        self.column = column


def stored_type(kind: Kind, family: Family) -> pa.DataType:
    """Return the type that a mart uses for a column of this kind, given the family of its database type."""
    if kind in ("time", "date"):
        return _TIME_TYPES.get(family, pa.string())
    if kind == "amount" and family in ("integer", "decimal", "float"):
        return AMOUNT
    if kind == "positive" and family == "float":
        return pa.float64()
    if kind == "tags" and family == "json":
        return _TAGS
    return pa.string()


def typed(
    texts: Mapping[str, pa.Array], schema: pa.Schema, residues: Mapping[str, Residue]
) -> pa.RecordBatch:
    """Convert text to the columns of a schema.

    Parameters
    ----------
    texts
        The values of each column as strings, or as bytes that should be UTF-8.
    schema
        The names and types of the columns.
    residues
        The residues by column, which are updated with the amounts that rounding removes.

    Raises
    ------
    StaysText
        If values do not fit the type of their column.
    SourceError
        If text is not UTF-8.
    """
    found = [_column(texts[part.name], part, residues) for part in schema]
    return pa.record_batch(found, schema=schema)


def _column(values: pa.Array, part: pa.Field, residues: Mapping[str, Residue]) -> pa.Array:
    text = _utf_8(values, part.name)
    if pa.types.is_string(part.type):
        return text
    try:
        if part.type == AMOUNT:
            amounts, count, total = _rounded(text)
            residues[part.name].add(count, total)
            return amounts
        return _tags(text) if part.type == _TAGS else text.cast(part.type)
    except (pa.ArrowInvalid, ValueError, DecimalException):
        raise StaysText(part.name) from None


def _utf_8(values: pa.Array, column: str) -> pa.Array:
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        raise SourceError(
            f"column {column} contains text that is not UTF-8. Convert it in the mapping: in MySQL with "
            "CONVERT(BINARY name USING latin1), in PostgreSQL with convert_from(name::bytea, 'LATIN1').",
            field=column,
        ) from None


def _rounded(text: pa.Array) -> tuple[pa.Array, int, Decimal]:
    """Round amounts to 6 places, half to even; return them, how many were rounded, and the sum removed."""
    if (pc.max(pc.binary_length(text)).as_py() or 0) <= _LONGEST:
        try:
            return text.cast(AMOUNT), 0, Decimal(0)
        except pa.ArrowInvalid:
            pass
        try:
            exact = text.cast(_EXACT)
            rounded = pc.round(exact, ndigits=6, round_mode="half_to_even")
            removed = pc.subtract(exact, rounded)
            count = pc.sum(pc.not_equal(removed, pa.scalar(Decimal(0), removed.type))).as_py() or 0
            return rounded.cast(AMOUNT), count, pc.sum(removed).as_py() or Decimal(0)
        except pa.ArrowInvalid:
            pass
    return _rounded_one_by_one(text.to_pylist())


def _rounded_one_by_one(texts: Iterable[str | None]) -> tuple[pa.Array, int, Decimal]:
    amounts: list[Decimal | None] = []
    removed = Residue()
    for text in texts:
        if text is None:
            amounts.append(None)
            continue
        exact = _CONTEXT.create_decimal(text)
        if not exact.is_finite():
            raise ValueError("not a finite number")
        amount = exact.quantize(_MILLIONTH, context=_CONTEXT)
        if amount != exact:
            removed.add(1, _CONTEXT.subtract(exact, amount))
        amounts.append(amount)
    return pa.array(amounts, AMOUNT), removed.count, removed.total


def _tags(text: pa.Array) -> pa.Array:
    """Parse JSON lists of strings."""
    found: list[list[str] | None] = []
    for value in text.to_pylist():
        tags: Any = None if value is None else json.loads(value)
        if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
            raise ValueError("not a list of strings")
        found.append(tags)
    return pa.array(found, _TAGS)
