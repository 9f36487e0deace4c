"""The least that a report made with pyarrow can take: it is imported, and the ledger is decoded.

Nothing is checked, sorted or added up, so this is no contender but a floor for ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 18  # in a batch


def check(folder: Path) -> None:
    """Decode every column of the ledger, batch by batch."""
    for _ in batches(folder):
        pass


def batches(folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of the ledger, from CSV or Parquet, in one file or in several."""
    import pyarrow.csv
    import pyarrow.parquet

    text, whole = folder / "transactions.csv", folder / "transactions.parquet"
    if text.exists():
        yield from pyarrow.csv.open_csv(text)
        return
    for path in sorted(whole.iterdir()) if whole.is_dir() else [whole]:
        yield from pyarrow.parquet.ParquetFile(path).iter_batches(_ROWS)
