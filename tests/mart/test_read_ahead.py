"""The first batches of a ledger are read ahead, once, and whoever reads it sees no difference."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from custdyn_widgets.mart.reading import read_ahead as module
from custdyn_widgets.mart.reading.read_ahead import read_ahead
from custdyn_widgets.mart.reading.stored import StoredLedger, StoredTable
from custdyn_widgets.mart.schema import TABLES

AHEAD = """
import sys
from pathlib import Path
from custdyn_widgets.mart.reading.files import read_mart
from custdyn_widgets.mart.reading.read_ahead import read_ahead

ledger = read_mart(Path({mart!r})).ledger
before = {{*sys.modules}}
with read_ahead(ledger, 2) as ledger:
    print(sum(batch.data.num_rows for piece in ledger.pieces for batch in piece()))
print({{*sys.modules}} - before)
"""


def parquet_mart(folder: Path) -> Path:
    for table in ("clients", "packages", "transactions"):
        pq.write_table(pc.read_csv(CSV / f"{table}.csv"), folder / f"{table}.parquet")
    return folder


def csv_mart(folder: Path) -> Path:
    """Write the ledger in two parts, the second of which has a row with a cell too few."""
    shutil.copy(CSV / "clients.csv", folder)
    parts = folder / "transactions.csv"
    parts.mkdir()
    heading, *rows = (CSV / "transactions.csv").read_text(encoding="utf-8").splitlines()
    for number, some in enumerate((rows[:9], [*rows[9:], rows[0].rpartition(",")[0]])):
        (parts / f"part-{number}.csv").write_text("\n".join([heading, *some]), encoding="utf-8")
    return folder


CSV = Path(__file__).parents[1] / "golden" / "small" / "mart"
MARTS = {"CSV": csv_mart, "Parquet": parquet_mart}


class Pieces:
    """Two pieces of ten batches of a row each; the second one may fail after some batches."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.begun, self.read, self.open = 0, 0, 0
        self._fails_after = fails_after

    def ledger(self) -> StoredLedger:
        return StoredLedger(lambda _: self.batch(0), (lambda: self.piece(0), lambda: self.piece(10)), 20)

    def piece(self, first: int) -> Iterator[StoredTable]:
        self.begun += 1
        self.open += 1
        try:
            for row in range(first, first + 10):
                if first and row - first == self._fails_after:
                    raise OSError("the disk is gone")
                self.read += 1
                yield self.batch(row)
        finally:
            self.open -= 1

    def batch(self, row: int) -> StoredTable:
        rows = pa.table({"transaction_id": [str(row)]})
        return StoredTable(TABLES["transactions"], "t.parquet", rows, first_row=row + 1)


def rows_of(batches: Iterator[StoredTable]) -> list[int]:
    return [batch.first_row for batch in batches]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_each_piece_is_read_once_unless_it_is_needed_again(threads: int) -> None:
    pieces = Pieces()
    with read_ahead(pieces.ledger(), threads) as ledger:
        for again in (1, 2):
            assert rows_of(ledger.pieces[0]()) == [*range(1, 11)]
            assert rows_of(ledger.pieces[1]()) == [*range(11, 21)]
            assert (pieces.begun, pieces.read, pieces.open) == (2 * again, 20 * again, 0)


@pytest.mark.parametrize("fails_after", [0, 2, 4, 7])
def test_an_error_follows_the_batches_before_it(fails_after: int) -> None:
    with read_ahead(Pieces(fails_after).ledger(), 2) as ledger:
        for _ in range(2):
            batches = ledger.pieces[1]()
            assert rows_of(islice(batches, fails_after)) == [*range(11, 11 + fails_after)]
            with pytest.raises(OSError, match="the disk is gone"):
                next(batches)


def test_no_more_is_read_ahead_than_fits_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 6)
    pieces = Pieces()
    with read_ahead(pieces.ledger(), 2) as ledger:
        while not pieces.begun:
            time.sleep(0.001)
        for piece in ledger.pieces:
            next(piece())
        assert 4 <= pieces.read <= 6  # a piece that no thread has begun to read is not read ahead


@pytest.mark.parametrize("mart", [*MARTS.values()], ids=[*MARTS])
def test_reading_ahead_imports_nothing(mart: Callable[[Path], Path], tmp_path: Path) -> None:
    """An import that two threads wait for may leave a lock that is never released, if it is interrupted."""
    done = subprocess.run(
        [sys.executable, "-c", AHEAD.format(mart=str(mart(tmp_path)))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows, _, imported = done.stdout.partition("\n")
    assert int(rows) >= 19
    assert imported == "set()\n"


def test_pieces_that_nobody_wants_are_closed_and_their_errors_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_ROWS", 8)
    pieces = Pieces(fails_after=1)
    with read_ahead(pieces.ledger(), 2):
        while pieces.begun < 2:
            time.sleep(0.001)
    assert pieces.open == 0
    assert pieces.read <= 5
