"""Note what a mart may hold but rarely means to: it is no fault, yet the numbers may surprise.

Everything is taken from columns that the check has read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.errors import shown
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.schema import KINDS, Kind

_OFFSET = r"[Z+]|[T ].*-"  # the text of a time has a minus after its date, a Z or a plus only for an offset
_USAGE = KINDS.index("usage")
_SAME, _OTHER = 1.1, 1.2  # how near a quote is to an inverse, and how far from the quote itself


def rarely_meant(tables: Mapping[str, CheckedTable]) -> list[Note]:
    """Return the notes on a mart's tables."""
    looked_for = (_without_offset, _binary_floats, _positive_usage, _commas_in_tags, _inverse_quotes)
    return [note for look in looked_for for note in look(tables)]


def _without_offset(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note how many times were read as UTC for want of an offset."""
    counts = {
        (table.stored.origin, column): count
        for table, column in _stored_columns(tables, "time")
        if (count := _count_without_offset(table, column))
    }
    total = sum(counts.values())
    if not total:
        return
    places = "; ".join(f"{file}, {column}: {count:,}" for (file, column), count in counts.items())
    words = "time without an offset was" if total == 1 else "times without an offset were"
    yield Note(
        f"{total:,} {words} read as UTC ({places}).",
        "times_without_offset",
        count=total,
        columns=[{"file": file, "column": column, "count": n} for (file, column), n in counts.items()],
    )


def _count_without_offset(table: CheckedTable, column: str) -> int:
    stored = columns.decoded(columns.plain(table.stored.data.column(column)))
    if pa.types.is_timestamp(stored.type) and stored.type.tz is not None:
        return 0
    local = ~table.blank[column]
    if columns.is_text(stored.type):
        local &= ~columns.to_bools(pc.fill_null(pc.match_substring_regex(stored, _OFFSET), False))
    return int(local.sum())


def _binary_floats(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note the columns of amounts and quotes that came as binary floats."""
    found = [
        (table.stored.origin, column)
        for table, column in _stored_columns(tables, "amount", "positive")
        if _is_float(table.stored.data.column(column).type) and not table.blank[column].all()
    ]
    if found:
        yield Note(
            f"Numbers came as binary floats ({'; '.join(map(', '.join, found))}), and each was read as the "
            "nearest decimal. Decimals are exact: export decimals or text (pandas.read_sql: "
            "coerce_float=False).",
            "binary_floats",
            columns=[{"file": file, "column": column} for file, column in found],
        )


def _is_float(kind: pa.DataType) -> bool:
    encoded = pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind)
    return bool(pa.types.is_floating(kind.value_type if encoded else kind))


def _positive_usage(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note that most usage adds to balances."""
    ledger = tables["transactions"]
    if "kind" not in ledger.codes:
        return
    usage = ledger.columns["amount"][(ledger.codes["kind"] == _USAGE) & ~ledger.blank["amount"]]
    positive, count = int((usage > 0).sum()), int(np.count_nonzero(usage))
    if positive > count - positive:
        yield Note(
            f"{ledger.stored.origin}: most usage is positive: {positive:,} of {count:,} "
            f"({100 * positive // count}%). Usage lowers a balance, so it is negative unless it is reversed.",
            "positive_usage",
            count=positive,
            of=count,
            share=round(positive / count, 4),
        )


def _commas_in_tags(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note tags with commas: a semicolon separates tags."""
    clients = tables["clients"]
    tags = pc.list_flatten(clients.columns["tags"])
    with_comma = tags.filter(pc.match_substring(tags, ","))
    if count := len(with_comma):
        words = "tag has a comma" if count == 1 else "tags have a comma"
        first = with_comma[0].as_py()
        yield Note(
            f"{clients.stored.origin}: {count:,} {words}, the first {shown(first)}. A semicolon separates "
            "tags, not a comma.",
            "commas_in_tags",
            count=count,
            first=first,
        )


def _inverse_quotes(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note quotes that are about the inverse of the same currency's next one."""
    if "rates" not in tables:
        return
    rates = tables["rates"]
    known = ~(rates.blank["currency"] | rates.blank["date"] | rates.blank["units_per_base"])
    currency = rates.columns["currency"].dictionary_encode().indices.fill_null(-1).to_numpy()
    days = rates.columns["date"]
    rows = np.lexsort((days, currency))
    rows = rows[known[rows]]
    with np.errstate(all="ignore"):  # a quote may be beyond what a float holds
        quotes = np.array([float(rates.columns["units_per_base"][i]) for i in rows], np.float64)
        now, after = quotes[:-1], quotes[1:]
        inverse = (now * after < _SAME) & (now * after > 1 / _SAME)
        inverse &= (after > now * _OTHER) | (now > after * _OTHER)
    inverse &= np.diff(currency[rows]) == 0
    found = rows[np.flatnonzero(inverse)]
    if not len(found):
        return
    first, count = int(found[0]), len(found)
    day = date(1970, 1, 1) + timedelta(days=int(days[first]))
    words = "quote is" if count == 1 else "quotes are"
    yield Note(
        f"{rates.stored.origin}: {count:,} {words} about the inverse of the currency's next one, the first "
        f"{shown(rates.columns['currency'][first].as_py())} on {day}. A quote is the number of units of the "
        "currency for one unit of the base.",
        "inverse_quotes",
        count=count,
    )


def _stored_columns(tables: Mapping[str, CheckedTable], *kinds: Kind) -> Iterator[tuple[CheckedTable, str]]:
    """Yield the columns of some kinds that are in the data, with their tables."""
    for table in tables.values():
        for spec in table.stored.spec.columns:
            if spec.kind in kinds and spec.name in table.stored.data.column_names:
                yield table, spec.name
