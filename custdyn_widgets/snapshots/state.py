"""What may change about a snapshot, kept outside its folder and its hash: revoked since, expires at.

A state is only ever replaced as a whole, by one writer at a time. It outlives its snapshot: pruning leaves
it, so that a backup that brings the folder back does not bring a revoked link back to life.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError
from custdyn_widgets.files import (
    NotPlainError,
    ReplacedError,
    canonical_json,
    folder_below,
    lock_folder,
    make_folder,
    parse_canonical,
    plain_bytes,
    put_file,
    reason,
)
from custdyn_widgets.text import format_instant_utc, parse_instant

_STATES = "state"
_MOST_BYTES = 4096


@dataclass(frozen=True)
class State:
    """What may change about a snapshot: since when it is revoked, and when it expires, if at all."""

    revoked: datetime | None = None
    expires: datetime | None = None

    @property
    def word(self) -> str:
        """`revoked`, `expired`, or empty while the snapshot can be seen."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= datetime.now(UTC) else ""


def read_state(store: Path, snapshot_id: str) -> State:
    """Return what `state/<first two>/<id>.json` in a store's folder says; nothing there: it can be seen.

    Raises
    ------
    SnapshotDamagedError
        If it cannot be read or understood; the snapshot is then not shown.
    """
    try:
        return _parsed_state(_bytes(store, snapshot_id))
    except FileNotFoundError:
        return State()
    except (OSError, NotPlainError) as error:
        raise SnapshotDamagedError(snapshot_id, "its state", reason(error)) from error
    except (SnapshotError, ValueError, OverflowError, TypeError, AttributeError) as error:
        what = "is not a state that this version knows"
        raise SnapshotDamagedError(snapshot_id, "its state", what) from error


@contextlib.contextmanager
def changing_states(store: Path) -> Iterator[None]:
    """Keep every other writer of states waiting within the block, in which one is read and written again.

    Raises
    ------
    OSError
        If the disk does not take a lock, or somebody else holds it for ten seconds.
    """
    make_folder(store / _STATES)
    # The folder is opened first, so that no lock is put behind a link.
    with folder_below(store, _STATES), lock_folder(store / _STATES):
        yield


def write_state(store: Path, snapshot_id: str, state: State) -> None:
    """Replace a snapshot's state, within `changing_states`; return when the new one is on the disk.

    Raises
    ------
    OSError
        If that fails. Either state may then be there, and whole; writing it once more tells.
    """
    instants = {
        key: None if instant is None else format_instant_utc(instant)
        for key, instant in (("revoked", state.revoked), ("expires", state.expires))
    }
    put_file(store, "tmp", (_STATES, snapshot_id[:2]), f"{snapshot_id}.json", canonical_json(instants))


def _bytes(store: Path, snapshot_id: str, looks: int = 10) -> bytes:
    name = f"{snapshot_id}.json"
    try:
        with folder_below(store, _STATES, snapshot_id[:2]) as folder:
            return plain_bytes(folder, name, _MOST_BYTES)
    except ReplacedError:  # by its writer, whose next one may come at once
        if looks == 1:
            raise
        return _bytes(store, snapshot_id, looks - 1)


def _parsed_state(data: bytes) -> State:
    """Read `{"revoked": instant or null, "expires": instant or null}`; anything else is an error."""
    stored = parse_canonical(data)
    return State(**{key: None if value is None else parse_instant(value) for key, value in stored.items()})
