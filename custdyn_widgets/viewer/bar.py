"""The bar above a frozen page: downloads, Info, the link, and whether all files are as published.

The bar is sent before the page, so that no unclosed tag or comment in the page can hide it. It starts with a
doctype, because the page's own would come too late to select standards mode. It needs no scripts, frames or
further requests. Its styles are scoped to its own id and override the page's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from custdyn_widgets.snapshots import grouped, notes
from custdyn_widgets.text import cut_short, printable

_STYLE = Path(__file__).with_name("bar.css")
_DOWNLOADS = {
    "csv": ("CSV", ("report.csv",)),
    "csv-total": ("CSV + Total", ("report.csv", "total.csv")),
    "xlsx": ("XLSX", ("report.xlsx",)),
    "pdf": ("PDF", ("report.pdf",)),
    "json": ("JSON", ("report.json",)),
}
_MAX_LENGTH = 300  # maximum length of any text from the report, in characters
_MAX_WARNINGS = 20
_MAX_NAMED = 3
_MAX_FILES = 40
_MAX_NOTES = 10
_NO_NOTES = notes.Notes()


def bar(
    snapshot_id: str,
    manifest: Mapping[str, Any],
    link: str,
    wrong: Collection[str],
    signed_with: str | None = "",
    noted: notes.Notes = _NO_NOTES,
) -> bytes:
    """Return the HTML of the bar, to be sent before the page.

    Parameters
    ----------
    snapshot_id, manifest
        The snapshot. Its manifest must have a valid list of files. Other fields may be missing; invalid ones
        are left out.
    link
        The snapshot's link, shown as text that is selected with one click.
    wrong
        The names of the files that differ from the published ones. They cannot be downloaded.
    signed_with
        The public key of the snapshot's signature; "" if it is not signed, None if the signature is invalid.
    noted
        The notes on the snapshot.
    """
    text = (
        '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE.read_text(encoding='utf-8').strip()}</style>"
        '<nav id="custdyn-bar" aria-label="About this report">'
        f"{_state(wrong)}{_signature(signed_with)}"
        f"{''.join(_downloads(snapshot_id, manifest['files'], wrong, can_be_proven=signed_with is not None))}"
        f"<details><summary>Info</summary><dl>{''.join(_info(manifest, wrong, signed_with))}</dl></details>"
        f"<p><span>Link</span> <code>{escape(link)}</code></p>{''.join(_notes(noted))}</nav>\n"
    )
    return text.encode()


def _state(wrong: Collection[str]) -> str:
    if not wrong:
        return "<b>✓ Verified</b>"
    names = ", ".join(sorted(wrong)[:_MAX_NAMED])
    more = f" and {len(wrong) - _MAX_NAMED} more" if len(wrong) > _MAX_NAMED else ""
    return f"<strong>⚠ Not as published: {escape(names)}{more}</strong>"


def _notes(noted: notes.Notes) -> Iterator[str]:
    """Yield the notes as an HTML list, newest first, and a warning if some cannot be read."""
    if noted.incomplete:
        yield "<strong>⚠ A note on this report cannot be read</strong>"
    newest = list(noted.notes)[::-1]
    if not newest:
        return
    yield '<ul aria-label="Notes on this report">'
    for note in newest[:_MAX_NOTES]:
        by = f", {_shown(note.role)}" if note.role else ""
        text = escape(printable(note.text, mark_breaks=True))
        yield f"<li><span>{escape(note.at[:10])}{by}:</span> <bdi>{text}</bdi></li>"
    if (left := len(newest) - _MAX_NOTES) > 0:
        yield f"<li><span>and {left:,} earlier</span></li>"
    yield "</ul>"


def _signature(signed_with: str | None) -> str:
    if signed_with is None:
        return "<strong>⚠ Not signed with a key from this store</strong>"
    if not signed_with:
        return ""
    return f'<a target="_self" href="key">Signed with {grouped(signed_with)}</a>'


def _downloads(
    snapshot_id: str, files: Mapping[str, Any], wrong: Collection[str], *, can_be_proven: bool
) -> Iterator[str]:
    """Yield a link to each download, or only its label if one of its files is not as published.

    The ZIP contains all files.
    """
    for kind, (label, names) in _DOWNLOADS.items():
        if not all(name in files for name in names):
            continue
        is_wrong = any(name in wrong for name in names)
        yield f"<s>{label}</s>" if is_wrong else _download(snapshot_id, kind, label)
    yield _download(snapshot_id, "zip", "ZIP") if can_be_proven and not wrong else "<s>ZIP</s>"


def _download(snapshot_id: str, kind: str, label: str) -> str:
    return f'<a target="_self" href="?id={snapshot_id}&amp;format={kind}">{label}</a>'


def _info(manifest: Mapping[str, Any], wrong: Collection[str], signed_with: str | None) -> Iterator[str]:
    """Yield the manifest's entries as HTML terms and descriptions."""
    interval = manifest.get("interval")
    interval = interval if isinstance(interval, dict) else {}
    span = [_shown(interval.get(key)) for key in ("first", "last", "timezone")]
    made = [_shown(manifest.get("role")), _instant(manifest.get("generated_at"))]
    facts = {
        "Query": _shown(manifest.get("query_words")),
        "Interval": f"{span[0]} to {span[1]} ({span[2]})" if all(span) else "",
        "As of": _instant(manifest.get("as_of")),
        "Data as of": _instant(manifest.get("data_as_of")),
        "Generated by": ", ".join(part for part in made if part),
        "Currency": _shown(manifest.get("currency")),
        "Signed with key": signed_with or "",
    }
    for term, text in facts.items():
        if text:
            yield f"<div><dt>{term}</dt><dd>{text}</dd></div>"
    warnings = manifest.get("warnings")
    if isinstance(warnings, list) and warnings:
        shown = [_shown(warning) for warning in warnings[:_MAX_WARNINGS]]
        yield _several("Warnings", [text for text in shown if text], len(warnings) - _MAX_WARNINGS)
    files = manifest["files"]
    listed = [
        f"<span>{escape(name)}{' (not as published)' if name in wrong else ''}</span> "
        f"<span>{files[name]['size']:,}</span>"
        for name in sorted(files)[:_MAX_FILES]
    ]
    yield _several("Files, in bytes", listed, len(files) - _MAX_FILES)


def _several(term: str, texts: list[str], left: int) -> str:
    more = [f"and {left:,} more"] if left > 0 else []
    return f"<div><dt>{term}</dt>{''.join(f'<dd>{text}</dd>' for text in [*texts, *more])}</div>"


def _instant(value: object) -> str:
    """Format a UTC timestamp from the manifest for display."""
    text = _shown(value)
    return f"{text[:10]} {text[11:19]} UTC" if re.fullmatch(r"[\d-]{10}T[\d:]{8}(\.\d+)?Z", text) else text


def _shown(value: object) -> str:
    """Return a string as escaped HTML, on one line and truncated; "" for any other value."""
    if not isinstance(value, str):
        return ""
    return escape(cut_short(printable(value[: _MAX_LENGTH + 1], mark_breaks=True), _MAX_LENGTH))
