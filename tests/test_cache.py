"""Facts are kept under a fingerprint of their files, and nothing that befalls the cache changes a number."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart import cache
from custdyn_widgets.mart import entries as kept
from custdyn_widgets.mart.cache import open_mart
from custdyn_widgets.mart.facts import Facts

CLIENTS = "client_id,client_type,currency,created_at\nc1,client,USD,2021-01-01\n"
LEDGER = "transaction_id,client_id,at,kind,amount\nt1,c1,2021-01-02,refill,1\n"


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """Give the test a cache of its own; return what lists its entries."""
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))

    def listed() -> list[Path]:
        folder = tmp_path / "cache" / "facts"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    return listed


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "mart"
    folder.mkdir()
    (folder / "clients.csv").write_text(CLIENTS)
    (folder / "transactions.csv").write_text(LEDGER)
    return folder


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often facts are built."""
    counted: list[int] = []
    real = cache.build

    def build(mart: cache.CheckedMart) -> Facts:
        counted.append(1)
        return real(mart)

    monkeypatch.setattr(cache, "build", build)
    return counted


def amounts(source: Path) -> list[int]:
    return open_mart(source).facts.amount.tolist()


def test_facts_are_built_once_and_then_opened(
    entries: Callable[[], list[Path]], source: Path, builds: list[int]
) -> None:
    built, opened = open_mart(source), open_mart(source)
    assert len(builds) == len(entries()) == 1
    assert opened.facts.names == built.facts.names
    for name in kept.ARRAYS:
        one, other = getattr(built.facts, name), getattr(opened.facts, name)
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


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


def garble(path: Path) -> None:
    path.write_bytes(b"\xff" * 200)


def hollow(path: Path) -> None:
    path.write_text("[]")


@pytest.mark.parametrize("damage", [empty, cut, garble, hollow, Path.unlink])
@pytest.mark.parametrize("file", ["amount.npy", "names.json"])
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


def test_an_object_hidden_in_an_entry_is_not_loaded(
    entries: Callable[[], list[Path]], source: Path, builds: list[int]
) -> None:
    amounts(source)
    np.save(entries()[0] / "amount.npy", np.array([{}], object), allow_pickle=True)
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


def test_a_cache_that_one_may_only_read_is_used(
    entries: Callable[[], list[Path]], source: Path, builds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    amounts(source)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refuse)
    assert amounts(source) == [1_000_000]
    assert len(builds) == 1


def open_often(source: Path, results: multiprocessing.Queue[object]) -> None:
    try:
        results.put([amounts(source) for _ in range(5)])
    except BaseException as error:
        results.put(repr(error))


def test_processes_that_build_at_once_leave_one_entry(
    entries: Callable[[], list[Path]], source: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    results: multiprocessing.Queue[object] = context.Queue()
    workers = [context.Process(target=open_often, args=(source, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [[[1_000_000]] * 5] * 3
    for worker in workers:
        worker.join(60)
    assert len(entries()) == 1


def test_another_process_that_was_first_is_not_disturbed(
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
    real = cache.read_mart
    changes = iter(["refill,2"])

    def read(folder: Path) -> object:
        found = real(folder)
        for change in changes:
            (folder / "transactions.csv").write_text(LEDGER.replace("refill,1", change))
            os.utime(folder / "transactions.csv", ns=(2, 2))
        return found

    monkeypatch.setattr(cache, "read_mart", read)
    assert amounts(source) == [2_000_000]
    assert len(entries()) == 1


def test_files_that_keep_changing_are_an_error(
    entries: Callable[[], list[Path]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cache.read_mart
    times = iter(range(1, 10))

    def read(folder: Path) -> object:
        at = next(times)
        os.utime(folder / "clients.csv", ns=(at, at))
        return real(folder)

    monkeypatch.setattr(cache, "read_mart", read)
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


def test_names_round_trip_whatever_they_hold(entries: Callable[[], list[Path]], source: Path) -> None:
    name = "</svg>\ufffe\u2028\x01'\""
    (source / "packages.csv").write_text(
        'package_id,name\np1,"' + name.replace('"', '""') + '"\n', encoding="utf-8"
    )
    (source / "rates.csv").write_text("currency,date,units_per_base,base\nEUR,2021-01-01,0.820,USD\n")
    (source / "companies.csv").write_text("company,parent\na,\nb,a\n")
    built, opened = open_mart(source).facts.names, open_mart(source).facts.names
    assert built == opened
    assert opened.packages == (("p1", name),)
    json.loads((entries()[0] / "names.json").read_text(encoding="ascii"))
