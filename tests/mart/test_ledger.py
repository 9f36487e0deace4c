"""The ledger read in pieces and batches gives what reading it as a whole gives, and finds the same faults."""

from __future__ import annotations

import errno
import mmap
import os
import random
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import MartError
from custdyn_widgets.mart import building
from custdyn_widgets.mart import opening as cache
from custdyn_widgets.mart import positions as lookups
from custdyn_widgets.mart.checking import balances, distinct_ids
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.distinct_ids import DistinctIds
from custdyn_widgets.mart.facts import by_client, from_tables, in_pieces, large_arrays
from custdyn_widgets.mart.facts import cache as entries
from custdyn_widgets.mart.facts.by_client import Rows, SortedRuns
from custdyn_widgets.mart.facts.doubts import Doubt
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.flow_class import PAID
from custdyn_widgets.mart.facts.large_arrays import LargeArrays
from custdyn_widgets.mart.facts.ledger_pass import LedgerPass, read_ledger
from custdyn_widgets.mart.positions import positions
from custdyn_widgets.mart.reading import parquet_files, stored
from custdyn_widgets.mart.reading.files import read_mart
from custdyn_widgets.mart.schema import TABLES

CLIENTS = pa.table(
    {
        "client_id": ["c1", "c2", "c3"],
        "client_type": ["client", "reseller", "client"],
        "currency": ["USD", "EUR", "USD"],
        "created_at": ["2021-01-01", "2021-01-01", "2021-01-01"],
    }
)
KINDS = ["refill", "usage", "package_renewal", "other"]


def ledger(rows: int, **columns: list[object]) -> pa.Table:
    """Return a ledger of three clients, a row a minute, with some columns replaced."""
    index = range(rows)
    plain: dict[str, list[object]] = {
        "transaction_id": [f"t{i:03}" for i in index],
        "client_id": [f"c{i % 3 + 1}" for i in index],
        "at": [f"2021-02-01 {i // 60:02}:{i % 60:02}:00" for i in index],
        "kind": [KINDS[i % 4] for i in index],
        "amount": [f"{i - rows // 2}.5" for i in index],
        "package_id": [f"p{i % 5}" if KINDS[i % 4] == "package_renewal" else None for i in index],
    }
    return pa.table({**plain, **columns})


@pytest.fixture(params=[2, 2**17], ids=["many clients", "few clients"])
def mart(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a mart; its ledger is read in pieces of 8 rows and batches of 3, or 8."""
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(parquet_files, "_PIECE", 8)
    monkeypatch.setattr(parquet_files, "_MANY_CLIENTS", request.param)
    monkeypatch.setattr(lookups, "_MANY", request.param)
    for module in (parquet_files, stored):
        monkeypatch.setattr(module, "BATCH", 3)
    monkeypatch.setattr(by_client, "_BLOCK", 5)
    folder = tmp_path / "mart"
    folder.mkdir()
    pq.write_table(CLIENTS, folder / "clients.parquet")
    return folder


def written(folder: Path, table: pa.Table) -> Path:
    pq.write_table(table, folder / "transactions.parquet", row_group_size=4)
    return folder


def same(one: Facts, other: Facts) -> None:
    assert one.names == other.names
    for name in entries.ARRAYS:
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype, name
        assert left.tolist() == right.tolist(), name


def facts_in_pieces(folder: Path) -> Facts:
    built = in_pieces.build_in_pieces(read_mart(folder))
    assert built is not None
    return built.facts


def error_both_ways(folder: Path) -> str:
    """Return the error of building in pieces, after comparing it with that of building from the whole."""
    with pytest.raises(MartError) as in_parts:
        in_pieces.build_in_pieces(read_mart(folder))
    with pytest.raises(MartError) as at_once:
        check(read_mart(folder)).reject_faults()
    assert in_parts.value.message == at_once.value.message
    return in_parts.value.message


def both_ways(folder: Path) -> Facts:
    """Return facts built in pieces, after comparing them with facts built from the whole."""
    built = facts_in_pieces(folder)
    same(built, from_tables.build(check(read_mart(folder))))
    return built


@pytest.mark.parametrize("mart", [2**17], indirect=True)
def test_pieces_are_row_groups_and_batches_know_their_first_row(mart: Path) -> None:
    pieces = read_mart(written(mart, ledger(21))).ledger.pieces
    found = [[range(b.first_row, b.first_row + b.data.num_rows) for b in piece()] for piece in pieces]
    assert [[*chain(*batches)] for batches in found] == [[*range(1, 9)], [*range(9, 17)], [*range(17, 22)]]
    assert {len(batch) for batches in found for batch in batches} <= {1, 2, 3}


def test_pieces_and_whole_give_the_same_facts(mart: Path) -> None:
    built = both_ways(written(mart, ledger(40)))
    assert built.offset.tolist() == [0, 13, 27, 40]  # by currency and type: c2, c1, c3
    written_amounts = [Decimal(text) * 1_000_000 for text in ledger(40).column("amount").to_pylist()]
    assert sorted(built.amount.tolist()) == sorted(written_amounts)


def test_without_a_table_packages_come_from_all_batches(mart: Path) -> None:
    built = both_ways(written(mart, ledger(40)))
    assert [i for i, _ in built.names.packages] == ["p0", "p1", "p2", "p3", "p4"]
    packed = built.package[built.package >= 0]
    assert np.bincount(packed).tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize("ink", ["\u00a0", "\u2003", "\x0b"])
def test_an_invisible_package_id_counts(mart: Path, ink: str) -> None:
    built = both_ways(written(mart, ledger(9, package_id=[ink, " \t", "", None, *["p"] * 5])))
    assert built.names.packages == tuple(sorted([(ink, ink), ("p", "p")]))
    assert sorted(built.package.tolist()).count(-1) == 3


def test_a_package_twice_in_a_dictionary_counts_once() -> None:
    twice = pa.DictionaryArray.from_arrays(pa.array([2, 0, None]), pa.array(["p", "unused", "p"]))
    at = ["1969-12-31", "2021-01-01", "2021-01-01"]  # so early that the ledger is read as a whole
    frame = ledger(3, at=list(at)).to_pandas()
    frame["package_id"] = pd.Series(twice, dtype=pd.ArrowDtype(twice.type))
    built = cache.open_mart({"clients": CLIENTS.to_pandas(), "transactions": frame}).facts
    assert built.names.packages == (("p", "p"),)
    assert sorted(built.package.tolist()) == [-1, 0, 0]


@pytest.mark.parametrize(
    ("count", "kind"), [(0, np.int8), (1, np.int8), (128, np.int8), (129, np.int16), (32_769, np.int32)]
)
def test_package_codes_use_the_smallest_type(
    count: int, kind: type[np.signedinteger[Any]], mart: Path
) -> None:
    packages = pa.array([f"p{i:05}" for i in range(count)], pa.string())
    named = [*packages.to_pylist()[-1:], *packages.to_pylist()[:1], *[None] * 8]
    folder = written(mart, ledger(8, package_id=named[:8]))
    pq.write_table(pa.table({"package_id": packages, "name": packages}), folder / "packages.parquet")
    codes = both_ways(folder).package
    assert codes.dtype == kind
    assert set(codes.tolist()) == ({-1, 0, count - 1} if count else {-1})


def test_a_ledger_in_any_order_is_sorted_by_time(mart: Path) -> None:
    table = ledger(40)
    mixed = table.take(np.random.default_rng(7).permutation(40))
    built = both_ways(written(mart, mixed))
    same(built, both_ways(written(mart, table)))


def test_ids_in_any_order_are_accepted(mart: Path) -> None:
    both_ways(written(mart, ledger(12, transaction_id=[f"t{(i * 5) % 12}" for i in range(12)])))


NUMBERS = {
    "rising": [*range(100, 140)],
    "shuffled": [(i * 7) % 40 - 20 for i in range(40)],
    "far apart": [(i * 7 % 40) * 10**16 for i in range(40)],
}


@pytest.mark.parametrize(
    "kind", [pa.int16(), pa.int64(), pa.uint64(), pa.decimal128(38, 0), pa.decimal128(38, 10)]
)
@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_ids_that_are_numbers_are_those_of_their_text(
    numbers: list[int], kind: pa.DataType, mart: Path
) -> None:
    if (kind == pa.int16() and max(numbers) > 2**15) or (kind == pa.uint64() and min(numbers) < 0):
        numbers = [*range(40)][::-1]
    owners = [numbers[0], numbers[7], numbers[20]]
    client = [owners[i % 3] for i in range(40)]
    pq.write_table(
        CLIENTS.set_column(0, "client_id", pa.array([str(i) for i in owners])), mart / "clients.parquet"
    )
    columns = {
        "transaction_id": numbers,
        "client_id": client,
        "package_id": [owners[i % 3] if i % 4 == 2 else None for i in range(40)],
    }
    found = []
    for of in (kind, pa.string()):
        table = ledger(40)
        for name, ids in columns.items():
            made = pa.array(ids, pa.int64()).cast(of)
            table = table.set_column(table.column_names.index(name), name, made)
        found.append(both_ways(written(mart, table)))
    same(*found)


@pytest.mark.parametrize("ids", [["7", "07", "8"], ["7", "+7", "8"], ["7", "7 ", "8"], ["7", "7.0", "8"]])
def test_a_number_is_not_an_id_that_is_written_in_another_way(ids: list[str], mart: Path) -> None:
    pq.write_table(CLIENTS.set_column(0, "client_id", pa.array(ids)), mart / "clients.parquet")
    built = both_ways(written(mart, ledger(9, client_id=[7, 8, 7] * 3)))
    assert built.offset.tolist() == [0, 0, 6, 9]


def test_a_number_of_19_digits_is_found_if_it_fits_in_an_int64() -> None:
    low, high = -(2**63), 2**63 - 1
    known = pa.array([str(n) for n in (high + 1, high, low, low - 1, 10**18, 10**19 - 1, -(10**18))])
    values = pa.array([low, high, 10**18, -(10**18), 10**18 + 1])
    assert positions(values, known).tolist() == [2, 1, 4, 6, -1]


@pytest.mark.parametrize("unknown", [-1, 0, 4, 2**62, -(2**62)])
@pytest.mark.parametrize("known", [["1", "2", "3"], ["1", "2", str(10**17)]])
def test_an_unknown_number_is_a_fault(known: list[str], unknown: int, mart: Path) -> None:
    pq.write_table(CLIENTS.set_column(0, "client_id", pa.array(known)), mart / "clients.parquet")
    folder = written(mart, ledger(9, client_id=[1] * 8 + [unknown]))
    assert f"row 9, client_id: '{unknown}' is not in clients.parquet" in error_both_ways(folder)


@pytest.mark.parametrize("kind", [pa.uint64(), pa.decimal128(20, 0), pa.decimal128(38, 10)])
@pytest.mark.parametrize("order", [1, 7])
@pytest.mark.parametrize("first", [2**63 - 20, 2**64 - 1, 0])
def test_ids_past_2_63_need_one_pass(
    mart: Path, kind: pa.DataType, order: int, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [2**63 - 20 + i * order % 40 for i in range(40)]
    ids[0] = first
    column = pa.array(map(Decimal, ids), pa.decimal128(20)).cast(kind)
    passes = Mock(side_effect=read_ledger)
    monkeypatch.setattr(in_pieces, "read_ledger", passes)
    both_ways(written(mart, ledger(40).set_column(0, "transaction_id", column)))
    assert passes.call_count == 1


@pytest.mark.parametrize("kind", [pa.uint64(), pa.decimal128(20, 0)])
@pytest.mark.parametrize("again", [1, 20])
def test_a_duplicate_id_past_2_63_is_found(mart: Path, kind: pa.DataType, again: int) -> None:
    ids = [2**63 - 10 + i for i in range(21)]
    ids[again] = ids[19]
    column = pa.array(map(Decimal, ids), pa.decimal128(20)).cast(kind)
    folder = written(mart, ledger(21).set_column(0, "transaction_id", column))
    assert f"transaction_id: '{2**63 + 9}' occurs more" in error_both_ways(folder)


def test_a_negative_id_differs_from_the_unsigned_one_with_the_same_bits(mart: Path) -> None:
    ids = [3, -1, 2, *range(2**64 - 6, 2**64)]
    column = pa.array(map(Decimal, ids), pa.decimal128(20))
    both_ways(written(mart, ledger(9).set_column(0, "transaction_id", column)))


@given(
    ids=st.lists(st.integers(0, 60), max_size=40),
    sizes=st.lists(st.integers(1, 7), min_size=40, max_size=40),
    order=st.randoms(use_true_random=False),
    kind=st.sampled_from(["numbers", "numbers past 2^63", "padded", "unpadded", "as text", "two orders"]),
    ascending=st.booleans(),
)
def test_ids_differ_exactly_if_none_occurs_twice(
    ids: list[int], sizes: list[int], order: random.Random, kind: str, ascending: bool
) -> None:
    ids = sorted(ids) if ascending else ids
    unpadded = [str(i) for i in ids]
    values: list[Any] = {
        "numbers": ids,
        "numbers past 2^63": [2**63 - 30 + i for i in ids],
        "padded": [f"{i:03}" for i in ids],
        "unpadded": unpadded,
        "as text": sorted(unpadded) if ascending else unpadded,
        "two orders": [*sorted(unpadded[:20]), *unpadded[20:]],
    }[kind]
    types = {"numbers": pa.int64(), "numbers past 2^63": pa.uint64()}
    column = pa.array(values, types.get(kind, pa.string()))
    batches, begin = [], 0
    for size in sizes:
        data = pa.table({"transaction_id": column.slice(begin, size)})
        batches.append(stored.StoredTable(TABLES["transactions"], "t", data, first_row=5 + begin))
        begin += size
    given_ids = DistinctIds(len(ids), 5)
    for batch in order.sample(batches, len(batches)):
        given_ids.add(batch.first_row, batch.data.column("transaction_id").combine_chunks())
    assert given_ids.differ([lambda: iter(batches)]) == (len(set(ids)) == len(ids))


@pytest.mark.parametrize("cores", [1, 2, 3, 7])
@given(numbers=st.lists(st.integers(0, 40) | st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_keys_sorted_on_several_cores_are_sorted(cores: int, numbers: list[int]) -> None:
    given_ids = DistinctIds(len(numbers) + 1, 1)
    given_ids.add(1, pa.array([1000, *numbers], pa.int64()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
        patch.setattr(distinct_ids, "_PART", 4)
        repeated = given_ids.repeated([])
    counts = Counter([1000, *numbers])
    assert repeated is not None
    assert sorted(repeated.view(np.int64).tolist()) == sorted(n for n in counts if counts[n] > 1)
    keys = given_ids.found().keys
    if keys is not None:  # the ids did not rise
        assert keys.tolist() == sorted(number % 2**64 for number in counts.elements())


@pytest.mark.parametrize(
    ("batches", "orders"),
    [
        ([["t8", "t9"], ["t10", "t11"]], ["length"]),
        ([["t98", "t99", "t100"], ["t101"], ["t1000"]], ["length"]),
        ([["d1-10", "d1-9"], ["d2-1", "d2-11"]], ["text"]),
        ([["01", "02"], ["03", "10"]], ["length", "text"]),
        ([["z", "aé"], ["é€"]], ["length"]),
        ([[9, 10], [11]], ["text"]),
        ([["t8", "t9"], ["t8", "t10"]], None),
        ([["t8", "t9"], ["t10", "t1"]], None),
        ([["t10", "t9"], ["t8", "t10"]], None),
        ([["t10", "t9"], ["ta", "t11"]], None),
        ([["t8", "t9"], ["t9", "t10"]], None),
        ([["t8", None], ["t9", "t10"]], None),
        ([["t8", "t9"], [None]], None),
        ([["t8", "t9"], [""]], None),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_ids_that_rise_in_one_order_need_no_keys(
    batches: list[list[Any]], orders: list[str] | None, backwards: bool
) -> None:
    tables = []
    first_row = 1
    for ids in batches:
        data = pa.table({"transaction_id": pa.array(ids)})
        tables.append(stored.StoredTable(TABLES["transactions"], "t", data, first_row=first_row))
        first_row += len(ids)
    given_ids = DistinctIds(first_row - 1, 1)
    for table in tables[::-1] if backwards else tables:
        given_ids.add(table.first_row, table.data.column("transaction_id").combine_chunks())
    present = [i for ids in batches for i in ids if i]
    if all(i for ids in batches for i in ids):
        assert given_ids.differ([lambda: iter(tables)]) == (len(set(present)) == len(present))
    found = given_ids.found()
    assert (found.keys is None) == (orders is not None)
    if orders:
        assert (found.last, sorted(found.orders)) == (present[-1], orders)


def test_ids_that_are_not_found_again_are_not_taken_for_distinct() -> None:
    given_ids = DistinctIds(5, 1)
    for first_row, ids in ((1, ["b", "c"]), (3, ["b"]), (4, ["z", "a"])):
        given_ids.add(first_row, pa.array(ids))
    assert given_ids.repeated([lambda: iter(())]) is None


def test_a_number_and_its_text_are_the_same_id() -> None:
    given_ids = DistinctIds(2, 1)
    given_ids.add(1, pa.array([12]))
    given_ids.add(2, pa.array(["12"]))
    assert not given_ids.differ([])


@pytest.mark.parametrize("again", [1, 11])
def test_a_duplicate_id_in_another_piece_is_found(mart: Path, again: int) -> None:
    ids = [f"t{i:03}" for i in range(12)]
    ids[again] = "t000"
    folder = written(mart, ledger(12, transaction_id=list(ids)))
    words = rf"row 1, .*\n.*row {again + 1}, transaction_id: 't000' occurs more"
    assert re.search(words, error_both_ways(folder))


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("client_id", "c9", "is not in clients.parquet"),
        ("kind", "gift", "is not a known kind"),
        ("amount", "1.2345678", "has more than 6 decimal places"),
        ("at", "yesterday", "is not an ISO 8601 time"),
    ],
)
def test_a_fault_in_the_last_piece_is_named_by_its_row(mart: Path, column: str, value: str, why: str) -> None:
    values: list[object] = ledger(21).column(column).to_pylist()
    values[19] = value
    folder = written(mart, ledger(21, **{column: values}))
    assert f"row 20, {column}: '{value}' {why}" in error_both_ways(folder)


@pytest.mark.parametrize("at", ["1969-12-31 23:59:59", "1970-01-01 00:00:00", "2106-02-07 06:28:16"])
def test_times_that_need_more_than_32_bits_are_held_in_64(mart: Path, at: str) -> None:
    folder = written(mart, ledger(9, at=[at] * 9))
    built = both_ways(folder)
    assert built.time.dtype == built.paid_at.dtype == np.int64
    assert len(set(built.time.tolist())) == 1


@pytest.mark.parametrize("row", [0, 5, 20])
def test_a_pass_stops_at_the_first_time_that_needs_more_than_32_bits(
    mart: Path, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at: list[object] = ledger(21).column("at").to_pylist()
    at[row] = at[9] = "1900-01-01 00:00:00"
    done: list[object] = []

    def noted(*args: Any) -> object:
        done.append(read_ledger(*args))
        return done[-1]

    monkeypatch.setattr(in_pieces, "read_ledger", noted)
    built = in_pieces.build_in_pieces(read_mart(written(mart, ledger(21, at=at))))
    assert done[0] is Doubt.TIMES
    assert isinstance(done[1], LedgerPass)
    assert not done[1].doubtful
    assert len(done) == 2
    assert built is not None
    assert built.ledger is None, "rows cannot be added: cached facts with 64-bit times are not merged"
    same(built.facts, both_ways(mart))


def test_the_time_of_a_faulty_row_does_not_matter(mart: Path) -> None:
    at: list[object] = ledger(21).column("at").to_pylist()
    kind: list[object] = ledger(21).column("kind").to_pylist()
    at[9], kind[9] = "1900-01-01 00:00:00", "gift"
    at[10], at[11] = "1970-01-01 00:00:01", "2106-02-07 06:28:15"
    folder = written(mart, ledger(21, at=at, kind=kind))
    assert "row 10, kind: 'gift'" in error_both_ways(folder)
    built = in_pieces.build_in_pieces(read_mart(folder), leave_out_faults=True)
    assert built is not None
    assert (len(built.facts.time), built.facts.time.dtype) == (20, np.uint32)


def test_a_possible_overflow_of_a_balance_is_ruled_out(mart: Path) -> None:
    large = ["5000000000000", "-5000000000000", "1"] * 3
    folder = written(mart, ledger(9, client_id=["c1"] * 9, amount=list(large)))
    assert both_ways(folder).running[-1] == 3_000_000


def test_an_overflow_of_a_balance_is_left_to_the_whole_check(
    mart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balances, "_AT_ONCE", 2)
    amounts = ["5000000000000", "-5000000000000", "1", *["1"] * 4, "5000000000000", "4900000000000"]
    folder = written(mart, ledger(9, client_id=["c1"] * 2 + ["c2"] * 5 + ["c1"] * 2, amount=list(amounts)))
    assert in_pieces.build_in_pieces(read_mart(folder)) is None
    with pytest.raises(MartError, match=r"clients\.parquet, row 1, client_id: 'c1'"):
        cache.open_mart(folder)


def test_a_ledger_without_rows_has_facts(mart: Path) -> None:
    opened = cache.open_mart(written(mart, ledger(9).slice(0, 0)))
    assert len(opened.facts.time) == 0


@given(
    data=st.data(),
    client_count=st.sampled_from([1, 3, 40, 256, 257, 511, 70_000]),
    block=st.sampled_from([1, 7, 1000]),
    blocks=st.sampled_from([1, 3, by_client._BLOCKS]),
    in_memory=st.sampled_from([0, large_arrays._IN_MEMORY]),
)
def test_merged_runs_are_sorted_by_client_and_time(
    data: st.DataObject, client_count: int, block: int, blocks: int, in_memory: int
) -> None:
    sizes = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=5))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size, in_order = sum(sizes), data.draw(st.booleans())
    client = draw.integers(0, client_count, size).astype(np.int32)
    time = draw.integers(1, 50, size).astype(np.uint32)
    time = np.sort(time) if in_order else time
    flow = draw.integers(0, 11, size).astype(np.uint8)
    rows = Rows(client, time, np.arange(size), flow, client % 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_client, "_BLOCK", block)
        patch.setattr(by_client, "_BLOCKS", blocks)
        patch.setattr(large_arrays, "_IN_MEMORY", in_memory)
        runs, first = SortedRuns(size, client_count, np.uint32, np.int32), 0
        for count in sizes:
            runs.put(first, rows.part(first, first + count))
            first += count
        merged = runs.merged(np.int16)
    assert merged.package.dtype == np.int16
    order = np.lexsort((np.arange(size), time, client))
    for name in ("time", "amount", "flow", "package"):
        assert getattr(merged, name).tolist() == getattr(rows, name)[order].tolist()
    assert merged.offset.tolist() == np.searchsorted(client[order], np.arange(client_count + 1)).tolist()
    last: dict[int, int] = {}
    for row, paid_at in zip(order.tolist(), merged.paid_at.tolist(), strict=True):
        if PAID[flow[row]]:
            last[client[row]] = int(time[row])
        assert paid_at == last.get(client[row], 0)


@pytest.mark.parametrize("is_full", [False, True])
def test_large_arrays_leave_no_file_and_fall_back_to_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_arrays, "_IN_MEMORY", 0)
    if is_full:
        monkeypatch.setattr(os, "posix_fallocate", Mock(side_effect=OSError(errno.ENOSPC, "full")))
    large = LargeArrays()
    array = large.empty(1000, np.int64)
    array[:] = np.arange(1000)
    large.leave_memory()
    assert isinstance(array.base, mmap.mmap) != is_full
    assert array.tolist() == list(range(1000))
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("can_be_named", [True, False])
def test_arrays_in_files_become_files_of_the_cache(
    mart: Path, monkeypatch: pytest.MonkeyPatch, can_be_named: bool
) -> None:
    monkeypatch.setattr(large_arrays, "_IN_MEMORY", 0)
    if not can_be_named:
        monkeypatch.setattr(os, "link", Mock(side_effect=OSError(errno.EXDEV, "another disk")))
    copied: list[str] = []
    save = np.save
    monkeypatch.setattr(np, "save", lambda path, array: copied.append(path.stem) or save(path, array))
    folder = written(mart, ledger(40))
    built = cache.open_mart(folder).facts
    entries.finish_storing()
    files = [path.stem for path in (mart.parent / "cache").rglob("*.npy")]
    assert sorted(files) == sorted(entries.ARRAYS)
    of_rows = {"time", "running", "paid_at", "flow", "package"}
    assert set(files) - set(copied) == (of_rows if can_be_named else set())
    entries._VERIFIED.clear()
    monkeypatch.setattr(building, "build_in_pieces", Mock(side_effect=AssertionError("built again")))
    same(cache.open_mart(folder).facts, built)


@pytest.mark.parametrize("more", [-3, 7])
def test_missing_rows_give_no_facts(mart: Path, more: int) -> None:
    source = read_mart(written(mart, ledger(21)))
    longer = replace(source.ledger, count=21 + more)
    assert in_pieces.build_in_pieces(source._replace(ledger=longer)) is None


@pytest.mark.parametrize("mart", [2**17], indirect=True)
def test_a_piece_that_ends_early_gives_no_facts(mart: Path) -> None:
    source = read_mart(written(mart, ledger(21)))
    first, *others = source.ledger.pieces
    short = (lambda: islice(first(), 1), *others)
    assert in_pieces.build_in_pieces(source._replace(ledger=replace(source.ledger, pieces=short))) is None


def test_an_opening_balance_counts_towards_overflow(mart: Path) -> None:
    opening = pa.array([0, 0, 4_611_686_018_427], pa.int64())  # the third client comes second in the order
    pq.write_table(CLIENTS.append_column("opening_balance", opening), mart / "clients.parquet")
    few = [["c2", "c1"][i % 2] if i else "c3" for i in range(21)]
    folder = written(mart, ledger(21, client_id=few, amount=["1000000"] * 21))
    both_ways(folder)
    largest = pa.array([0, 0, 9_223_372_036_854], pa.int64())
    pq.write_table(CLIENTS.append_column("opening_balance", largest), mart / "clients.parquet")
    assert in_pieces.build_in_pieces(read_mart(folder)) is None
    with pytest.raises(MartError, match=r"clients\.parquet, row 3, client_id: 'c3'"):
        cache.open_mart(folder)
