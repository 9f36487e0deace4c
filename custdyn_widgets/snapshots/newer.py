"""Snapshots in newer formats, which this version cannot read."""

from __future__ import annotations

import json
import re
from pathlib import Path

from custdyn_widgets.errors import SnapshotError, SnapshotNewerError, SnapshotNotFoundError
from custdyn_widgets.files import folder_below, may_exist, names_in
from custdyn_widgets.snapshots.ids import is_id

FORMAT = 1
_VERSION = re.compile("v[0-9]{1,6}", re.ASCII)


def newer_formats(store: Path) -> list[str]:
    """Return the folders of snapshots in newer formats, such as `v2`."""
    try:
        with folder_below(store) as folder:
            names = names_in(folder)
    except OSError:
        return []
    return [name for name in names if _VERSION.fullmatch(name) and int(name[1:]) > FORMAT]


def is_newer(manifest: bytes) -> bool:
    """Return whether a manifest is in a newer format, without checking its JSON form or its id."""
    try:
        found = json.loads(manifest)
    except (ValueError, RecursionError):
        return False
    number = found.get("format") if isinstance(found, dict) else None
    return isinstance(number, int) and number > FORMAT


def missing(store: Path, snapshot_id: str) -> SnapshotError:
    """Return the error for an id that was not found."""
    shelves = (store / name / snapshot_id[:2] for name in newer_formats(store))
    found = is_id(snapshot_id) and any(may_exist(shelf / snapshot_id) for shelf in shelves)
    return SnapshotNewerError(snapshot_id) if found else SnapshotNotFoundError(snapshot_id)
