"""Rows from a database are written in order and completely, with the progress told; without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.syncing import tables
from custdyn_widgets.mart.syncing.tables import TableProgress, WrittenTable, plan, write_table
from custdyn_widgets.mart.syncing.typed import Family, ResultColumn

SPEC = TABLES["transactions"]
COLUMNS = [ResultColumn("client_id", "text", 0), ResultColumn("amount", "decimal", 0)]


class Answers:
    """A session whose SELECT returns these chunks of amounts."""

    def __init__(self, *chunks: Sequence[str]) -> None:
        self.chunks, self.reads = chunks, 0

    def rows(self, _: str, columns: Sequence[ResultColumn]) -> Iterator[dict[str, pa.Array]]:
        assert columns == COLUMNS
        self.reads += 1
        for chunk in self.chunks:
            yield {"client_id": pa.array(["c"] * len(chunk)), "amount": pa.array(chunk, pa.string())}


def written(path: Path, session: Answers) -> tuple[WrittenTable, pq.ParquetFile]:
    file = path / "transactions.parquet"
    told = TableProgress("transactions", 0, 1)
    return write_table(session, "", SPEC, COLUMNS, file, told, "own.sql"), pq.ParquetFile(file)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chunk", "groups"), [(3, [3, 3, 3, 1]), (2, [4, 4, 2]), (5, [5, 5]), (1, [3, 3, 3, 1])]
)
def test_chunks_are_written_in_order_as_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, groups: list[int]
) -> None:
    monkeypatch.setattr(tables, "_ROW_GROUP", 3)
    amounts = [f"{n}.0000015" for n in range(10)]
    chunks = [amounts[n : n + chunk] for n in range(0, 10, chunk)]
    found, file = written(tmp_path, Answers(*chunks))
    assert found.rows == 10
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == groups
    assert file.read()["amount"].to_pylist() == [Decimal(f"{n}.000002") for n in range(10)]
    assert found.residues.keys() == {"amount"}
    assert (found.residues["amount"].count, found.residues["amount"].total) == (10, Decimal("-0.000005"))


@pytest.mark.parametrize("place", [0, 3, 5])
def test_a_column_with_another_value_in_any_chunk_stays_text(tmp_path: Path, place: int) -> None:
    chunks = [["NaN"] if n == place else [str(n)] for n in range(6)]
    session = Answers(*chunks)
    found, file = written(tmp_path, session)
    assert (found.rows, session.reads) == (6, 2)
    assert file.read()["amount"].to_pylist() == [text for [text] in chunks]
    assert found.residues == {}


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    found, file = written(tmp_path, Answers())
    assert found.rows == 0
    assert (file.schema_arrow.names, file.metadata.num_rows) == (["client_id", "amount"], 0)


@pytest.mark.parametrize(
    ("expected", "rows", "seconds", "step"),
    [
        (100, 0, 0.5, ("Reading rates: 0 rows", 0.25)),
        (100, 50, 1.0, ("Reading rates: 50 rows, 50 rows/s", 0.5)),
        (100, 5000, 2.0, ("Reading rates: 5,000 rows, 2,500 rows/s", 0.75)),
        (0, 10**6, 0.9, ("Reading rates: 1,000,000 rows", 0.5)),
        (0, 3 * 10**6, 2.0, ("Reading rates: 3,000,000 rows, 1,500,000 rows/s", 0.625)),
    ],
)
def test_progress_is_the_share_of_the_rows_of_the_last_sync(
    monkeypatch: pytest.MonkeyPatch, expected: int, rows: int, seconds: float, step: tuple[str, float]
) -> None:
    steps: list[tuple[str, float]] = []
    monkeypatch.setattr(progress, "step", lambda *step: steps.append(step))
    TableProgress("rates", 0.25, 0.5, expected).report(rows, seconds)
    assert steps == [step]


class Returns:
    """A session whose SELECT has these columns."""

    def __init__(self, *names: str, family: Family = "text") -> None:
        self.found = [ResultColumn(name, family, 0) for name in names]

    def columns(self, _: str) -> list[ResultColumn]:
        return self.found


REQUIRED = [column.name for column in SPEC.columns if column.required]


def test_columns_of_a_mart_are_read_and_others_left_out() -> None:
    found = plan(Returns("note", *REQUIRED), "", SPEC, "own.sql")  # type: ignore[arg-type]
    assert [column.name for column in found] == REQUIRED


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (Returns(*REQUIRED, "kind"), "own.sql: the SELECT returns the column kind twice."),
        (Returns(*REQUIRED[1:]), f"does not return the column {REQUIRED[0]}. Add … AS {REQUIRED[0]}."),
        (
            Returns(*REQUIRED[1:], f"{REQUIRED[0]}s"),
            f"{REQUIRED[0]}. It returns '{REQUIRED[0]}s' instead: rename that column with AS {REQUIRED[0]}.",
        ),
        (Returns(*REQUIRED, family="bytes"), f"own.sql: the column {REQUIRED[0]} contains bytes, not text."),
    ],
)
def test_a_select_without_a_column_or_with_one_twice_is_an_error(session: Returns, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        plan(session, "", SPEC, "own.sql")  # type: ignore[arg-type]
    assert words in caught.value.message
