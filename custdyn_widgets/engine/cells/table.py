"""Tables of sums: NumPy columns of equal length, which take far less time to load than pandas does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from custdyn_widgets.engine.cells.sums import Sums
from custdyn_widgets.mart import Bools, Int64s

KEYS = ("row", "currency", "value_day", "needs_quote")


@dataclass(frozen=True, eq=False)
class SumTable:
    """Sums by report row, currency and valuation date; see the schema in `cells.compute`.

    Attributes
    ----------
    currencies
        The currency of each code in the column `currency`.
    columns
        The columns by name: the keys, then the counts and sums.
    """

    currencies: tuple[str, ...]
    columns: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.columns["row"])

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    @property
    def sums(self) -> dict[str, Sums]:
        """The counts and sums by name."""
        return {name: own for name, own in self.columns.items() if name not in KEYS}

    def take(self, lines: Int64s | Bools) -> SumTable:
        """Return some lines, given their positions or a mask."""
        return SumTable(self.currencies, {name: own[lines] for name, own in self.columns.items()})

    def replace(self, **columns: Any) -> SumTable:
        """Return the table with some columns replaced."""
        return SumTable(self.currencies, {**self.columns, **columns})

    @classmethod
    def joined(cls, tables: Sequence[SumTable]) -> SumTable:
        """Concatenate tables that have the same columns and currencies."""
        assert len({own.currencies for own in tables}) == 1
        return cls(
            tables[0].currencies,
            {name: np.concatenate([own[name] for own in tables]) for name in tables[0].columns},
        )
