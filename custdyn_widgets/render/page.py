"""The static page: one inert HTML file that shows a report to anyone, without a script or a request.

The page only arranges what the report holds. The same report gives the same bytes.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from custdyn_widgets.errors import CustDynError, shown
from custdyn_widgets.render.charts.drawing import column_colour
from custdyn_widgets.render.charts.presets import presets_of
from custdyn_widgets.render.charts.svg import inert_svg
from custdyn_widgets.report import (
    CUT_SHORT,
    Column,
    Report,
    Row,
    format_value,
    heading_groups,
    info_rows,
    minor_digits,
)
from custdyn_widgets.text import cut_short, printable

MOST_ROWS = 2_000
MOST_QUOTES = 400
LONGEST_NAME = 300  # characters; the exports have longer names whole
LONGEST_WORDS = 5_000
_TEMPLATE = Path(__file__).with_name("page.html.j2")
_HEADING = re.compile(r"<(/?)h([1-5])(?=[\s>])", re.IGNORECASE)
_PAPER_WIDTH = 770  # points across a landscape sheet, A4 or Letter, within its margins
_DIGIT = 0.56  # the width of a digit, in parts of the size of the letters
_CELL_SPACE = 5  # points beside the number

Kind = Literal["html", "text", "svg", "png", "note", "report"]


@dataclass(frozen=True)
class Section:
    """A part of the page that the author of a notebook wrote around the report.

    Attributes
    ----------
    kind
        `html`: markup that was sanitised before; `text`: plain text, shown as it stands; `svg`: an SVG
        document and `png`: a picture (bytes, or base64 text), both shown as pictures; `note`: a remark of
        ours, such as what was left out; `report`: the place of the report itself.
    content
        The content; not used for `report`.
    """

    kind: Kind
    content: str | bytes = ""


def render_page(report: Report, charts: Mapping[str, str], sections: Sequence[Section] = ()) -> bytes:
    """Return the page as UTF-8.

    Parameters
    ----------
    report
        The report. At most 2,000 of its rows are shown, and the page says so.
    charts
        Titles and SVG drawings; cut down to inert shapes and text once more.
    sections
        What the author wrote around the report. Without a `report` among them, the report comes last.

    Raises
    ------
    CustDynError
        If a section is of no known kind, or a drawing is not SVG.
    """
    before, after = _around(sections)
    html: str = _template().render(
        report=report,
        words=cut_short(report.query.describe(), LONGEST_WORDS),
        brief=cut_short(report.query.describe(), LONGEST_NAME),
        before=[_inert(s) for s in before],
        after=[_inert(s) for s in after],
        charts=[_markup(inert_svg(svg, printable(title))) for title, svg in charts.items()],
        figures=headline_figures(report),
        table=_table(report),
        definitions=_definitions(report),
        notes=report.definitions,
        facts=_facts(report),
        warnings=report.info.warnings,
        quotes=report.info.quotes[:MOST_QUOTES],
        quotes_left=max(0, len(report.info.quotes) - MOST_QUOTES),
        by_package=report.query.by_package,
        labels=len(report.headings) or 1,
        told=_told_above(report),
        partial_words=CUT_SHORT,
    )
    return html.encode("utf-8")


@functools.cache
def _template() -> Any:
    """Return the page's template. All that it is given is escaped, and made printable before."""
    import jinja2  # late: only pages need it
    from markupsafe import Markup

    def shown_text(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown_text,
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  # only what this module or a sanitiser made inert


def _around(sections: Sequence[Section]) -> tuple[list[Section], list[Section]]:
    """Return the sections before and after the place of the report."""
    place = next((i for i, s in enumerate(sections) if s.kind == "report"), len(sections))
    return list(sections[:place]), [s for s in sections[place + 1 :] if s.kind != "report"]


def _inert(section: Section) -> dict[str, Any]:
    """Return a section as the template shows it: its kind, and its text or its picture."""
    kind, content = section.kind, section.content
    if kind in ("html", "text", "note"):
        text = content if isinstance(content, str) else content.decode("utf-8", "replace")
        lines = "\n".join(printable(line) for line in text.splitlines())
        if kind != "html":
            return {"kind": kind, "content": _markup(escape(lines))}
        # The page has its own first heading, so the author's start one level lower.
        return {"kind": kind, "content": _markup(_HEADING.sub(lambda m: f"<{m[1]}h{int(m[2]) + 1}", lines))}
    if kind == "svg":
        raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
        return {
            "kind": "picture",
            "content": "data:image/svg+xml;base64," + base64.b64encode(raw).decode("ascii"),
        }
    if kind == "png":
        raw = base64.b64decode(content) if isinstance(content, str) else content
        return {
            "kind": "picture",
            "content": "data:image/png;base64," + base64.b64encode(raw).decode("ascii"),
        }
    raise CustDynError(f"A section of the page cannot be of the kind {shown(kind)}.", field="sections")


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return Info for the page, without the warnings, which stand at its top."""
    return [(label, text) for label, text in info_rows(report) if label != "Warning"]


def _told_above(report: Report) -> tuple[str, ...]:
    """Return which of Info stands at the top too; the interval only where the query's words do not say it."""
    always = ("Actual Interval", "Data as of", "Source")
    return ("Data Interval", *always) if isinstance(report.query.interval, str) else always


def headline_figures(report: Report) -> list[dict[str, str]]:
    """Return the headline figures: the presets' columns of the Total, or of the only row."""
    row = report.total or (report.rows[0] if len(report.rows) == 1 else None)
    names = {c.name: i for i, c in enumerate(report.columns)}
    found = []
    for name in dict.fromkeys(name for preset in presets_of(report).values() for name in preset.columns):
        if row is None or name not in names:
            continue
        column = report.columns[names[name]]
        found.append(
            {
                "group": column.group,
                "label": column.label,
                "text": format_value(row.values[names[name]], column, report.currency),
                "unit": report.currency if column.unit == "money" else "",
                "colour": column_colour(column),
            }
        )
    return found


def _table(report: Report) -> dict[str, Any]:
    """Return what the template needs of the table: headings, rows as text, where groups begin."""
    rows = report.rows[:MOST_ROWS]
    shown_rows = list(_rows(report, rows))
    total = _cells(report, report.total) if report.total else None
    first, starts = 0, []
    for group, span in heading_groups(report):
        starts.append({"column": first + 1, "group": group, "span": span, "colour": _colour(report, group)})
        first += span
    return {
        "headings": report.headings,
        "groups": starts,
        "rows": shown_rows,
        "total": total,
        "partial": any(row.partial for row in rows) and bool(report.headings),
        "left_out": len(report.rows) - len(rows),
        "size": f"{_print_size(report, [*shown_rows, *([{'cells': total}] if total else [])]):.1f}",
        "digits": minor_digits(report.currency),
    }


def _colour(report: Report, group: str) -> str:
    return next(column_colour(c) for c in report.columns if c.group == group)


def _rows(report: Report, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield rows as text; a label that repeats the one above it is marked, so that the page can mute it."""
    above = ""
    for row in rows:
        labels = list(row.labels)
        yield {
            "labels": [cut_short(label, LONGEST_NAME) for label in labels],
            "again": len(labels) > 1 and labels[0] == above,
            "partial": row.partial and bool(labels),
            "cells": _cells(report, row),
        }
        above = labels[0] if labels else ""


def _cells(report: Report, row: Row) -> list[tuple[str, bool]]:
    """Return the numbers of a row as text, each with whether it is negative as shown."""
    texts = (format_value(v, c, report.currency) for v, c in zip(row.values, report.columns, strict=True))
    return [(text, text.startswith("−")) for text in texts]


def _print_size(report: Report, rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the size of letters, in points, at which the table's columns fit a landscape sheet."""
    widest = [max(len(word) for word in c.label.split()) for c in report.columns]
    for row in rows:
        widest = [max(width, len(text)) for width, (text, _) in zip(widest, row["cells"], strict=True)]
    labels = [
        max([len(heading), *(min(len(row["labels"][i]), 24) + 2 for row in rows if "labels" in row)])
        for i, heading in enumerate(report.headings)
    ]
    letters = (sum(widest) + sum(labels)) * _DIGIT
    room = _PAPER_WIDTH - _CELL_SPACE * (len(widest) + len(labels))
    return max(4.0, min(9.0, room / letters)) if letters else 9.0


def _definitions(report: Report) -> list[tuple[str, list[Column]]]:
    return [(group, list(columns)) for group, columns in groupby(report.columns, key=lambda c: c.group)]
