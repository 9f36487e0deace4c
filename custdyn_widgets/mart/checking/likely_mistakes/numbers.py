"""Find numbers stored as binary floats, and amounts that seem to be in cents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from custdyn_widgets.mart.arrow_arrays import codes_of
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.values import MICROS
from custdyn_widgets.mart.columns import Int64s
from custdyn_widgets.mart.reading.stored import StoredMart
from custdyn_widgets.mart.schema import KINDS, TABLES
from custdyn_widgets.report import minor_digits

_FEW, _SAMPLE = 100, 50_000
_DISTINCT = 20  # prices in whole units would have fewer distinct values
_UNEVEN = 0.6  # share of amounts that are not multiples of 5; for amounts in cents it is about 0.8
_MONEY_OF_REPORTS = ("opening_balance", "amount", "units_per_base")
_PRICED = ("usage", "package_activation", "package_renewal", "refill")
# Currencies whose cents are no longer used, although ISO 4217 defines them.
_WITHOUT_CENTS = (
    "AFN ALL AMD AOA COP CRC DZD HUF IDR INR IQD IRR JMD KES KHR KZT LAK LBP LKR MMK MNT MWK NGN NPR PKR RSD "
    "RUB SDG SLL SOS SSP SYP TZS UAH UZS YER ZMW ZWL"
)


def binary_floats(evidence: Evidence) -> Iterator[Note]:
    """Yield a note on the columns of amounts or quotes that contain any binary floats."""
    found = [
        (table.stored.origin, column)
        for table, column in evidence.stored_columns("amount", "positive")
        if table.stored.has_floats(column) and not table.blank[column].all()
    ]
    if found:
        yield Note(
            f"Some numbers are binary floats ({'; '.join(map(', '.join, found))}); each was read as the "
            "nearest decimal. For exact numbers, export decimals or text (in pandas.read_sql, set "
            "coerce_float=False).",
            "binary_floats",
            columns=[{"file": file, "column": column} for file, column in found],
        )


def floats_in_memory(mart: StoredMart) -> str:
    """Return a warning for reports on tables in memory that store money as binary floats, or "".

    `stored_balance` is left out, because reports do not use it.
    """
    tables = {**mart.others, "transactions": mart.ledger.whole(None)}
    found = [
        f"{table.origin}, {column}"
        for table in (tables[name] for name in TABLES if name in tables)
        for column in table.data.column_names
        if column in _MONEY_OF_REPORTS
        and table.has_floats(column)
        and table.data.column(column).null_count < len(table.data)
    ]
    if not found:
        return ""
    return (
        f"Some numbers are binary floats ({'; '.join(found)}) and were read as the nearest decimals. For "
        "exact numbers, pass decimals or text (in pandas.read_sql, set coerce_float=False)."
    )


def cents(evidence: Evidence) -> Iterator[Note]:
    """Yield a note if all amounts of one kind and currency are whole numbers, like amounts in cents."""
    rows, clients = evidence.rows, evidence.clients
    priced = [KINDS.index(name) for name in _PRICED]
    found: dict[str, dict[str, int]] = {}
    suspects = [kind for kind in priced if _may_be_whole(evidence, kind)]
    if not suspects:
        return
    coded = clients.columns["currency"].dictionary_encode()
    currency_of = codes_of(coded)
    names = coded.dictionary.to_pylist()
    for kind in suspects:
        of_kind = np.flatnonzero(rows.kind == kind)
        currency = currency_of[rows.client[of_kind]]
        for code, name in enumerate(names):
            amounts = rows.amount[of_kind[currency == code]]
            if _seem_cents(amounts) and name not in _WITHOUT_CENTS and minor_digits(name) > 0:
                found.setdefault(name, {})[KINDS[kind]] = len(amounts)
    if not found:
        return
    places = "; ".join(
        f"{name}: {', '.join(f'{count:,} of kind {kind}' for kind, count in counts.items())}"
        for name, counts in found.items()
    )
    yield Note(
        f"{evidence.file}, amount: all amounts of some kinds are whole numbers, mostly not multiples of 5 "
        f"({places}). They may be in cents, but amounts must be in units of the currency, such as 12.34.",
        "cents",
        kinds=found,
    )


def _may_be_whole(evidence: Evidence, kind: int) -> bool:
    rows = evidence.rows
    amounts = rows.amount[:_SAMPLE][rows.kind[:_SAMPLE] == kind]
    return int(evidence.signs[kind].sum()) >= _FEW and not (amounts % MICROS).any()


def _seem_cents(amount: Int64s) -> bool:
    amount = amount[amount != 0]
    if len(amount) < _FEW or (amount % MICROS).any():
        return False
    distinct = np.unique(amount // MICROS)
    return len(distinct) >= _DISTINCT and bool((amount // MICROS % 5 != 0).mean() >= _UNEVEN)
