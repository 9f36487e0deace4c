"""The cache of facts keeps to its limits, marks what is used, and detects every changed byte."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from custdyn_widgets.mart.facts import cache, sealed
from custdyn_widgets.mart.facts.sealed import DAMAGED, SealedFolder, write_sealed
from custdyn_widgets.mart.opening import OpenedMart, open_mart
from custdyn_widgets.mart.sources import Source

CLIENTS = "client_id,client_type,currency,created_at\nc1,client,USD,2021-01-01\n"
LEDGER = "transaction_id,client_id,at,kind,amount\nt1,c1,2021-01-02,refill,1\n"
FAULTY = LEDGER + "t9,nobody,2021-01-01,refill,1\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a cache of its own."""
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path_factory.mktemp("new") / "own" / "cache"))


def mart(folder: Path, ledger: str = LEDGER) -> Path:
    cache.finish_storing()
    folder.mkdir()
    (folder / "clients.csv").write_text(CLIENTS)
    (folder / "transactions.csv").write_text(ledger)
    return folder


def opened(source: Any) -> OpenedMart:
    found = open_mart(source)
    cache.finish_storing()
    return found


# What is kept


def entry(folder: Path, name: str, age: int, size: int = 1) -> Path:
    """Make something like an entry, of this many bytes, opened so many seconds before the newest."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "time.npy").touch()
    os.truncate(path / "time.npy", size)  # without content, so it needs no room
    os.utime(path, (100_000 - age, 100_000 - age))
    return path


def kept(folder: Path) -> list[str]:
    cache._prune(folder)
    return sorted(path.name for path in folder.iterdir())


def test_sixteen_entries_are_kept(tmp_path: Path) -> None:
    for age in range(20):
        entry(tmp_path, f"{age:02}", age)
    assert kept(tmp_path) == [f"{age:02}" for age in range(16)]


@pytest.mark.parametrize(("more", "names"), [(0, ["0", "1"]), (1, ["0"])])
def test_entries_of_up_to_20_gb_are_kept(tmp_path: Path, more: int, names: list[str]) -> None:
    entry(tmp_path, "0", 0, 15 * 10**9)
    entry(tmp_path, "1", 1, 5 * 10**9 + more)
    assert kept(tmp_path) == names


def test_what_was_not_completed_is_removed_an_hour_after_it_was_begun(tmp_path: Path) -> None:
    for name, age in ((".building-a", 0), ("v", 5), (".building-b", 3600), (".building-c", 3601)):
        entry(tmp_path, name, age)
    assert kept(tmp_path) == [".building-a", ".building-b", "v"]


def test_the_list_of_rows_left_out_is_private_and_64_are_kept(tmp_path: Path) -> None:
    old = [cache.store_listing("mart", f"{n:012}", b"") for n in range(64)]
    for age, path in enumerate(old):
        assert path
        os.utime(path, (1000 - age, 1000 - age))
    new = cache.store_listing("a name / with signs", "f" * 40, b"id\n")
    assert new
    assert (new.name, new.read_bytes()) == ("a_name___with_signs-ffffffffffff.csv", b"id\n")
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert {*new.parent.iterdir()} == {new, *old[:-1]}


def test_a_list_that_another_process_removed_first_is_no_reason_to_lose_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "KEPT_LISTINGS", 1)
    first = cache.store_listing("mart", "1" * 40, b"")
    assert first
    os.utime(first, (1, 1))
    by_use = cache._by_use

    def also_removed(folder: Path) -> list[Path]:
        found = by_use(folder)
        first.unlink()
        return found

    monkeypatch.setattr(cache, "_by_use", also_removed)
    assert cache.store_listing("mart", "2" * 40, b"")


# What is used


def test_opening_an_entry_marks_it_and_its_list_as_used(tmp_path: Path) -> None:
    source = Source(mart(tmp_path / "mart", FAULTY), on_fault="quarantine")
    opened(source)
    [folder] = cache.entry_folders()
    [listing] = (folder.parents[1] / "quarantine").iterdir()
    for path in (folder, listing):
        os.utime(path, (5, 5))
    stored = folder.stat().st_ino
    assert "1 faulty row is left out" in opened(source).warnings[0]
    assert folder.stat().st_mtime > 5
    assert folder.stat().st_ino == stored  # it was opened, not built again
    assert listing.stat().st_mtime > 5


def test_an_entry_is_verified_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening it again after another one reads only the rows that a report needs."""
    sources = [mart(tmp_path / name) for name in ("one", "two")]
    verified: list[Path] = []
    real = SealedFolder.verify

    def verify(self: SealedFolder, *given: Any) -> None:
        verified.append(self.path)
        real(self, *given)

    monkeypatch.setattr(SealedFolder, "verify", verify)
    for source in sources * 3:
        opened(source)
    assert sorted(verified) == sorted(cache.entry_folders())


@pytest.mark.parametrize("is_cached", [False, True])
def test_before_another_source_is_opened_the_last_one_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    one, two = (mart(tmp_path / name) for name in ("one", "two"))
    if is_cached:
        opened(two)
    asked, save = threading.Event(), np.save
    monkeypatch.setattr(np, "save", lambda *given: (asked.wait(60), save(*given)))
    try:
        open_mart(one)
        [(thread, _)] = cache._STORING.values()
        other = threading.Thread(target=open_mart, args=(two,))
        other.start()
        other.join(0.2)
        is_waiting = other.is_alive() and thread.is_alive()
    finally:
        asked.set()
    other.join(60)
    assert is_waiting
    assert not thread.is_alive()


def test_entries_are_stored_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = opened(mart(tmp_path / "mart")).facts
    asked, save = threading.Event(), np.save
    monkeypatch.setattr(np, "save", lambda *given: (asked.wait(60), save(*given)))
    cache.store("1" * 40, cache.CacheEntry(facts))
    other = threading.Thread(target=cache.store, args=("2" * 40, cache.CacheEntry(facts)))
    other.start()
    other.join(0.2)
    is_waiting = other.is_alive()
    asked.set()
    other.join(60)
    cache.finish_storing()
    assert is_waiting
    assert len(cache.entry_folders()) == 3


# What is detected


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 23, 24, 70])
def test_every_changed_byte_changes_the_checksum_of_an_array(size: int) -> None:
    octets = np.arange(1, size + 1, dtype=np.uint8)
    [before] = sealed._sums({"a": octets}, {}).values()
    for place in range(size):
        changed = octets.copy()
        changed[place] ^= 0x40
        assert sealed._sums({"a": changed}, {})["a"] != before


def test_a_checksum_is_the_sum_of_words_and_of_the_rest() -> None:
    """Entries that were stored by an earlier version of this package have the same sums."""
    octets = np.arange(1, 27, dtype=np.uint8)
    words = 0x0807060504030201 + 0x100F0E0D0C0B0A09 + 0x1817161514131211 + 0x1A19
    assert sealed._sums({"a": octets.reshape(2, 13)}, {}) == {"a": ["|u1", [2, 13], words]}


@pytest.mark.parametrize(("text", "other"), [('"<i8"', '"<u8"'), ("[2, 3]", "[3, 2]")])
def test_a_changed_seal_is_detected_though_all_else_agrees(tmp_path: Path, text: str, other: str) -> None:
    write_sealed(tmp_path, {"a": np.array([[1, -2, 3], [4, 5, 6]])}, {"b": b"text"})
    folder = SealedFolder.opened(tmp_path)
    assert (folder.array("a").tolist(), folder.text("b")) == ([[1, -2, 3], [4, 5, 6]], b"text")
    seal = tmp_path / "seal.json"
    assert text in seal.read_text()
    seal.write_text(seal.read_text().replace(text, other))
    with pytest.raises(DAMAGED):
        SealedFolder.opened(tmp_path)
