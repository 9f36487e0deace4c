"""Freezing a report into a snapshot: its files and its manifest.

The same report always gives the same files, byte for byte. Nothing is computed here: every file depends only
on the `Report`. A snapshot contains no path, URL, host or account name; `secrets` searches the text that
comes from data and authors.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custdyn_widgets import progress
from custdyn_widgets.errors import ExportError
from custdyn_widgets.files import canonical_json
from custdyn_widgets.publish.difference import difference_files, difference_manifest, without_client_names
from custdyn_widgets.publish.handover import Staging
from custdyn_widgets.publish.secrets.known import known_secrets
from custdyn_widgets.publish.secrets.search import refuse_secrets
from custdyn_widgets.report import Report, ReportDifference, Row, arrow_table, encodable
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.snapshots import MANIFEST, Evidence, Store, signatures, signing
from custdyn_widgets.text import slug

if TYPE_CHECKING:
    from custdyn_widgets.render import Section

PAGE = "report.html"


@dataclass(frozen=True)
class Frozen:
    """A frozen report: its id, its link and the file of its page.

    All three are None inside `custdyn run`, which publishes only after the notebook has ended.
    """

    id: str | None
    link: str | None
    page: Path | None

    def _repr_html_(self) -> str | None:
        """Return the link as HTML, so that the notebook shows it after a scheduled run."""
        if self.link is None:
            return None
        link = html.escape(self.link)
        return f'<p>The report was frozen: <a href="{link}">{link}</a></p>'


def freeze(
    report: Report | ReportDifference, *, store: Store | None = None, sections: Sequence[Section] = ()
) -> Frozen:
    """Freeze a report permanently; call this once, in the last cell of a notebook.

    The chart presets registered in this process are frozen with the report. A difference between reports can
    be frozen too, at any time: its link shows the cells that differ and how many clients changed, but not
    their names.

    Parameters
    ----------
    report
        The report or the difference.
    store
        The store. Defaults to the one in the settings.
    sections
        The author's own cells around the report, already made inert. A difference has none.

    Raises
    ------
    SnapshotError
        If nothing was published or, as `SnapshotUnknownError`, if the outcome is unknown.
    """
    from custdyn_widgets.render import report_charts, with_own_presets  # imported late: slow to load

    if isinstance(report, ReportDifference):
        return publish(report, load_settings(), store=store)
    report = with_own_presets(report)
    staging = Staging.from_environment()
    if staging is not None:
        staging.save(report, report_charts(report))
        return Frozen(None, None, None)
    return publish(report, load_settings(), store=store, sections=sections)


def publish(
    report: Report | ReportDifference,
    settings: Settings,
    *,
    store: Store | None = None,
    sections: Sequence[Section] = (),
    drawn: Mapping[str, str] | None = None,
    saved_query: str | None = None,
    for_each: str | None = None,
) -> Frozen:
    """Publish a report or a difference like `freeze`, but even inside `custdyn run`.

    Parameters
    ----------
    report
        The report or the difference.
    settings
        The settings, which determine the link and the default store.
    store, sections
        As for `freeze`.
    drawn
        The finished drawings for the report; see `render.report_charts`.
    saved_query
        The name of the saved query that is being run, to be recorded in the manifest.
    for_each
        What the saved query makes separate reports for, such as `company`, if it does.

    Raises
    ------
    SnapshotError
        As for `freeze`.
    """
    store = Store(settings.snapshots) if store is None else store
    if isinstance(report, ReportDifference):
        return _publish_difference(without_client_names(report), settings, store)
    files = report_files(report, sections, drawn)
    manifest = manifest_of(report, files)
    if saved_query is not None:
        manifest["saved_query"] = saved_query
    if for_each is not None:
        manifest["for_each"] = for_each
    evidence = report.evidence() if callable(report.evidence) else report.evidence
    return _published(manifest, files, settings, store, evidence if settings.evidence else None)


def _publish_difference(difference: ReportDifference, settings: Settings, store: Store) -> Frozen:
    manifest = difference_manifest(difference, settings.role)
    return _published(manifest, difference_files(difference), settings, store)


def _published(
    manifest: dict[str, Any],
    files: Mapping[str, bytes],
    settings: Settings,
    store: Store,
    evidence: Evidence | None = None,
) -> Frozen:
    """Search files for secrets, publish them, and sign them if the settings name a key."""
    path = settings.signing_key
    key = signing.load_key(path, store.folder) if path else None  # an error publishes nothing
    refuse_secrets({**files, MANIFEST: canonical_json(manifest)}, known_secrets(settings, store.folder))
    snapshot_id = store.publish(manifest, files, evidence)
    if key:
        signatures.sign(store, snapshot_id, key)
    return Frozen(snapshot_id, settings.link(snapshot_id), store.place(snapshot_id) / PAGE)


def report_files(
    report: Report, sections: Sequence[Section] = (), drawn: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """Return the files of a snapshot by name: the report as JSON and Parquet, the page, exports and charts.

    If the report is too large for a workbook, there is no `report.xlsx`; `manifest_of` adds a warning.
    """
    # imported late: this loads a JavaScript engine and openpyxl
    from custdyn_widgets.render import render_page, report_charts, to_csv, to_xlsx

    progress.step("Drawing the charts", 0)
    drawn = report_charts(report, drawn)
    progress.step("Writing the files", 0.5)
    files = {
        "report.json": report_json(report),
        "data.parquet": table_parquet(report),
        "report.csv": to_csv(report),
        PAGE: render_page(report, drawn, sections),
    }
    with contextlib.suppress(ExportError):  # too large for a workbook
        files["report.xlsx"] = to_xlsx(report)
    for n, (title, svg) in enumerate(drawn.items(), start=1):
        files[f"chart-{n}-{slug(title) or 'untitled'}.svg"] = encodable(svg).encode()
    return files


def prepare() -> None:
    """Import the packages that `report_files` needs when the charts are already drawn."""
    import pandas as pd  # noqa: F401  # Arrow checks whether its input is from pandas
    import pyarrow.parquet  # noqa: F401

    from custdyn_widgets.render import render_page, report_charts, to_csv, to_xlsx  # noqa: F401


def manifest_of(report: Report, files: Iterable[str] = ()) -> dict[str, Any]:
    """Return the manifest of a report; the store adds the list of files and a nonce.

    Parameters
    ----------
    report
        The report.
    files
        The names of its files; a warning is added if they do not include a workbook.
    """
    info = report.info
    warnings = list(info.warnings)
    names = set(files)
    if names and "report.xlsx" not in names:
        warnings.append(
            f"There is no XLSX: the report is too large for it ({len(report.rows):,} rows); use the CSV."
        )
    copied = (
        "role", "generated_at", "duration_ms", "as_of", "data_as_of", "source", "clients", "transactions",
        "currency", "time_zone_data",
    )  # fmt: skip
    return {
        "title": report.title,
        "query": report.query.to_dict(),
        "query_words": report.query.describe(),
        "interval": {
            "timezone": info.timezone,
            "first": info.interval_start,
            "last": info.interval_end,
            "start": info.start,
            "effective_end": info.effective_end,
            "actual_start": info.actual_start,
            "actual_end": info.actual_end,
        },
        **{name: getattr(info, name) for name in copied},
        "quotes": [vars(quote) for quote in info.quotes],
        "versions": dict(info.versions),
        "warnings": warnings,
        "rows": len(report.rows),
        "content_digest": content_digest(report),
    }


def content_digest(report: Report) -> str:
    """Return the hexadecimal SHA-256 hash of only the query, the labels and the values.

    Two runs with the same result have the same digest, whatever their time and role. It is not a snapshot id.
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
