"""The origin of cached facts: what they were built from, so that added part files can be merged into them.

When an export adds a part to a ledger, only the rows of that part are read and checked, then merged with the
cached facts of the other parts. If there is any doubt, such as a faulty row, all parts are read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.checking.distinct_ids import EarlierIds
from custdyn_widgets.mart.facts import cache
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.sealed import DAMAGED, SealedFolder
from custdyn_widgets.mart.reading.fingerprint import FileStatus

_ORIGIN, _KEYS = "origin.json", "keys"


class ReadLedger(NamedTuple):
    """What is known about a ledger that was read and has no rows in doubt.

    Attributes
    ----------
    columns
        As in `StoredLedger`.
    largest
        The largest absolute amount.
    ids
        The ids of the transactions.
    """

    columns: frozenset[tuple[str, str]]
    largest: int
    ids: EarlierIds


class Origin(NamedTuple):
    """What facts were built from.

    Attributes
    ----------
    identity
        A hash of the mart's location and all settings that determine how its values are read.
    parts
        The part files of the ledger, in the order of its rows.
    ledger
        What is known about the ledger.
    """

    identity: str
    parts: tuple[FileStatus, ...]
    ledger: ReadLedger

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays to store, by name."""
        keys = self.ledger.ids.keys
        return {} if keys is None else {_KEYS: keys}

    def texts(self) -> dict[str, bytes]:
        """Return the text files to store, by name."""
        ids = self.ledger.ids
        content = {
            "identity": self.identity,
            "parts": self.parts,
            "columns": sorted(self.ledger.columns),
            "largest": self.ledger.largest,
            "ids": {name: value for name, value in ids._asdict().items() if name != "keys"},
        }
        return {_ORIGIN: json.dumps(content).encode("ascii")}

    @classmethod
    def of(cls, text: bytes) -> Origin:
        """Return an origin from its text, without the keys of ids."""
        stored = json.loads(text)
        columns = frozenset((name, kind) for name, kind in stored["columns"])
        ledger = ReadLedger(columns, stored["largest"], EarlierIds(**stored["ids"]))
        return cls(stored["identity"], tuple(FileStatus(*part) for part in stored["parts"]), ledger)


class Base(NamedTuple):
    """Facts of some parts of a ledger, to which the rows of the other parts can be added.

    Attributes
    ----------
    facts, ledger
        The facts, and what is known about the ledger that they were built from.
    added
        The names of the other parts.
    comes_first
        Whether all rows of the base come before the added ones.
    """

    facts: Facts
    ledger: ReadLedger
    added: frozenset[str]
    comes_first: bool


def find_base(identity: str, parts: Sequence[FileStatus]) -> Base | None:
    """Return the cached facts that cover the largest number of these parts of a ledger, if any do.

    The facts must have been built from parts in the same order.
    """
    found = []
    for path in cache.entry_folders() if parts else ():
        try:
            folder = SealedFolder.opened(path)
            text = folder.text(_ORIGIN)
            folder.verify({}, {_ORIGIN: text})
            origin = Origin.of(text)
        except DAMAGED:  # damaged, without an origin, or removed by another process
            continue
        if origin.identity == identity and _has_in_order(parts, origin.parts):
            found.append((len(origin.parts), str(path), folder, origin))
    for *_, folder, origin in sorted(found, key=lambda each: each[:2], reverse=True):
        with contextlib.suppress(*DAMAGED):
            return _base(folder, origin, parts)
    return None


def _has_in_order(parts: Sequence[FileStatus], some: Sequence[FileStatus]) -> bool:
    """Return whether `parts` contains all of `some`, in the same order, and at least one more."""
    rest = iter(parts)
    return len(some) < len(parts) and all(part in rest for part in some)


def _base(folder: SealedFolder, origin: Origin, parts: Sequence[FileStatus]) -> Base:
    ledger = origin.ledger
    if _KEYS in folder.sums:
        keys = folder.array(_KEYS)
        folder.verify({_KEYS: keys}, {})
        ledger = ledger._replace(ids=ledger.ids._replace(keys=np.asarray(keys, np.uint64)))
    facts = cache.opened_entry(folder).facts
    added = frozenset(part.name for part in parts) - {part.name for part in origin.parts}
    return Base(facts, ledger, added, tuple(parts[: len(origin.parts)]) == origin.parts)
