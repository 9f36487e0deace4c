"""Notes on the formats that were detected in the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.reading.stored import StoredTable


def guessed_dialects(tables: Mapping[str, StoredTable]) -> Iterator[Note]:
    """Yield notes on the formats that were detected in the data."""
    files: dict[tuple[str, ...], list[str]] = {}
    for table in tables.values():
        if table.guessed:
            files.setdefault(table.guessed, []).append(table.origin)
    for guessed, names in files.items():
        was = "was" if len(names) == 1 else "were"
        yield Note(
            f"{_listing(names)} {was} read with {_listing(guessed)}, detected from the data. If this is "
            "wrong, set the right format for the source in sources.toml.",
            "guessed_dialect",
            files=names,
            guessed=list(guessed),
        )


def _listing(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
