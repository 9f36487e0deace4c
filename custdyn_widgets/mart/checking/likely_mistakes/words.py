"""Find text that is probably wrong: words for missing values, and commas between tags."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.positions import positions

_NULLS = ("\\N", "NULL", "null", "None", "NaN", "nan", "NaT", "<NA>", "(null)", "#N/A")


def words_for_null(evidence: Evidence) -> Iterator[Note]:
    """Yield a note on optional values, such as NULL, that stand for missing values but were read as text."""
    found = []
    for table in evidence.tables.values():
        for spec in table.stored.spec.columns:
            if spec.required or spec.kind not in ("text", "id") or spec.name not in table.columns:
                continue
            words = positions(table.columns[spec.name], _NULLS)
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
            f"Some values are words for missing values but were read as text ({places}). "
            "Leave such cells blank.",
            "words_for_null",
            columns=found,
        )


def commas_in_tags(evidence: Evidence) -> Iterator[Note]:
    """Yield a note on tags that contain a comma, because only semicolons separate tags."""
    clients = evidence.clients
    tags = pc.list_flatten(clients.columns["tags"])
    with_comma = tags.filter(pc.match_substring(tags, ","))
    if count := len(with_comma):
        words = "tag has a comma:" if count == 1 else "tags have a comma; the first is"
        first = with_comma[0].as_py()
        yield Note(
            f"{clients.stored.origin}: {count:,} {words} {shown(first)}. Tags are separated by "
            "semicolons, not commas.",
            "commas_in_tags",
            count=count,
            first=first,
        )
