"""What is measured of getting data in, and the ratios and MB that the targets are about."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..figures import Finding, amount
from ..runner import Spent

MEMORY_TARGET = 500  # MB
SYNC_TARGET, CSV_TARGET = 2.0, 1.5


@dataclass(frozen=True)
class Step:
    """What one contender does: what figures call it, its name in `child`, and the source that it reads."""

    name: str
    contender: str
    source: str

    @property
    def is_ours(self) -> bool:
        """Whether it is the product."""
        return self.contender in ("sync", "map", "open")


STEPS = (
    Step("ours, sync into a checked mart", "sync", "postgresql"),
    Step("by hand, psql's COPY to Arrow", "psql", "postgresql"),
    Step("by hand, psycopg's COPY to Arrow", "psycopg_copy", "postgresql"),
    Step("ours, sync into a checked mart", "sync", "mysql"),
    Step("by hand, unbuffered cursor of PyMySQL", "unbuffered_cursor", "mysql"),
    Step("ours, mapping into Parquet", "map", "csv"),
    Step("ours, mapping and facts", "open", "csv"),
    Step("by hand, DuckDB's COPY of the SELECT", "duckdb_copy", "csv"),
)
SERVERS = {"postgresql": "PostgreSQL", "mysql": "MariaDB"}
TITLES = {**SERVERS, "csv": "CSV"}


@dataclass
class Figure:
    """What the processes of a step took, in turn; or why it is missing."""

    step: Step
    spent: list[Spent] = field(default_factory=list)
    missing: str = ""

    def median(self, what: str) -> float | None:
        """Return the median of `seconds` or `processor`; None if there is no measurement."""
        return statistics.median(getattr(s, what) for s in self.spent) if self.spent else None

    @property
    def peak_mb(self) -> float | None:
        """The largest peak."""
        return max((s.peak_mb for s in self.spent), default=None)


def findings(figures: Sequence[Figure]) -> Iterator[Finding]:
    """Yield everything that has a target, and the same in seconds of all cores."""
    for source, title in TITLES.items():
        of = {f.step.contender: f for f in figures if f.step.source == source}
        target = CSV_TARGET if source == "csv" else SYNC_TARGET
        ours = of["map" if source == "csv" else "sync"]
        by_hand = [f for f in of.values() if not f.step.is_ours]
        name = f"{title}: ours ÷ the fastest by hand"
        yield Finding(name, _ratio(ours, by_hand, "seconds"), "", target)
        yield Finding(f"{name}, seconds of all cores", _ratio(ours, by_hand, "processor"))
        if source in SERVERS:
            yield Finding(f"{title}: peak memory of ours", ours.peak_mb, "MB", MEMORY_TARGET)


def _ratio(ours: Figure, by_hand: Sequence[Figure], what: str) -> float | None:
    above, below = ours.median(what), [f.median(what) for f in by_hand]
    return above / min(b for b in below if b) if above and below and all(below) else None


def figure_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the table of figures: medians of seconds, the largest peak of memory."""
    yield f"{'':42}{'process':>12}{'all cores':>12}{'peak':>12}"
    source = ""
    for figure in figures:
        if figure.step.source != source:
            source = figure.step.source
            yield TITLES[source]
        line = f"  {figure.step.name:40}"
        if figure.missing:
            yield f"{line}not available: {figure.missing}"
            continue
        seconds = "".join(f"{figure.median(what) or 0:>10.3f} s" for what in ("seconds", "processor"))
        yield f"{line}{seconds}{figure.peak_mb or 0:>9,.0f} MB"


def finding_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the table of findings, each with its target and whether that holds."""
    yield f"{'ratio, or MB':72}{'':>14}{'at most':>14}"
    for finding in findings(figures):
        shown = "not available" if finding.value is None else amount(finding.value, finding.unit)
        line = f"  {finding.name:70}{shown:>14}"
        if finding.target is not None:
            line += f"{amount(finding.target, finding.unit):>14}{'' if finding.holds else '  missed'}"
        yield line
