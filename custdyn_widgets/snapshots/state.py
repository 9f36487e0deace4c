"""What may change about a snapshot, kept outside its folder and its hash: revoked since, expires at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError
from custdyn_widgets.snapshots.canonical import parse_canonical
from custdyn_widgets.snapshots.disk import NotPlainError, folder_below, plain_file, reason


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
    name = f"{snapshot_id}.json"
    try:
        with folder_below(store, "state", snapshot_id[:2]) as folder, plain_file(folder, name) as file:
            return _parsed_state(file.read())
    except FileNotFoundError:
        return State()
    except (OSError, NotPlainError) as error:
        raise SnapshotDamagedError(snapshot_id, "its state", reason(error)) from error
    except (SnapshotError, ValueError, TypeError, AttributeError) as error:
        what = "is not a state that this version knows"
        raise SnapshotDamagedError(snapshot_id, "its state", what) from error


def _parsed_state(data: bytes) -> State:
    """Read `{"revoked": instant or null, "expires": instant or null}`; anything else is an error."""
    stored = parse_canonical(data)
    instants = {key: value and datetime.fromisoformat(value) for key, value in stored.items()}
    if any(instant is not None and instant.tzinfo is None for instant in instants.values()):
        raise ValueError("an instant without an offset")
    return State(**instants)
