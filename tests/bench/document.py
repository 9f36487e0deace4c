"""The benchmark's figures as a Markdown page with a plot: what one run measured, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import growth
from .figures import MEASURES, Comparison, amount
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


def _page(setting: Mapping[str, Any], by_rows: Mapping[int, Sequence[Figure]], picture: str) -> Iterator[str]:
    figures = by_rows[max(by_rows)]
    yield "# Benchmarks\n"
    yield (
        "The same table by Customer Dynamics (“ours”), hand-written DuckDB SQL, Polars and naive pandas, "
        "each in processes of its own on the same Parquet files. Every number here was measured in one run of"
        f"\n\n```sh\n{setting['command']}\n```\n\n"
        "which wrote this page; it writes none unless all tables of a question agree in every cell. The code "
        "of all contenders is in `tests/bench`. Checks are those of distinct ids and of known clients, kinds "
        "and packages; ours makes them, and all its others, while it builds its facts, and imports pandas "
        "while it reads, which is then part of its call. Before each process "
        "another one touches memory and gives it back: a virtual machine's host may take long to hand out "
        "what nobody had just now, and that says nothing of a contender.\n"
    )
    yield from _setting(setting)
    yield f"![Seconds by contender, by rows and by buckets]({picture})\n"
    yield from _findings(figures, setting["rows"])
    yield from _figures(figures, setting["repeat"])
    yield from _growth(by_rows)


def _setting(setting: Mapping[str, Any]) -> Iterator[str]:
    order = "any order" if setting["shuffled"] else "order of time"
    busy = " (other work was running: read the seconds with care)" if setting["load"] > BUSY else ""
    yield from _table(
        ("", ""),
        (
            ("date", setting["date"]),
            ("machine", setting["machine"]),
            ("cores", setting["cores"]),
            ("load at the start", f"{setting['load']}{busy}"),
            ("versions", setting["versions"]),
            ("ledger", f"{setting['rows']:,} rows in {order}, {setting['clients']:,} clients"),
            ("turns", setting["repeat"]),
        ),
    )


def _findings(figures: Sequence[Figure], rows: int) -> Iterator[str]:
    findings = list(Comparison(figures).findings())
    aims = [f for f in findings if f.target is not None]
    yield "## Targets and ratios\n"
    yield f"{sum(f.holds for f in aims)} of {len(aims)} targets hold in this run.\n"
    if rows != 10_000_000:
        yield f"The targets are set for 10 million rows; this run had {rows:,}.\n"
    lines = []
    for finding in findings:
        judged = ("", "") if finding.target is None else (
            amount(finding.target, finding.unit), "yes" if finding.holds else "**no**",
        )  # fmt: skip
        lines.append((finding.name, amount(finding.value or 0, finding.unit), *judged))
    yield from _table(("ratio, or seconds or MB", "measured", "at most", "holds"), lines)


def _figures(figures: Sequence[Figure], repeat: int) -> Iterator[str]:
    yield "## Figures\n"
    yield (
        "Medians of seconds, and the largest resident memory. *Process*: one report by a whole process, "
        "imports included; *all cores*: its processor time; *first call*: the report without imports; *warm "
        f"call*: more reports in one process. A process of more than {SLOW:.0f} s has one turn.\n"
    )
    for question in dict.fromkeys(f.step.question for f in figures if f.step.question):
        yield f"### {question}\n"
        lines = []
        for figure in figures:
            if figure.step.question == question or (question == MONTHS and not figure.step.question):
                values = [figure.median(what) for what in MEASURES]
                seconds = ["–" if v is None else f"{v:.3f}" for v in values]
                turns = f" ({len(figure.process)} turn)" if len(figure.process) < repeat else ""
                lines.append((figure.step.name + turns, *seconds, f"{figure.median('peak_mb') or 0:,.0f}"))
        yield from _table(("", "process", "all cores", "first call", "warm call", "peak MB"), lines)


def _growth(by_rows: Mapping[int, Sequence[Figure]]) -> Iterator[str]:
    largest = max(by_rows)
    yield "## Growth\n"
    yield "Seconds of the first call, imports not included, and its process's peak. With rows, 24 months:\n"
    yield from _points("rows", growth.by_rows(by_rows))
    yield f"With buckets, {largest:,} rows:\n"
    yield from _points("buckets", growth.by_buckets(by_rows[largest]))


def _points(what: str, points: Sequence[growth.Point]) -> Iterator[str]:
    """Yield a line for each count, and how many times the first one's seconds the last one's are."""
    names, counts = (list(dict.fromkeys(getattr(p, key) for p in points)) for key in ("name", "count"))
    found = {(p.count, p.name): p for p in points}
    lines = [(f"{count:,}", *(_shown(found[count, name]) for name in names)) for count in counts]
    first, last = counts[0], counts[-1]
    times = (f"× {found[last, name].seconds / found[first, name].seconds:.2f}" for name in names)
    yield from _table((what, *names), [*lines, (f"× {last / first:,.0f}", *times)])


def _shown(point: growth.Point) -> str:
    return f"{point.seconds:.3f} s, {point.peak_mb:,.0f} MB"


def _table(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a Markdown table, every column but the first to the right, and an empty line."""
    yield f"| {' | '.join(headings)} |"
    yield f"|---|{'---:|' * (len(headings) - 1)}"
    for line in lines:
        yield f"| {' | '.join(map(str, line))} |"
    yield ""
