"""Finding a saved query's newest snapshot by reading each manifest in the store once.

Addresses do not store the id of the newest snapshot, so they are always up to date, even if a publisher was
killed or used an earlier version, or if a backup was restored.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError
from custdyn_widgets.files import folder_below, names_in
from custdyn_widgets.snapshots.addresses import Address
from custdyn_widgets.snapshots.ids import is_id
from custdyn_widgets.snapshots.ownership import owner_of
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.snapshots.visibility import is_hidden
from custdyn_widgets.text import parse_instant

# A folder that changed this recently may change again without a new modification time.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class _Made:
    """A snapshot that a saved query made; `as_of` is the time that its report is for."""

    id: str
    saved_query: str
    owner: int
    as_of: datetime
    generated_at: datetime


@dataclass
class _Shelf:
    """A two-letter folder: its modification time (-1 until settled), ids, and snapshots by saved queries."""

    changed_ns: int
    known: set[str]
    made: list[_Made]


class NewestSnapshots:
    """An index of the snapshots that saved queries made, updated from the store on each request."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()

    def of(self, address: Address) -> str | None:
        """Return the id of the newest visible snapshot for an address; None if there is none.

        The newest is the one whose report is for the latest time, so that repeating a run for an earlier time
        does not change where the address leads. If several are for the same time, it is the one
        generated last.

        Raises
        ------
        OSError
            If the store cannot be read.
        """
        with self._lock:
            self._update()
            found = [one for shelf in self._shelves.values() for one in shelf.made if _leads(address, one)]
        found.sort(key=lambda one: (one.as_of, one.generated_at, one.id), reverse=True)
        return next((one.id for one in found if self._is_visible(one)), None)

    def _is_visible(self, one: _Made) -> bool:
        try:
            return self._store.holds(one.id) and not is_hidden(self._store.folder, one.id)
        except SnapshotDamagedError:
            return False

    def _update(self) -> None:
        """Read the manifests of new snapshots, and forget deleted ones."""
        try:
            with folder_below(self._store.folder, "v1") as folder:
                names = names_in(folder)
        except FileNotFoundError:
            names = []
        for gone in self._shelves.keys() - set(names):
            del self._shelves[gone]
        for name in names:
            self._update_shelf(name)

    def _update_shelf(self, name: str) -> None:
        place = self._store.folder / "v1" / name
        try:
            changed_ns = place.lstat().st_mtime_ns
            shelf = self._shelves.setdefault(name, _Shelf(-1, set(), []))
            if changed_ns == shelf.changed_ns:
                return
            settled = changed_ns < time.time_ns() - _SETTLED_NS
            with folder_below(self._store.folder, "v1", name) as folder:
                stored = {one for one in names_in(folder) if is_id(one) and one[:2] == name}
        except (FileNotFoundError, NotADirectoryError):
            self._shelves.pop(name, None)
            return
        new = stored - shelf.known
        unreadable = {one for one in new if not self._read(one, shelf)}
        shelf.made = [one for one in shelf.made if one.id in stored]
        shelf.known = stored - unreadable
        shelf.changed_ns = changed_ns if settled and not unreadable else -1

    def _read(self, snapshot_id: str, shelf: _Shelf) -> bool:
        """Add a snapshot to a shelf if a saved query made it; return whether its manifest can be read."""
        try:
            manifest = self._store.kept_manifest(snapshot_id)
            made = _from_manifest(snapshot_id, manifest, owner_of(self._store.folder, snapshot_id))
        except (SnapshotError, ValueError, KeyError, TypeError):
            return False  # damaged but perhaps restored later, or just deleted
        if made is not None:
            shelf.made.append(made)
        return True


def _from_manifest(snapshot_id: str, manifest: dict[str, Any], owner: int | None) -> _Made | None:
    saved_query = manifest.get("saved_query")
    if not isinstance(saved_query, str) or "for_each" in manifest or owner is None:
        return None
    as_of, generated_at = parse_instant(manifest["as_of"]), parse_instant(manifest["generated_at"])
    return _Made(snapshot_id, saved_query, owner, as_of, generated_at)


def _leads(address: Address, one: _Made) -> bool:
    return (
        address.is_made_by(one.saved_query, one.generated_at)
        and one.owner == address.owner
        and one.generated_at >= address.since
    )
