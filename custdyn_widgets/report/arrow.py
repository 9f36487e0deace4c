"""A report's rows as an Arrow table, with exact amounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from custdyn_widgets.report.report import Report
from custdyn_widgets.text import join_surrogates, replace_surrogates

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS, _PLACES = 38, 6


def arrow_table(report: Report) -> pa.Table:
    """Return the rows without the Total, so that summing a column counts nothing twice.

    The columns are the labels (string); the numbers, under their one-level names (int64 for counts, otherwise
    decimal128(38, 6); amounts are in the report's currency, and an undefined average is null); the bucket's
    `start` and `end` (UTC timestamps, end exclusive, null if there is no bucket); and `partial` (bool).
    """
    import pyarrow as pa

    exact = pa.decimal128(_DIGITS, _PLACES)
    columns: list[tuple[pa.Field, Sequence[object]]] = [
        (pa.field(heading, pa.string()), [encodable(row.labels[i]) for row in report.rows])
        for i, heading in enumerate(report.headings)
    ]
    for i, column in enumerate(report.columns):
        unit = report.currency if column.unit == "money" else column.unit
        about = {"unit": unit, "definition": encodable(column.definition)}
        columns.append(
            (
                pa.field(column.name, pa.int64() if column.unit == "count" else exact, metadata=about),
                [row.values[i] for row in report.rows],
            )
        )
    for name in ("start", "end"):
        instants = [_instant(getattr(row, name)) for row in report.rows]
        columns.append((pa.field(name, pa.timestamp("ms", tz="UTC")), instants))
    columns.append((pa.field("partial", pa.bool_()), [row.partial for row in report.rows]))
    arrays = [pa.array(values, type=field.type) for field, values in columns]
    return pa.Table.from_arrays(arrays, schema=pa.schema([field for field, _ in columns]))


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def encodable(text: str) -> str:
    """Return text that UTF-8 can encode.

    Split surrogate pairs are joined, and lone surrogates are replaced by U+FFFD.
    """
    return replace_surrogates(join_surrogates(text))
