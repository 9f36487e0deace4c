"""Rows in parts added to a ledger are read alone, and the facts are those of reading all parts."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets import Dialect, Source
from custdyn_widgets.errors import CustDynError, MartError
from custdyn_widgets.mart import building
from custdyn_widgets.mart.checking import distinct_ids
from custdyn_widgets.mart.facts import cache, merging, threads
from custdyn_widgets.mart.opening import open_mart
from custdyn_widgets.mart.reading import csv_ledger, files
from custdyn_widgets.mart.reading.fingerprint import FileStatus
from custdyn_widgets.mart.reading.stored import StoredLedger
from custdyn_widgets.progress import listener as progress
from tests.mart.test_doubts import Heard

Row = dict[str, Any]
REAL_HASHES = distinct_ids._Hashes.of
KINDS = ["refill", "usage", "package_renewal", "usage"]
CLIENTS = [
    {
        "client_id": f"c{i}",
        "client_type": "client",
        "currency": ["USD", "EUR"][i % 2],
        "created_at": "2021-01-01",
    }
    for i in range(4)
]
PACKAGES = [{"package_id": f"p{i}", "name": f"Package {i}"} for i in range(3)]


def transaction(i: int, **changed: Any) -> Row:
    kind = KINDS[i % 4]
    return {
        "transaction_id": f"t{i:03}",
        "client_id": f"c{i * 7 % 3}",
        "at": f"2021-02-{i // 24 + 1:02}T{i % 24:02}:00:00Z",
        "kind": kind,
        "amount": f"{i - 10}.25",
        "package_id": f"p{i % 3}" if kind == "package_renewal" else None,
        **changed,
    }


def write(path: Path, rows: Sequence[Row]) -> None:
    table = pa.Table.from_pylist(list(rows) or [transaction(2)]).slice(0, len(rows))
    for place, kind in enumerate(table.schema):  # a part without any packages has the same types
        if pa.types.is_null(kind.type):
            table = table.set_column(place, kind.name, table.column(place).cast(pa.string()))
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pc.write_csv(table, path)


class Mart:
    """A mart whose ledger is a folder of parts."""

    def __init__(self, folder: Path, form: str) -> None:
        self.folder, self.form = folder, form
        self.ledger = folder / f"transactions.{form}"
        self.ledger.mkdir(parents=True)
        self.write("clients", CLIENTS)

    def write(self, name: str, rows: Sequence[Row] | None) -> None:
        """Replace a table; None removes it."""
        path = self.folder / f"{name}.{self.form}"
        path.unlink(missing_ok=True)
        if rows is not None:
            write(path, rows)

    def add(self, name: str, rows: Sequence[Row]) -> Path:
        """Add a part to the ledger, and return its path."""
        path = self.ledger / f"part-{name}.{self.form}"
        write(path, rows)
        return path


def outcome(source: Any) -> tuple[Any, ...]:
    """Return all that opening a source gives, or its error, and its notes."""
    heard = Heard()
    with progress.report_to(heard):
        try:
            found = open_mart(source)
            facts = found.facts
            arrays = {name: getattr(facts, name) for name in cache.ARRAYS}
            values = {name: (str(array.dtype), array.tolist()) for name, array in arrays.items()}
            return values, facts.names, found.warnings, found.name, [words(note) for note in heard.notes]
        except CustDynError as error:
            return type(error), error.message, error.field, heard.notes
        finally:
            cache.finish_storing()


def words(note: str) -> str:
    """Return a note without the path of the cache."""
    return " ".join(word.rpartition("/")[2] for word in note.split())


@contextmanager
def cached(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTDYN_CACHE", str(folder))
        yield


def from_all_parts(source: Any) -> tuple[Any, ...]:
    """Return the outcome with an empty cache."""
    with tempfile.TemporaryDirectory() as folder, cached(Path(folder)):
        return outcome(source)


def quick_hashes(_: object, ids: pa.Array) -> distinct_ids.Keys:
    """Return hashes of text without DuckDB, which takes longer to open than all the rest."""
    texts = [(text or "").encode() for text in ids.to_pylist()]
    return np.array([int.from_bytes(sha256(text).digest()[:8]) for text in texts], np.uint64)


@pytest.fixture(autouse=True)
def hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct_ids._Hashes, "of", quick_hashes)


@pytest.fixture
def real_hashes(hashes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct_ids._Hashes, "of", REAL_HASHES)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the name of each part is added when it is read."""
    found: list[str] = []

    def counted(real: Callable[..., StoredLedger]) -> Callable[..., StoredLedger]:
        def ledger(path: Path, *args: Any, **options: Any) -> StoredLedger:
            found.append(path.stem.removeprefix("part-"))
            return real(path, *args, **options)

        return ledger

    for module, name in ((csv_ledger, "csv_ledger"), (files, "parquet_ledger")):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    return found


@pytest.fixture(params=["parquet", "csv"])
def mart(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mart:
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    return Mart(tmp_path / "mart", request.param)


IDS: dict[str, Callable[[int], Any]] = {
    "rising": lambda i: f"t{i:03}",
    "rising numbers": lambda i: i,
    "rising without zeros": lambda i: f"t{i}",
    "text": lambda i: f"t{i * 37 % 100}",
    "numbers": lambda i: i * 37 % 100,
    "rising past 2^63": lambda i: Decimal(2**63 - 30 + i),
    "numbers around 2^63": lambda i: Decimal(2**63 - 50 + i * 37 % 100),
}


def rows(ids: str, begin: int, end: int, **changed: Any) -> list[Row]:
    return [transaction(i, transaction_id=IDS[ids](i), **changed) for i in range(begin, end)]


def hollow(path: Path) -> None:
    """Replace the content of a file, but not its status."""
    status = path.stat()
    path.write_bytes(b"\0" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_hashes_that_were_stored_are_compared(mart: Mart, real_hashes: None, read: list[str]) -> None:
    mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    mart.add("2", [*rows("text", 20, 40), *rows("text", 3, 4)])
    assert outcome(mart.folder) == from_all_parts(mart.folder)
    read.clear()
    mart.add("2", rows("text", 20, 40))
    assert outcome(mart.folder) == from_all_parts(mart.folder)
    assert read == ["2", "1", "2"]


@pytest.mark.parametrize("ids", IDS)
def test_parts_read_before_are_not_read_again(mart: Mart, ids: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = FileStatus.of  # that of a hollow file would have another time, which cannot be set
    unchanged = staticmethod(lambda *file: of(*file)._replace(status_changed=0))
    monkeypatch.setattr(FileStatus, "of", unchanged)
    parts = [mart.add(str(day), rows(ids, 20 * day, 20 * day + 20)) for day in range(3)]
    expected = from_all_parts(mart.folder)
    added = mart.folder / parts.pop().name
    (mart.ledger / added.name).rename(added)
    outcome(mart.folder)
    for part in parts:
        hollow(part)
    added.rename(mart.ledger / added.name)
    assert outcome(mart.folder) == expected


@pytest.mark.parametrize("ids", IDS)
def test_parts_can_be_added_again_and_again(mart: Mart, read: list[str], ids: str) -> None:
    for day in range(4):
        mart.add(str(day), rows(ids, 20 * day, 20 * day + 20))
        expected = from_all_parts(mart.folder)
        read.clear()
        assert outcome(mart.folder) == expected
        assert read == [str(day)]


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a ledger in parts, of which the first are read before the others, and changes between."""
    count = draw(st.integers(2, 24))
    ids = draw(st.permutations(range(count)) | st.just([*range(count)]))
    scheme = draw(st.sampled_from(sorted(IDS)))
    seconds = draw(st.lists(st.integers(0, draw(st.sampled_from([3, 59]))), min_size=count, max_size=count))
    ledger = [
        transaction(i, transaction_id=IDS[scheme](number), at=f"2021-02-01T00:00:{second:02}Z")
        for i, (number, second) in enumerate(zip(ids, seconds, strict=True))
    ]
    for row in ledger:
        row["client_id"] = draw(st.sampled_from(["c0", "c1", "c2"]))
    if draw(st.integers(0, 5)) == 0:
        column, value = draw(st.sampled_from([
            ("transaction_id", ledger[0]["transaction_id"]), ("client_id", "c9"), ("client_id", "c4"),
            ("amount", "much"), ("amount", "9000000000000"), ("amount", "1,5"), ("at", "1960-01-01"),
            ("package_id", "p3"), ("kind", "gift"),
        ]))  # fmt: skip
        draw(st.sampled_from(ledger))[column] = value
    more = [{**CLIENTS[0], "client_id": "c4", "currency": "CHF"}, {**CLIENTS[0], "client_id": "b"}]
    clients = [CLIENTS, draw(st.permutations(CLIENTS)), [*more, *CLIENTS], CLIENTS[:3], CLIENTS[1:]]
    packages = [None, PACKAGES, [{"package_id": "a", "name": "Z"}, *PACKAGES], PACKAGES[1:]]
    cuts = sorted([0, count, *draw(st.lists(st.integers(0, count), min_size=1, max_size=4))])
    parts = [*enumerate(ledger[a:b] for a, b in pairwise(cuts))]
    return {
        "parts": draw(st.just(parts) | st.permutations(parts)),
        "before": draw(st.integers(1, len(parts) - 1)),
        "tables": [
            {"clients": draw(st.sampled_from(clients[:4])), "packages": draw(st.sampled_from(packages[:3]))},
            {"clients": draw(st.sampled_from(clients)), "packages": draw(st.sampled_from(packages))},
        ],
        "form": draw(st.sampled_from(["parquet", "csv"])),
        "on_fault": draw(st.sampled_from(["refuse", "quarantine"])),
    }


@settings(max_examples=max(1, settings.default.max_examples // 5))
@given(changes())
def test_the_facts_and_the_errors_are_those_of_reading_all_parts(drawn: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "_BLOCK", 3)
        mart = Mart(Path(folder, "mart"), drawn["form"])
        source = Source(mart.folder, on_fault=drawn["on_fault"])
        with cached(Path(folder, "cache")):
            batches = drawn["parts"][: drawn["before"]], drawn["parts"][drawn["before"] :]
            for tables, parts in zip(drawn["tables"], batches, strict=True):
                for name, found in tables.items():
                    mart.write(name, found)
                for number, part in parts:
                    mart.add(str(number), part)
                last = outcome(source)
            assert last == from_all_parts(source)


@pytest.mark.parametrize("ids", IDS)
def test_an_id_of_an_earlier_part_is_a_fault_in_both_rows(mart: Mart, ids: str) -> None:
    mart.add("1", rows(ids, 0, 20))
    outcome(mart.folder)
    mart.add("2", [*rows(ids, 20, 30), *rows(ids, 5, 6)])
    with pytest.raises(MartError) as caught:
        open_mart(mart.folder)
    first = 2 if mart.form == "csv" else 1
    assert f"row {first + 5}, transaction_id" in caught.value.message
    assert f"row {first + 30}, transaction_id" in caught.value.message


def test_a_part_between_others_is_read_alone_unless_the_order_of_rows_is_unknown(
    mart: Mart, read: list[str]
) -> None:
    mart.add("1", rows("text", 0, 20))
    mart.add("3", rows("text", 40, 60))
    outcome(mart.folder)
    mart.add("2", rows("text", 20, 40))
    expected = from_all_parts(mart.folder)
    read.clear()
    assert outcome(mart.folder) == expected
    assert read == ["2"]
    same_time = transaction(50)["at"]
    mart.add("2b", [transaction(99, client_id=transaction(50)["client_id"], at=same_time)])
    expected = from_all_parts(mart.folder)
    read.clear()
    assert outcome(mart.folder) == expected
    assert read == ["2b", "1", "2", "2b", "3"]


def _touch(mart: Mart) -> None:
    os.utime(mart.ledger / f"part-1.{mart.form}", ns=(5, 5))


def _replace(mart: Mart) -> None:
    mart.add("1", rows("text", 0, 19))


def _remove(mart: Mart) -> None:
    (mart.ledger / f"part-1.{mart.form}").unlink()


def _rename(mart: Mart) -> None:
    (mart.ledger / f"part-1.{mart.form}").rename(mart.ledger / f"part-4.{mart.form}")


@pytest.mark.parametrize("change", [_touch, _replace, _remove, _rename])
def test_if_another_part_has_changed_all_are_read(
    mart: Mart, read: list[str], change: Callable[[Mart], None]
) -> None:
    for day in range(3):
        mart.add(str(day), rows("text", 20 * day, 20 * day + 20))
    outcome(mart.folder)
    change(mart)
    mart.add("3", rows("text", 60, 80))
    expected = from_all_parts(mart.folder)
    read.clear()
    assert outcome(mart.folder) == expected
    assert len(read) == len(list(mart.ledger.iterdir()))


def _empty(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"")


def _flip(folder: Path, file: str) -> None:
    """Change a byte, but not the status."""
    path = folder / file
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-4] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    cache._VERIFIED.clear()  # as in a new process


def _unlink(folder: Path, file: str) -> None:
    (folder / file).unlink()


@pytest.mark.parametrize("damage", [_empty, _flip, _unlink])
@pytest.mark.parametrize("file", ["keys.npy", "running.npy", "origin.json", "seal.json"])
def test_if_the_cached_facts_are_damaged_all_parts_are_read(
    tmp_path: Path, mart: Mart, read: list[str], file: str, damage: Callable[[Path, str], None]
) -> None:
    mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    [entry] = (tmp_path / "cache" / "facts").iterdir()
    damage(entry, file)
    mart.add("2", rows("text", 20, 40))
    expected = from_all_parts(mart.folder)
    read.clear()
    assert outcome(mart.folder) == expected
    assert read == ["1", "2"]


def test_cached_facts_removed_while_they_are_opened_are_not_needed(
    tmp_path: Path, mart: Mart, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    mart.add("2", rows("text", 20, 40))
    expected = from_all_parts(mart.folder)
    read.clear()
    real = cache.opened_entry

    def opened(folder: Any) -> cache.CacheEntry:
        shutil.rmtree(folder.path, ignore_errors=True)  # as pruning by another process does
        return real(folder)

    monkeypatch.setattr(cache, "opened_entry", opened)
    assert outcome(mart.folder) == expected
    assert read == ["1", "2"]


@pytest.mark.parametrize("ids", ["rising", "text"])
def test_ids_out_of_order_need_all_parts_only_once(mart: Mart, read: list[str], ids: str) -> None:
    mart.add("1", rows(ids, 20, 40))
    outcome(mart.folder)
    mart.add("2", rows(ids, 0, 20))
    outcome(mart.folder)
    mart.add("3", rows(ids, 40, 60))
    read.clear()
    outcome(mart.folder)
    assert read == ["3"]


@pytest.mark.parametrize("ids", IDS)
def test_hashes_of_another_version_of_duckdb_are_not_compared(
    mart: Mart, read: list[str], monkeypatch: pytest.MonkeyPatch, ids: str
) -> None:
    mart.add("1", rows(ids, 0, 20))
    outcome(mart.folder)
    mart.add("2", rows(ids, 20, 40))
    monkeypatch.setattr(distinct_ids, "_hash_version", lambda: "another")
    read.clear()
    outcome(mart.folder)
    are_hashed = ids == "text" or (mart.form == "csv" and ids.startswith("numbers"))  # the others rise
    assert read == (["2", "1", "2"] if are_hashed else ["2"])


def test_without_faulty_rows_quarantine_reads_added_parts_alone(mart: Mart, read: list[str]) -> None:
    source = Source(mart.folder, on_fault="quarantine")
    mart.add("1", rows("text", 0, 20))
    outcome(source)
    mart.add("2", rows("text", 20, 40))
    read.clear()
    outcome(source)
    assert read == ["2"]
    mart.add("3", rows("text", 40, 42, amount="much"))
    expected = from_all_parts(source)
    read.clear()
    assert outcome(source) == expected
    assert "2 faulty rows are left out" in expected[2][0]
    assert read == ["3", "1", "2", "3"]


def test_a_fault_of_a_client_that_appears_with_a_part_is_not_passed_over(mart: Mart) -> None:
    mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    mart.write("clients", [*CLIENTS, {**CLIENTS[0], "client_id": "c9", "currency": "dollars"}])
    mart.add("2", rows("text", 20, 40))
    for source in (mart.folder, Source(mart.folder, on_fault="quarantine")):
        expected = from_all_parts(source)
        assert outcome(source) == expected
    assert "1 faulty row is left out" in expected[2][0]


def test_if_every_package_is_used_added_parts_are_read_alone(mart: Mart, read: list[str]) -> None:
    mart.write("packages", PACKAGES)
    mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    mart.add("2", rows("text", 20, 40))
    expected = from_all_parts(mart.folder)
    read.clear()
    assert outcome(mart.folder) == expected
    assert read == ["2"]


def test_if_only_another_table_has_changed_all_parts_are_read(mart: Mart, read: list[str]) -> None:
    for day in range(2):
        mart.add(str(day), rows("text", 20 * day, 20 * day + 20))
    outcome(mart.folder)
    mart.write("clients", [{**client, "currency": "CHF"} for client in CLIENTS])
    expected = from_all_parts(mart.folder)
    read.clear()
    assert outcome(mart.folder) == expected
    assert read == ["0", "1"]


@pytest.mark.parametrize(
    ("first", "added"),
    [
        ({"amount": "1.234,5"}, {"amount": "1.500"}),  # one and a half, if it were read alone
        ({"at": "1960-01-01"}, {}),
        ({"at": "2150-01-01"}, {"at": "2150-01-01"}),
    ],
)
def test_what_one_part_says_about_another_is_known_when_it_is_read(
    mart: Mart, first: Row, added: Row
) -> None:
    mart.add(
        "1",
        [
            *rows("text", 0, 1, **first),
            *rows("text", 1, 8, **({"amount": "7,25"} if "amount" in first else {})),
        ],
    )
    outcome(mart.folder)
    mart.add("2", rows("text", 8, 12, **added))
    expected = from_all_parts(mart.folder)
    assert isinstance(expected[0], dict)
    assert outcome(mart.folder) == expected


def test_other_settings_read_all_parts(mart: Mart, read: list[str]) -> None:
    mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    mart.add("2", rows("text", 20, 40))
    read.clear()
    outcome(Source(mart.folder, dialect=Dialect(timezone="Asia/Kathmandu")))
    assert read == ["1", "2"]


def test_a_part_with_other_columns_is_read_with_the_others(mart: Mart, read: list[str]) -> None:
    mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    some = [
        {name: value for name, value in row.items() if name != "package_id"} for row in rows("text", 20, 40)
    ]
    mart.add("2", some)
    expected = from_all_parts(mart.folder)
    read.clear()
    assert outcome(mart.folder) == expected
    assert read == ["2", "1", "2"]


def _without_packages(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "package_id"}


def _with_fractions(row: Row) -> Row:
    return {**row, "transaction_id": int(row["transaction_id"][1:]) + 0.5}


@pytest.mark.parametrize("mart", ["parquet"], indirect=True)  # in CSV files, ids are text
@pytest.mark.parametrize(("first", "others"), [(None, _without_packages), (_with_fractions, _with_fractions)])
def test_if_earlier_parts_cannot_be_compared_all_are_read(
    mart: Mart,
    read: list[str],
    first: Callable[[Row], Row] | None,
    others: Callable[[Row], Row],
) -> None:
    for day, change in enumerate((first, others, first)):
        part = rows("text", 20 * day, 20 * day + 20)
        mart.add(str(day), [change(row) for row in part] if change else part)
        expected = from_all_parts(mart.folder)
        read.clear()
        assert outcome(mart.folder) == expected
    assert isinstance(expected[0], dict)
    assert read[-3:] == ["0", "1", "2"]


def test_a_number_and_its_text_are_the_same_id(mart: Mart) -> None:
    mart.add("1", rows("numbers", 0, 20))
    outcome(mart.folder)
    mart.add("2", [transaction(i, transaction_id=str(IDS["numbers"](i % 39))) for i in range(20, 40)])
    expected = from_all_parts(mart.folder)
    assert issubclass(expected[0], CustDynError)
    assert outcome(mart.folder) == expected


def test_a_balance_that_is_too_large_only_with_earlier_rows_is_a_fault(mart: Mart) -> None:
    mart.add("1", rows("text", 0, 20, amount="900000000000"))
    outcome(mart.folder)
    mart.add("2", rows("text", 20, 40, amount="900000000000"))
    expected = from_all_parts(mart.folder)
    assert "has a balance outside" in expected[1]
    assert outcome(mart.folder) == expected


def test_cached_facts_name_their_parts(tmp_path: Path, mart: Mart) -> None:
    part = mart.add("1", rows("text", 0, 20))
    outcome(mart.folder)
    [entry] = (tmp_path / "cache" / "facts").iterdir()
    status = part.stat()
    stored = json.loads((entry / "origin.json").read_bytes())
    assert stored["parts"] == [
        [part.name, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
    ]
    assert len(np.load(entry / "keys.npy")) == 20


def test_nothing_is_stored_for_a_ledger_in_one_file(tmp_path: Path, mart: Mart) -> None:
    mart.ledger.rmdir()
    write(mart.ledger, rows("text", 0, 20))
    outcome(mart.folder)
    [entry] = (tmp_path / "cache" / "facts").iterdir()
    assert not {"origin.json", "keys.npy"} & {file.name for file in entry.iterdir()}


@pytest.mark.parametrize(
    "ids",
    [[[], ["5"], ["9", "5"]], [["1"], [], ["5", "6"], ["9", "5"]], [[], ["a", "b", "c"], ["d", "b"], ["0"]]],
)
def test_beside_a_part_without_rows_a_repeated_id_is_a_fault(
    mart: Mart, ids: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark writes such parts."""
    monkeypatch.setattr(threads, "threads", lambda: 1)
    for name, own in enumerate(ids):
        mart.add(str(name), [transaction(n, transaction_id=one) for n, one in enumerate(own)])
    assert outcome(mart.folder)[0] is MartError


def test_beside_a_part_without_rows_ids_are_compared_with_added_ones(mart: Mart) -> None:
    mart.add("0", [])
    mart.add("1", [transaction(0, transaction_id="5")])
    mart.add("2", [transaction(1, transaction_id="9"), transaction(2, transaction_id="6")])
    assert outcome(mart.folder) == from_all_parts(mart.folder)
    mart.add("3", [transaction(3, transaction_id="5"), transaction(4, transaction_id="4")])
    assert outcome(mart.folder) == from_all_parts(mart.folder)
    assert outcome(mart.folder)[0] is MartError


@pytest.mark.parametrize("number", [10**17, 10**18 + 7, 2**63 - 1, -(2**63)])
def test_a_package_may_have_any_number(tmp_path: Path, number: int) -> None:
    mart = Mart(tmp_path / "mart", "parquet")
    mart.add("0", [transaction(2, package_id=number), transaction(6, package_id=number)])
    facts = open_mart(mart.folder).facts
    assert (facts.names.packages, facts.package.tolist()) == (((str(number), str(number)),), [0, 0])


def test_a_part_replaced_by_one_of_the_same_size_and_time_is_read_again(mart: Mart) -> None:
    path = mart.add("0", rows("rising", 0, 4))
    before = path.stat()
    outcome(mart.folder)
    mart.add("0", rows("rising", 0, 4, amount="9.75"))
    changed = path.read_bytes()
    path.write_bytes(changed[: before.st_size].ljust(before.st_size))
    if mart.form == "parquet":  # padding would damage it
        path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    mart.add("1", rows("rising", 4, 6))
    assert outcome(mart.folder) == from_all_parts(mart.folder)


@pytest.mark.parametrize(
    "vanish", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["removed", "emptied"]
)
def test_an_added_part_that_vanishes_before_it_is_read_is_no_traceback(
    mart: Mart, monkeypatch: pytest.MonkeyPatch, vanish: Callable[[Path], Any]
) -> None:
    mart.add("0", rows("rising", 0, 4))
    outcome(mart.folder)
    added = mart.add("1", rows("rising", 4, 6))
    real = building.find_base

    def found_too_late(*asked: Any) -> Any:
        base = real(*asked)
        vanish(added)
        monkeypatch.setattr(building, "find_base", real)
        return base

    monkeypatch.setattr(building, "find_base", found_too_late)
    assert outcome(mart.folder) == from_all_parts(mart.folder)
