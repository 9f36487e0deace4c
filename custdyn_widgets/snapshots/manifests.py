"""A snapshot's manifest: creating, parsing and checking it, and checking the files against it."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError, SnapshotNewerError, shown
from custdyn_widgets.files import (
    NotPlainError,
    canonical_json,
    file_size,
    names_in,
    open_plain_file,
    parse_canonical,
    plain_bytes,
    reason,
)
from custdyn_widgets.snapshots.evidence import EVIDENCE, Evidence
from custdyn_widgets.snapshots.ids import id_of
from custdyn_widgets.snapshots.newer import FORMAT, is_newer

MANIFEST = "manifest.json"
# Far more than a report needs. The limit prevents anyone who can write to a store from exhausting readers'
# memory.
MAX_FILES, MAX_BYTES, MAX_MANIFEST_BYTES = 1_000, 2**30, 2**26
_OWN_KEYS = ("format", "nonce", "files", "evidence")
_NAME_LENGTH = 100
_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)


def sealed(
    manifest: Mapping[str, object], files: Mapping[str, bytes], evidence: Evidence | None = None
) -> bytes:
    """Return the manifest as bytes, after adding its format, a new nonce and the list of files.

    The evidence is listed under a separate key, along with the nonce used to make it.

    Raises
    ------
    SnapshotError
        If the manifest already sets one of these keys or is not JSON, if a file name is not allowed, or if
        the snapshot would be too large.
    """
    for key in _OWN_KEYS:
        if key in manifest:
            raise SnapshotError(
                f"Remove the key {shown(key)} from the manifest: the store sets it.", field=key
            )
    for name in files:
        if not _is_name(name):
            raise SnapshotError(
                f"A snapshot cannot have a file named {shown(name)}: use lowercase letters and digits, with "
                f"single dots and hyphens between them, at most {_NAME_LENGTH} characters in all, and not "
                f"{MANIFEST} or {EVIDENCE}.",
                field="files",
            )
    _check_amount(len(files), MAX_FILES, "files")
    size = sum(map(len, files.values())) + (len(evidence.data) if evidence else 0)
    _check_amount(size, MAX_BYTES, "bytes in its files")
    own: dict[str, object] = {
        "format": FORMAT,
        "nonce": secrets.token_hex(16),
        "files": {name: _entry(data) for name, data in files.items()},
    }
    if evidence:
        own["evidence"] = {**_entry(evidence.data), "nonce": evidence.nonce}
    data = canonical_json({**manifest, **own})
    _check_amount(len(data), MAX_MANIFEST_BYTES, "bytes in its manifest")
    return data


def _entry(data: bytes) -> dict[str, object]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def stored_files(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the sizes and hashes of all files in a snapshot, including its evidence, by name."""
    evidence = {EVIDENCE: manifest["evidence"]} if "evidence" in manifest else {}
    return {**manifest["files"], **evidence}


def _check_amount(amount: int, most: int, of_what: str) -> None:
    if amount > most:
        raise SnapshotError.not_published(
            f"a snapshot can have at most {most:,} {of_what}, but this one has {amount:,}"
        )


def parsed(data: bytes, snapshot_id: str) -> dict[str, Any]:
    """Return the manifest from which this id was derived.

    Raises
    ------
    SnapshotDamagedError
        If the bytes do not match the id, or are not a manifest in canonical form; a SnapshotNewerError if
        their format is newer.
    """
    if is_newer(data):
        raise SnapshotNewerError(snapshot_id)
    if id_of(data) != snapshot_id:
        what = "does not match the id (it was changed, or its folder was renamed)"
        raise SnapshotDamagedError(snapshot_id, MANIFEST, what)
    try:
        manifest = parse_canonical(data)
    except SnapshotError as error:
        raise SnapshotDamagedError(snapshot_id, MANIFEST, "is not canonical JSON") from error
    if not isinstance(manifest, dict) or not _is_manifest(manifest):
        raise SnapshotDamagedError(snapshot_id, MANIFEST, "is not a manifest that this version supports")
    return manifest


def compared(folder: int, name: str, entry: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the problem with a file (an empty string if it has none) and the file's bytes."""
    try:
        with open_plain_file(folder, name) as file:
            size = file_size(file)
            data = file.read(size) if size == entry["size"] else b""
    except (OSError, NotPlainError) as error:
        return reason(error), b""
    if size != entry["size"]:
        return f"has {size} bytes instead of {entry['size']}", data
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        return "differs from what was published", data
    return "", data


def read_manifest(folder: int, snapshot_id: str) -> dict[str, Any]:
    """Return the manifest in a snapshot's open folder after checking its hash and parsing it strictly."""
    try:
        return parsed(plain_bytes(folder, MANIFEST, MAX_MANIFEST_BYTES), snapshot_id)
    except (OSError, NotPlainError) as error:
        raise SnapshotDamagedError(snapshot_id, MANIFEST, reason(error)) from error


def check_manifest(folder: int, snapshot_id: str) -> None:
    """Check the manifest's bytes against the id, without parsing them."""
    try:
        if id_of(plain_bytes(folder, MANIFEST, MAX_MANIFEST_BYTES)) == snapshot_id:
            return
        problem = "does not match the id"
    except (OSError, NotPlainError) as error:
        problem = reason(error)
    raise SnapshotDamagedError(snapshot_id, MANIFEST, problem)


def folder_problems(folder: int, snapshot_id: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each faulty file in an open snapshot folder, and the problem with it."""
    try:
        entries = stored_files(read_manifest(folder, snapshot_id))
    except SnapshotDamagedError as error:
        yield error.file, error.what
        return
    for name in sorted({*entries, *names_in(folder)}):
        if name in entries:
            problem, _ = compared(folder, name, entries[name])
            if problem:
                yield name, problem
        elif name != MANIFEST:
            yield name, "is not listed in the manifest"


def _is_manifest(manifest: dict[str, Any]) -> bool:
    files = manifest.get("files")
    return (
        _is_count(manifest.get("format"))
        and manifest["format"] == FORMAT
        and _matches(_NONCE, manifest.get("nonce"))
        and isinstance(files, dict)
        and len(files) <= MAX_FILES
        and all(_is_name(name) and _is_entry(entry) for name, entry in files.items())
        and ("evidence" not in manifest or _is_evidence(manifest["evidence"]))
        and sum(entry["size"] for entry in stored_files(manifest).values()) <= MAX_BYTES
    )


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and set(entry) == {"size", "sha256"}
        and _is_count(entry["size"])
        and _matches(_SHA256, entry["sha256"])
    )


def _is_evidence(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and _matches(_NONCE, entry.get("nonce"))
        and _is_entry({key: value for key, value in entry.items() if key != "nonce"})
    )


def _is_name(name: object) -> bool:
    return _matches(_NAME, name) and len(str(name)) <= _NAME_LENGTH and name not in (MANIFEST, EVIDENCE)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None
