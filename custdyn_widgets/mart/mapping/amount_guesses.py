"""Guess which columns contain transaction times and amounts, or explain why a table has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.mapping.choices import (
    Certainty,
    Choice,
    heading_of,
    heading_rank,
    pick,
    time_by_heading,
)
from custdyn_widgets.mart.mapping.profiles import Column, is_amount, is_time, positive_share
from custdyn_widgets.mart.mapping.sql_text import DUCKDB

_ZERO = "0.,"


@dataclass(frozen=True)
class Amount:
    """A table's amounts: their SQL, sample cells and columns, and the reason for choosing these columns."""

    sql: str
    cells: tuple[str | None, ...]
    columns: tuple[Column, ...]
    why: str
    certainty: Certainty = "likely"

    @property
    def numbers(self) -> list[str]:
        """The cells that contain a number."""
        return [cell for cell in self.cells if cell]


def find_time(columns: Sequence[Column]) -> Choice | None:
    """Choose a column of times, or combine a column of dates with a column of times of day."""
    times = [c for c in columns if c.is_time]
    column = pick(times, "at", lambda c: c.has_clock and not c.is_midnight)
    column = column or pick(times, "at", lambda c: c.is_time) or next(iter(times), None)
    if column is None:
        return None
    clock = pick(columns, "clock", lambda c: c.is_clock)
    if clock is None or (column.has_clock and not column.is_midnight):
        return time_by_heading("at", column)
    date = column.as_time
    if column.typed or column.syntax != DUCKDB or date.startswith("strptime"):
        date = f"CAST({date} AS DATE)"
    elif column.has_clock:
        date = f"regexp_extract({date}, '^[^ T]+')"
    why = f"the headings {shown(column.name)} and {shown(clock.name)}"
    return Choice("at", column.syntax.joined(date, "' '", clock.sql), "likely", why)


def find_amount(columns: Sequence[Column]) -> Amount | None:
    """Choose a column of amounts, or combine columns of debits and credits."""
    if both := _debit_and_credit(columns):
        return both
    numbers = [c for c in columns if c.is_number]
    column = pick(numbers, "amount", lambda c: c.has_fractions) or pick(
        numbers, "amount", lambda c: c.is_number
    )
    column = column or next((c for c in numbers if c.has_fractions), None)
    if column is None or column.amounts is None:
        return None
    why = heading_of(column)
    why += f"; {column.amounts.why}" if column.amounts.why else ""
    certainty: Certainty = "please check" if column.amounts.why else "likely"
    return Amount(column.as_number, column.number_cells, (column,), why, certainty)


def _debit_and_credit(columns: Sequence[Column]) -> Amount | None:
    """Return credits minus debits, or None if any row has both."""
    debit = pick(columns, "debit", lambda c: c.is_number)
    credit = pick(columns, "credit", lambda c: c.is_number)
    if debit is None or credit is None:
        return None
    cells: list[str | None] = []
    turned = positive_share(debit.numbers) < 0.5  # debits are already negative
    for less, more in zip(debit.number_cells, credit.number_cells, strict=True):
        if _has_value(less) and _has_value(more):
            return None
        cells.append(less and _negative(less, turned) if _has_value(less) else more or less)
    sign = "+" if turned else "-"
    sql = f"coalesce({credit.as_number}, 0) {sign} coalesce({debit.as_number}, 0)"
    why = f"the headings {shown(credit.name)} and {shown(debit.name)}: debits lower the balance"
    return Amount(sql, tuple(cells), (debit, credit), why)


def _has_value(number: str | None) -> bool:
    return bool(number) and any(c in "123456789" for c in number or "")


def _negative(number: str, turned: bool) -> str:
    if turned:
        return number
    return number[1:] if number.startswith("-") else f"-{number}"


def lacking(columns: Sequence[Column]) -> str:
    """Return why a table cannot contain transactions: a missing column or an unreadable value."""
    if find_time(columns) is None:
        return _unread(columns, "at", "a time") or "no column contains times"
    return _unread(columns, "amount", "an amount") or "no column contains amounts"


def _unread(columns: Sequence[Column], wanted: str, what: str) -> str:
    """Return why a column whose heading suggests times or amounts cannot be read as such."""
    column = pick(columns, wanted, lambda c: bool(c.values) and not c.is_time)
    if column is None or heading_rank(column, wanted) > len(columns) + 20:
        return ""
    fits = is_time if wanted == "at" else is_amount
    wrong = ((row, cell) for row, cell in enumerate(column.cells, start=1) if cell and not fits(cell))
    row, value = next(wrong, (0, ""))
    if not row:
        several = "are in several formats" if wanted == "at" else "are in several currencies"
        return f"the values in {shown(column.name)} {several}"
    return f"{shown(value)} in {shown(column.name)}, row {row} of the data, is not {what} in a known format"
