"""A doubt about rows of a ledger is settled for those rows, with the result of reading all rows at once."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.mart.checking.checks import check
from custdyn_widgets.mart.checking.distinct_ids import _Hashes
from custdyn_widgets.mart.checking.quarantine import Quarantine, leave_out_faulty_rows
from custdyn_widgets.mart.columns import as_numbers
from custdyn_widgets.mart.facts import from_tables, ledger_pass
from custdyn_widgets.mart.facts import in_pieces as facts_in_pieces
from custdyn_widgets.mart.facts.cache import ARRAYS
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.in_pieces import build_in_pieces
from custdyn_widgets.mart.reading import csv_pieces, parquet_files, parts
from custdyn_widgets.mart.reading import stored as reading
from custdyn_widgets.mart.reading.files import read_mart
from custdyn_widgets.mart.reading.frames import from_frames
from custdyn_widgets.mart.reading.stored import StoredMart, StoredTable
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.progress import listener as progress

pytestmark = pytest.mark.usefixtures("own_cache")

Outcome = tuple[Any, ...]
Write = Callable[[pa.Table, Path], None]


class Heard:
    """A listener that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, words: str, done: float) -> None:
        pass

    def note(self, words: object) -> None:
        self.notes.append(str(words))


def outcome(facts: Facts, left_out: Quarantine | None) -> Outcome:
    arrays = {name: (str(getattr(facts, name).dtype), getattr(facts, name).tolist()) for name in ARRAYS}
    return arrays, facts.names, left_out


def at_once(stored: StoredMart, *, leave_out_faults: bool) -> Outcome:
    """Return the outcome of checking all rows at once, or its error."""
    try:
        mart, left_out = check(stored), None
        if leave_out_faults:
            mart, left_out = leave_out_faulty_rows(mart)
        return outcome(from_tables.build(mart), left_out)
    except CustDynError as error:
        return type(error), error.message


def in_pieces(stored: StoredMart, *, leave_out_faults: bool) -> Outcome | None:
    """Return the outcome of reading in pieces, or its error; None if that is not possible."""
    try:
        built = build_in_pieces(stored, leave_out_faults=leave_out_faults)
        return built and outcome(built.facts, built.left_out)
    except CustDynError as error:
        return type(error), error.message


BAD: Mapping[str, list[str | None]] = {
    "transaction_id": ["t1", "t2", "t7", "", None, " "],
    "client_id": ["c9", "", None, "c2"],
    "at": ["1969-07-01", "2150-01-01 00:00:00", "soon", "", None, "2021-13-01", "05/06/2021", "44317"],
    "kind": ["gift", "Usage", "", None],
    "amount": ["1.2345678", "much", "1e3", "", None, "1,5", "1,234.5", "1.500,25", "9000000000000"],
    "package_id": ["p9", "p1", "", None],
}
CLIENTS = [
    {"client_id": f"c{i}", "client_type": "client", "currency": ["USD", "EUR"][i % 2],
     "created_at": "2021-01-01", "opening_balance": "1.5"}
    for i in range(1, 5)
]  # fmt: skip
BAD_CLIENTS: Mapping[str, list[str]] = {
    "client_id": ["c1", "c2"], "client_type": ["cleint"], "currency": ["usd"], "created_at": ["soon"]
}  # fmt: skip
KINDS = ["refill", "usage", "package_renewal", "other"]


def transaction(i: int) -> dict[str, str | None]:
    kind = KINDS[i % 4]
    return {
        "transaction_id": f"t{i}",
        "client_id": f"c{i * 7 % 4 + 1}",
        "at": f"2021-02-{i % 5 + 1:02}T10:00:00Z",
        "kind": kind,
        "amount": f"{i - 10}.25",
        "package_id": f"p{i % 2 + 1}" if kind == "package_renewal" else None,
    }


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in rows[0]})


@st.composite
def faulty(draw: st.DrawFn, rows: list[dict[str, Any]], bad: Mapping[str, Any], most: int) -> pa.Table:
    """Return a table in which up to `most` values are replaced."""
    rows = [dict(row) for row in rows]
    for _ in range(draw(st.integers(0, most))):
        column = draw(st.sampled_from(sorted(bad)))
        draw(st.sampled_from(rows))[column] = draw(st.sampled_from(bad[column]))
    return table(rows)


@st.composite
def marts(draw: st.DrawFn) -> dict[str, pa.Table]:
    size = draw(st.integers(1, 30))
    found = {
        "clients": draw(faulty(CLIENTS, BAD_CLIENTS, 1)) if draw(st.booleans()) else table(CLIENTS),
        "transactions": draw(faulty([transaction(i) for i in range(size)], BAD, 4)),
    }
    if draw(st.booleans()):
        packages = [{"package_id": f"p{i}", "name": "P"} for i in (1, 2)]
        found["packages"] = draw(faulty(packages, {"package_id": ["p1", ""]}, 1))
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(["transaction_id", "at", "kind", "amount", "client_id"]))
        found["transactions"] = found["transactions"].rename_columns(
            [f"{column}_" if column == name else column for column in found["transactions"].column_names]
        )
    return found


@given(mart=marts(), batch=st.sampled_from([1, 3, 8, 100]), leave_out_faults=st.booleans())
def test_rows_in_doubt_give_what_all_rows_at_once_give(
    mart: dict[str, pa.Table], batch: int, leave_out_faults: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BATCH", batch)
        found = in_pieces(from_frames(mart), leave_out_faults=leave_out_faults)
    if found is not None:
        assert found == at_once(from_frames(mart), leave_out_faults=leave_out_faults)
    else:  # only a balance that is too large needs all rows
        assert "9000000000000" in mart["transactions"].column("amount").to_pylist()


# In files


def write_parquet(rows: pa.Table, place: Path) -> None:
    pq.write_table(rows, place / "transactions.parquet", row_group_size=4)


def write_csv(rows: pa.Table, place: Path) -> None:
    pc.write_csv(rows, place / "transactions.csv")


def write_gzip(rows: pa.Table, place: Path) -> None:
    out = io.BytesIO()
    pc.write_csv(rows, out)
    (place / "transactions.csv.gz").write_bytes(gzip.compress(out.getvalue()))


def write_parts(rows: pa.Table, place: Path) -> None:
    folder = place / "transactions.csv"
    folder.mkdir()
    for number, begin in enumerate(range(0, len(rows), 7)):
        pc.write_csv(rows.slice(begin, 7), folder / f"day-{number:02}.csv")


FAULTS: list[tuple[str, int, str | None]] = [
    ("amount", 13, "much"),
    ("kind", 0, "gift"),
    ("client_id", 29, "c9"),
    ("transaction_id", 22, "t5"),
    ("at", 8, "1969-07-01"),
    ("at", 8, "soon"),
    ("amount", 8, "1.500,25"),
]


@pytest.fixture(params=[write_parquet, write_csv, write_gzip, write_parts], ids=lambda write: write.__name__)
def write(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[pa.Table, Path], None]:
    """Return how to write a ledger, which is then read in pieces of a few rows."""
    monkeypatch.setattr(parquet_files, "_PIECE", 8)
    monkeypatch.setattr(csv_pieces, "PIECE", 300)
    for module in (parquet_files, reading):
        monkeypatch.setattr(module, "BATCH", 3)
    return cast(Write, request.param)


@pytest.mark.parametrize("leave_out_faults", [False, True])
@pytest.mark.parametrize(("column", "row", "value"), FAULTS)
def test_a_fault_in_a_file_does_not_send_the_ledger_to_the_slow_reader(
    write: Write, column: str, row: int, value: str | None, leave_out_faults: bool,
    tmp_path: Path,
) -> None:  # fmt: skip
    rows = [dict(transaction(i)) for i in range(30)]
    rows[row][column] = value
    pc.write_csv(table(CLIENTS), tmp_path / "clients.csv")
    write(table(rows), tmp_path)
    mart = read_mart(tmp_path)
    assert len(mart.ledger.pieces) > 3
    expected = at_once(read_mart(tmp_path), leave_out_faults=leave_out_faults)
    unwanted = Mock(side_effect=AssertionError("the whole ledger was read at once"))
    in_parts = mart._replace(ledger=replace(mart.ledger, whole=unwanted))
    assert in_pieces(in_parts, leave_out_faults=leave_out_faults) == expected


def test_a_ledger_in_another_format_is_read_in_pieces(write: Write, tmp_path: Path) -> None:
    rows = [dict(transaction(i)) for i in range(30)]
    for i, row in enumerate(rows):
        row["amount"] = f"{i - 10},25"
        row["at"] = f"{i % 5 + 1:02}.02.2021 10:00"
    pc.write_csv(table(CLIENTS), tmp_path / "clients.csv")
    rows[3]["at"] = "17.02.2021 10:00"
    write(table(rows), tmp_path)
    with progress.report_to(heard := Heard()):
        expected = at_once(read_mart(tmp_path), leave_out_faults=False)
        found = in_pieces(read_mart(tmp_path), leave_out_faults=False)
    assert found == expected
    assert len(found) == 3  # facts, not an error
    [note] = heard.notes
    assert "decimal ','" in note
    assert "dates 'DMY'" in note


def test_a_fault_in_clients_leaves_out_their_rows_from_pieces(write: Write, tmp_path: Path) -> None:
    clients = [dict(client) for client in CLIENTS]
    clients[1]["currency"] = "dollars"
    pc.write_csv(table(clients), tmp_path / "clients.csv")
    write(table([transaction(i) for i in range(30)]), tmp_path)
    expected = at_once(read_mart(tmp_path), leave_out_faults=True)
    assert in_pieces(read_mart(tmp_path), leave_out_faults=True) == expected
    assert in_pieces(read_mart(tmp_path), leave_out_faults=False) == at_once(
        read_mart(tmp_path), leave_out_faults=False
    )


def test_equal_keys_of_different_ids_are_no_fault(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_digit(_: object, text: pa.Array) -> Any:
        return np.array([int(value[-1]) for value in text.to_pylist()], np.uint64)

    monkeypatch.setattr(_Hashes, "of", last_digit)
    pc.write_csv(table(CLIENTS), tmp_path / "clients.csv")
    write(table([transaction(i) for i in range(30)][::-1]), tmp_path)
    found = in_pieces(read_mart(tmp_path), leave_out_faults=False)
    assert found == at_once(read_mart(tmp_path), leave_out_faults=False)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("changed", "in_doubt"),
    [
        ({3: {"transaction_id": "t20"}}, [3, 20]),
        ({5: {"client_id": "c5"}, 17: {"client_id": "c5"}}, [5, 17]),  # a client that is left out
        ({8: {"at": "1969-07-01", "client_id": "c5"}}, [8]),
        ({8: {"at": "1969-07-01", "transaction_id": "t20"}}, [8, 20]),
        ({4: {"package_id": "p9"}, 6: {"package_id": "p8"}}, [4, 6]),  # p8 is unknown, p9 is left out
    ],
)
def test_only_rows_in_doubt_are_checked_apart(
    changed: Mapping[int, dict[str, str]], in_doubt: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 10)
    rows = [transaction(i) | changed.get(i, {}) for i in range(30)]
    packages = [{"package_id": f"p{i}", "name": "P"} for i in (1, 2, 9, 9)]
    mart = {
        "clients": table([*CLIENTS, {**CLIENTS[0], "client_id": "c5", "currency": "dollars"}]),
        "transactions": table(rows),
        "packages": table(packages),
    }
    apart: list[list[int]] = []
    real = facts_in_pieces.check_tables

    def check_tables(name: str, tables: Mapping[str, StoredTable], **options: Any) -> Any:
        numbers = tables["transactions"].numbers
        assert numbers is not None
        apart.append([int(number) - 1 for number in numbers])
        return real(name, tables, **options)

    monkeypatch.setattr(facts_in_pieces, "check_tables", check_tables)
    found = in_pieces(from_frames(mart), leave_out_faults=True)
    assert found == at_once(from_frames(mart), leave_out_faults=True)
    assert apart[0] == in_doubt


FRACTIONS = [
    [["1", "2"], ["2", "3.5"]],
    [["2"], ["1.5", "2"]],
    [["1", "2"], ["3", "2"], ["2.5"]],
    [["1", "5"], ["5", "1" + 29 * "0"]],
    [["1" + 29 * "0"], ["1" + 29 * "0", "0.5"]],
    [["1.5", "2"], ["2.5", "3"]],
]


def decimals(values: list[str], kind: pa.DataType) -> pa.Array:
    return pa.array([Decimal(value) for value in values], pa.decimal128(38, 2)).cast(kind)


@pytest.mark.parametrize("in_files", [True, False])
@pytest.mark.parametrize("column", ["transaction_id", "package_id"])
@pytest.mark.parametrize("batches", FRACTIONS)
def test_ids_with_fractions_in_some_batches_are_those_of_all_rows(
    batches: list[list[str]], column: str, in_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = pa.concat_arrays([decimals(own, pa.decimal128(38, 2)) for own in batches])
    tables = decimal_mart(column, ids)
    if in_files:
        path = tmp_path / "transactions.parquet"
        path.mkdir()
        first = 0
        for i, own in enumerate(batches):
            pq.write_table(tables["transactions"].slice(first, len(own)), path / f"part-{i}.parquet")
            first += len(own)
        pq.write_table(tables["clients"], tmp_path / "clients.parquet")
        monkeypatch.setattr(parts, "BATCH", 0)
        mart = read_mart(tmp_path)
    else:
        monkeypatch.setattr(reading, "BATCH", len(batches[0]))
        mart = from_frames(tables)
    found = in_pieces(mart, leave_out_faults=False)
    if any("." in value for own in batches for value in own):
        assert found is None  # all rows are read at once
    else:
        assert found == at_once(mart, leave_out_faults=False)


@pytest.mark.parametrize("batches", [[["1", "2"], ["2", "3"]], [["1.00", "2.00"], ["3.00"]]])
def test_ids_without_fractions_are_read_in_batches(
    batches: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = pa.concat_arrays([decimals(own, pa.decimal128(38, 2)) for own in batches])
    mart = from_frames(decimal_mart("transaction_id", ids))
    monkeypatch.setattr(reading, "BATCH", len(batches[0]))
    found = in_pieces(mart, leave_out_faults=True)
    assert found is not None
    assert found == at_once(mart, leave_out_faults=True)


@pytest.mark.parametrize("column", ["transaction_id", "package_id"])
@pytest.mark.parametrize("others", [[1e19], [float("inf")], [-1e19, 2.0], [0.5], [2.0**63]])
def test_float_ids_that_do_not_fit_make_all_rows_read_at_once(
    column: str, others: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    mart = from_frames(decimal_mart(column, pa.array([1.0, 2.0, *others])))
    monkeypatch.setattr(reading, "BATCH", 2)
    assert in_pieces(mart, leave_out_faults=True) is None
    last = float("nan") if column == "package_id" else 3.0
    plain = from_frames(decimal_mart(column, pa.array([1.0, 2.0, last])))
    found = in_pieces(plain, leave_out_faults=True)
    assert found is not None
    assert found == at_once(plain, leave_out_faults=True)


def decimal_mart(column: str, ids: pa.Array) -> dict[str, pa.Table]:
    """Return a mart whose ledger has these ids in one column, and rows of one client."""
    count = len(ids)
    ledger = pa.table(
        {
            "transaction_id": [f"t{i}" for i in range(count)],
            "client_id": ["c1"] * count,
            "at": ["2020-01-02"] * count,
            "kind": ["package_renewal"] * count,
            "amount": ["-1"] * count,
            "package_id": ["p"] * count,
        }
    )
    clients = {
        "client_id": ["c1"],
        "client_type": ["client"],
        "currency": ["EUR"],
        "created_at": ["2020-01-01"],
    }
    place = ledger.column_names.index(column)
    return {"clients": pa.table(clients), "transactions": ledger.set_column(place, column, ids)}


SHORT_DECIMALS = [pa.decimal32(7, 2), pa.decimal64(10, 2), pa.decimal128(20, -2), pa.decimal256(40, 3)]


@pytest.mark.parametrize("kind", SHORT_DECIMALS, ids=str)
@pytest.mark.parametrize("values", [["100", "200", "300"], ["200", "100", "200"], ["100", "200", "99900"]])
@pytest.mark.parametrize("column", ["transaction_id", "package_id", "amount"])
def test_decimals_of_any_width_and_scale_are_read_alike(
    column: str, values: list[str], kind: pa.DataType, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind.scale < 0:
        ids = pa.array([Decimal(value).scaleb(-2) for value in values], pa.decimal128(20, 0))
        ids = pa.Array.from_buffers(kind, len(ids), ids.buffers())
    else:
        ids = decimals(values, kind)
    mart = from_frames(decimal_mart(column, ids))
    monkeypatch.setattr(reading, "BATCH", 2)
    found = in_pieces(mart, leave_out_faults=True)
    assert found is not None
    assert found == at_once(mart, leave_out_faults=True)


@pytest.mark.parametrize(
    ("ids", "depend"),
    [
        (pa.array([1.0, None, float("nan"), 3.0]), False),
        (pa.array([1.0, 2.5]), True),
        (pa.array(["1", "2.5"]), False),
        (pa.array([1, 2]), False),
        (pa.array(["1.0", "2.0"]).cast(pa.decimal128(9, 1)), False),
        (pa.array(["1.0", "2.5"]).cast(pa.decimal128(9, 1)), True),
        (pa.array(["1.00", "2.25"]).cast(pa.decimal128(9, 2)), True),
        (pa.array(["1", "2"]).cast(pa.decimal128(9, 0)), False),
    ],
)
@pytest.mark.parametrize("column", ["transaction_id", "client_id", "package_id", "amount"])
def test_fractions_make_the_text_of_ids_depend_on_other_rows(
    column: str, ids: pa.Array, depend: bool
) -> None:
    data = pa.table({"kind": ["other"] * len(ids), column: ids})
    batch = StoredTable(TABLES["transactions"], "t", data)
    assert ledger_pass.ids_depend_on_batch(batch, {}) is (depend and column != "amount")
    numbers = as_numbers(ids)
    if numbers is not None:
        assert not ledger_pass.ids_depend_on_batch(batch, {column: numbers})
        assert not depend
