"""Notes on data that is allowed but rarely intended, such as usage that is mostly positive.

Only columns that the check has already read are used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.errors import shown
from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking.checked import CheckedTable
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.checking.odd_quotes import odd_quotes
from custdyn_widgets.mart.checking.values import DAY
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.mart.schema import KINDS, Kind

_OFFSET = r"[Z+]|[T ].*-"  # a Z, a plus, or a minus after the date: only offsets have these
_NULLS = ("\\N", "NULL", "null", "None", "NaN", "nan", "NaT", "<NA>", "(null)", "#N/A")
_USAGE = KINDS.index("usage")
_HOUR, _QUARTER = 3_600_000_000, 900_000_000
_SAMPLE, _DAYS = 1000, 10  # rows to look at first; days that show that times of day are no coincidence


def rarely_meant(tables: Mapping[str, CheckedTable]) -> list[Note]:
    """Return the notes on the tables of a mart."""
    finders = (
        _without_offset,
        _midnights_elsewhere,
        _binary_floats,
        _positive_usage,
        _clients_without_transactions,
        _words_for_null,
        _commas_in_tags,
        odd_quotes,
    )
    return [note for find in finders for note in find(tables)]


def guessed_dialects(tables: Mapping[str, StoredTable]) -> Iterator[Note]:
    """Note what was found out from the data about how it is written."""
    files: dict[tuple[str, ...], list[str]] = {}
    for table in tables.values():
        if table.guessed:
            files.setdefault(table.guessed, []).append(table.origin)
    for guessed, names in files.items():
        was, its = ("was", "its") if len(names) == 1 else ("were", "their")
        yield Note(
            f"{_listing(names)} {was} read with {_listing(guessed)}, as {its} values show. If that is wrong, "
            "set it for the source in sources.toml.",
            "guessed_dialect",
            files=names,
            guessed=list(guessed),
        )


def _listing(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _without_offset(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note how many times have no offset and were read as UTC."""
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
    zones = {table.stored.dialect.timezone or "UTC" for table in tables.values()}
    yield Note(
        f"{total:,} {words} read as {' or '.join(sorted(zones))} ({places}).",
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


def _midnights_elsewhere(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note that all transactions are at the same time of day, which seems to be midnight in another zone."""
    ledger = tables["transactions"]
    at = ledger.columns["at"][~ledger.blank["at"]]
    if len(np.unique(at[:_SAMPLE] % DAY)) > 2:  # almost always, so that no more needs to be read
        return
    clocks = np.unique(at % DAY).tolist()
    apart = (clocks[-1] - clocks[0]) % DAY if clocks else 0
    is_midnight = 0 < len(clocks) <= 2 and clocks != [0] and apart in (0, _HOUR, DAY - _HOUR)
    if not is_midnight or any(clock % _QUARTER for clock in clocks) or len(np.unique(at // DAY)) < _DAYS:
        return
    named = [f"{clock // _HOUR:02}:{clock // 60_000_000 % 60:02}" for clock in clocks]
    yield Note(
        f"{ledger.stored.origin}: all times are at {' or '.join(named)} UTC, which seems to be midnight in "
        "another time zone. Reports group them by the right day only in that time zone.",
        "midnights_elsewhere",
        clocks=named,
    )


def _binary_floats(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note the columns of amounts and quotes that are binary floats."""
    found = [
        (table.stored.origin, column)
        for table, column in _stored_columns(tables, "amount", "positive")
        if _is_float(table.stored.data.column(column).type) and not table.blank[column].all()
    ]
    if found:
        yield Note(
            f"Some numbers are binary floats ({'; '.join(map(', '.join, found))}); each was read as the "
            "nearest decimal. Decimals are exact: export decimals or text (pandas.read_sql: "
            "coerce_float=False).",
            "binary_floats",
            columns=[{"file": file, "column": column} for file, column in found],
        )


def _is_float(kind: pa.DataType) -> bool:
    encoded = pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind)
    return bool(pa.types.is_floating(kind.value_type if encoded else kind))


def _positive_usage(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note that most usage is positive, so that it adds to balances."""
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


def _clients_without_transactions(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note that most clients have no transaction."""
    clients, ledger = tables["clients"], tables["transactions"]
    if "client_id" not in ledger.codes:
        return
    codes = ledger.codes["client_id"]
    idle = int(np.count_nonzero(np.bincount(codes[codes >= 0], minlength=len(clients)) == 0))
    if 2 * idle > len(clients):
        yield Note(
            f"{clients.stored.origin}: most clients have no transaction: {idle:,} of {len(clients):,}. The "
            "ledger may be incomplete.",
            "clients_without_transactions",
            count=idle,
            of=len(clients),
        )


def _words_for_null(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note optional text that is a word for a missing value, such as NULL: it is read as that word."""
    found = []
    for table in tables.values():
        for spec in table.stored.spec.columns:
            if spec.required or spec.kind not in ("text", "id") or spec.name not in table.columns:
                continue
            words = columns.positions(table.columns[spec.name], _NULLS)
            if count := int(np.count_nonzero(words >= 0)):
                first = _NULLS[int(words[words >= 0][0])]
                found.append(
                    {"file": table.stored.origin, "column": spec.name, "count": count, "first": first}
                )
    if found:
        places = "; ".join(
            f"{p['file']}, {p['column']}: {p['count']:,}, as {shown(p['first'])}" for p in found
        )
        yield Note(
            f"Some text is a word for a missing value ({places}), but it is read as it is. "
            "Leave such cells empty.",
            "words_for_null",
            columns=found,
        )


def _commas_in_tags(tables: Mapping[str, CheckedTable]) -> Iterator[Note]:
    """Note tags that contain a comma, since only semicolons separate tags."""
    clients = tables["clients"]
    tags = pc.list_flatten(clients.columns["tags"])
    with_comma = tags.filter(pc.match_substring(tags, ","))
    if count := len(with_comma):
        words = "tag has a comma" if count == 1 else "tags have a comma"
        first = with_comma[0].as_py()
        yield Note(
            f"{clients.stored.origin}: {count:,} {words}, the first {shown(first)}. Tags are "
            "separated by semicolons, not commas.",
            "commas_in_tags",
            count=count,
            first=first,
        )


def _stored_columns(tables: Mapping[str, CheckedTable], *kinds: Kind) -> Iterator[tuple[CheckedTable, str]]:
    """Yield the columns of some kinds that are in the data, with their tables."""
    for table in tables.values():
        for spec in table.stored.spec.columns:
            if spec.kind in kinds and spec.name in table.stored.data.column_names:
                yield table, spec.name
