"""Folders of part files, as Spark writes them, and the types that Spark and databases put into Parquet."""

from __future__ import annotations

import csv
import gzip
import os
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets import Dialect, Source
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.quarantine import leave_out_faulty_rows
from custdyn_widgets.mart.facts.in_pieces import build_in_pieces
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.reading import parts
from custdyn_widgets.mart.reading.files import read_mart
from custdyn_widgets.mart.reading.fingerprint import stamp
from custdyn_widgets.mart.source_check import check_source
from tests import mart_forms, oracle
from tests.engine.test_golden import CASES, GOLDEN
from tests.mart.test_ledger import both_ways, error_both_ways, same
from tests.mart.test_mart import CSV, faults, folder

pytestmark = pytest.mark.usefixtures("own_cache")


def as_spark(path: Path, count: int, suffix: str = "") -> Path:
    """Replace a file by a folder of parts, with the files that Spark and Hadoop put beside them."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        cuts = [i * table.num_rows // count for i in range(count + 1)]
        parts = [table.slice(low, high - low) for low, high in pairwise(cuts)]
    else:
        headings, *rows = path.read_text().splitlines(keepends=True)
        cuts = [i * len(rows) // count for i in range(count + 1)]
        parts = ["".join([headings, *rows[a:b]]) for a, b in pairwise(cuts)]
    path.unlink()
    path.mkdir()
    (path / "_SUCCESS").write_bytes(b"")
    for number, part in enumerate(parts):
        name = f"part-{number:05}-6e2f0a1c-c000.snappy{path.suffix}{suffix}"
        (path / f".{name}.crc").write_bytes(b"crc")
        if path.suffix == ".parquet":
            pq.write_table(part, path / name, row_group_size=100, use_deprecated_int96_timestamps=True)
        else:
            (path / name).write_bytes(gzip.compress(part.encode()) if suffix else part.encode())
    return path


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", sorted({case.parent.name for case in CASES}))
def test_folders_of_parquet_parts_are_read_as_one_table(tmp_path: Path, name: str, count: int) -> None:
    exported = mart_forms.write_parquet(oracle.read_mart(GOLDEN / name / "mart"), tmp_path)
    plain = open_mart(exported).facts
    for path in list(exported.iterdir()):
        as_spark(path, count)
    source = Source(exported, dialect=Dialect(timezone="Asia/Kathmandu"))  # which instants do not follow
    same(open_mart(source).facts, plain)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_folders_of_csv_parts_are_read_as_one_table(tmp_path: Path, suffix: str) -> None:
    plain, source = folder(tmp_path / "plain"), folder(tmp_path / "spark")
    for path in list(source.iterdir()):
        as_spark(path, 3, suffix)
    (source / "clients.csv" / "part-00009.csv").write_bytes(b"")  # of an empty partition
    same(open_mart(source).facts, open_mart(plain).facts)


@pytest.mark.parametrize(("together", "pieces"), [(0, 3), (1, 3), (2, 2), (3, 1), (99, 1)])
def test_a_ledger_in_parts_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int, pieces: int
) -> None:
    source = mart_forms.write_parquet({name: _rows(CSV[name]) for name in CSV}, tmp_path)
    plain = both_ways(source)
    rows = pq.read_metadata(source / "transactions.parquet").num_rows
    as_spark(source / "transactions.parquet", 3)
    monkeypatch.setattr(parts, "BATCH", together * -(-rows // 3))
    same(both_ways(source), plain)
    batches = [list(piece()) for piece in read_mart(source).ledger.pieces]
    assert [len(own) for own in batches] == [1] * pieces  # small parts are joined
    ends = np.cumsum([own[0].data.num_rows for own in batches]).tolist()
    assert [own[0].first_row for own in batches] == [1, *(end + 1 for end in ends[:-1])]
    assert ends[-1] == rows


@pytest.mark.parametrize("number", range(7))
def test_a_fault_in_any_small_part_is_named_by_its_row(tmp_path: Path, number: int) -> None:
    rows = _rows(CSV["transactions"])
    rows = [{**row, "transaction_id": f"t{i}"} for i, row in enumerate([*rows] * 3)][:7]
    rows[number] |= {"kind": "gift"}
    source = mart_forms.write_parquet(
        {**{name: _rows(CSV[name]) for name in CSV}, "transactions": rows}, tmp_path
    )
    as_spark(source / "transactions.parquet", 4)
    assert f"transactions.parquet, row {number + 1}, kind: 'gift' is not a known kind" in faults(source)[0]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("blank", ["", "\n"])
def test_faulty_rows_of_small_csv_parts_stay_faults(tmp_path: Path, end: str, blank: str) -> None:
    source = folder(tmp_path)
    path = source / "transactions.csv"
    heading, *lines = path.read_text().splitlines()
    path.unlink()
    path.mkdir()
    for i, line in enumerate(lines[:3]):
        rows = [heading, line, f"x{i},{line.partition(',')[2]},99"]
        (path / f"part-{i}.csv").write_bytes((end.join(rows) + end + blank * (i == 0)).encode())
    found = faults(source)
    assert len(found) == 3
    left_out = leave_out_faulty_rows(check(read_mart(source)))[1]
    built = build_in_pieces(read_mart(source), leave_out_faults=True)
    assert left_out is not None
    assert built is not None
    assert built.left_out is not None
    assert built.left_out.listing == left_out.listing


def test_small_parts_of_different_types_are_not_joined(tmp_path: Path) -> None:
    source = mart_forms.write_parquet({name: _rows(CSV[name]) for name in CSV}, tmp_path)
    path = source / "transactions.parquet"
    plain = both_ways(source)
    table = pq.read_table(path)
    path.unlink()
    path.mkdir()
    place = table.column_names.index("transaction_id")
    other = table.set_column(place, "transaction_id", table["transaction_id"].cast(pa.large_string()))
    for i, rows in enumerate([table.slice(0, 1), other.slice(1, 1), other.slice(2, 1), table.slice(3)]):
        pq.write_table(rows, path / f"part-{i}.parquet")
    [batches] = [list(piece()) for piece in read_mart(source).ledger.pieces]
    assert [batch.first_row for batch in batches] == [1, 2, 4]
    same(both_ways(source), plain)


def test_rows_are_numbered_through_all_parts(tmp_path: Path) -> None:
    text = CSV["transactions"].replace("-3.000001", "three")
    source = folder(tmp_path, transactions=text)
    [row] = [f.row for f in check_source(source).faults]
    as_spark(source / "transactions.csv", 3)
    assert faults(source) == [f"transactions.csv, row {row}, amount: 'three' is not a plain decimal number"]
    last = sorted((source / "transactions.csv").glob("part-*"))[-1]
    last.write_text(last.read_text() + "t9,c1\n")
    lines = text.count("\n")
    assert f"transactions.csv, row {lines + 1}: 't9,c1' has 2 cells, but there are 6 columns" in faults(
        source
    )


def test_the_stamp_follows_every_part(tmp_path: Path) -> None:
    source = folder(tmp_path)
    part = sorted(as_spark(source / "transactions.csv", 2).glob("part-*"))[-1]
    before = stamp(source)
    part.write_text(part.read_text() + "\n")
    assert stamp(source) != before
    part.unlink()
    assert stamp(source) != before


def _remove_parts(path: Path) -> None:
    for part in path.glob("part-*"):
        part.unlink()


def _partition(path: Path) -> None:
    (path / "year=2021").mkdir()


def _other_columns(path: Path) -> None:
    (path / "part-9.parquet").write_bytes(b"")
    pq.write_table(pa.table({"client_id": ["x"]}), path / "part-9.parquet")


def _other_types(path: Path) -> None:
    part = next(path.glob("part-*"))
    table = pq.read_table(part)
    place = table.column_names.index("client_id")
    pq.write_table(table.set_column(place, "client_id", pa.array([1] * len(table))), path / "part-9.parquet")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: (path / "_temporary").mkdir(), "'clients.parquet' is still being written"),
        (_remove_parts, "'clients.parquet' is a folder without .parquet files"),
        (_partition, "contains the folder 'year=2021', which is not read: write it without partitions"),
        (_other_columns, "clients.parquet: 'part-9.parquet' and 'part-00000-"),
        (_other_types, "clients.parquet, client_id: the parts have different types (int64, large_string)"),
    ],
)
def test_an_incomplete_or_inconsistent_folder_is_an_error(
    tmp_path: Path, change: Callable[[Path], Any], words: str
) -> None:
    source = mart_forms.write_parquet({name: _rows(CSV[name]) for name in CSV}, tmp_path)
    change(as_spark(source / "clients.parquet", 2))
    with pytest.raises(SourceError) as caught:
        check_source(source)
    assert words in caught.value.message


def _rows(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("table", ["clients", "transactions"])
def test_empty_and_other_files_are_no_parts(tmp_path: Path, table: str) -> None:
    source = folder(tmp_path)
    parts = as_spark(source / f"{table}.csv", 2)
    for name, content in {"a.csv": b"", "notes.txt": b"x", "_b.csv": b"x", ".c.csv": b"x"}.items():
        (parts / name).write_bytes(content)
    assert faults(source) == []


@pytest.mark.parametrize("read", [check_source, open_mart])
def test_parts_of_a_csv_ledger_with_other_columns_are_an_error(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    source = folder(tmp_path)
    last = max(as_spark(source / "transactions.csv", 2).glob("part-*"))
    last.write_text("transaction_id,client_id,at,kind,amount\nt9,c1,2021-01-05T10:00:00Z,refill,10\n")
    with pytest.raises(SourceError, match="differ in the columns package_id"):
        read(source)


def test_the_stamp_is_of_sizes_and_times_and_not_of_rights(tmp_path: Path) -> None:
    source = folder(tmp_path)
    for path in source.iterdir():
        os.utime(path, ns=(0, 1_999_999_999))
    before = stamp(source)
    assert before.last_changed == 1
    assert before.parts == ()
    (source / "clients.csv").chmod(0o600)
    assert stamp(source) == before
    os.utime(source / "clients.csv", ns=(0, 2 * 10**9))
    assert stamp(source).last_changed == 2
    assert stamp(source).fingerprint != before.fingerprint


def test_the_status_of_parts_shows_a_change_that_keeps_size_and_time(tmp_path: Path) -> None:
    source = folder(tmp_path)
    path = as_spark(source / "transactions.csv", 2)
    found = stamp(source).parts
    assert [part.name for part in found] == sorted(p.name for p in path.glob("part-*"))
    assert [part.status_changed for part in found] == [
        (path / part.name).stat().st_ctime_ns for part in found
    ]


# Types


IDS = [uuid.UUID(int=n) for n in (5, 2**127, 3)]


def _mart(tmp_path: Path, **changed: pa.Array) -> Path:
    at = [datetime(2021, 7, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    ledger = {
        "transaction_id": pa.array(["1", "2", "3"]),
        "client_id": pa.array(["A", "A", "A"]),
        "at": pa.array(at, pa.timestamp("us", "UTC")),
        "kind": pa.array(["refill"] * 3),
        "amount": pa.array(["1.25", "2", "-3"]),
    }
    clients = {"client_id": changed.pop("ids", pa.array(["A"])), "client_type": ["client"]}
    clients |= {"currency": ["USD"], "created_at": ["2021-01-01T00:00:00Z"]}
    pq.write_table(pa.table(clients), tmp_path / "clients.parquet")
    pq.write_table(pa.table({**ledger, **changed}), tmp_path / "transactions.parquet")
    return tmp_path


DECIMALS = [Decimal("1.25"), Decimal(2), Decimal(-3)]


@pytest.mark.parametrize(
    "amounts",
    [
        pa.array(DECIMALS, pa.decimal128(38, 18)),
        pa.array(DECIMALS, pa.decimal128(10, 2)),
        pa.array(DECIMALS, pa.decimal256(76, 30)),
        pa.array(DECIMALS, pa.decimal256(50, 2)),
        pa.array([1.25, 2, -3], pa.float64()),
    ],
    ids=lambda array: str(array.type),
)
def test_wider_decimals_are_exact(tmp_path: Path, amounts: pa.Array) -> None:
    source = _mart(tmp_path, amount=amounts)
    assert both_ways(source).amount.tolist() == [1_250_000, 2_000_000, -3_000_000]


def test_a_wide_decimal_with_more_than_six_places_is_a_fault(tmp_path: Path) -> None:
    amounts = pa.array([Decimal("1.2500001"), Decimal(2), Decimal(3)], pa.decimal256(60, 18))
    [fault] = check_source(_mart(tmp_path, amount=amounts)).faults
    assert (fault.row, fault.why) == (1, "has more than 6 decimal places")


def _uuid_mart(tmp_path: Path, ids: Sequence[uuid.UUID | None], owners: Sequence[uuid.UUID]) -> Path:
    """Return a mart whose transactions have ids of type UUID; the clients' ids are text."""
    source = _mart(tmp_path)
    clients = pq.read_table(source / "clients.parquet").take(pa.array([0] * len(IDS)))
    pq.write_table(clients.set_column(0, "client_id", pa.array(map(str, IDS))), source / "clients.parquet")
    rows = pq.read_table(source / "transactions.parquet").take(pa.array([0] * len(ids)))
    for place, (name, values) in enumerate((("transaction_id", ids), ("client_id", owners))):
        stored = pa.array([value and value.bytes for value in values], pa.binary(16))
        rows = rows.set_column(place, name, pa.ExtensionArray.from_storage(pa.uuid(), stored))
    pq.write_table(rows, source / "transactions.parquet", row_group_size=2)
    return source


@pytest.mark.parametrize("rises", [True, False])
def test_uuids_are_found_and_compared_as_their_text_would_be(tmp_path: Path, rises: bool) -> None:
    ids = [uuid.UUID(int=n << 62) for n in range(1, 8)]
    ids = ids if rises else [*ids[4:], *ids[:4]]
    source = _uuid_mart(tmp_path, ids, [IDS[n % 3] for n in range(7)])
    facts = both_ways(source)
    assert np.diff(facts.offset).tolist() == [3, 2, 2]
    rows = pq.read_table(source / "transactions.parquet")
    for name in ("transaction_id", "client_id"):
        texts = pa.array(map(str, rows.column(name).to_pylist()))
        rows = rows.drop(name).append_column(name, texts)
    pq.write_table(rows, source / "transactions.parquet", row_group_size=2)
    same(facts, both_ways(source))


@pytest.mark.parametrize(
    ("row", "change", "why"),
    [
        (3, {"transaction_id": IDS[0]}, "occurs more than once"),
        (3, {"transaction_id": None}, "is blank"),
        (3, {"client_id": uuid.UUID(int=4)}, "is not in clients"),
    ],
)
def test_faults_of_uuids_are_found_in_batches(
    tmp_path: Path, row: int, change: dict[str, uuid.UUID | None], why: str
) -> None:
    ids: list[uuid.UUID | None] = [IDS[0], *(uuid.UUID(int=2**100 + n) for n in range(5))]
    owners = [IDS[0]] * 6
    if "client_id" in change:
        owners[row] = uuid.UUID(int=4)
    else:
        ids[row] = change["transaction_id"]
    source = _uuid_mart(tmp_path, ids, owners)
    assert why in error_both_ways(source)


def test_uuids_are_ids(tmp_path: Path) -> None:
    ids = pa.array([i.bytes for i in IDS], pa.uuid())
    owner = pa.array([IDS[0].bytes] * 3, pa.uuid())
    source = _mart(tmp_path, transaction_id=ids, client_id=owner, ids=pa.array([IDS[0].bytes], pa.uuid()))
    mart = check_source(source)
    assert mart.faults == []
    assert mart.tables["transactions"].columns["transaction_id"].to_pylist() == [str(i) for i in IDS]
    assert both_ways(source).client_count == 1
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        for table in ("clients", "transactions"):
            connection.execute(f"CREATE TABLE {table} AS FROM '{source}/{table}.parquet'")
        assert connection.sql("SELECT typeof(client_id) FROM clients").fetchall() == [("UUID",)]
    same(open_mart(path).facts, open_mart(source).facts)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_are_read(tmp_path: Path, unit: str) -> None:
    plain = both_ways(_mart(tmp_path)).time.tolist()
    table = pq.read_table(tmp_path / "transactions.parquet")
    for zone in ("UTC", None):
        at = pa.chunked_array(table.column("at").chunks).cast(pa.timestamp(unit, "UTC"))
        at = at if zone else at.cast(pa.timestamp(unit))
        source = _mart(tmp_path, at=at.combine_chunks())
        assert both_ways(source).time.tolist() == plain
    assert read_mart(source).ledger.count == 3
