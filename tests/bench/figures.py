"""What is printed: a line for each figure, and the ratios that the targets are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .runner import DAYS, FILTERED, MONTHS, Figure

CACHED, FIRST, OURS = "ours, report on cached facts", "ours, facts and first report", "ours, report"
SQL, SQL_CHECKED, PANDAS = "DuckDB SQL, report", "DuckDB SQL, checks and report", "naive pandas, report"
MEMORY_TARGET = 900  # MB at 10 million rows

Key = tuple[str, str]  # a figure's question and name


@dataclass(frozen=True)
class Ratio:
    """One figure over another, both of the same kind of measurement, and at most what it should be."""

    name: str
    ours: Key
    other: Key
    what: str
    target: float | None = None


def ratios() -> Iterator[Ratio]:
    """Yield the ratios to the SQL, then those of ours to itself and to pandas."""
    for q in (MONTHS, DAYS):
        first, checked, cached, sql = (q, FIRST), (q, SQL_CHECKED), (q, CACHED), (q, SQL)
        yield Ratio(f"{q}: facts and first report ÷ SQL's checks and report", first, checked, "process", 0.6)
        yield Ratio("   the same, without imports", first, checked, "first_call")
        yield Ratio(f"{q}: report on cached facts ÷ SQL's report", cached, sql, "first_call", 1 / 5)
        yield Ratio("   the same, whole processes with imports", cached, sql, "process", 1 / 2)
        yield Ratio("   another one in a warm process", cached, sql, "warm", 1 / 8)
    for q in FILTERED:
        yield Ratio(f"{q}, warm ÷ SQL's whole report", (q, OURS), (MONTHS, SQL), "warm", 1 / 20)
        yield Ratio("   ÷ SQL's report with the same filter", (q, OURS), (q, SQL), "warm")
    days, months = (DAYS, CACHED), (MONTHS, CACHED)
    yield Ratio("ours, 366 days ÷ 24 months, cached facts", days, months, "first_call", 1.5)
    yield Ratio("   warm", days, months, "warm", 1.5)
    yield Ratio("24 months: cached facts ÷ naive pandas, processes", months, (MONTHS, PANDAS), "process")


def figure_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the table of figures: medians of seconds, the largest peak of memory."""
    yield f"{'':40}{'process':>10}{'all cores':>12}{'first call':>12}{'warm call':>12}{'peak':>11}"
    question = None
    for figure in figures:
        if figure.step.question not in (question, ""):
            question = figure.step.question
            yield question
        line = f"  {figure.step.name:38}"
        if figure.missing:
            yield f"{line}not available: {figure.missing}"
            continue
        for what, width in (("process", 10), ("processor", 12), ("first_call", 12), ("warm", 12)):
            value = figure.median(what)
            line += f"{'–':>{width}}" if value is None else f"{value:>{width - 2}.3f} s"
        yield f"{line}{figure.median('peak_mb') or 0:>8,.0f} MB"


def ratio_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the table of ratios, and the largest peak of ours."""
    yield f"{'ratio':72}{'':>8}{'target':>10}"
    by_key = {(f.step.question, f.step.name): f for f in figures}
    for ratio in ratios():
        ours, other = (by_key[key].median(ratio.what) for key in (ratio.ours, ratio.other))
        shown = "not available" if ours is None or other is None else f"{ours / other:.3f}"
        yield f"  {ratio.name:64}{shown:>14}" + (f"{ratio.target:>10.3f}" if ratio.target else "")
    peaks = [f.median("peak_mb") or 0 for f in figures if f.step.contender == "ours"]
    name = "peak memory of ours, MB (the target is for 10 million rows)"
    yield f"  {name:64}{max(peaks):>14,.0f}{MEMORY_TARGET:>10}"
