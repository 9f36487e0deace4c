"""Find extra headings, and misspelled ones, which would lead to wrong numbers if they were ignored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.checking.fault_kinds import NEAR_HEADING, near_heading_in_csv
from custdyn_widgets.mart.checking.faults import Fault, FaultKind
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.reading.near_names import normalized_name
from custdyn_widgets.mart.reading.stored import StoredTable
from custdyn_widgets.text import printable

_LISTED = 20
# Cyrillic letters that look like Latin ones, and are easily typed with the wrong keyboard layout.
_LOOKALIKES = str.maketrans("авекмнорстухіјѕ", "abekmhopctyxijs")
_MARKS = ("\ufeff", "\u00ef\u00bb\u00bf")  # a byte order mark, and its UTF-8 bytes read as Windows-1252


def near_misses(table: StoredTable) -> Iterator[Fault]:
    """Yield a fault for each extra column with almost the same name as a known column.

    The names differ only in case, punctuation, byte order marks or Cyrillic lookalikes.
    """
    known = {normalized_name(name): name for name in table.spec.column_names}
    kind = _kind(table, known)
    for name in table.extra:
        plain = normalized_name(_without_marks(name))
        latin = plain.translate(_LOOKALIKES)
        if meant := known.get(plain) or known.get(latin):
            mark = "; it begins with a byte order mark (BOM)" if name.startswith(_MARKS) else ""
            if plain not in known:
                other = next(c for c, of_latin in zip(plain, latin, strict=True) if c != of_latin)
                mark = f"; the letter {other!r} in it is Cyrillic"
            why = (
                f"resembles the column {meant} but does not match it, so it is not read: rename or remove "
                f"it{mark}"
            )
            yield Fault(table.origin, 1, printable(name), name, why, kind)


def _kind(table: StoredTable, known: Mapping[str, str]) -> FaultKind:
    """Return the kind of fault for near misses; the remedy names a setting if that would fix all of them."""
    plain = [normalized_name(_without_marks(name)).translate(_LOOKALIKES) for name in table.extra]
    near = [(normalized_name(name), latin) for name, latin in zip(table.extra, plain, strict=True)
            if latin in known]  # fmt: skip
    read = {known[name] for name, _ in near if name in known} - set(table.data.column_names)
    is_csv = table.origin.lower().endswith(".csv")
    return near_heading_in_csv() if is_csv and len(read) == len(near) else NEAR_HEADING


def extra_columns(table: StoredTable, near: Collection[Fault]) -> Iterator[Note]:
    """Yield a note on the extra columns of a table that are not near misses and are therefore ignored."""
    missed = {fault.value for fault in near}
    if ignored := [name for name in table.extra if name not in missed]:
        names = ", ".join(map(shown, ignored[:_LISTED]))
        more = f" and {len(ignored) - _LISTED:,} more" if len(ignored) > _LISTED else ""
        words = f"{table.origin}: extra columns are ignored: {names}{more}."
        yield Note(words, "extra_columns", file=table.origin, columns=ignored)


def _without_marks(name: str) -> str:
    for mark in _MARKS:
        name = name.removeprefix(mark)
    return name
