"""Text about snapshots: the list, the details of one snapshot, and the result of a verification."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNewerError, SnapshotNotFoundError
from custdyn_widgets.snapshots.manifests import stored_files
from custdyn_widgets.snapshots.store import Problem, Store
from custdyn_widgets.snapshots.visibility import State, read_state
from custdyn_widgets.text import GAP, align_rows, cut_short, format_clock, format_instant_utc, printable

_SHOWN_ITEMS = 8
_MAX_QUERY_LENGTH, _MAX_ROLE_LENGTH = 120, 30


@dataclass(frozen=True)
class Entry:
    """One line of the list.

    `generated_at`, `revoked` and `expires` are UTC timestamps or empty, `query` describes the query in
    words, `size` is the total size in bytes, and `state` is empty, `revoked`, `expired`, `damaged` or `newer`
    (stored by a newer version). In the last two cases, only the id and the state are known. `saved_query` is
    the saved query that made the snapshot; it is empty if a user made the snapshot manually or an earlier
    version did not record the saved query.
    """

    id: str
    generated_at: str
    query: str
    role: str
    size: int
    state: str = ""
    revoked: str = ""
    expires: str = ""
    saved_query: str = ""


def entries(store: Store, ids: Iterable[str] | None = None) -> list[Entry]:
    """Return entries for the given snapshots (default: all): newest first, hidden and damaged ones last."""
    found = []
    for snapshot_id in store.ids() if ids is None else ids:
        with contextlib.suppress(SnapshotNotFoundError):  # it has since been deleted
            found.append(_entry(store, snapshot_id))
    return sorted(found, key=lambda entry: (not entry.state, entry.generated_at, entry.id), reverse=True)


def described(snapshot_id: str, manifest: Mapping[str, Any], state: State) -> Entry:
    """Return the list entry for a snapshot with this manifest and state."""
    return Entry(
        id=snapshot_id,
        generated_at=_one_line(manifest.get("generated_at")),
        query=_one_line(manifest.get("query_words")),
        role=_one_line(manifest.get("role")),
        size=sum(file["size"] for file in stored_files(manifest).values()),
        state=state.word,
        revoked=_or_empty(state.revoked),
        expires=_or_empty(state.expires),
        saved_query=_one_line(manifest.get("saved_query")),
    )


def _entry(store: Store, snapshot_id: str) -> Entry:
    state, unreadable = State(), ""
    try:
        state = read_state(store.folder, snapshot_id)
    except SnapshotDamagedError:
        unreadable = "damaged"
    try:
        entry = described(snapshot_id, store.kept_manifest(snapshot_id), state)
    except SnapshotDamagedError as error:
        unreadable = "newer" if isinstance(error, SnapshotNewerError) else "damaged"
        entry = described(snapshot_id, {"files": {}}, state)
    return replace(entry, state=unreadable) if unreadable else entry


def describe_state(state: State) -> str:
    """Describe whether a snapshot is visible."""
    if state.revoked is not None:
        return f"revoked at {format_instant_utc(state.revoked)}"
    if state.expires is not None:
        return f"{'expired at' if state.word else 'visible until'} {format_instant_utc(state.expires)}"
    return "visible"


def entries_text(listed: Sequence[Entry]) -> str:
    """Return the list as an aligned table with sizes in kB and full ids, or a sentence if it is empty."""
    if not listed:
        return "There are no snapshots yet."
    rows: list[tuple[str, ...]] = [("Date (UTC)", "Role", "kB", "State", "Id", "Saved query", "Query")]
    for e in listed:
        state = e.state or (f"until {e.expires[:10]}" if e.expires else "ok")
        role, query = cut_short(e.role, _MAX_ROLE_LENGTH), cut_short(e.query, _MAX_QUERY_LENGTH)
        saved, size = cut_short(e.saved_query, _MAX_ROLE_LENGTH), kilobytes(e.size)
        clock = format_clock(e.generated_at)
        rows.append((clock, role or "–", size, state, e.id, saved or "–", query or "–"))
    if not any(e.saved_query for e in listed):
        rows = [(*row[:5], row[6]) for row in rows]
    return "\n".join(align_rows(rows, right={2}))


def describe_makers(listed: Iterable[Entry]) -> str:
    """Describe who made these snapshots, for example `, 3 by saved query board, 2 manually …`."""
    counts = Counter(entry.saved_query for entry in listed)
    manual = counts.pop("", 0)
    parts = [f"{count:,} by saved query {name}" for name, count in sorted(counts.items())]
    if manual:
        parts.append(f"{manual:,} manually or by an earlier version")
    return f", {', '.join(parts)}" if parts else ""


def kilobytes(size: int) -> str:
    """Return a size in kB, rounded up."""
    return f"{-(-size // 1000):,}"


def manifest_text(snapshot_id: str, manifest: Mapping[str, Any], state: str = "") -> str:
    """Return a manifest as text: its fields sorted by name, then its files with sizes in bytes.

    `state` says whether the snapshot is visible.
    """
    lines = [("id", snapshot_id), *([("state", state)] if state else [])]
    for key in sorted(manifest):
        value = manifest[key]
        if key not in ("files", "nonce", "evidence"):
            words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if isinstance(value, list) and len(value) > _SHOWN_ITEMS:
                words = f"{len(value):,} in all, listed in the manifest"
            lines.append((key.replace("_", " "), _one_line(words)))
    files = [(name, f"{entry['size']:,}") for name, entry in sorted(stored_files(manifest).items())]
    listed = [f"{GAP}{line}" for line in align_rows(files, right={1})]
    return "\n".join([*align_rows(lines), "", "files, in bytes", *listed])


def problems_text(problems: Sequence[Problem], checked: int) -> str:
    """Return the result of verifying `checked` snapshots, with one line per problem."""
    snapshots = f"{checked:,} snapshot" + ("" if checked == 1 else "s")
    if not problems:
        return f"{snapshots} verified: every file is what was published."
    lines = [f"{p.id or '(no snapshot)'}  {_one_line(p.file) or 'its folder'} {p.what}" for p in problems]
    count = f"{len(problems):,} problem" + ("" if len(problems) == 1 else "s")
    newer = sum(p.what == SnapshotNewerError.WHAT for p in problems)
    remedies = [
        *(["Restore damaged files from a backup."] if newer < len(problems) else []),
        *(["Update custdyn to read snapshots from a newer version."] if newer else []),
    ]
    return "\n".join([*lines, " ".join([f"{count} in {snapshots}.", *remedies])])


def problems_dict(problems: Sequence[Problem], checked: int, invalid: Sequence[str] = ()) -> dict[str, Any]:
    """Return the result of verifying `checked` snapshots as JSON values.

    `id` or `file` is null if a problem does not concern a particular id or file. `invalid` contains messages
    about arguments that are not ids.
    """
    found = [{"id": p.id or None, "file": p.file or None, "problem": p.what} for p in problems]
    found += [{"id": None, "file": None, "problem": message} for message in invalid]
    return {"checked": checked, "problems": found}


def _or_empty(instant: datetime | None) -> str:
    return format_instant_utc(instant) if instant else ""


def _one_line(value: object) -> str:
    return "" if value is None else printable(str(value), mark_breaks=True)
