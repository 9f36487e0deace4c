"""Find names similar to those of tables or columns."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.schema import TABLES

_ALIKE = 0.85


def normalized_name(name: str) -> str:
    """Return a name in lowercase, without spaces or punctuation."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))


def nearest_name(wanted: str, names: Iterable[str]) -> str | None:
    """Return the name most similar to `wanted` (a plural), or None if no name is similar enough."""
    similarity, name = max(((_similarity(wanted, name), name) for name in names), default=(0.0, ""))
    return name if similarity >= _ALIKE else None


def nearest_table(name: str) -> str | None:
    """Return the table with the most similar name, or None if no name is similar enough."""
    return next((table for table in TABLES if nearest_name(table, [name])), None)


def _similarity(wanted: str, name: str) -> float:
    """Return the similarity of two names, from 0 to 1.

    It is high if `name` is the singular of `wanted` or begins with `wanted`.
    """
    wanted, name = normalized_name(wanted), normalized_name(name)[:100]
    singular = f"{wanted[:-3]}y" if wanted.endswith("ies") else wanted.removesuffix("s")
    similarity = difflib.SequenceMatcher(None, wanted, name).ratio()
    return max(similarity, _ALIKE) if name == singular or name.startswith(wanted) else similarity


def source_error(source: str, why: str) -> SourceError:
    """Return the error for a source; `why` says what is wrong and what to do."""
    return SourceError(f"Source {shown(source)} {why}.", field="source")


def unread_table(table: str, name: str, remedy: str) -> str:
    """Return a warning about an optional table that may be stored under an unknown name."""
    return f"The table {table} is missing, and {shown(name)} is not read. If it is that table, {remedy}."
