"""The store's snapshots in words: what a list, one snapshot and a verification say to a person."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNotFoundError
from custdyn_widgets.snapshots.state import read_state
from custdyn_widgets.snapshots.store import Problem, Store

_SHOWN_ITEMS = 8
# What could move a terminal's cursor or break a line, in text that comes from data.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Entry:
    """One line of the list.

    `generated_at` is an instant in UTC, `query` the query in words, `size` the bytes of all files, and
    `state` empty, `revoked`, `expired` or `damaged`; of those that cannot be seen only id and state are told.
    """

    id: str
    generated_at: str
    query: str
    role: str
    size: int
    state: str = ""


def entries(store: Store) -> list[Entry]:
    """Return the store's snapshots, the newest first; revoked, expired and damaged ones at the end."""
    found = [_entry(store, snapshot_id) for snapshot_id in store.ids()]
    return sorted(found, key=lambda entry: (entry.generated_at, entry.id), reverse=True)


def _entry(store: Store, snapshot_id: str) -> Entry:
    try:
        manifest = store.manifest(snapshot_id)
        files = manifest["files"].values()
        return Entry(
            id=snapshot_id,
            generated_at=_one_line(manifest.get("generated_at")),
            query=_one_line(manifest.get("query_words")),
            role=_one_line(manifest.get("role")),
            size=sum(file["size"] for file in files),
        )
    except SnapshotDamagedError:
        return Entry(snapshot_id, "", "", "", 0, "damaged")
    except SnapshotNotFoundError:
        return Entry(snapshot_id, "", "", "", 0, read_state(store.folder, snapshot_id).word)


def entries_text(listed: Sequence[Entry]) -> str:
    """Return the list as an aligned table, sizes in kB, ids whole; a sentence when it is empty."""
    if not listed:
        return "There are no snapshots yet."
    rows = [("Date (UTC)", "Role", "kB", "State", "Id", "Query")]
    for e in listed:
        date = e.generated_at[:19].replace("T", " ") or "–"
        rows.append((date, e.role or "–", f"{-(-e.size // 1000):,}", e.state or "ok", e.id, e.query or "–"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            c.rjust(w) if i == 2 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def manifest_text(snapshot_id: str, manifest: dict[str, Any]) -> str:
    """Return a manifest for people: its fields in order of name, then its files with sizes in bytes."""
    lines = [("id", snapshot_id)]
    for key in sorted(manifest):
        value = manifest[key]
        if key not in ("files", "nonce"):
            words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if isinstance(value, list) and len(value) > _SHOWN_ITEMS:
                words = f"{len(value):,} of them; the manifest itself lists them all"
            lines.append((key.replace("_", " "), _one_line(words)))
    width = max(len(label) for label, _ in lines)
    files = [(name, f"{entry['size']:,}") for name, entry in sorted(manifest["files"].items())]
    name_width = max((len(name) for name, _ in files), default=0)
    size_width = max((len(size) for _, size in files), default=0)
    text = [f"{label.ljust(width)}  {words}".rstrip() for label, words in lines]
    text += [
        "",
        "files, in bytes",
        *(f"  {n.ljust(name_width)}  {size.rjust(size_width)}" for n, size in files),
    ]
    return "\n".join(text)


def problems_text(problems: Sequence[Problem], checked: int) -> str:
    """Return what a verification of so many snapshots found, a line for each problem."""
    snapshots = f"{checked:,} snapshot" + ("" if checked == 1 else "s")
    if not problems:
        return f"{snapshots} verified: every file is what was published."
    lines = [f"{p.id or '(no snapshot)'}  {_one_line(p.file) or 'its folder'} {p.what}" for p in problems]
    count = f"{len(problems):,} problem" + ("" if len(problems) == 1 else "s")
    return "\n".join([*lines, f"{count} in {snapshots}. Restore what is named here from a backup."])


def _one_line(value: object) -> str:
    text = "" if value is None else str(value)
    return _CONTROL.sub("\ufffd", text)
