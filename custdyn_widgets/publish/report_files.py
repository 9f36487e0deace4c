"""A snapshot's files, made from the report alone, so that the same report always produces the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from custdyn_widgets import progress
from custdyn_widgets.errors import ExportError
from custdyn_widgets.files import canonical_json
from custdyn_widgets.report import Report, Row, arrow_table, encodable
from custdyn_widgets.text import slug

if TYPE_CHECKING:
    from custdyn_widgets.render import Section

PAGE, PDF = "report.html", "report.pdf"
TOTAL_LINE = "total.csv"  # the Total line, added to `report.csv` for readers who ask for it
_DIGEST_BEGINNING = 16  # characters of the content digest in a PDF's footer


def report_files(
    report: Report,
    sections: Sequence[Section] = (),
    drawn: Mapping[str, str] | None = None,
    *,
    paper: str | None = None,
) -> dict[str, bytes]:
    """Return the files of a snapshot by name: the report as JSON and Parquet, the page, exports and charts.

    The CSV has no Total. The Total line is a separate file, so that the CSV can be sent with or without it,
    and every byte can still be verified.

    If the report is too large for a workbook, there is no `report.xlsx`; `manifest_of` adds a warning. The
    same applies to `report.pdf`, which is made only if `paper` is given.

    Raises
    ------
    ExportError
        If a PDF is requested but this machine cannot create one.
    """
    # imported late: this loads a JavaScript engine and openpyxl
    from custdyn_widgets import render

    if paper is not None:
        render.require_pdf()

    progress.step("Drawing the charts", 0)
    drawn = render.report_charts(report, drawn)
    progress.step("Writing the files", 0.5)
    files = {
        "report.json": report_json(report),
        "data.parquet": table_parquet(report),
        "report.csv": render.to_csv(report),
        PAGE: render.render_page(report, drawn, sections),
    }
    if total := render.total_line(report):
        files[TOTAL_LINE] = total
    with contextlib.suppress(ExportError):  # too large for a workbook
        files["report.xlsx"] = render.to_xlsx(report)
    if paper is not None:
        with contextlib.suppress(ExportError):  # too long for a PDF
            files[PDF] = report_pdf(report, drawn, sections, paper=paper)
    for n, (title, svg) in enumerate(drawn.items(), start=1):
        files[f"chart-{n}-{slug(title) or 'untitled'}.svg"] = encodable(svg).encode()
    return files


def report_pdf(
    report: Report,
    drawn: Mapping[str, str] | None = None,
    sections: Sequence[Section] = (),
    *,
    paper: str,
) -> bytes:
    """Return the report as the PDF for its snapshot; parameters and errors are the same as for `to_pdf`.

    Its footer shows the first characters of the content digest instead of the snapshot's id, because the id
    depends on this file. Its text is the same as the page's, which `refuse_secrets` searches.
    """
    from custdyn_widgets.render import to_pdf  # imported late: slow to load

    digest = content_digest(report)[:_DIGEST_BEGINNING]
    return to_pdf(report, drawn, sections, paper=paper, identity=f"Content digest {digest}")


def prepare() -> None:
    """Import the packages that `report_files` needs, except those for drawing the charts."""
    import pandas as pd  # noqa: F401  # Arrow checks whether its input is from pandas
    import pyarrow.parquet  # noqa: F401

    from custdyn_widgets.render import render_page, report_charts, to_csv, to_xlsx  # noqa: F401


def content_digest(report: Report) -> str:
    """Return the SHA-256 hash of the query, labels and values alone, in hexadecimal.

    Two runs with the same result have the same digest, even if their times and roles differ. It is not a
    snapshot id.
    """
    content = {
        "query": report.query.to_dict(),
        "labels": [*report.headings, *(column.name for column in report.columns)],
        "rows": [_content(row) for row in report.rows],
        "total": _content(report.total) if report.total else None,
    }
    return hashlib.sha256(b"custdyn content 1\n" + canonical_json(content)).hexdigest()


def report_json(report: Report) -> bytes:
    """Return the report as canonical JSON; only chart specs may contain floats (widths, opacities)."""
    plain = report.to_dict()
    canonical_json({**plain, "charts": {}})  # raises an error for any other float
    return canonical_json(plain, floats=True)


def table_parquet(report: Report) -> bytes:
    """Return the rows as Parquet, without the Total row: see `arrow_table`."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(arrow_table(report), sink, compression="zstd")
    return sink.getvalue()


def _content(row: Row) -> dict[str, object]:
    values = [f"{value:f}" if isinstance(value, Decimal) else value for value in row.values]
    return {"labels": list(row.labels), "values": values}
