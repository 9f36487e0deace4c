"""Checking a snapshot's ZIP: its signature and every byte."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from custdyn_widgets.snapshots.proof.ed25519 import grouped, is_signed, keys_in, pem
from custdyn_widgets.snapshots.proof.layout import (
    Entry,
    ZipProblemError,
    content,
    is_as_written,
    read_directory,
)

MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "SIGNATURE.bin", "PUBLIC_KEY.pem"
AS_PUBLISHED, NOT_AS_PUBLISHED, NOT_PROVEN = 0, 1, 3
_MAX_MANIFEST_BYTES, _MAX_SEAL_BYTES, _MAX_SHOWN = 2**26, 1_000, 300
_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", re.ASCII)
_ID = re.compile(r"[a-z2-7]{51}[aq]", re.ASCII)


@dataclass
class Verdict:
    """The result of checking a ZIP.

    Attributes
    ----------
    problems
        The differences from what was published. If there are any, nothing in the ZIP can be trusted.
    manifest
        The manifest; empty if it cannot be read.
    key
        The public key of a valid signature, in hexadecimal; empty if there is none.
    is_trusted
        Whether `key` is one of the keys that the caller trusts.
    """

    problems: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    is_trusted: bool = False

    @property
    def exit_code(self) -> int:
        """0: as published and signed with a trusted key; 1: problems found; 3: no problems, but no proof."""
        if self.problems:
            return NOT_AS_PUBLISHED
        return AS_PUBLISHED if self.is_trusted else NOT_PROVEN

    def to_dict(self) -> dict[str, object]:
        """Return the verdict as a JSON object."""
        word = {AS_PUBLISHED: "verified", NOT_AS_PUBLISHED: "not as published", NOT_PROVEN: "not proven"}
        return {
            "verdict": word[self.exit_code],
            "id": self.manifest.get("id"),
            "signed_with": self.key or None,
            "problems": self.problems,
        }

    def text(self) -> str:
        """Return the verdict as text."""
        facts = {name: self.manifest.get(name) for name in ("id", "query_words", "generated_at")}
        labels = ("Snapshot", "Report", "Generated", "Signed with")
        values = (*facts.values(), f"key {grouped(self.key)}" if self.key else None)
        lines = [
            f"{label + ':':13}{shown(value)}"
            for label, value in zip(labels, values, strict=True)
            if isinstance(value, str) and value
        ]
        return "\n".join([*lines, *self._sentences()])

    def _sentences(self) -> list[str]:
        if self.problems:
            return [f"NOT AS PUBLISHED: {problem}" for problem in self.problems]
        if self.is_trusted:
            return ["VERIFIED: every byte is as published and signed with the given key."]
        if self.key:
            what = "this key came with the ZIP. Compare it with the operator's: --key FILE or --key HEX."
        else:
            what = "there is no signature. Ask the operator for a signed snapshot."
        return [f"NOT PROVEN: every file matches the manifest, but {what}"]


def check_zip(path: Path, keys: Collection[str] = ()) -> Verdict:
    """Check a ZIP without unpacking it; `keys` are the trusted public keys, in hexadecimal."""
    verdict = Verdict()
    try:
        with path.open("rb") as file:
            _check(file, keys, verdict)
    except ZipProblemError as problem:
        verdict.problems.append(str(problem))
    return verdict


def shown(text: str) -> str:
    """Return text from a ZIP for display: on one line, shortened, and without control characters."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text[:_MAX_SHOWN])
    return plain if len(text) <= _MAX_SHOWN else f"{plain}…"


def _check(file: BinaryIO, keys: Collection[str], verdict: Verdict) -> None:
    entries = _named(read_directory(file), verdict.problems)
    if verdict.problems:
        return
    if MANIFEST not in entries:
        raise ZipProblemError(f"{MANIFEST} is missing.")
    data = _read(file, entries[MANIFEST], _MAX_MANIFEST_BYTES)
    verdict.manifest = _parsed(data)
    listed = verdict.manifest["files"]
    seal = {
        name: _read(file, entries[name], _MAX_SEAL_BYTES)
        for name in (SIGNATURE, PUBLIC_KEY)
        if name in entries
    }
    sums = {name: (len(read), zlib.crc32(read)) for name, read in ((MANIFEST, data), *seal.items())}
    for name in sorted({*listed, *entries} - sums.keys()):
        problem, crc = _compared(file, entries.get(name), listed.get(name))
        if problem:
            verdict.problems.append(f"{name} {problem}.")
        else:
            sums[name] = entries[name].size, crc
    _check_signature(data, seal, keys, verdict)
    if not verdict.problems and not is_as_written(file, sums):
        verdict.problems.append(
            "Every file is as published, but the ZIP itself is not: it was repacked, or bytes were "
            "hidden between its files. Use the original download."
        )


def _named(entries: list[Entry], problems: list[str]) -> dict[str, Entry]:
    """Return the files by name; add a problem for each file that no snapshot can contain."""
    by_name: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in by_name:
            problem = "occurs twice"
        elif not _is_name(entry.name) and entry.name not in (SIGNATURE, PUBLIC_KEY):
            problem = "is not a valid file name in a snapshot"
        elif entry.is_link:
            problem = "is a symbolic link"
        elif not entry.is_stored:
            problem = "is compressed or encrypted, unlike in the original download"
        else:
            problem = ""
        by_name[entry.name] = entry
        if problem:
            problems.append(f"{shown(entry.name)} {problem}.")
    return by_name


def _compared(file: BinaryIO, entry: Entry | None, listed: Mapping[str, Any] | None) -> tuple[str, int]:
    """Return the problem with a file ("" if it has none) and the file's checksum."""
    if listed is None:
        return "is not listed in the manifest", 0
    if entry is None:
        return "is missing", 0
    if entry.size != listed["size"]:
        return f"has {entry.size:,} bytes instead of {listed['size']:,}", 0
    digest, crc = hashlib.sha256(), 0
    for piece in content(file, entry):
        digest.update(piece)
        crc = zlib.crc32(piece, crc)
    return ("" if digest.hexdigest() == listed["sha256"] else "differs from what was published"), crc


def _check_signature(data: bytes, seal: Mapping[str, bytes], keys: Collection[str], verdict: Verdict) -> None:
    problems = verdict.problems
    if not seal:
        if keys:
            problems.append("There is no signature, so the given key proves nothing.")
        return
    try:
        (key,) = keys_in(seal.get(PUBLIC_KEY, b""))
    except ValueError:
        key = ""
    signature = seal.get(SIGNATURE, b"")
    if not key or seal[PUBLIC_KEY] != pem(key) or not signature:
        problems.append(f"{SIGNATURE} or {PUBLIC_KEY} is missing or damaged.")
    elif is_signed(data, signature, key):
        verdict.key, verdict.is_trusted = key, key in keys
        if keys and not verdict.is_trusted:
            problems.append(
                f"The ZIP is signed with a key other than the given one: {key}. If the operator has since "
                "changed keys, use the operator's key from the time of signing."
            )
    elif any(is_signed(data, signature, other) for other in keys):
        problems.append(f"{PUBLIC_KEY} has been changed; the signature was made with the given key.")
    else:
        problems.append(
            "The signature does not match: the manifest, the signature or the key has been changed."
        )


def _read(file: BinaryIO, entry: Entry, most: int) -> bytes:
    if entry.size > most:
        raise ZipProblemError(f"{entry.name} is {entry.size:,} bytes long; at most {most:,} are allowed.")
    return b"".join(content(file, entry))


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data.decode("utf-8"), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        manifest = None
    if isinstance(manifest, dict) and isinstance(manifest.get("format"), int) and manifest["format"] > 1:
        raise ZipProblemError("The ZIP was made by a newer version: use that version's verifier.")
    if not isinstance(manifest, dict) or not _is_manifest(manifest):
        raise ZipProblemError(f"{MANIFEST} is not a snapshot's manifest.")
    return manifest


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _is_manifest(manifest: Mapping[str, Any]) -> bool:
    files, own = manifest.get("files"), manifest.get("id")
    return (
        isinstance(own, str)
        and _ID.fullmatch(own) is not None
        and isinstance(files, dict)
        and all(
            _is_name(name)
            and name != MANIFEST
            and isinstance(file, dict)
            and isinstance(file.get("size"), int)
            for name, file in files.items()
        )
        and all(isinstance(file.get("sha256"), str) for file in files.values())
    )


def _is_name(name: str) -> bool:
    return len(name) <= 100 and _NAME.fullmatch(name) is not None
