"""A protected store with real accounts: who adds, changes, deletes and reads, by commands and around them."""

from __future__ import annotations

import contextlib
import grp
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.files import canonical_json, put_file
from custdyn_widgets.snapshots import protection, signatures, trash
from custdyn_widgets.snapshots.actions import actions_on, record
from custdyn_widgets.snapshots.addresses import find_address, make_address, revoke_address
from custdyn_widgets.snapshots.evidence import Evidence
from custdyn_widgets.snapshots.life import expire, revoke
from custdyn_widgets.snapshots.newest import NewestSnapshots
from custdyn_widgets.snapshots.notes import add_note, notes_on
from custdyn_widgets.snapshots.ownership import is_protected
from custdyn_widgets.snapshots.protection import protect
from custdyn_widgets.snapshots.pruning import delete
from custdyn_widgets.snapshots.signing import new_key
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.snapshots.visibility import State, read_state, write_state
from custdyn_widgets.viewer.health import problem_with
from custdyn_widgets.viewer.view import Site
from tests.accounts import as_account
from tests.snapshots.test_store import FILES

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become other accounts")
ANNA, BOB, VIEWER, READERS = 48_801, 48_802, 48_803, 48_898
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
EVIDENCE = Evidence("0123456789abcdef" * 2, b"only digests")


def writers() -> grp.struct_group:
    """Return some group of this system, for those who freeze reports."""
    return next(group for group in grp.getgrall() if group.gr_gid not in (0, READERS))


def anna(call: Callable[[], Any]) -> Any:
    return as_account(ANNA, [ANNA, writers().gr_gid, READERS], call)


def bob(call: Callable[[], Any]) -> Any:
    return as_account(BOB, [BOB, writers().gr_gid, READERS], call)


def viewer(call: Callable[[], Any]) -> Any:
    return as_account(VIEWER, [READERS], call)


def stranger(call: Callable[[], Any]) -> Any:
    return as_account(48_804, [48_804], call)


def publish(store: Store, **about: str) -> str:
    return store.publish(about, FILES, EVIDENCE)


@contextlib.contextmanager
def gate() -> Iterator[Path]:
    """Yield the folder above the store, which only writers and the viewer can enter."""
    with tempfile.TemporaryDirectory(prefix="custdyn-gate-") as place:
        Path(place).chmod(0o711)
        folder = Path(place) / "reports"
        folder.mkdir()
        os.chown(folder, 0, READERS)
        folder.chmod(0o750)
        yield folder


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with gate() as folder:
        protect(folder / "store", writers().gr_name)
        yield Store(folder / "store")


@pytest.fixture
def unprotected() -> Iterator[Store]:
    with gate() as folder:
        yield Store(folder / "store")


def protect_few(store: Store, monkeypatch: pytest.MonkeyPatch) -> int:
    """Protect a store, but only the folders of the snapshots that it has, which takes less time."""
    monkeypatch.setattr(protection, "_SHELVES", tuple({snapshot_id[:2] for snapshot_id in store.ids()}))
    return protect(store.folder, writers().gr_name)


@pytest.fixture
def annas(store: Store) -> str:
    snapshot_id: str = anna(lambda: publish(store))
    assert store.holds(snapshot_id), snapshot_id
    return snapshot_id


def test_members_publish_and_see_everything_and_nobody_else_does(store: Store, annas: str) -> None:
    assert store.verify() == []
    bobs = bob(lambda: publish(store))
    assert store.place(annas).stat().st_uid == ANNA
    assert store.place(bobs).stat().st_uid == BOB
    assert bob(lambda: store.read(annas, "report.html")) == FILES["report.html"]
    assert bob(lambda: store.evidence(annas)) == EVIDENCE
    assert "Permission denied" in stranger(lambda: store.read(annas, "report.html"))


def test_the_viewer_reads_and_cannot_write_by_permission(store: Store, annas: str) -> None:
    anna(lambda: add_note(store, annas, "a note", "analyst"))
    assert viewer(lambda: b"a note" in Site(store).page(annas, "x").parts[0]) is True
    assert viewer(lambda: problem_with(store)) == ""
    address = anna(lambda: make_address(store.folder, "board", BEGINNING))
    assert viewer(lambda: find_address(store.folder, address.token)) == address
    assert viewer(lambda: NewestSnapshots(store).of(address)) is None
    assert "Permission denied" in viewer(lambda: publish(store))
    assert "Permission denied" in viewer(lambda: record(store.folder, annas, "note", text="forged"))
    assert "Permission denied" in viewer(lambda: (store.place(annas) / "report.html").write_bytes(b""))
    assert "damaged" in viewer(lambda: store.evidence(annas))  # digests of clients are not for it
    writable = [path for path in (store.folder, *store.folder.rglob("*")) if path.stat().st_mode & 0o002]
    assert writable == []


def test_only_the_owner_and_root_revoke_expire_note_and_delete(store: Store, annas: str) -> None:
    for call in (
        lambda: revoke(store, annas),
        lambda: expire(store, annas, datetime.now(UTC)),
        lambda: add_note(store, annas, "text", "analyst"),
        lambda: delete(store, annas, "a test"),
    ):
        assert f"it belongs to uid {ANNA}" in bob(call)
    assert actions_on(store.folder, annas) == ([], 0)
    assert anna(lambda: add_note(store, annas, "mine", "analyst")) is None
    assert anna(lambda: expire(store, annas, datetime.now(UTC) + timedelta(days=9))).word == ""
    revoke(store, annas)  # as root
    assert read_state(store.folder, annas).word == "revoked"
    assert "SnapshotNotFound" in bob(lambda: store.read(annas, "report.html"))


def test_a_file_of_another_member_in_the_way_is_named_with_its_owner(store: Store, annas: str) -> None:
    bob(lambda: write_state(store.folder, annas, State(revoked=BEGINNING)))
    blocked = f"Operation not permitted ({store.folder / 'revoked' / annas}, which belongs to uid {BOB})"
    assert blocked in anna(lambda: revoke(store, annas))
    state = store.folder / "state" / annas[:2] / f"{annas}.json"
    blocked = f"Operation not permitted ({state}, which belongs to uid {BOB})"
    assert blocked in anna(lambda: expire(store, annas, None))
    assert revoke(store, annas) == State()  # as root
    address = anna(lambda: make_address(store.folder, "board", BEGINNING))
    taken = store.folder / "revoked" / address.token
    bob(lambda: taken.write_text("mine"))
    blocked = f"Operation not permitted ({taken}, which belongs to uid {BOB})"
    assert blocked in anna(lambda: revoke_address(store.folder, address))


def test_around_the_commands_nobody_hides_shows_or_changes_what_is_not_theirs(
    store: Store, annas: str
) -> None:
    hidden = State(revoked=BEGINNING)
    bob(lambda: write_state(store.folder, annas, hidden))
    assert (store.folder / "revoked" / annas).stat().st_uid == BOB
    assert read_state(store.folder, annas) == State()
    bob(lambda: record(store.folder, annas, "note", text="forged", role="analyst"))
    assert notes_on(store.folder, annas).notes == ()
    assert [act.writer for act in actions_on(store.folder, annas)[0]] == [BOB]
    place = store.place(annas)
    for call in (
        lambda: place.rename(place.with_name("x")),
        lambda: shutil.rmtree(place),
        lambda: (place / "report.html").write_bytes(b"forged"),
        lambda: (place / "stray").write_bytes(b""),
        lambda: (store.folder / "protected").unlink(),
        lambda: (store.folder / "v1").rename(store.folder / "v9"),
    ):
        assert bob(call).startswith("PermissionError"), bob(call)
    assert store.verify() == []


def test_a_signature_by_somebody_else_is_ignored(store: Store, annas: str, tmp_path: Path) -> None:
    key = new_key(tmp_path / "bobs.pem", store.folder)
    assert "was not signed: it belongs to" in bob(lambda: signatures.sign(store, annas, key))
    message = signatures.public_manifest(annas, store.manifest(annas))
    forged = canonical_json({"key": key.public, "signature": key.sign(message).hex()})
    bob(lambda: put_file(store.folder, "tmp", ("signatures", annas[:2]), f"{annas}.json", forged))
    assert (store.folder / "signatures" / annas[:2] / f"{annas}.json").stat().st_uid == BOB
    assert signatures.signature_of(store, annas) is None
    assert signatures.sign(store, annas, key)  # root
    found = signatures.signature_of(store, annas)
    assert found is not None
    assert found.key == key.public


def test_a_revocation_cannot_be_undone_by_others(store: Store, annas: str) -> None:
    anna(lambda: revoke(store, annas))
    for path in (store.folder / "revoked" / annas, store.folder / "state" / annas[:2] / f"{annas}.json"):
        assert bob(path.unlink).startswith("PermissionError")
    assert "Operation not permitted" in bob(lambda: write_state(store.folder, annas, State()))
    assert read_state(store.folder, annas).word == "revoked"


def test_an_address_leads_only_to_snapshots_of_its_account_and_is_revoked_by_it(store: Store) -> None:
    about = {"saved_query": "board", "as_of": "2026-02-01T00:00:00Z", "generated_at": "2026-02-01T00:00:00Z"}
    address = anna(lambda: make_address(store.folder, "board", BEGINNING))
    bob(lambda: publish(store, **about))
    assert NewestSnapshots(store).of(address) is None
    own = anna(lambda: publish(store, **about))
    assert NewestSnapshots(store).of(address) == own
    bob(lambda: revoke_address(store.folder, address))
    assert find_address(store.folder, address.token) == address
    for by in (anna, lambda call: call()):  # she or root
        other = anna(lambda: make_address(store.folder, "board", BEGINNING))
        by(lambda other=other: revoke_address(store.folder, other))
        assert find_address(store.folder, other.token) is None


def test_a_prune_leaves_what_others_left_behind_and_fails_for_none_of_it(store: Store) -> None:
    anna(lambda: (store.folder / "trash" / "annas").mkdir())
    bob(lambda: (store.folder / "trash" / "bobs").mkdir())
    assert bob(lambda: trash.sweep(store.folder)) == (1, [])
    assert [path.name for path in (store.folder / "trash").iterdir()] == ["annas"]


def test_a_store_in_use_is_protected_and_what_was_revoked_by_others_stays_revoked(
    unprotected: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the README set it up before: writable for every member, who could all revoke."""
    store = unprotected
    store.folder.mkdir()
    os.chown(store.folder, 0, writers().gr_gid)
    store.folder.chmod(0o2770)
    shown, hidden = (anna(lambda: publish(store)) for _ in range(2))
    for path in store.folder.rglob("*"):
        os.chown(path, -1, writers().gr_gid)
    bob(lambda: write_state(store.folder, hidden, State(revoked=BEGINNING)))
    (store.folder / "state" / hidden[:2] / f"{hidden}.json").chmod(0o600)
    assert is_protected(store.folder) is False
    assert protect_few(store, monkeypatch) == 2
    assert read_state(store.folder, hidden).word == "revoked"
    assert viewer(lambda: store.read(shown, "report.html")) == FILES["report.html"]
    assert "SnapshotNotFound" in viewer(lambda: store.read(hidden, "report.html"))
    assert store.place(shown).stat().st_uid == ANNA
    assert stat.S_IMODE(store.place(shown).stat().st_mode) == 0o2755
    assert "it belongs to" in bob(lambda: revoke(store, shown))
    assert anna(lambda: revoke(store, shown)) == State()
    (store.folder / "state" / hidden[:2] / f"{'c' * 51}a.json").write_text("{}")
    assert protect_few(store, monkeypatch) == 2  # again, without harm
    snapshot = store.place(hidden)
    expected = {
        store.folder: (0, 0o3775),
        store.folder / "tmp": (0, 0o3775),
        store.folder / "acts" / hidden[:2]: (0, 0o3775),
        store.folder / "state" / ".lock": (0, 0o664),
        store.folder / "state" / hidden[:2] / f"{hidden}.json": (ANNA, 0o644),
        store.folder / "state" / hidden[:2] / f"{'c' * 51}a.json": (0, 0o644),
        store.folder / "revoked" / hidden: (ANNA, 0o644),
        snapshot: (ANNA, 0o2755),
        snapshot / "report.html": (ANNA, 0o644),
        snapshot / "evidence.parquet": (ANNA, 0o640),
    }
    found = {path: path.stat() for path in expected}
    assert {path: (at.st_uid, stat.S_IMODE(at.st_mode)) for path, at in found.items()} == expected
    assert {at.st_gid for at in found.values()} == {writers().gr_gid}


def test_notes_signatures_and_addresses_from_before_the_protection_still_belong_to_their_writers(
    unprotected: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = unprotected
    store.folder.mkdir()
    os.chown(store.folder, 0, writers().gr_gid)
    store.folder.chmod(0o2770)
    key = new_key(tmp_path / "annas.pem", store.folder)
    about = {"saved_query": "board", "as_of": "2026-02-01T00:00:00Z", "generated_at": "2026-02-01T00:00:00Z"}
    snapshot_id = anna(lambda: publish(store, **about))
    anna(lambda: add_note(store, snapshot_id, "from before", "analyst"))
    address = anna(lambda: make_address(store.folder, "board", BEGINNING))
    assert anna(lambda: signatures.sign(store, snapshot_id, key)) is True
    protect_few(store, monkeypatch)
    assert [note.text for note in viewer(lambda: notes_on(store.folder, snapshot_id)).notes] == [
        "from before"
    ]
    found = viewer(lambda: signatures.signature_of(store, snapshot_id))
    assert found.key == key.public
    assert viewer(lambda: find_address(store.folder, address.token)) == address
    assert viewer(lambda: NewestSnapshots(store).of(address)) == snapshot_id
    assert "it belongs to" in bob(lambda: add_note(store, snapshot_id, "forged", "analyst"))


def test_protecting_follows_no_link(unprotected: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store = unprotected
    snapshot_id = store.publish({}, FILES)
    outside = store.folder.parent / "outside"
    outside.write_text("")
    before = outside.stat()
    target = store.place(snapshot_id) / "report.csv"
    for harm in (lambda: target.symlink_to(outside), lambda: os.link(outside, target)):
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        harm()
        with pytest.raises(SnapshotError, match=r"is only partly protected: (is a link|has a second name)"):
            protect_few(store, monkeypatch)
        assert (outside.stat().st_mode, outside.stat().st_uid) == (before.st_mode, before.st_uid)
        assert not is_protected(store.folder)


def test_only_root_protects_and_only_for_a_group_that_exists(unprotected: Store) -> None:
    folder = unprotected.folder
    assert "Only root can protect a store" in anna(lambda: protect(folder, writers().gr_name))
    with pytest.raises(SnapshotError, match="There is no group 'nobodys-group'"):
        protect(folder, "nobodys-group")
    assert not folder.exists()


def test_a_marker_that_somebody_else_made_protects_nothing(unprotected: Store) -> None:
    store = unprotected
    store.folder.mkdir()
    (store.folder / "protected").write_text("1\n")
    os.chown(store.folder / "protected", BOB, BOB)
    assert not is_protected(store.folder)
