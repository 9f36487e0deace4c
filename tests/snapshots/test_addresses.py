"""Addresses that stay: which snapshot is the newest, and what an address never leads to."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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
    assert not any(map(is_token, ("", "a" * 39, "A" * 40, "a" * 40 + "\n", None, "../" + "a" * 37)))


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
    made(store, 1)
    assert leads_to(store, make_address(store.folder, "board", BEGINNING + timedelta(days=2))) is None


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


@pytest.mark.parametrize("content", ["", "[]", '{"made":1}', '{"made":"x","saved_queries":[],"since":"x"}'])
def test_a_damaged_file_is_no_address(store: Store, content: str) -> None:
    address = make_address(store.folder, "board", BEGINNING)
    (store.folder / "latest" / f"{address.token}.json").write_text(content)
    assert find_address(store.folder, address.token) is None
    assert own_addresses(store.folder) == []


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
