"""Revoking a snapshot, setting when it expires, and finding its id in what a person typed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import SplitResult, parse_qs, urlsplit

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError, shown
from custdyn_widgets.snapshots.ids import ID_LENGTH, is_id
from custdyn_widgets.snapshots.newer import missing
from custdyn_widgets.snapshots.state import State, changing_states, read_state, write_state
from custdyn_widgets.snapshots.store import Store

_ALL_IDS = "`custdyn snapshots list` shows the whole ids."


def revoke(store: Store, snapshot_id: str) -> State | None:
    """Revoke a snapshot for good; from the next request on, its link shows nothing.

    Revoking again keeps the first instant but writes the state again, because the first write may not have
    reached the disk. A damaged state, which also hides the snapshot, is replaced.

    Returns
    -------
    State or None
        The previous state; None if it was damaged.

    Raises
    ------
    SnapshotNotFoundError
        If there is no such snapshot.
    SnapshotError
        If the state could not be written.
    """
    with _changing(store, snapshot_id):
        try:
            before = read_state(store.folder, snapshot_id)
        except SnapshotDamagedError:
            before = None
        state = before or State()
        write_state(store.folder, snapshot_id, replace(state, revoked=state.revoked or datetime.now(UTC)))
    return before


def expire(store: Store, snapshot_id: str, at: datetime | None) -> State:
    """Set when a snapshot expires; a revoked one stays revoked.

    Parameters
    ----------
    store, snapshot_id
        The snapshot.
    at
        The instant, cut to the second; None if it never expires.

    Returns
    -------
    State
        The new state.

    Raises
    ------
    SnapshotNotFoundError
        If there is no such snapshot.
    SnapshotError
        If its state is damaged (then nothing is changed), or the new one could not be written.
    """
    with _changing(store, snapshot_id):
        try:
            state = replace(read_state(store.folder, snapshot_id), expires=at)
        except SnapshotDamagedError as error:
            raise SnapshotError(
                f"{error.file[0].upper()}{error.file[1:]} of {snapshot_id} {error.what}, so nothing was "
                "changed; it is not shown as it is. Restore its file below state/ from a backup, or revoke "
                "the snapshot.",
                field="id",
            ) from error
        write_state(store.folder, snapshot_id, state)
    return state


def id_in(text: str) -> str:
    """Return the id in what a person typed: an id, or a whole link.

    Raises
    ------
    SnapshotError
        If the text contains no id; the error says why.
    """
    text = text.strip(" \t\r\n<>\"'")
    url = _parts(text) if "?" in text else None
    given = "&".join(parse_qs(url.query).get("id", [])) if url else text
    if is_id(given) and (url is None or url.path.rsplit("/", 1)[-1] == "view"):
        return given
    if is_id(given.lower()):
        why = "is not as it was handed on: an id is in lowercase letters, and a link ends in /view?id=<id>"
    elif given.isascii() and given.isalnum() and len(given) < ID_LENGTH:
        why = f"is cut short: it has {len(given)} of an id's {ID_LENGTH} characters"
    else:
        why = f"contains no snapshot id: {ID_LENGTH} lowercase letters and digits"
    raise SnapshotError(f"{shown(text)} {why}. Give it whole, or its whole link. {_ALL_IDS}", field="id")


def _parts(link: str) -> SplitResult:
    try:
        return urlsplit(link)
    except ValueError:  # such as half an IPv6 address
        return urlsplit("")


@contextlib.contextmanager
def _changing(store: Store, snapshot_id: str) -> Iterator[None]:
    if not store.holds(snapshot_id):
        raise missing(store.folder, snapshot_id)
    try:
        with changing_states(store.folder):
            yield
    except OSError as error:
        raise SnapshotError(
            f"The new state of {snapshot_id} may not have been saved: {error.strerror or error}. Fix that "
            "and do it again; until then, do not rely on it.",
            field="id",
        ) from error
