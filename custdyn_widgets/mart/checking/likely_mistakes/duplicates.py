"""Find files, and parts of the ledger, that seem to have been included twice."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, LedgerRows, day_text
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.columns import Bools
from custdyn_widgets.mart.schema import KINDS

_FEW = 20  # the minimum number of different transactions of one kind that are all repeated
_LARGE = 200_000  # in larger ledgers, look first at about an eighth of the rows
_BLOCK = 2**20
_FACTORS = tuple(np.uint64(factor) for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))

Words = npt.NDArray[np.uint64]


def same_files(evidence: Evidence) -> Iterator[Note]:
    """Yield notes on files with the same content."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in evidence.files:
        by_size[path.stat().st_size].append(path)
    by_content: dict[bytes, list[str]] = defaultdict(list)
    for paths in by_size.values():
        if len(paths) > 1:
            for path in paths:
                by_content[_digest(path)].append(path.name)
    for names in by_content.values():
        if len(names) > 1:
            yield Note(
                f"{' and '.join(names[:2])} are identical, byte for byte. If both are read, their rows count "
                "twice. Remove one of them.",
                "same_files",
                files=names,
            )


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()


def repeated_rows(evidence: Evidence) -> Iterator[Note]:
    """Yield a note on days on which every transaction of one kind is repeated, even if the ids differ.

    A few repeated transactions may be correct, such as two calls at the same price in the same second.
    """
    rows = evidence.rows
    if len(rows) >= _LARGE and not _any_twice(_words(rows, (rows.at >> 6) & 7 == 0)):
        return
    words = _words(rows)
    order = np.argsort(words, kind="stable")
    words = words[order]
    starts = np.flatnonzero(np.append(True, words[1:] != words[:-1])) if len(words) else order
    counts = np.diff(np.append(starts, len(words)))
    if int((counts > 1).sum()) < _FEW:
        return
    first = order[starts]  # the first occurrence of each transaction
    again = np.zeros(len(starts), np.bool_)
    for times in (2, 3):
        again |= _on_repeated_days(evidence, first, counts % times == 0)
    if not again.any():
        return
    extra = int((counts[again] - 1).sum())
    days, kinds = evidence.days[first[again]], np.unique(rows.kind[first[again]])
    example = evidence.number(int(first[again].min()))
    yield Note(
        f"{evidence.file}: {extra:,} transactions repeat others with the same client, time, "
        f"kind and amount, as if a file had been read twice: all those of kind "
        f"{', '.join(KINDS[kind] for kind in kinds.tolist())} on {len(np.unique(days)):,} of the days from "
        f"{day_text(days.min())} to {day_text(days.max())}, the first in row {example}.",
        "repeated_rows",
        count=extra,
        first=example,
    )


def _words(rows: LedgerRows, chosen: Bools | slice = slice(None)) -> Words:
    """Return a hash of the client, time, kind and amount of each chosen row."""
    client, kind = rows.client[chosen].astype(np.uint64), rows.kind[chosen].astype(np.uint64)
    word = client * np.uint64(len(KINDS)) + kind
    for part, factor in zip((rows.at[chosen], rows.amount[chosen], None), _FACTORS, strict=True):
        word *= factor
        word ^= word >> np.uint64(31)
        if part is not None:
            word += part.view(np.uint64)
    return word


def _any_twice(words: Words) -> bool:
    words = np.sort(words)
    return bool((words[1:] == words[:-1]).any())


def _on_repeated_days(evidence: Evidence, first: npt.NDArray[np.int64], repeated: Bools) -> Bools:
    """Return a mask of the transactions in runs of days when all transactions of one kind are repeated."""
    day, kind = evidence.days[first], evidence.rows.kind[first]
    order = np.lexsort((day, kind))
    day, kind, repeated = day[order], kind[order], repeated[order]
    starts = np.flatnonzero(np.append(True, (np.diff(day) != 0) | (np.diff(kind) != 0)))
    whole = np.logical_and.reduceat(repeated, starts)  # by kind and day
    begins = np.append(True, (whole[1:] != whole[:-1]) | (np.diff(kind[starts]) != 0))
    runs = starts[begins]
    sizes = np.diff(np.append(runs, len(day)))
    found = np.zeros(len(day), np.bool_)
    found[order] = np.repeat(whole[begins] & (sizes >= _FEW), sizes)
    return found
