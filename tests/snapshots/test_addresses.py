"""Addresses that stay: which snapshot is the newest, and what an address never leads to."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.files.canonical_json import canonical_json
from custdyn_widgets.snapshots import newest as newest_module
from custdyn_widgets.snapshots.addresses import (
    Address,
    find_address,
    is_token,
    make_address,
    own_addresses,
    rename_address,
    revoke_address,
)
from custdyn_widgets.snapshots.ids import id_of
from custdyn_widgets.snapshots.life import expire, revoke
from custdyn_widgets.snapshots.newest import NewestSnapshots
from custdyn_widgets.snapshots.pruning import delete
from custdyn_widgets.snapshots.store import Store
from tests.snapshots.test_store import FILES

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def made(store: Store, day: int, **about: str) -> str:
    """Publish a snapshot that the saved query board made for a day of January 2026."""
    instant = f"{BEGINNING + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"
    return store.publish({"saved_query": "board", "as_of": instant, "generated_at": instant, **about}, FILES)


def leads_to(store: Store, address: Address | None) -> str | None:
    assert address is not None
    return NewestSnapshots(store).of(address)


def test_a_token_cannot_be_guessed(store: Store) -> None:
    tokens = {make_address(store.folder, "board", BEGINNING).token for _ in range(20)}
    assert len(tokens) == 20
    assert all(is_token(token) and len(token) * 5 == 200 for token in tokens)  # bits
    none = ("", "a" * 39, "A" * 40, "a" * 40 + "\n", None, "../" + "a" * 37)
    assert [is_token(one) for one in none] == [False] * len(none)


def test_it_leads_to_the_newest_and_follows_without_being_made_again(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    newest = NewestSnapshots(store)
    assert newest.of(address) is None
    for day in (1, 2, 3):
        snapshot_id = made(store, day)
        assert newest.of(address) == snapshot_id


def test_the_time_of_the_report_decides_not_when_a_run_was_repeated(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    august = made(store, 5)
    repeated = made(store, 9, as_of="2026-01-03T00:00:00Z")
    assert leads_to(store, address) == august != repeated
    corrected = made(store, 10, as_of="2026-01-06T00:00:00Z")
    assert leads_to(store, address) == corrected


def test_it_never_leads_to_a_revoked_expired_or_deleted_snapshot(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    first, second, third, fourth = (made(store, day) for day in (1, 2, 3, 4))
    newest = NewestSnapshots(store)
    assert newest.of(address) == fourth
    revoke(store, fourth)
    assert newest.of(address) == third
    expire(store, third, datetime.now(UTC) - timedelta(days=1))
    assert newest.of(address) == second
    delete(store, second, "a test")
    assert newest.of(address) == first
    (store.folder / "state" / first[:2]).mkdir(parents=True, exist_ok=True)
    (store.folder / "state" / first[:2] / f"{first}.json").write_text("damaged")
    assert newest.of(address) is None


def test_it_leads_to_no_snapshot_of_another_query_or_account_or_of_one_company(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    made(store, 2, saved_query="other")
    made(store, 3, for_each="company")
    store.publish({"as_of": "2026-02-01T00:00:00Z", "generated_at": "2026-02-01T00:00:00Z"}, FILES)
    assert leads_to(store, address) is None
    own = made(store, 1)
    assert leads_to(store, address) == own
    assert leads_to(store, Address(address.token, ("board",), BEGINNING, BEGINNING, os.geteuid() + 1)) is None


def test_it_leads_to_none_from_before_it_may(store: Store) -> None:
    snapshot_id = made(store, 1)
    assert leads_to(store, make_address(store.folder, "board", BEGINNING + timedelta(days=2))) is None
    assert leads_to(store, make_address(store.folder, "board", BEGINNING + timedelta(days=1))) == snapshot_id


def test_a_revoked_address_stays_revoked_when_its_file_comes_back(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    backup = store.folder.parent / "backup"
    shutil.copytree(store.folder, backup)
    revoke_address(store.folder, address)
    assert find_address(store.folder, address.token) is None
    assert own_addresses(store.folder) == []
    shutil.copytree(backup, store.folder, dirs_exist_ok=True)
    assert find_address(store.folder, address.token) is None


def test_an_address_goes_on_after_its_saved_query_was_renamed(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    before = made(store, 1)
    renamed = rename_address(store.folder, address, "directors")
    assert (renamed.token, renamed.saved_queries) == (address.token, ("directors", "board"))
    assert leads_to(store, find_address(store.folder, address.token)) == before
    after = made(store, 2, saved_query="directors")
    assert leads_to(store, find_address(store.folder, address.token)) == after
    assert [one.name for one in own_addresses(store.folder)] == ["directors"]


def test_a_new_saved_query_under_the_old_name_is_not_shown_at_the_address(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    before = made(store, 1)
    address = rename_address(store.folder, address, "directors")
    later = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    made(store, 9, generated_at=later)
    assert leads_to(store, find_address(store.folder, address.token)) == before
    address = rename_address(store.folder, address, "council")
    after = made(store, 2, saved_query="directors")
    assert address.saved_queries == ("council", "directors", "board")
    assert leads_to(store, find_address(store.folder, address.token)) == after


AT = "2026-01-01T00:00:00Z"
STORED: dict[str, object] = {"made": AT, "saved_queries": ["board"], "since": AT}


@pytest.mark.parametrize("changes", [{}, {"saved_queries": ["a", "b"], "renamed": [AT]}])
def test_an_address_is_read_as_it_was_written(store: Store, changes: dict[str, object]) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    content = {**STORED, **changes}
    (store.folder / "latest" / f"{address.token}.json").write_bytes(canonical_json(content))
    found = find_address(store.folder, address.token)
    assert found is not None
    assert [*found.saved_queries] == content["saved_queries"]
    assert (found.since, found.made) == (BEGINNING, BEGINNING)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"made":1}',
        b'{"made":"x","saved_queries":[],"since":"x"}',
        *(
            canonical_json({**STORED, **changes})
            for changes in (
                {"saved_queries": "b"},
                {"saved_queries": []},
                {"saved_queries": [5]},
                {"saved_queries": ["a", "b"]},
                {"renamed": [AT]},
                {"since": "2026-01-01"},
                {"more": 1},
            )
        ),
    ],
)
def test_a_damaged_file_is_no_address(store: Store, content: bytes) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    (store.folder / "latest" / f"{address.token}.json").write_bytes(content)
    assert find_address(store.folder, address.token) is None
    assert own_addresses(store.folder) == []


def test_a_name_counts_up_to_the_second_in_which_it_was_given_up() -> None:
    later = BEGINNING + timedelta(seconds=1)
    address = Address("a" * 40, ("new", "old"), BEGINNING, BEGINNING, 0, (BEGINNING,))
    names = {
        (name, at): address.is_made_by(name, at) for name in ("new", "old", "x") for at in (BEGINNING, later)
    }
    assert [made for made, is_own in names.items() if is_own is not False] == [
        ("new", BEGINNING),
        ("new", later),
        ("old", BEGINNING),
    ]


def test_only_addresses_of_this_account_and_the_named_saved_query_are_listed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, other = (make_address(store.folder, name, BEGINNING) for name in ("board", "a board"))
    assert own_addresses(store.folder) == [other, board]
    assert own_addresses(store.folder, "board") == [board]
    assert own_addresses(store.folder, "none") == []
    monkeypatch.setattr(os, "geteuid", lambda: board.owner + 1)
    assert own_addresses(store.folder) == own_addresses(store.folder, "board") == []


def test_an_address_whose_revocation_cannot_be_looked_up_leads_nowhere(store: Store, tmp_path: Path) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    (store.folder / "revoked").mkdir()
    (store.folder / "revoked" / address.token).symlink_to(tmp_path / "nowhere")
    assert find_address(store.folder, address.token) is None
    (store.folder / "revoked" / address.token).unlink()
    assert find_address(store.folder, address.token) == address
    (store.folder / "revoked").rmdir()
    (store.folder / "revoked").write_text("a file")
    assert find_address(store.folder, address.token) is None


def test_what_cannot_be_written_or_listed_is_told_with_its_reason(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        SnapshotError, match=r"The address was not created: .*: Not a directory \(.*/file\)\. Fix that"
    ):
        make_address(tmp_path / "file", "board", BEGINNING)
    address = make_address(store.folder, "board", BEGINNING)
    (store.folder / "revoked").write_text("a file")
    with pytest.raises(
        SnapshotError, match=r"The address was not revoked: .*: Not a directory \(.*/revoked\)"
    ):
        revoke_address(store.folder, address)
    (store.folder / "latest").rename(store.folder / "aside")
    (store.folder / "latest").write_text("a file")
    with pytest.raises(SnapshotError, match=r"The store's latest/ .*irectory"):
        own_addresses(store.folder)


def test_a_link_in_its_place_is_not_followed(store: Store, tmp_path: Path) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    file = store.folder / "latest" / f"{address.token}.json"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert find_address(store.folder, address.token) is None


def test_each_manifest_is_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    ids = [made(store, day) for day in range(1, 6)]
    reads: list[str] = []
    really = Store.kept_manifest

    def counted(self: Store, snapshot_id: str) -> dict[str, object]:
        reads.append(snapshot_id)
        return really(self, snapshot_id)

    monkeypatch.setattr(Store, "kept_manifest", counted)
    newest = NewestSnapshots(store)
    for _ in range(3):
        assert newest.of(address) == ids[-1]
    assert sorted(reads) == sorted(ids)


def test_a_folder_that_did_not_change_for_a_while_is_not_listed_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    snapshot_id = made(store, 1)
    shelf = store.place(snapshot_id).parent
    os.utime(shelf, (1_000_000_000, 1_000_000_000))
    newest = NewestSnapshots(store)
    assert newest.of(address) == snapshot_id
    monkeypatch.setattr(newest_module, "names_in", lambda _: [shelf.name])  # lists only v1/
    assert newest.of(address) == snapshot_id


def test_a_snapshot_that_comes_within_one_tick_of_the_clock_is_found_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's time may stay the same when a second snapshot is put into it soon after the first."""
    monkeypatch.setattr("custdyn_widgets.snapshots.store.id_of", lambda data: f"aa{id_of(data)[2:]}")
    monkeypatch.setattr("custdyn_widgets.snapshots.manifests.id_of", lambda data: f"aa{id_of(data)[2:]}")
    address = make_address(store.folder, "board", BEGINNING)
    newest = NewestSnapshots(store)
    now = time.time_ns()
    for day in (1, 2):
        snapshot_id = made(store, day)
        os.utime(store.place(snapshot_id).parent, ns=(now, now))
        assert newest.of(address) == snapshot_id


def test_the_newest_of_several_reports_for_one_time_is_the_one_generated_last(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    last = made(store, 9, as_of="2026-01-03T00:00:00Z")
    for day in (7, 8):
        made(store, day, as_of="2026-01-03T00:00:00Z")
    assert leads_to(store, address) == last


def test_a_damaged_manifest_is_read_again_until_it_is_restored(store: Store) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    snapshot_id = made(store, 1)
    manifest = store.place(snapshot_id) / "manifest.json"
    content = manifest.read_bytes()
    manifest.write_bytes(b"{}")
    os.utime(manifest.parent.parent, (1_000_000_000, 1_000_000_000))
    newest = NewestSnapshots(store)
    assert newest.of(address) is None
    manifest.write_bytes(content)
    assert newest.of(address) == snapshot_id
