"""Dated notes on a snapshot, which its link shows above the report. They are stored by `actions`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from custdyn_widgets.errors import SnapshotError, shown
from custdyn_widgets.snapshots.actions import Action, actions_on, record
from custdyn_widgets.snapshots.newer import missing
from custdyn_widgets.snapshots.ownership import counts, describe_obstacle, refuse_strangers
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.text import has_control_character

MAX_LENGTH, MAX_NOTES = 500, 50
_NOTE, _WITHDRAWN = "note", "note withdrawn"


@dataclass(frozen=True)
class Notes:
    """The notes on a snapshot, oldest first, and whether there may be others that cannot be read."""

    notes: tuple[Action, ...] = ()
    incomplete: bool = False


def notes_on(store: Path, snapshot_id: str) -> Notes:
    """Return the notes on a snapshot that have not been withdrawn."""
    try:
        actions, unreadable = actions_on(store, snapshot_id)
    except OSError:
        return Notes(incomplete=True)
    if not actions:
        return Notes(incomplete=unreadable > 0)
    valid = [action for action in actions if counts(store, snapshot_id, action.writer)]
    withdrawn = {action.text for action in valid if action.act == _WITHDRAWN}
    notes = tuple(action for action in valid if action.act == _NOTE and action.key not in withdrawn)
    return Notes(notes, unreadable > 0)


def add_note(store: Store, snapshot_id: str, text: str, role: str) -> None:
    """Add a note to a snapshot; its link shows the note from the next request on.

    Raises
    ------
    SnapshotError
        If the snapshot does not exist or belongs to another account, if the text is empty, too long or not
        one line, if there are too many notes, or if the note cannot be stored.
    """
    text = text.strip()
    if not text or len(text) > MAX_LENGTH or has_control_character(text):
        raise SnapshotError(
            f"The note {shown(text)} was not added: a note is one line of 1 to {MAX_LENGTH} characters.",
            field="text",
        )
    _check(store, snapshot_id)
    if len(notes_on(store.folder, snapshot_id).notes) >= MAX_NOTES:
        raise SnapshotError(
            f"The note was not added: {snapshot_id} already has {MAX_NOTES} notes. Withdraw one first.",
            field="text",
        )
    _record(store, snapshot_id, _NOTE, text, role)


def withdraw_note(store: Store, snapshot_id: str, number: int) -> Action:
    """Withdraw the note with this number, counted from 1, and return it.

    Raises
    ------
    SnapshotError
        If there is no such note, if the snapshot does not exist or belongs to another account, or if the
        withdrawal cannot be stored.
    """
    _check(store, snapshot_id)
    notes = notes_on(store.folder, snapshot_id).notes
    if not 1 <= number <= len(notes):
        raise SnapshotError(
            f"{snapshot_id} has no note {number}; `custdyn snapshots note ID` lists its notes.",
            field="withdraw",
        )
    _record(store, snapshot_id, _WITHDRAWN, notes[number - 1].key)
    return notes[number - 1]


def _check(store: Store, snapshot_id: str) -> None:
    if not store.holds(snapshot_id):
        raise missing(store.folder, snapshot_id)
    refuse_strangers(store.folder, snapshot_id, "given a note")


def _record(store: Store, snapshot_id: str, act: str, text: str, role: str = "") -> None:
    try:
        record(store.folder, snapshot_id, act, text=text, role=role)
    except OSError as error:
        raise SnapshotError(
            f"The notes on {snapshot_id} may not have been saved: "
            f"{describe_obstacle(store.folder, error)}. Fix that and run the command again.",
            field="id",
        ) from error
