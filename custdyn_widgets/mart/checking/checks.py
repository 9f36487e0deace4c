"""Check a mart against section 1 of the specification, and locate every fault.

`check` reads all columns of all tables, then checks the references between tables. It never drops or guesses
a value: each faulty value becomes a `Fault`. Code that computes numbers must call `reject_faults` first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets import progress
from custdyn_widgets.errors import nearest
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.arrow_arrays import from_bools, from_numpy, from_texts, scalar, to_bools, to_numpy
from custdyn_widgets.mart.checking import amounts, fault_kinds, values
from custdyn_widgets.mart.checking.balances import balance_faults
from custdyn_widgets.mart.checking.checked import CheckedMart, CheckedTable
from custdyn_widgets.mart.checking.distinct_ids import duplicates
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.checking.guessed_formats import guessed_dialects
from custdyn_widgets.mart.checking.headings import extra_columns, near_misses
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.other_formats import have_other_formats, may_have_other_formats
from custdyn_widgets.mart.checking.quotes import wrong_quotes
from custdyn_widgets.mart.checking.references import (
    REFERENCES,
    company_cycles,
    early_closings,
    has_key,
    unknown,
    unknown_references,
)
from custdyn_widgets.mart.checking.written_forms import iso_times, plain_numbers
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.positions import PositionLookup, positions
from custdyn_widgets.mart.reading.stored import StoredMart, StoredTable
from custdyn_widgets.mart.schema import Kind, MartColumn


def check(stored: StoredMart) -> CheckedMart:
    """Read every value of a mart and find all faults, ordered by table and row.

    This does not search for likely mistakes; `check_source` does.
    """
    tables = stored.tables()
    unusual = have_other_formats(tables)
    if unusual:  # guess the format first: recording a fault for each value would be slow
        tables = {**tables, **_in_guessed_dialects(tables)}
    mart = check_tables(stored.name, tables)
    if not unusual and may_have_other_formats(mart.faults) and (guessed := _in_guessed_dialects(tables)):
        tables = {**tables, **guessed}
        mart = check_tables(stored.name, tables)
    mart.notes += guessed_dialects(tables)
    mart.notes += [Note(sentence, "unread_table") for sentence in stored.unread]
    return mart


def _in_guessed_dialects(tables: dict[str, StoredTable]) -> dict[str, StoredTable]:
    from custdyn_widgets.mart.checking.guessing import guess_dialects  # imported late: rarely needed

    return guess_dialects(tables)


def check_others(stored: StoredMart) -> CheckedMart:
    """Check all tables except the transactions."""
    return check_tables(stored.name, stored.others)


class BatchCheck:
    """Checks the ledger in batches; several threads may share an instance.

    Duplicate ids and balances that exceed an int64 are not detected here, because finding them requires all
    batches. Integer ids and UUIDs are not converted to text, because comparing text takes much longer.

    Parameters
    ----------
    others
        The other tables, which must have no faults.
    """

    def __init__(self, others: Mapping[str, CheckedTable]) -> None:
        self._lookups = {
            column: (PositionLookup(others[other].columns[key]), others[other])
            for table, column, other, key in REFERENCES
            if table == "transactions" and has_key(others, other, key)
        }

    def read(self, batch: StoredTable) -> tuple[CheckedTable, list[Fault]]:
        """Read a batch and return it with its faults."""
        faults = [*_misshapen(batch), *near_misses(batch)]
        table = _read_table(batch, faults, in_batches=True)
        for column, (lookup, other) in self._lookups.items():
            table.codes[column] = lookup.positions(table.columns[column])
            faults += unknown(table, column, other)
        return table, faults


def check_tables(name: str, stored: Mapping[str, StoredTable], *, whole_ledger: bool = True) -> CheckedMart:
    """Check tables, which must be in schema order, without detecting their formats.

    Balances are checked only if the transactions table is complete (`whole_ledger`).
    """
    faults: list[Fault] = []
    notes: list[Note] = []
    tables: dict[str, CheckedTable] = {}
    rows = max(sum(table.data.num_rows for table in stored.values()), 1)
    for table_name, table in stored.items():
        if "transactions" in stored:  # the other tables are quick to check
            progress.step(f"Checking {table.origin}", 0.4 + 0.3 * sum(map(len, tables.values())) / rows)
        near = list(near_misses(table))
        notes += extra_columns(table, near)
        faults += [*_misshapen(table), *near]
        tables[table_name] = _read_table(table, faults)
    for check_between in (unknown_references, early_closings, company_cycles, wrong_quotes):
        faults.extend(check_between(tables))
    if whole_ledger and not faults and "transactions" in tables:  # a faulty row may make a balance too large
        faults.extend(balance_faults(tables))
    order = {table.stored.origin: i for i, table in enumerate(tables.values())}
    faults.sort(key=lambda f: (order[f.file], f.row))
    return CheckedMart(name, tables, faults, notes)


def _misshapen(table: StoredTable) -> Iterator[Fault]:
    return (
        Fault(table.origin, row.number, "", row.text, row.why, fault_kinds.CELL_COUNT)
        for row in table.misshapen
    )


def _read_table(stored: StoredTable, faults: list[Fault], *, in_batches: bool = False) -> CheckedTable:
    """Read the columns of a table; in a batch, keep ids that are numbers or UUIDs, and allow duplicates."""
    table = CheckedTable(stored)
    for spec in stored.spec.columns:
        if spec.name not in stored.data.column_names:
            if spec.required:
                kind = fault_kinds.NO_COLUMN
                faults.append(Fault(stored.origin, 1, spec.name, "", kind.reason, kind))
            array = pa.nulls(len(table), pa.list_(pa.string()) if spec.kind == "tags" else pa.large_string())
        else:
            array = columns.plain(stored.data.column(spec.name), uuids=in_batches and spec.kind == "id")
        in_numbers = in_batches and spec.kind == "id"
        # Only ids that are not looked up in another table may be uint64.
        numbers = columns.as_numbers(array, unsigned=spec.unique) if in_numbers else None
        if numbers is None:
            spec = spec._replace(unique=spec.unique and not in_batches)
            faults.extend(_read_column(table, spec, array))
        else:
            table.columns[spec.name] = numbers
            faults.extend(_missing_values(table, spec, numbers))
    return table


def _missing_values(table: CheckedTable, spec: MartColumn, array: pa.Array) -> Iterator[Fault]:
    """Add a column's mask of blanks to the table, and yield a fault for each blank that is not allowed."""
    of_numbers = spec.kind in ("amount", "positive")
    blank = table.blank[spec.name] = columns.blanks(array, of_numbers=of_numbers)
    if spec.required and spec.name in table.stored.data.column_names:
        yield from (table.fault(int(i), spec.name, fault_kinds.BLANK) for i in np.flatnonzero(blank))


def _read_column(table: CheckedTable, spec: MartColumn, array: pa.Array) -> Iterator[Fault]:
    """Read a column, add its values to the table, and yield its faults."""
    if spec.kind == "tags":
        tags = _tags(array)
        if tags is None:
            yield from (
                table.fault(int(i), spec.name, fault_kinds.NOT_A_LIST)
                for i in np.flatnonzero(to_bools(array.is_valid()))
            )
            tags = pa.LargeListArray.from_arrays(
                from_numpy(np.zeros(len(table) + 1, np.int64)), from_texts([])
            )
        for i in table.stored.nested_in(spec.name):
            yield table.fault(i, spec.name, fault_kinds.NOT_A_LIST)
        table.columns[spec.name] = tags
        return
    array = array if spec.repeats else columns.decoded(array)
    yield from _missing_values(table, spec, array)
    blank = table.blank[spec.name]
    if spec.kind == "time" or spec.kind in _READERS:
        table.columns[spec.name], faults = _read_values(array, spec.kind, blank, table.stored.dialect)
        yield from (table.fault(i, spec.name, kind) for i, kind in faults.items())
        blank[list(faults)] = True  # already reported, so comparisons between columns skip this value
        return
    nested = table.stored.nested_in(spec.name)
    yield from (table.fault(i, spec.name, fault_kinds.NOT_TEXT) for i in nested)
    blank[nested] = True  # already reported, so these values are not looked up in other tables
    text = table.columns[spec.name] = _text_of(array, blank)
    not_text = _not_text(text, blank)
    yield from (table.fault(int(i), spec.name, fault_kinds.NOT_TEXT) for i in not_text)
    blank[not_text] = True
    if spec.choices:
        yield from _unknown_choices(table, spec, text, blank)
    elif spec.kind == "currency":
        fits = pc.fill_null(pc.match_substring_regex(text, r"^[A-Z]{3}$"), scalar(True, pa.bool_()))
        bad = ~to_bools(fits)
        kind = fault_kinds.NOT_A_CURRENCY
        yield from (table.fault(int(i), spec.name, kind) for i in np.flatnonzero(bad & ~blank))
    if spec.unique:
        again = np.flatnonzero(duplicates(text) & ~blank)
        yield from (table.fault(int(i), spec.name, fault_kinds.DUPLICATE) for i in again)


def _read_values(
    array: pa.Array, kind: Kind, blank: columns.Bools, dialect: Dialect
) -> tuple[Any, values.Faults]:
    """Return the values and the faults of a column of times, dates or numbers."""
    if columns.is_text(array.type):
        if dialect.dates and kind in ("time", "date"):
            array = iso_times(array, dialect.dates)
        elif dialect.decimal and kind in ("amount", "positive"):
            array = plain_numbers(array, dialect.decimal)
    if kind == "time":
        return values.times(array, blank, dialect.timezone or "UTC")
    found, faults = _READERS[kind](array, blank)
    if dialect.decimal == ",":
        faults = {
            i: fault_kinds.NOT_WITH_COMMA if kind is fault_kinds.NOT_AN_AMOUNT else kind
            for i, kind in faults.items()
        }
    return found, faults


_READERS: Mapping[Kind, Callable[[pa.Array, columns.Bools], tuple[Any, values.Faults]]] = {
    "amount": amounts.amounts,
    "date": values.dates,
    "positive": amounts.positives,
}


def _text_of(array: pa.Array, blank: columns.Bools) -> pa.Array:
    """Return a column as text, with nulls for blanks and for values that are not text."""
    try:
        text = columns.as_text(array)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return from_texts([_decoded(value) for value in columns.decoded(array).to_pylist()])
    if pa.types.is_dictionary(text.type) or text.null_count == blank.sum():
        return text  # in a dictionary, a blank gets the position -1, like a null
    return pc.if_else(from_bools(blank), scalar(None, text.type), text)


def _not_text(text: pa.Array, blank: columns.Bools) -> columns.Int64s:
    """Return the positions of the nulls in a column as text that are not blanks."""
    if not text.null_count:
        return np.zeros(0, np.int64)
    return np.flatnonzero(~blank & to_bools(text.is_null()))


def _decoded(value: object) -> str | None:
    """Return bytes as text, or None for bytes that are not UTF-8 and for any other value."""
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return None


def _tags(array: pa.Array) -> pa.Array | None:
    """Return each client's tags as a list (text is split at `;`), or None for an unsuitable type."""
    try:
        if pa.types.is_nested(array.type):
            lists = array.cast(pa.large_list(pa.large_string()))
        else:
            lists = pc.split_pattern(columns.as_text(columns.decoded(array)).cast(pa.large_string()), ";")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return None
    tags = pc.utf8_trim_whitespace(pc.list_flatten(lists))
    kept = pc.fill_null(pc.not_equal(tags, scalar("", tags.type)), scalar(False, pa.bool_()))
    counts = np.bincount(to_numpy(pc.list_parent_indices(lists).filter(kept)), minlength=len(array))
    ends = np.concatenate(([0], np.cumsum(counts)))
    return pa.LargeListArray.from_arrays(from_numpy(ends), tags.filter(kept).cast(pa.large_string()))


def _unknown_choices(
    table: CheckedTable, spec: MartColumn, text: pa.Array, blank: columns.Bools
) -> Iterator[Fault]:
    codes = table.codes[spec.name] = positions(text, spec.choices)
    kind = fault_kinds.unknown_choice(spec)
    hints: dict[str, str] = {}  # a cache: wrong values tend to repeat, and finding the nearest choice is slow
    for i in np.flatnonzero((codes < 0) & ~blank):
        given = text[int(i)].as_py()
        if given not in hints:
            close = nearest(given, spec.choices, 1)
            hints[given] = f"did you mean {close[0]}?" if close else f"choices: {', '.join(spec.choices)}"
        yield table.fault(int(i), spec.name, kind, f"{kind.reason} ({hints[given]})")
