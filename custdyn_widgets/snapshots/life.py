"""Revoking a snapshot, setting its expiry, and finding its id in user input."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import SplitResult, parse_qs, urlsplit

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError, shown
from custdyn_widgets.snapshots.actions import record
from custdyn_widgets.snapshots.ids import ID_LENGTH, is_id
from custdyn_widgets.snapshots.newer import missing
from custdyn_widgets.snapshots.ownership import describe_obstacle, refuse_strangers
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.snapshots.visibility import State, changing_states, read_state, write_state
from custdyn_widgets.text import format_instant_utc

_ALL_IDS = "`custdyn snapshots list` shows all ids in full."


def revoke(store: Store, snapshot_id: str) -> State | None:
    """Revoke a snapshot permanently; its link stops working on the next request.

    Revoking a snapshot again keeps the original time but writes the state again, because the first write may
    not have reached the disk. A damaged state, which also hides the snapshot, is replaced.

    Returns
    -------
    State or None
        The previous state; None if it was damaged.

    Raises
    ------
    SnapshotNotFoundError
        If the snapshot does not exist.
    SnapshotError
        If the state could not be written.
    """
    with _changing(store, snapshot_id, "revoked"):
        try:
            before = read_state(store.folder, snapshot_id)
        except SnapshotDamagedError:
            before = None
        state = before or State()
        write_state(store.folder, snapshot_id, replace(state, revoked=state.revoked or datetime.now(UTC)))
        record(store.folder, snapshot_id, "revoked")
    return before


def expire(store: Store, snapshot_id: str, at: datetime | None) -> State:
    """Set the time at which a snapshot expires; a revoked snapshot remains revoked.

    Parameters
    ----------
    store, snapshot_id
        The snapshot.
    at
        The time, truncated to the second; None for a snapshot that never expires.

    Returns
    -------
    State
        The new state.

    Raises
    ------
    SnapshotNotFoundError
        If the snapshot does not exist.
    SnapshotError
        If its state is damaged (in which case it is left unchanged), or if the new state could not be
        written.
    """
    with _changing(store, snapshot_id, "given an expiry"):
        try:
            state = replace(read_state(store.folder, snapshot_id), expires=at)
        except SnapshotDamagedError as error:
            raise SnapshotError(
                f"The state of {snapshot_id} {error.what}, so it was not changed and the snapshot is not "
                "shown. Restore the file in state/ from a backup, or revoke the snapshot.",
                field="id",
            ) from error
        write_state(store.folder, snapshot_id, state)
        record(store.folder, snapshot_id, "expiry", text=format_instant_utc(at) if at else "never")
    return state


def id_in(text: str) -> str:
    """Return the id from user input, which may be an id or a full link.

    Raises
    ------
    SnapshotError
        If it contains no id; the error says why.
    """
    text = text.strip(" \t\r\n<>\"'")
    url = _parts(text) if "?" in text else None
    given = "&".join(parse_qs(url.query).get("id", [])) if url else text
    if is_id(given) and (url is None or url.path.rpartition("/")[2] == "view"):
        return given
    if is_id(given.lower()):
        why = "was altered: ids are in lowercase, and links end in /view?id=<id>"
    elif given.isascii() and given.isalnum() and len(given) < ID_LENGTH:
        why = f"is incomplete: it has {len(given)} of the {ID_LENGTH} characters of an id"
    else:
        why = f"contains no snapshot id: {ID_LENGTH} lowercase letters and digits"
    raise SnapshotError(f"{shown(text)} {why}. Enter the full id or link. {_ALL_IDS}", field="id")


def _parts(link: str) -> SplitResult | None:
    try:
        return urlsplit(link)
    except ValueError:  # for example, an incomplete IPv6 address
        return None


@contextlib.contextmanager
def _changing(store: Store, snapshot_id: str, done: str) -> Iterator[None]:
    if not store.holds(snapshot_id):
        raise missing(store.folder, snapshot_id)
    refuse_strangers(store.folder, snapshot_id, done)
    try:
        with changing_states(store.folder):
            yield
    except OSError as error:
        raise SnapshotError(
            f"The new state of {snapshot_id} may not have been saved: "
            f"{describe_obstacle(store.folder, error)}. Fix that and run the command again; until "
            "then, do not rely on the new state.",
            field="id",
        ) from error
