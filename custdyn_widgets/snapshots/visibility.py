"""Whether a snapshot may be shown: when it was revoked and when it expires, which its hash does not cover.

A state is replaced atomically, by one writer at a time. A revocation is also kept in a separate file, so that
an older state restored from a backup does not revive a revoked link. Pruning keeps both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
    owned_bytes,
    parse_canonical,
    put_file,
    reason,
)
from custdyn_widgets.snapshots.ownership import counts
from custdyn_widgets.text import format_instant_utc, parse_instant

_STATES, _REVOKED = "state", "revoked"
_MAX_BYTES = 4096


@dataclass(frozen=True)
class State:
    """When a snapshot was revoked, and when it expires; None if never."""

    revoked: datetime | None = None
    expires: datetime | None = None

    @property
    def word(self) -> str:
        """`revoked`, `expired`, or empty while the snapshot is visible."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= datetime.now(UTC) else ""


def read_state(store: Path, snapshot_id: str) -> State:
    """Read `state/<first two>/<id>.json` and `revoked/<id>`; if neither exists, the snapshot is visible.

    Raises
    ------
    SnapshotDamagedError
        If either cannot be read or parsed; in that case, the snapshot must not be shown.
    """
    try:
        state = _parsed_state(_bytes(store, snapshot_id, (_STATES, snapshot_id[:2]), ".json"))
        revoked = _bytes(store, snapshot_id, (_REVOKED,))
        if revoked is not None and state.revoked is None:
            return replace(state, revoked=parse_instant(revoked.decode("ascii")))
    except (OSError, NotPlainError) as error:
        raise SnapshotDamagedError(snapshot_id, "its state", reason(error)) from error
    except (SnapshotError, ValueError, OverflowError, TypeError, AttributeError) as error:
        what = "is not a state that this version supports"
        raise SnapshotDamagedError(snapshot_id, "its state", what) from error
    return state


def is_hidden(store: Path, snapshot_id: str) -> bool:
    """Return whether a snapshot must not be shown, because it is revoked or expired.

    Raises
    ------
    SnapshotDamagedError
        As for `read_state`.
    """
    return bool(read_state(store, snapshot_id).word)


@contextlib.contextmanager
def changing_states(store: Path) -> Iterator[None]:
    """Lock the states while one of them is read and rewritten.

    Raises
    ------
    OSError
        If the folder cannot be locked, or if another process holds the lock for ten seconds.
    """
    make_folder(store / _STATES)
    # Open the folder first, so that no lock is created through a link.
    with folder_below(store, _STATES), lock_folder(store / _STATES):
        yield


def write_state(store: Path, snapshot_id: str, state: State) -> None:
    """Replace a snapshot's state and sync it to disk; call within `changing_states`.

    Raises
    ------
    OSError
        If writing or syncing fails. Either the old or the new state is then stored; to be sure of the new
        one, write it again.
    """
    if state.revoked is not None:
        put_file(store, "tmp", (_REVOKED,), snapshot_id, format_instant_utc(state.revoked).encode())
    instants = {
        key: None if instant is None else format_instant_utc(instant)
        for key, instant in (("revoked", state.revoked), ("expires", state.expires))
    }
    put_file(store, "tmp", (_STATES, snapshot_id[:2]), f"{snapshot_id}.json", canonical_json(instants))


def _bytes(
    store: Path, snapshot_id: str, shelf: tuple[str, ...], suffix: str = "", looks: int = 10
) -> bytes | None:
    """Return a file's bytes; None if it is missing, or its writer is not allowed to change the snapshot."""
    try:
        with folder_below(store, *shelf) as folder:
            data, writer = owned_bytes(folder, f"{snapshot_id}{suffix}", _MAX_BYTES)
    except FileNotFoundError:
        return None
    except ReplacedError:  # replaced while it was being read; this may happen repeatedly
        if looks == 1:
            raise
        return _bytes(store, snapshot_id, shelf, suffix, looks - 1)
    return data if counts(store, snapshot_id, writer) else None


def _parsed_state(data: bytes | None) -> State:
    """Parse `{"revoked": timestamp or null, "expires": timestamp or null}`; anything else is an error."""
    if data is None:
        return State()
    stored = parse_canonical(data)
    return State(**{key: None if value is None else parse_instant(value) for key, value in stored.items()})
