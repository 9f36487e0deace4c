"""Freezing a report into a snapshot: its files and its manifest.

The same report always produces the same files, byte for byte. Nothing is computed here: every file depends
only on the `Report`. A snapshot contains no path, URL, host or account name; `secrets` searches the text that
comes from data and authors.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custdyn_widgets.files import canonical_json
from custdyn_widgets.publish.difference import difference_files, difference_manifest, without_client_names
from custdyn_widgets.publish.handover import Staging
from custdyn_widgets.publish.report_files import PAGE, PDF, content_digest, report_files
from custdyn_widgets.publish.secrets.known import known_secrets
from custdyn_widgets.publish.secrets.search import refuse_secrets
from custdyn_widgets.report import Report, ReportDifference
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from custdyn_widgets.snapshots import MANIFEST, Evidence, Store, signatures, signing

if TYPE_CHECKING:
    from custdyn_widgets.render import Section


@dataclass(frozen=True)
class Frozen:
    """A frozen report: its id, its link and the path of its page.

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
    report: Report | ReportDifference,
    *,
    store: Store | None = None,
    sections: Sequence[Section] = (),
    pdf: bool = False,
) -> Frozen:
    """Freeze a report permanently; call this once, in the last cell of a notebook.

    The chart presets registered in this process are frozen with the report. A difference between reports can
    also be frozen, at any time. Its link shows the cells that differ and how many clients changed, but not
    their names.

    Parameters
    ----------
    report
        The report or the difference.
    store
        The store. Defaults to the one in the settings.
    sections
        The author's own cells around the report, already made inert. Not used for a difference.
    pdf
        Whether to add a PDF of the page even if the settings do not ask for one. Not used for a difference.

    Raises
    ------
    ExportError
        If a PDF is requested but this machine cannot create one; nothing was published.
    SnapshotError
        If nothing was published or, as `SnapshotUnknownError`, if the outcome is unknown.
    """
    from custdyn_widgets.render import report_charts, require_pdf, with_own_presets  # imported late: slow

    if isinstance(report, ReportDifference):
        return publish(report, load_settings(), store=store)
    report = with_own_presets(report)
    staging = Staging.from_environment()
    if staging is not None:
        if pdf:
            require_pdf()
        staging.save(report, report_charts(report), pdf=pdf)
        return Frozen(None, None, None)
    settings = load_settings()
    return publish(report, replace(settings, pdf=settings.pdf or pdf), store=store, sections=sections)


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
    """Publish a report or a difference as `freeze` does, even inside `custdyn run`.

    Parameters
    ----------
    report
        The report or the difference.
    settings
        The settings, which determine the link and the default store.
    store, sections
        As for `freeze`.
    drawn
        The finished charts of the report; see `render.report_charts`.
    saved_query
        The name of the saved query that is being run, to be recorded in the manifest.
    for_each
        The kind of group that the saved query makes separate reports for, such as `company`, if any.

    Raises
    ------
    ExportError, SnapshotError
        As for `freeze`.
    """
    store = Store(settings.snapshots) if store is None else store
    if isinstance(report, ReportDifference):
        return _publish_difference(without_client_names(report), settings, store)
    files = report_files(report, sections, drawn, paper=settings.paper if settings.pdf else None)
    manifest = manifest_of(report, files, has_pdf=settings.pdf)
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
    key = signing.load_key(path, store.folder) if path else None  # if this fails, nothing is published
    refuse_secrets({**files, MANIFEST: canonical_json(manifest)}, known_secrets(settings, store.folder))
    snapshot_id = store.publish(manifest, files, evidence)
    if key:
        signatures.sign(store, snapshot_id, key)
    return Frozen(snapshot_id, settings.link(snapshot_id), store.place(snapshot_id) / PAGE)


def manifest_of(report: Report, files: Iterable[str] = (), *, has_pdf: bool = False) -> dict[str, Any]:
    """Return the manifest of a report; the store adds the list of files and a nonce.

    Parameters
    ----------
    report
        The report.
    files
        The names of its files; a warning is added if they do not include a workbook.
    has_pdf
        Whether a PDF was requested; a warning is added if the files do not include it.
    """
    info = report.info
    warnings = list(info.warnings)
    names = set(files)
    if names and "report.xlsx" not in names:
        warnings.append(
            f"There is no XLSX: the report is too large for one ({len(report.rows):,} rows); use the CSV."
        )
    if names and has_pdf and PDF not in names:
        warnings.append(
            f"There is no PDF: the report is too long for one ({len(report.rows):,} rows); use the CSV."
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
