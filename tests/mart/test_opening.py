"""Facts are kept under a fingerprint of their files, and nothing that befalls the cache changes a number."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets import Dialect
from custdyn_widgets.errors import MartError, SourceError
from custdyn_widgets.mart import building, source_check
from custdyn_widgets.mart.checking import checks
from custdyn_widgets.mart.checking.checked import CheckedMart
from custdyn_widgets.mart.facts import cache as kept
from custdyn_widgets.mart.facts.in_pieces import BuiltMart
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.reading import csv_files, files
from custdyn_widgets.mart.reading.stored import StoredLedger, StoredMart, StoredTable
from custdyn_widgets.mart.schema import MartTable
from custdyn_widgets.mart.sources import Source

CLIENTS = "client_id,client_type,currency,created_at\nc1,client,USD,2021-01-01\n"
LEDGER = "transaction_id,client_id,at,kind,amount\nt1,c1,2021-01-02,refill,1\n"


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """Give the test its own cache; return a function that lists the entries."""
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))

    def listed() -> list[Path]:
        kept.finish_storing()
        folder = tmp_path / "cache" / "facts"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    return listed


@pytest.fixture
def source(tmp_path: Path) -> Path:
    kept.finish_storing()  # an earlier test's entry would wait in this test's `np.save`, and the test for it
    folder = tmp_path / "mart"
    folder.mkdir()
    (folder / "clients.csv").write_text(CLIENTS)
    (folder / "transactions.csv").write_text(LEDGER)
    return folder


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often facts are built."""
    counted: list[int] = []
    real = building.build_in_pieces

    def build(mart: StoredMart, **options: Any) -> BuiltMart | None:
        counted.append(1)
        return real(mart, **options)

    monkeypatch.setattr(building, "build_in_pieces", build)
    return counted


def amounts(source: Path) -> list[int]:
    found = open_mart(source).facts.amount.tolist()
    kept.finish_storing()
    return found


def forget() -> None:
    """Forget all open entries, like a new process."""
    kept._VERIFIED.clear()
    kept._OPEN.clear()


def test_facts_are_built_once_and_then_opened(
    entries: Callable[[], list[Path]], source: Path, builds: list[int]
) -> None:
    built = open_mart(source)
    kept.finish_storing()
    opened = open_mart(source)
    assert len(builds) == len(entries()) == 1
    assert opened.facts.names == built.facts.names
    for name in kept.ARRAYS:
        one, other = getattr(built.facts, name), getattr(opened.facts, name)
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


def test_facts_are_usable_while_they_are_stored(
    source: Path, builds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    save = np.save
    monkeypatch.setattr(np, "save", lambda *a: (asked.wait(60), save(*a)))
    try:
        built = open_mart(source)
        assert open_mart(source).facts is built.facts
    finally:
        asked.set()
    kept.finish_storing()
    assert open_mart(source).facts is not built.facts
    assert len(builds) == 1


def test_finish_storing_waits(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    save = np.save
    monkeypatch.setattr(np, "save", lambda *a: (asked.wait(60), save(*a)))
    open_mart(source)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(kept.finish_storing) for _ in range(8)]
        wait(waiting, timeout=0.2)
        early = [w.done() for w in waiting]
        asked.set()
        assert [w.result() for w in waiting] == [None] * 8
    assert not any(early)
    assert not kept._STORING  # so that what was built is not held any longer


def test_threads_may_open_sources_at_once(source: Path, tmp_path: Path) -> None:
    def opened(number: int) -> list[int]:
        folder = tmp_path / f"own{number}"
        shutil.copytree(source, folder)
        (folder / "transactions.csv").write_text(LEDGER.replace("refill,1", f"refill,{number + 2}"))
        return [*open_mart(source).facts.amount.tolist(), *open_mart(folder).facts.amount.tolist()]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(opened, range(80)))
    assert found == [[1_000_000, (number + 2) * 1_000_000] for number in range(80)]


def test_a_listing_removed_while_facts_are_stored_is_written_again(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    save = np.save
    (source / "transactions.csv").write_text(LEDGER + "t9,nobody,2021-01-01,refill,1,\n")
    setting_aside = Source(source, on_fault="quarantine")
    monkeypatch.setattr(np, "save", lambda *a: (asked.wait(60), save(*a)))
    try:
        open_mart(setting_aside)
        [listing] = [entry.listing for _, entry in kept._STORING.values()]
        assert listing
        listing.unlink()
        asked.set()
        open_mart(setting_aside)
        assert listing.is_file()
    finally:
        asked.set()


def test_the_entry_opened_last_stays_mapped_and_no_other(source: Path) -> None:
    twin = source.with_name("twin")
    shutil.copytree(source, twin)
    open_mart(source), open_mart(twin)
    kept.finish_storing()
    first = open_mart(source).facts
    assert open_mart(source).facts is first
    open_mart(twin)
    assert open_mart(source).facts is not first


def test_a_changed_file_gives_new_facts(
    entries: Callable[[], list[Path]], source: Path, builds: list[int]
) -> None:
    assert amounts(source) == [1_000_000]
    (source / "transactions.csv").write_text(LEDGER.replace("refill,1", "refill,2"))
    os.utime(source / "transactions.csv", ns=(1, 1))
    assert amounts(source) == [2_000_000]
    (source / "packages.csv").write_text("package_id\np1\n")
    assert open_mart(source).facts.names.packages == (("p1", "p1"),)
    assert len(builds) == len(entries()) == 3


def test_the_same_files_in_another_folder_have_facts_of_their_own(
    entries: Callable[[], list[Path]], source: Path
) -> None:
    twin = source.with_name("twin")
    shutil.copytree(source, twin)
    assert amounts(source) == amounts(twin)
    assert len(entries()) == 2


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def flip(path: Path) -> None:
    """Change the last byte without changing size and time."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    forget()


def garble(path: Path) -> None:
    path.write_bytes(b"\xff" * 200)


def hollow(path: Path) -> None:
    path.write_text("[]")


@pytest.mark.parametrize("damage", [empty, cut, garble, hollow, flip, Path.unlink])
@pytest.mark.parametrize("file", ["running.npy", "flow.npy", "names.json", "seal.json"])
def test_a_damaged_entry_is_built_again_and_replaced(
    entries: Callable[[], list[Path]],
    source: Path,
    builds: list[int],
    file: str,
    damage: Callable[[Path], None],
) -> None:
    amounts(source)
    [entry] = entries()
    damage(entry / file)
    assert amounts(source) == [1_000_000]
    assert amounts(source) == [1_000_000]
    assert len(builds) == 2
    assert entries() == [entry]


@pytest.mark.parametrize("place", range(0, 136, 5))
def test_a_flipped_byte_does_not_change_numbers(
    entries: Callable[[], list[Path]], source: Path, builds: list[int], place: int
) -> None:
    amounts(source)
    path = entries()[0] / "running.npy"
    before, data = path.stat(), bytearray(path.read_bytes())
    assert len(data) == 136
    data[place] ^= 0x40
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    forget()
    assert amounts(source) == [1_000_000]


def test_an_overwritten_byte_is_detected_in_the_same_process(
    entries: Callable[[], list[Path]], source: Path, builds: list[int]
) -> None:
    amounts(source)
    amounts(source)
    path = entries()[0] / "running.npy"
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    assert amounts(source) == [1_000_000]
    assert len(builds) == 2


def test_an_object_hidden_in_an_entry_is_not_loaded(
    entries: Callable[[], list[Path]], source: Path, builds: list[int]
) -> None:
    amounts(source)
    np.save(entries()[0] / "running.npy", np.array([{}], object), allow_pickle=True)
    assert amounts(source) == [1_000_000]
    assert len(builds) == 2


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Path, builds: list[int]
) -> None:
    (tmp_path / "taken").write_text("a file stands where the cache should be")
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "taken"))
    assert amounts(source) == amounts(source) == [1_000_000]
    assert len(builds) == 2


def test_a_full_disk_leaves_nothing_behind(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    assert amounts(source) == [1_000_000]
    assert entries() == []


def test_a_read_only_cache_is_used(
    entries: Callable[[], list[Path]], source: Path, builds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    amounts(source)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refuse)
    assert amounts(source) == [1_000_000]
    assert len(builds) == 1


def open_often(source: Path, place: Path, results: multiprocessing.Queue[object]) -> None:
    os.environ["CUSTDYN_CACHE"] = str(place)  # a server of forks has the environment that it began with
    try:
        results.put([amounts(source) for _ in range(5)])
    except BaseException as error:
        results.put(repr(error))


def test_processes_that_build_at_once_leave_one_entry(
    entries: Callable[[], list[Path]], source: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    results: multiprocessing.Queue[object] = context.Queue()
    place = source.with_name("cache")
    workers = [context.Process(target=open_often, args=(source, place, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [[[1_000_000]] * 5] * 3
    for worker in workers:
        worker.join(60)
    assert len(entries()) == 1


def hang_in_the_middle(source: Path, place: Path) -> None:
    os.environ["CUSTDYN_CACHE"] = str(place)
    real = np.save

    def save(path: Path, array: object) -> None:
        real(path, array)
        if path.name == "flow.npy":
            time.sleep(600)

    np.save = save  # type: ignore[assignment]
    amounts(source)


def test_a_process_killed_while_writing_leaves_no_entry(
    entries: Callable[[], list[Path]], source: Path, builds: list[int]
) -> None:
    context = multiprocessing.get_context("forkserver")
    worker = context.Process(target=hang_in_the_middle, args=(source, source.with_name("cache")))
    worker.start()
    deadline = time.monotonic() + 60
    while not any((entry / "flow.npy").exists() for entry in entries()) and time.monotonic() < deadline:
        time.sleep(0.02)
    worker.kill()
    worker.join(60)
    [left] = entries()
    assert left.name.startswith(".building-")
    assert amounts(source) == amounts(source) == [1_000_000]
    assert len(builds) == 1
    os.utime(left, (1, 1))
    os.utime(source / "clients.csv", ns=(3, 3))
    amounts(source)
    assert left not in entries()


def test_an_entry_of_a_faster_process_is_kept(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amounts(source)
    [entry] = entries()
    before = entry.stat().st_ino
    real = kept.load
    answers = iter([None])  # as if the entry came to be while this process was building
    monkeypatch.setattr(kept, "load", lambda key: next(answers, real(key)))
    assert amounts(source) == [1_000_000]
    assert [e.stat().st_ino for e in entries()] == [before]


def test_files_that_change_while_they_are_read_are_read_again(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = building.read_mart
    changes = iter(["refill,2"])

    def read(folder: Path, dialect: Dialect) -> object:
        found = real(folder, dialect)
        for change in changes:
            (folder / "transactions.csv").write_text(LEDGER.replace("refill,1", change))
            os.utime(folder / "transactions.csv", ns=(2, 2))
        return found

    monkeypatch.setattr(building, "read_mart", read)
    assert amounts(source) == [2_000_000]
    assert len(entries()) == 1


def test_a_mart_replaced_between_two_of_its_files_has_no_faults_of_its_own(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, replaced = csv_files.read_csv, iter([True])

    def read(path: Path, spec: MartTable, dialect: Dialect) -> StoredTable:
        found = real(path, spec, dialect)
        if next(replaced, False):  # the ledger is not read yet, and then names a client that nobody has seen
            for file, text in (("clients", CLIENTS), ("transactions", LEDGER)):
                (source / f"{file}.csv").write_text(text.replace("c1", "another"))
        return found

    monkeypatch.setattr(csv_files, "read_csv", read)
    assert amounts(source) == [1_000_000]
    assert len(entries()) == 1


def test_a_ledger_replaced_while_it_is_read_is_not_called_damaged(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "transactions.csv").unlink()
    ledger = source / "transactions.parquet"
    columns = {"client_id": ["c1"] * 9, "at": ["2021-01-02"] * 9, "kind": ["refill"] * 9, "amount": [1] * 9}
    pq.write_table(pa.table({**columns, "transaction_id": [f"t{i}" for i in range(9)]}), ledger)
    real, replaced = files.parquet_ledger, iter([True])

    def read(path: Path, spec: MartTable, client_count: int) -> StoredLedger:
        found = real(path, spec, client_count)
        if next(replaced, False):
            pq.write_table(pa.table({**columns, "transaction_id": range(9)}).slice(0, 1), ledger)
        return found

    monkeypatch.setattr(files, "parquet_ledger", read)
    assert amounts(source) == [1_000_000]
    assert len(entries()) == 1


def test_files_that_keep_changing_are_an_error(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = building.read_mart
    times = iter(range(1, 10))

    def read(folder: Path, dialect: Dialect) -> object:
        at = next(times)
        os.utime(folder / "clients.csv", ns=(at, at))
        return real(folder, dialect)

    monkeypatch.setattr(building, "read_mart", read)
    with pytest.raises(SourceError, match="kept changing while it was read"):
        open_mart(source)
    assert entries() == []


def test_the_entries_opened_longest_ago_are_pruned(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "KEPT", 2)
    for at in (1, 2):
        os.utime(source / "clients.csv", ns=(at, at))
        amounts(source)
    first, second = entries()
    for age, entry in ((10, first), (20, second)):
        os.utime(entry, (age, age))
    left = first.with_name(".building-by-a-process-that-was-killed")
    left.mkdir()
    os.utime(left, (1, 1))
    os.utime(source / "clients.csv", ns=(3, 3))
    amounts(source)
    assert first not in entries()
    assert left not in entries()
    assert second in entries()
    assert len(entries()) == 2


def test_entries_beyond_the_bound_of_bytes_are_pruned_but_never_the_last(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amounts(source)
    [first] = entries()
    size = sum(file.stat().st_size for file in first.iterdir())
    os.utime(first, (10, 10))
    monkeypatch.setattr(kept, "KEPT_BYTES", 2 * size + 100)
    os.utime(source / "clients.csv", ns=(2, 2))
    amounts(source)
    assert len(entries()) == 2
    monkeypatch.setattr(kept, "KEPT_BYTES", 1)
    os.utime(source / "clients.csv", ns=(3, 3))
    amounts(source)
    [last] = entries()
    assert last != first


def test_names_round_trip(entries: Callable[[], list[Path]], source: Path) -> None:
    name = "</svg>\ufffe\u2028\x01'\""
    (source / "packages.csv").write_text(
        'package_id,name\np1,"' + name.replace('"', '""') + '"\n', encoding="utf-8"
    )
    (source / "rates.csv").write_text("currency,date,units_per_base,base\nEUR,2021-01-01,0.820,USD\n")
    (source / "companies.csv").write_text("company,parent\na,\nb,a\n")
    built = open_mart(source).facts.names
    kept.finish_storing()
    opened = open_mart(source).facts.names
    assert built == opened
    assert opened.packages == (("p1", name),)
    json.loads((entries()[0] / "names.json").read_text(encoding="ascii"))


def test_a_demo_that_cannot_be_written_says_where_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "file"))
    with pytest.raises(SourceError, match=r"The demo mart cannot be written to .*CUSTDYN_CACHE"):
        open_mart("demo")


def test_facts_that_an_earlier_version_built_without_a_check_are_not_used(
    source: Path, entries: Callable[[], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = source / "clients.csv"
    clients.write_text("client_id,client_type,currency,created_at,Closed_At\nc1,client,USD,2021-01-01,\n")
    with monkeypatch.context() as earlier:
        earlier.setattr(kept, "FORMAT", 5)
        earlier.setattr(checks, "near_misses", lambda _: ())
        open_mart(source)
        kept.finish_storing()
    assert len(entries()) == 1
    with pytest.raises(MartError, match="Closed_At"):
        open_mart(source)


@pytest.mark.parametrize("changes", [1, 2])
def test_a_check_reads_files_again_if_they_change_meanwhile(
    source: Path, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    real, seen = source_check.check, list[StoredMart]()

    def check(stored: StoredMart) -> CheckedMart:
        found = real(stored)
        seen.append(stored)
        if len(seen) <= changes:
            os.utime(source / "clients.csv", ns=(len(seen), len(seen)))
        return found

    monkeypatch.setattr(source_check, "check", check)
    if changes == 1:
        source_check.check_source(source)
    else:
        with pytest.raises(SourceError, match="kept changing while it was read"):
            source_check.check_source(source)
    assert len(seen) == 2
