"""Notes on a snapshot, and the record of what was done to it."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custdyn_widgets.errors import SnapshotError, SnapshotNotFoundError
from custdyn_widgets.snapshots import actions as actions_module
from custdyn_widgets.snapshots import ownership
from custdyn_widgets.snapshots.actions import actions_on, record
from custdyn_widgets.snapshots.life import expire, revoke
from custdyn_widgets.snapshots.notes import MAX_LENGTH, MAX_NOTES, Notes, add_note, notes_on, withdraw_note
from custdyn_widgets.snapshots.ownership import account
from custdyn_widgets.snapshots.pruning import delete
from custdyn_widgets.snapshots.store import Store
from tests.snapshots.test_store import FILES, MANIFEST


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def snapshot_id(store: Store) -> str:
    return store.publish(MANIFEST, FILES)


def texts(store: Store, snapshot_id: str) -> list[str]:
    return [note.text for note in notes_on(store.folder, snapshot_id).notes]


def test_notes_have_a_date_a_role_and_an_account_and_leave_the_snapshot_as_it_is(
    store: Store, snapshot_id: str
) -> None:
    before = sorted(store.place(snapshot_id).iterdir())
    add_note(store, snapshot_id, "  March was billed late.  ", "analyst")
    add_note(store, snapshot_id, "Corrected: see the next report.", "controller")
    first, second = notes_on(store.folder, snapshot_id).notes
    assert (first.text, first.role, first.by) == ("March was billed late.", "analyst", account())
    assert second.text == "Corrected: see the next report."
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first.at)
    assert sorted(store.place(snapshot_id).iterdir()) == before
    assert store.verify() == []


def test_a_withdrawn_note_is_not_shown_but_recorded(store: Store, snapshot_id: str) -> None:
    for text in ("one", "two", "three"):
        add_note(store, snapshot_id, text, "analyst")
    assert withdraw_note(store, snapshot_id, 2).text == "two"
    assert texts(store, snapshot_id) == ["one", "three"]
    actions, _ = actions_on(store.folder, snapshot_id)
    assert [act.act for act in actions] == ["note"] * 3 + ["note withdrawn"]
    for number in (0, 3):
        with pytest.raises(SnapshotError, match=f"no note {number}"):
            withdraw_note(store, snapshot_id, number)
    assert withdraw_note(store, snapshot_id, 2).text == "three"
    assert withdraw_note(store, snapshot_id, 1).text == "one"
    assert notes_on(store.folder, snapshot_id) == Notes()


@pytest.mark.parametrize("text", ["", "  ", "x" * (MAX_LENGTH + 1), "two\nlines", "a\x1b[31m", "a\u2028b"])
def test_a_note_is_one_line_of_bounded_length(store: Store, snapshot_id: str, text: str) -> None:
    with pytest.raises(SnapshotError, match=f"one line of 1 to {MAX_LENGTH} characters"):
        add_note(store, snapshot_id, text, "analyst")
    assert texts(store, snapshot_id) == []


def test_the_longest_note_of_any_characters_can_be_read(store: Store, snapshot_id: str) -> None:
    longest = "\U0001f600" * MAX_LENGTH
    add_note(store, snapshot_id, longest, "\U0001f600" * 100)
    assert texts(store, snapshot_id) == [longest]


def test_the_number_of_notes_is_bounded(
    store: Store, snapshot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions_module.os, "fsync", lambda _: None)
    for number in range(MAX_NOTES):
        add_note(store, snapshot_id, str(number), "analyst")
    with pytest.raises(SnapshotError, match="Withdraw one first"):
        add_note(store, snapshot_id, "one more", "analyst")
    withdraw_note(store, snapshot_id, 1)
    add_note(store, snapshot_id, "one more", "analyst")


def test_a_note_needs_a_snapshot(store: Store) -> None:
    with pytest.raises(SnapshotNotFoundError):
        add_note(store, "a" * 52, "text", "analyst")
    assert not store.folder.exists()


ESCAPE = rb'{"act":"note","at":"\u001b[2J","by":"","role":"","text":"x"}'


OTHER_FORM = b'{"act":"note","at":"2026-01-01T00:00:00+00:00","by":"","role":"","text":"x"}'
NUMBER = b'{"act":"note","at":"2026-01-01T00:00:00Z","by":"","role":5,"text":"x"}'


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"at":1,"by":""}', ESCAPE, OTHER_FORM, NUMBER])
def test_a_note_that_cannot_be_read_is_told(store: Store, snapshot_id: str, content: bytes) -> None:
    add_note(store, snapshot_id, "kept", "analyst")
    add_note(store, snapshot_id, "damaged", "analyst")
    first, last = sorted((store.folder / "acts" / snapshot_id[:2]).iterdir())
    last.write_bytes(content)
    found = notes_on(store.folder, snapshot_id)
    assert [note.text for note in found.notes] == ["kept"]
    assert found.incomplete is True
    assert actions_on(store.folder, snapshot_id)[1] == 1
    first.unlink()
    assert notes_on(store.folder, snapshot_id) == Notes(incomplete=True)


def test_notes_that_cannot_be_listed_or_stored_are_told(store: Store, snapshot_id: str) -> None:
    assert notes_on(store.folder, snapshot_id) == Notes(incomplete=False)
    assert actions_on(store.folder, snapshot_id) == ([], 0)
    (store.folder / "acts").write_text("a file")
    assert notes_on(store.folder, snapshot_id) == Notes(incomplete=True)
    with pytest.raises(
        SnapshotError, match=r"The notes on .* may not have been saved: Not a directory \(.*/acts\)"
    ):
        add_note(store, snapshot_id, "text", "analyst")


def test_an_act_belongs_to_one_snapshot_and_has_the_name_of_its_file(store: Store) -> None:
    one, other = "a" * 52, "aa" + "b" * 49 + "a"
    record(store.folder, one, "note", text="of one")
    record(store.folder, other, "note", text="of the other")
    shelf = store.folder / "acts" / "aa"
    (shelf / f"{one}.tmp").write_text("no action")
    [act], unreadable = actions_on(store.folder, one)
    assert (act.text, unreadable) == ("of one", 0)
    assert (shelf / f"{one}.{act.key}.json").is_file()
    assert [act.text for act in actions_on(store.folder, other)[0]] == ["of the other"]


def test_every_act_is_recorded_with_its_account_and_time(store: Store, snapshot_id: str) -> None:
    began = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    expire(store, snapshot_id, datetime(2030, 1, 1, tzinfo=UTC))
    expire(store, snapshot_id, None)
    add_note(store, snapshot_id, "wrong quotes", "analyst")
    revoke(store, snapshot_id)
    delete(store, snapshot_id, "custdyn snapshots prune")
    actions, unreadable = actions_on(store.folder, snapshot_id)
    assert unreadable == 0
    assert [(act.act, act.text) for act in actions] == [
        ("expiry", "2030-01-01T00:00:00Z"),
        ("expiry", "never"),
        ("note", "wrong quotes"),
        ("revoked", ""),
        ("deleted", "custdyn snapshots prune"),
    ]
    assert {act.who for act in actions} == {account()}
    assert all(act.at >= began for act in actions)


def test_root_records_who_called_sudo(
    store: Store, snapshot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "anna")
    revoke(store, snapshot_id)
    [act], _ = actions_on(store.folder, snapshot_id)
    assert act.by == "root (sudo by anna)"


def test_a_record_that_names_another_account_than_its_files_owner_is_told(
    store: Store, snapshot_id: str
) -> None:
    revoke(store, snapshot_id)
    [file] = (store.folder / "acts" / snapshot_id[:2]).iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "by": "anna"}, separators=(",", ":")))
    [act], _ = actions_on(store.folder, snapshot_id)
    assert act.who == f"anna (file owned by {account()})"


def test_only_the_owner_and_root_change_a_snapshot(
    store: Store, snapshot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    monkeypatch.setattr(ownership, "owner_of", lambda *_: 12_345)
    changes: list[tuple[str, Callable[[], object]]] = [
        ("revoked", lambda: revoke(store, snapshot_id)),
        ("given an expiry", lambda: expire(store, snapshot_id, None)),
        ("given a note", lambda: add_note(store, snapshot_id, "text", "analyst")),
        ("given a note", lambda: withdraw_note(store, snapshot_id, 1)),
        ("deleted", lambda: delete(store, snapshot_id, "a test")),
    ]
    for done, change in changes:
        with pytest.raises(SnapshotError, match=f"was not {done}: it belongs to uid 12345. Ask uid 12345"):
            change()
    assert store.read(snapshot_id, "report.html") == FILES["report.html"]
    assert not (store.folder / "acts").exists()


def test_a_deletion_that_cannot_be_recorded_is_told(
    store: Store, snapshot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(actions_module, "put_file", refused)
    with pytest.raises(SnapshotError, match="was deleted, but this was not recorded"):
        delete(store, snapshot_id, "a test")
    assert not store.holds(snapshot_id)


def test_a_deletion_is_recorded_when_a_full_disk_has_room_again(
    store: Store, snapshot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = actions_module.put_file
    full = iter([True])

    def put(*args: object) -> None:
        if next(full, False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(actions_module, "put_file", put)
    delete(store, snapshot_id, "a test")
    [act], _ = actions_on(store.folder, snapshot_id)
    assert act.act == "deleted"
