"""Rows are sorted by client and time however many there are, in blocks done in any order."""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.facts import blocks, by_client, from_tables, large_arrays, merging, threads
from custdyn_widgets.mart.facts.by_client import Rows, SortedRuns
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.from_tables import ClientOrder
from custdyn_widgets.mart.facts.ledger import no_ledger, package_ids, whole_ledger
from custdyn_widgets.mart.facts.threads import in_threads, map_in_threads
from custdyn_widgets.mart.reading.frames import from_frames
from custdyn_widgets.mart.reading.stored import StoredTable
from tests.mart.test_ledger import CLIENTS, ledger, same


def rows_of(client: np.ndarray[Any, Any], seed: int = 5) -> Rows:
    draw, size = np.random.default_rng(seed), len(client)
    return Rows(
        client.astype(np.int32),
        draw.integers(1, 50, size).astype(np.uint32),
        np.arange(size),
        draw.integers(0, 11, size).astype(np.uint8),
        np.zeros(size, np.int8),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5, 4096, 4097])
@pytest.mark.parametrize("client_bits", [1, 20])
@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [
        (np.uint32, 1, 2**32 - 1),
        (np.int64, 1, 2**32 - 1),
        (np.int64, -(2**31), 2**31 - 1),  # the same number of bits, but negative
        (np.int64, -(2**40), 2**41),
    ],
)
def test_rows_have_the_same_order_however_many_bits_they_need(
    count: int, client_bits: int, kind: type[np.uint32 | np.int64], first: int, last: int
) -> None:
    """With 20 bits for the client, 4,096 rows just fit into numbers of 64 bits, and 4,097 do not."""
    draw = np.random.default_rng(count)
    client = draw.choice([0, 1, 2 ** (client_bits - 1), 2**client_bits - 1], count).astype(np.uint32)
    client[0] = 2**client_bits - 1
    time = draw.choice([first, first + 1, (first + last) // 2, last], count).astype(kind)
    time[:2] = sorted(time[:2])[::-1]
    order = blocks._order(client, time)
    assert order.tolist() == np.lexsort((np.arange(count), time, client)).tolist()


def test_a_ledger_is_divided_into_no_more_blocks_than_their_numbers_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(by_client, "_BLOCK", 1)
    rows = rows_of(np.arange(600)[::-1])
    runs = SortedRuns(600, 600, np.uint32, np.int8)
    runs.put(0, rows)
    merged = runs.merged()
    assert merged.amount.tolist() == [*range(600)][::-1]
    assert merged.offset.tolist() == [*range(601)]


def test_without_clients_there_are_no_rows() -> None:
    merged = SortedRuns(0, 0, np.uint32, np.int8).merged()
    assert (merged.offset.tolist(), merged.time.tolist(), merged.amount.tolist()) == ([0], [], [])


class LastFirst:
    """An executor that begins with the last task."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> LastFirst:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, work: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
        return [work(value) for value in [*values][::-1]][::-1]


@pytest.mark.parametrize("client_count", [7, 256 * 2 + 1])
def test_blocks_may_be_done_in_any_order(client_count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_client, "_BLOCK", 3)
    rows = rows_of(np.random.default_rng(8).integers(0, client_count, 40))
    found = []
    for _ in range(2):
        runs = SortedRuns(40, client_count, np.uint32, np.int8)
        runs.put(0, rows)
        found.append([values.tolist() for values in runs.merged()])
        monkeypatch.setattr(by_client, "ThreadPoolExecutor", LastFirst)
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most_of", [1, 3, 40])  # clients that have most of the rows
@pytest.mark.parametrize(("kind", "first"), [(np.uint32, 1), (np.int64, -(2**40)), (np.int64, -(2**62))])
def test_a_large_block_is_placed_in_parts_with_the_same_result(
    seed: int,
    most_of: int,
    kind: type[np.uint32 | np.int64],
    first: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(seed)
    count = int(draw.integers(40, 400))
    client = np.where(draw.random(count) < 0.9, draw.integers(0, most_of, count), draw.integers(0, 60, count))
    span = int(draw.choice([1, 3, 1000]))
    time = (first + draw.integers(0, span, count)).astype(kind)
    if first == -(2**62):
        time[::7] += 2**63 - 1  # too far apart for keys of 64 bits
    flow = np.where(draw.random(count) < 0.1, draw.integers(0, 11, count), 0).astype(np.uint8)
    rows = Rows(client.astype(np.int32), time, np.arange(count), flow, draw.integers(-1, 5, count, np.int8))

    def merged() -> list[list[int]]:
        runs, cuts = SortedRuns(count, 60, kind, np.int8), [0, count // 3, count // 2, count]
        for begin, end in itertools.pairwise(cuts):
            runs.put(begin, rows.part(begin, end))
        return [values.tolist() for values in runs.merged()]

    expected = merged()
    monkeypatch.setattr(by_client, "_LARGE_BLOCK", 20)
    monkeypatch.setattr(by_client, "threads", lambda: 2)
    monkeypatch.setattr(blocks, "_PART", 1 + seed * 4)
    monkeypatch.setattr(blocks, "_SAMPLED", 1 + seed % 5)
    assert merged() == expected


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (3, 3), (64, 4)])
def test_threads_are_as_many_as_the_cores_of_this_process_up_to_four(
    cores: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_process = {0: set(range(cores))}  # 0 is this process
    monkeypatch.setattr(os, "sched_getaffinity", of_process.__getitem__)
    assert threads.threads() == count


def test_when_a_reader_stops_early_pieces_not_yet_begun_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: 1)
    begun: list[int] = []

    def piece(number: int) -> Callable[[], Iterator[StoredTable]]:
        def read() -> Iterator[StoredTable]:
            begun.append(number)
            if number:
                closing.wait(60)
            return iter(())

        return read

    closing, before = threading.Event(), threading.active_count()
    results = in_threads(lambda each: list(each()), [piece(number) for number in range(50)])
    assert next(results) == []
    threading.Timer(0.05, closing.set).start()
    results.close()
    assert len(begun) <= 3
    assert [t.name for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")] == []
    assert threading.active_count() <= before + 1  # the timer


def test_batches_are_worked_on_in_threads_with_few_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: 2)
    read: list[int] = []
    both = threading.Barrier(2)

    def batches() -> Iterator[Any]:
        for number in range(20):
            read.append(number)
            yield number

    def work(batch: Any) -> int:
        if batch < 2:
            both.wait(60)
        return -int(batch)

    results = map_in_threads(work, batches())
    for number in range(20):
        assert next(results) == -number
        assert len(read) <= number + 4
    assert list(results) == []


def test_an_error_while_reading_a_batch_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: 2)

    def batches() -> Iterator[Any]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(map_in_threads(lambda batch: batch, batches()))
    assert [t.name for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")] == []


# What is put into files does not stay in memory


def resident(folder: Path) -> int:
    """Return how many KiB of the files in a folder, which have no names, this process holds in memory."""
    found = re.findall(
        rf"^\S+ \S+ \S+ \S+ \S+ +{re.escape(str(folder))}/.*?^Rss: +(\d+) kB",
        Path("/proc/self/smaps").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert found
    return sum(map(int, found))


@pytest.fixture
def in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make every array a file; return their folder, of which not even the parent exists."""
    folder = tmp_path / "own" / "cache"
    monkeypatch.setenv("CUSTDYN_CACHE", str(folder))
    monkeypatch.setattr(large_arrays, "_IN_MEMORY", 0)
    return folder


def test_sorted_rows_leave_memory(in_files: Path) -> None:
    runs = SortedRuns(20_000, 3, np.uint32, np.int8)
    runs.put(0, rows_of(np.arange(20_000) % 3))
    assert resident(in_files) == 0
    merged = runs.merged()
    assert resident(in_files) == 0
    assert len(merged.time.tolist()) == 20_000
    assert resident(in_files) > 0  # as it is used again


def test_merged_rows_leave_memory(in_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(large_arrays, "_IN_MEMORY", 2**28)
        facts = built()
    packages = [i for i, _ in facts.names.packages]
    merged = merging.merge(
        facts, no_ledger(facts.client_count, packages), facts.client_ids(), packages, comes_first=True
    )
    assert merged
    assert resident(in_files) == 0
    assert merged.rows.amount.tolist() == facts.amount.tolist()


@pytest.mark.parametrize("is_full", [False, True])
def test_files_of_arrays_are_closed_with_them(
    in_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if is_full:
        monkeypatch.setattr(os, "posix_fallocate", full)
    before = opened()
    array = large_arrays.LargeArrays().empty(1000, np.int64)
    assert (opened() > before) != is_full
    large_arrays.save_array(tmp_path / "saved.npy", array)
    del array
    assert opened() == before


# Facts with and without rows


def tables() -> dict[str, pa.Table]:
    return {"clients": CLIENTS, "transactions": ledger(40)}


def built() -> Facts:
    return from_tables.build(check(from_frames(tables())))


def test_facts_to_which_rows_are_given_are_those_built_with_them() -> None:
    """On a cluster, facts are built without rows, and each part of the ledger then gets its own."""
    checked = check(from_frames(tables())).tables
    packages = package_ids(checked["transactions"])
    without, order = from_tables.build_without_ledger(checked, packages)
    assert (len(without.time), without.offset.tolist(), without.flow_classes.any()) == (
        0,
        [0, 0, 0, 0],
        False,
    )
    assert {len(getattr(without, name)) for name in ("running", "paid_at", "flow", "package")} == {0}
    ids = CLIENTS.column("client_id").to_pylist()
    assert [ids[row] for row in order] == without.client_ids().to_pylist() == ["c2", "c1", "c3"]
    rows = whole_ledger(checked["transactions"], ClientOrder.of(checked).place, packages).rows
    same(from_tables.with_rows(without, rows), built())


def test_packages_and_classes_of_all_rows_count_from_the_first_to_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging, "_BLOCK", 2)
    monkeypatch.setattr("custdyn_widgets.mart.facts.facts._ROWS_AT_ONCE", 2)
    kinds = ["package_renewal", "other", "other", "refill", "package_activation"]
    columns: dict[str, list[object]] = {
        "client_id": ["c2"] * 5, "kind": list(kinds), "package_id": ["q", "r", None, None, "p"],
        "amount": ["-1", "1", "1", "1", "-1"],
    }  # fmt: skip
    facts = from_tables.build(check(from_frames({"clients": CLIENTS, "transactions": ledger(5, **columns)})))
    assert merging.used_packages(facts) == ("p", "q", "r")
    assert np.flatnonzero(facts.flow_classes).tolist() == [0, 1, 5, 8]  # other, refill, paid fees


@pytest.mark.parametrize(
    ("begin", "count"),
    [
        ([], []),
        ([7, 0, 3], [0, 0, 0]),
        ([2, 0, 5, 6], [3, 0, 1, 1]),
        ([2, 0, 6, 7], [3, 0, 1, 1]),
        ([9, 4, 0, 0, 5], [1, 1, 0, 3, 2]),
        ([3, 0], [1, 2]),
        ([0, 5], [4, 1]),
    ],
)
def test_earlier_rows_are_found_wherever_their_clients_are_now(begin: list[int], count: list[int]) -> None:
    amounts = np.array([5, -7, 2**62, 2**62, 11, 0, -(2**62), 13, 17, 19])
    with np.errstate(over="ignore"):
        running = np.cumsum(amounts)
    begins, counts = np.array(begin, np.int64), np.array(count, np.int64)
    found = merging._rows(begins, counts)
    expected = [row for first, size in zip(begin, count, strict=True) for row in range(first, first + size)]
    assert np.arange(10)[found].tolist() == expected
    assert merging._amounts(running, found, begins, counts).tolist() == amounts[expected].tolist()
