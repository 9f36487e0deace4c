"""The benchmark's figures as a Markdown page with a plot: what one run measured, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import growth
from .figures import MEASURES, Comparison, Finding, amount
from .plot import draw
from .runner import SLOW, Figure
from .steps import MONTHS

BUSY = 0.5  # a load at the start that says that the machine was doing other work


def write(path: Path, setting: Mapping[str, Any], by_rows: Mapping[int, Sequence[Figure]]) -> None:
    """Write the page, and its plot into `pictures` beside it.

    Parameters
    ----------
    path
        The Markdown file.
    setting
        What the run was told and where it ran.
    by_rows
        The figures by rows of the ledger: all of them for the largest mart, those of growth for the others.
    """
    picture = path.parent / "pictures" / f"{path.stem}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw(by_rows), encoding="utf-8")
    text = "\n".join(_page(setting, by_rows, f"pictures/{picture.name}")) + "\n"
    path.write_text(text, encoding="utf-8")


def write_large(path: Path, where: Mapping[str, Any], by_rows: Mapping[int, Sequence[Figure]]) -> None:
    """Write the page about growth up to the largest ledger, and its plot into `pictures` beside it."""
    from . import large, plot

    picture = path.parent / "pictures" / f"{path.stem}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(plot.draw_large(by_rows), encoding="utf-8")
    lines = [
        "# Benchmarks: large ledgers\n",
        "The same contenders as in [Benchmarks](benchmarks.md), and PostgreSQL with the mart in tables of "
        "its own (loading them is not counted). Naive pandas and PostgreSQL only take part up to "
        f"{large.SLOW_UP_TO:,} rows. All tables agree in every cell. All numbers here were measured in one "
        f"run of\n\n```sh\n{where['command']}\n```\n\nwhich wrote this page.\n",
        *environment_table(where),
        f"![Seconds by contender and rows](pictures/{picture.name})\n",
    ]
    for rows, figures in sorted(by_rows.items()):
        lines += [f"## {rows:,} rows\n", *findings_table(large.findings(rows, figures))]
        for question in dict.fromkeys(f.step.question for f in figures):
            lines += [f"{question}: median seconds and peak resident memory.\n"]
            lines += figures_table([f for f in figures if f.step.question == question])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def figures_table(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the table of the figures of a question."""
    lines = []
    for figure in figures:
        if figure.missing:
            lines.append((figure.step.name, "not available", "", "", "", ""))
            continue
        values = [figure.median(what) for what in MEASURES]
        seconds = ["–" if v is None else f"{v:.3f}" for v in values]
        lines.append((figure.step.name, *seconds, f"{figure.median('peak_mb') or 0:,.0f}"))
    yield from table(("", "process", "all cores", "first call", "warm call", "peak MB"), lines)


def _page(setting: Mapping[str, Any], by_rows: Mapping[int, Sequence[Figure]], picture: str) -> Iterator[str]:
    figures = by_rows[max(by_rows)]
    yield "# Benchmarks\n"
    yield (
        "The same table made by Customer Dynamics (“ours”), hand-written DuckDB SQL, Polars and naive "
        "pandas, each in separate processes on the same Parquet files. All numbers here were measured in one "
        "run of"
        f"\n\n```sh\n{setting['command']}\n```\n\n"
        "which wrote this page; it writes no page unless all tables for a question agree in every cell. "
        "The code of all contenders is in `tests/bench`. “Checks” means checking for distinct ids and for "
        "known clients, kinds and packages; ours makes these and all its other checks while it builds its "
        "facts, and imports part of its code only when it needs it, so that its calls include the import. "
        "Before each process, another one allocates memory and frees it: the host of a virtual machine may "
        "be slow to provide memory that was not in use, which says nothing about a contender. XLSX is "
        "written from a finished report: by ours with all sheets and charts, by openpyxl alone in its "
        "write-only mode as one sheet with the same values and number formats.\n"
    )
    yield from _setting(setting)
    yield f"![Seconds by contender, by rows and by buckets]({picture})\n"
    yield from _findings(figures, setting["rows"])
    yield from _figures(figures, setting["repeat"])
    yield from _growth(by_rows)


def _setting(setting: Mapping[str, Any]) -> Iterator[str]:
    order = "random order" if setting["shuffled"] else "chronological order"
    ledger = ("ledger", f"{setting['rows']:,} rows in {order}, {setting['clients']:,} clients")
    yield from environment_table(setting, ledger, ("repetitions", setting["repeat"]))


def environment_table(setting: Mapping[str, Any], *more: tuple[str, object]) -> Iterator[str]:
    """Yield the table of where a benchmark ran (see `environment`), with more lines about it."""
    busy = " (other work was running: treat the seconds with care)" if setting["load"] > BUSY else ""
    yield from table(
        ("", ""),
        (
            ("date", setting["date"]),
            ("machine", setting["machine"]),
            ("cores", setting["cores"]),
            ("load at the start", f"{setting['load']}{busy}"),
            ("versions", setting["versions"]),
            *more,
        ),
    )


def _findings(figures: Sequence[Figure], rows: int) -> Iterator[str]:
    findings = list(Comparison(figures).findings())
    aims = [f for f in findings if f.target is not None]
    yield "## Targets and ratios\n"
    yield f"{sum(f.holds for f in aims)} of {len(aims)} targets were met in this run.\n"
    if rows != 10_000_000:
        yield f"The targets are set for 10 million rows; this run had {rows:,}.\n"
    yield from findings_table(findings)


def findings_table(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield the table of findings, each with its target and whether it is met."""
    lines = []
    for finding in findings:
        judged = ("", "") if finding.target is None else (
            amount(finding.target, finding.unit), "yes" if finding.holds else "**no**",
        )  # fmt: skip
        lines.append((finding.name, amount(finding.value or 0, finding.unit), *judged))
    yield from table(("ratio, or seconds or MB", "measured", "at most", "met"), lines)


def _figures(figures: Sequence[Figure], repeat: int) -> Iterator[str]:
    yield "## Figures\n"
    yield (
        "Median seconds and peak resident memory. *Process*: one report in a complete process, including "
        "imports; *all cores*: its processor time; *first call*: the report without imports; *warm call*: "
        f"further reports in the same process. A process that takes more than {SLOW:.0f} s runs only once.\n"
    )
    for question in dict.fromkeys(f.step.question for f in figures if f.step.question):
        yield f"### {question}\n"
        lines = []
        for figure in figures:
            if figure.step.question == question or (question == MONTHS and not figure.step.question):
                values = [figure.median(what) for what in MEASURES]
                seconds = ["–" if v is None else f"{v:.3f}" for v in values]
                turns = f" ({len(figure.process)} repetition)" if len(figure.process) < repeat else ""
                lines.append((figure.step.name + turns, *seconds, f"{figure.median('peak_mb') or 0:,.0f}"))
        yield from table(("", "process", "all cores", "first call", "warm call", "peak MB"), lines)


def _growth(by_rows: Mapping[int, Sequence[Figure]]) -> Iterator[str]:
    largest = max(by_rows)
    yield "## Growth\n"
    yield "Seconds of the first call without imports, and peak memory of its process. By rows, 24 months:\n"
    yield from _points("rows", growth.by_rows(by_rows))
    yield f"By buckets, {largest:,} rows:\n"
    yield from _points("buckets", growth.by_buckets(by_rows[largest]))


def _points(what: str, points: Sequence[growth.Point]) -> Iterator[str]:
    """Yield a line for each count, and how many times the first one's seconds the last one's are."""
    names, counts = (list(dict.fromkeys(getattr(p, key) for p in points)) for key in ("name", "count"))
    found = {(p.count, p.name): p for p in points}
    lines = [(f"{count:,}", *(_shown(found[count, name]) for name in names)) for count in counts]
    first, last = counts[0], counts[-1]
    times = (f"× {found[last, name].seconds / found[first, name].seconds:.2f}" for name in names)
    yield from table((what, *names), [*lines, (f"× {last / first:,.0f}", *times)])


def _shown(point: growth.Point) -> str:
    return f"{point.seconds:.3f} s, {point.peak_mb:,.0f} MB"


def table(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a Markdown table, every column but the first to the right, and an empty line."""
    yield f"| {' | '.join(headings)} |"
    yield f"|---|{'---:|' * (len(headings) - 1)}"
    for line in lines:
        yield f"| {' | '.join(map(str, line))} |"
    yield ""
