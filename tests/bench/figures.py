"""What is printed: a line for each figure, and the ratios and seconds that the targets are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .commands import DEMO, HELP, NOTEBOOK, QUERY, RUN
from .question import CLIENTS, DYNAMICS, WORKBOOK
from .runner import Figure
from .steps import (
    CACHED,
    DAYS,
    FILTERED,
    FIRST,
    MONTHS,
    OPENPYXL,
    OUR_XLSX,
    OURS,
    PANDAS,
    POLARS,
    POLARS_CHECKED,
    SQL,
    SQL_CHECKED,
    SQL_CLIENTS,
)

MEASURES = ("process", "processor", "first_call", "warm")
MEMORY_TARGET = 900  # MB
# At most so many times the plain report.
DYNAMICS_TARGETS = {"24 months, all three": 2.2, "24 months × cohorts": 3, CLIENTS: 0.5}

Key = tuple[str, str]  # a figure's question and name


@dataclass(frozen=True)
class Finding:
    """A ratio of two figures of the same kind (no unit), or one figure; and at most what it should be.

    The value is None where a contender failed.
    """

    name: str
    value: float | None
    unit: str = ""
    target: float | None = None

    @property
    def holds(self) -> bool:
        """Whether there is a value and it is no more than the target."""
        return self.value is not None and self.target is not None and self.value <= self.target


class Comparison:
    """The figures, to be set against each other."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self.figures = {(f.step.question, f.step.name): f for f in figures}

    def ratio(self, name: str, ours: Key, other: Key, what: str, target: float | None = None) -> Finding:
        """Return one figure over another."""
        above, below = (self.figures[key].median(what) for key in (ours, other))
        return Finding(name, above / below if above and below else None, "", target)

    def findings(self) -> Iterator[Finding]:
        """Yield everything that has a target, and what helps to read it."""
        for question in (MONTHS, DAYS):
            yield from self._whole_reports(question)
        for q in FILTERED:
            ours = (q, OURS)
            yield self.ratio(f"{q}, warm ÷ SQL's whole report", ours, (MONTHS, SQL), "warm", 1 / 20)
            yield self.ratio(f"{q}, warm ÷ SQL with that filter", ours, (q, SQL), "warm")
        days, months = (DAYS, CACHED), (MONTHS, CACHED)
        for q in DYNAMICS:
            target = DYNAMICS_TARGETS.get(q)
            yield self.ratio(f"{q}, warm ÷ the plain report", (q, OURS), months, "warm", target)
            sql = (q, SQL_CLIENTS if q == CLIENTS else SQL)
            yield self.ratio(f"{q}, warm ÷ SQL's", (q, OURS), sql, "warm")
        yield self.ratio("ours, 366 days ÷ 24 months, cached facts", days, months, "first_call", 1.5)
        yield self.ratio("ours, 366 days ÷ 24 months, warm", days, months, "warm", 1.5)
        yield self.ratio(
            "24 months: cached facts ÷ naive pandas, processes", months, (MONTHS, PANDAS), "process"
        )
        ours_alone = [f for (q, _), f in self.figures.items() if f.step.contender == "ours"]
        peaks = [f.median("peak_mb") for f in ours_alone if f.step.question in ("", MONTHS, DAYS, *FILTERED)]
        peak = None if None in peaks else max(p for p in peaks if p)
        yield Finding("peak memory of ours", peak, "MB", MEMORY_TARGET)
        xlsx = (WORKBOOK, OUR_XLSX), (WORKBOOK, OPENPYXL)
        yield self.ratio(f"{WORKBOOK}, warm ÷ openpyxl's of the same cells", *xlsx, "warm", 1.5)
        if (DEMO, RUN) in self.figures:
            for name, seconds in ((HELP, 0.3), (QUERY, 1.5)):
                yield Finding(name, self.figures[DEMO, name].median("process"), "s", seconds)
            yield self.ratio(f"{RUN} ÷ {NOTEBOOK}", (DEMO, RUN), (DEMO, NOTEBOOK), "process", 1 / 2)

    def _whole_reports(self, q: str) -> Iterator[Finding]:
        first, cached, sql, checked = (q, FIRST), (q, CACHED), (q, SQL), (q, SQL_CHECKED)
        yield self.ratio(
            f"{q}: facts and first report ÷ SQL's checks and report", first, checked, "process", 0.6
        )
        yield self.ratio(f"{q}: the same without imports", first, checked, "first_call")
        yield self.ratio(
            f"{q}: facts and first report ÷ Polars' checks and report", first, (q, POLARS_CHECKED), "process"
        )
        yield self.ratio(f"{q}: report on cached facts ÷ SQL's report", cached, sql, "first_call", 1 / 5)
        yield self.ratio(f"{q}: the same as whole processes with imports", cached, sql, "process", 1 / 2)
        yield self.ratio(f"{q}: another one in a warm process ÷ SQL's", cached, sql, "warm", 1 / 8)
        yield self.ratio(f"{q}: report on cached facts ÷ Polars' report", cached, (q, POLARS), "first_call")


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
        for what, width in zip(MEASURES, (10, 12, 12, 12), strict=True):
            value = figure.median(what)
            line += f"{'–':>{width}}" if value is None else f"{value:>{width - 2}.3f} s"
        yield f"{line}{figure.median('peak_mb') or 0:>8,.0f} MB"


def finding_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the table of findings, each with its target."""
    yield f"{'ratio, or seconds or MB':72}{'':>14}{'target':>14}"
    yield from map(finding_line, Comparison(figures).findings())


def finding_line(finding: Finding) -> str:
    """Return a finding's name, value and target."""
    shown = "not available" if finding.value is None else amount(finding.value, finding.unit)
    target = "" if finding.target is None else amount(finding.target, finding.unit)
    return f"  {finding.name:70}{shown:>14}{target:>14}"


def amount(value: float, unit: str) -> str:
    """Return a ratio with three places, seconds with three, whole MB."""
    return f"{value:,.0f} MB" if unit == "MB" else f"{value:.3f} {unit}".rstrip()
