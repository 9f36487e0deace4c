"""Whether numbers or dates are in formats other than the mart's own.

Only then is the module that detects formats imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from custdyn_widgets.mart import columns
from custdyn_widgets.mart.checking.faults import Fault
from custdyn_widgets.mart.reading.stored import StoredTable

_CODES = ("not_an_amount", "not_a_time", "not_a_date", "spreadsheet_days")
PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)$"
PLAIN_TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d(:?\d\d)?)?)?)?$"
_SAMPLE = 1000  # rows


def have_other_formats(tables: Mapping[str, StoredTable]) -> bool:
    """Return whether the first rows contain numbers or times that are not in the mart's own format."""
    return any(
        len(not_plain(text, plain))
        for table in (table._replace(data=table.data.slice(0, _SAMPLE)) for table in tables.values())
        for plain, kinds, known in (
            (PLAIN_NUMBER, ("amount", "positive"), table.dialect.decimal),
            (PLAIN_TIME, ("time", "date"), table.dialect.dates),
        )
        if known is None
        for _, text in text_columns(table, *kinds)
    )


def may_have_other_formats(faults: Iterable[Fault]) -> bool:
    """Return whether any faulty values may be numbers or times in another format."""
    return any(fault.kind.code in _CODES for fault in faults)


def text_columns(table: StoredTable, *kinds: str) -> Iterator[tuple[str, pa.Array]]:
    """Yield the text columns that should contain values of the given kinds."""
    for spec in table.spec.columns:
        if spec.kind in kinds and spec.name in table.data.column_names:
            column = columns.decoded(columns.plain(table.data.column(spec.name)))
            if columns.is_text(column.type):
                yield spec.name, column


def not_plain(text: pa.Array, plain: str) -> pa.Array:
    """Return the values that are neither blank nor in the mart's own format."""
    return matching(text, r"\S", unlike=[plain])


def matching(text: pa.Array, *patterns: str, unlike: Sequence[str] = ()) -> pa.Array:
    """Return the values that match all patterns in `patterns` and none in `unlike`."""
    for pattern in patterns:
        text = text.filter(pc.match_substring_regex(text, pattern))
    for pattern in unlike:
        text = text.filter(pc.invert(pc.match_substring_regex(text, pattern)))
    return text
