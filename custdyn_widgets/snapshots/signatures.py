"""Signatures of snapshots and the public keys for them, which are not part of any snapshot's folder or hash.

    signatures/<first two>/<id>.json   the public key and the signature, as `{"key": …, "signature": …}`
    keys/<public key>.json             when the key first signed a snapshot in this store

The signed message is the public manifest: the manifest with the id and without the evidence, whose nonce is
only for users with access to the store. Like states, signatures are kept when a snapshot is pruned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotError
from custdyn_widgets.files import (
    NotPlainError,
    canonical_json,
    error_text,
    folder_below,
    names_in,
    owned_bytes,
    parse_canonical,
    plain_bytes,
    put_file,
    reason,
)
from custdyn_widgets.snapshots.ownership import counts, refuse_strangers
from custdyn_widgets.snapshots.proof.ed25519 import is_key, is_signed
from custdyn_widgets.snapshots.store import Problem, Store
from custdyn_widgets.text import format_instant_utc, parse_instant

_SIGNATURES, _KEYS = "signatures", "keys"
_MAX_BYTES = 4096
_REMEMBERED = 1024
_HEX = re.compile(r"[0-9a-f]{128}", re.ASCII)
_FILE = "its signature"


class Signer(Protocol):
    """A private key that can sign."""

    public: str

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""


@dataclass(frozen=True)
class Signature:
    """A signature and the public key that verifies it, in hexadecimal."""

    key: str
    value: bytes


_verified: set[tuple[str, Signature]] = set()  # checking a signature takes milliseconds


@dataclass(frozen=True)
class PublishedKey:
    """A public key in hexadecimal, and when it first signed a snapshot in the store."""

    key: str
    since: datetime


def public_manifest(snapshot_id: str, manifest: Mapping[str, Any]) -> bytes:
    """Return the message to sign: the manifest with the id and without the evidence."""
    shown = {key: value for key, value in manifest.items() if key != "evidence"}
    return canonical_json({**shown, "id": snapshot_id})


def sign(store: Store, snapshot_id: str, signer: Signer, *, replace: bool = False) -> bool:
    """Sign a visible snapshot and publish the public key; return whether a signature was written.

    Parameters
    ----------
    store, snapshot_id
        The snapshot.
    signer
        The private key.
    replace
        Whether to replace a signature made with another key, or a damaged one.

    Raises
    ------
    SnapshotError
        If the snapshot belongs to another account or is already signed with another key, or if the signature
        cannot be written.
    """
    manifest = store.manifest(snapshot_id)
    refuse_strangers(store.folder, snapshot_id, "signed")
    try:
        present = signature_of(store, snapshot_id)
    except SnapshotDamagedError:
        if not replace:
            raise
        present = None
    if present is not None and present.key != signer.public and not replace:
        raise SnapshotError(
            f"{snapshot_id} is already signed with another key, {present.key}. Use --replace to sign it "
            "again with the current key.",
            field="id",
        )
    signed = present is not None and present.key == signer.public
    try:
        _publish_key(store.folder, signer.public)
        if not signed:
            value = signer.sign(public_manifest(snapshot_id, manifest))
            content = canonical_json({"key": signer.public, "signature": value.hex()})
            put_file(store.folder, "tmp", (_SIGNATURES, snapshot_id[:2]), f"{snapshot_id}.json", content)
    except OSError as error:
        raise SnapshotError(
            f"{snapshot_id} is stored, but it could not be signed ({error_text(error)}). Fix that and run "
            f"`custdyn snapshots sign {snapshot_id}`.",
            field="id",
        ) from error
    return not signed


def signature_of(store: Store, snapshot_id: str) -> Signature | None:
    """Return a snapshot's signature after verifying it, even if the snapshot is hidden.

    Return None if there is no signature, or if its writer is not allowed to change the snapshot.

    Raises
    ------
    SnapshotDamagedError
        If it cannot be read, or does not match the manifest.
    """
    try:
        with folder_below(store.folder, _SIGNATURES, snapshot_id[:2]) as folder:
            data, writer = owned_bytes(folder, f"{snapshot_id}.json", _MAX_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, NotPlainError) as error:
        raise SnapshotDamagedError(snapshot_id, _FILE, reason(error)) from error
    if not counts(store.folder, snapshot_id, writer):
        return None
    try:
        stored = parse_canonical(data)
    except SnapshotError:
        stored = None
    if not isinstance(stored, dict) or not _is_signature(stored):
        raise SnapshotDamagedError(snapshot_id, _FILE, "is not a signature that this version supports")
    found = Signature(stored["key"], bytes.fromhex(stored["signature"]))
    if (snapshot_id, found) not in _verified:  # an id's manifest never changes
        signed = public_manifest(snapshot_id, store.kept_manifest(snapshot_id))
        if not is_signed(signed, found.value, found.key):
            raise SnapshotDamagedError(snapshot_id, _FILE, "does not match its manifest")
        if len(_verified) >= _REMEMBERED:
            _verified.clear()
        _verified.add((snapshot_id, found))
    return found


def signature_problems(store: Store, ids: list[str]) -> list[Problem]:
    """Return a problem for each invalid signature; `Store.verify` checks the snapshots themselves."""
    found = []
    for snapshot_id in ids:
        try:
            signature_of(store, snapshot_id)
        except SnapshotDamagedError as error:
            if error.file == _FILE:
                found.append(Problem(snapshot_id, error.file, error.what))
        except SnapshotError:  # it has since been deleted
            continue
    return found


def published_keys(store: Path) -> list[PublishedKey]:
    """Return the public keys that signed snapshots in a store, newest first; other files are ignored."""
    found = []
    try:
        with folder_below(store, _KEYS) as folder:
            for name in names_in(folder):
                key, ending, _ = name.partition(".json")
                if is_key(key) and ending:
                    found.append(PublishedKey(key, _since(folder, name)))
    except OSError:
        return []
    return sorted(found, key=lambda one: (one.since, one.key), reverse=True)


def is_published(store: Path, key: str) -> bool:
    """Return whether a public key has signed snapshots in a store."""
    return any(one.key == key for one in published_keys(store))


def _since(folder: int, name: str) -> datetime:
    try:
        since: datetime = parse_instant(parse_canonical(plain_bytes(folder, name, _MAX_BYTES))["since"])
    except (OSError, NotPlainError, SnapshotError, ValueError, KeyError, TypeError, AttributeError):
        return datetime.min.replace(tzinfo=UTC)
    return since


def _publish_key(store: Path, key: str) -> None:
    if not is_published(store, key):
        now = format_instant_utc(datetime.now(UTC))
        put_file(store, "tmp", (_KEYS,), f"{key}.json", canonical_json({"since": now}))


def _is_signature(stored: Mapping[str, Any]) -> bool:
    key, value = stored.get("key"), stored.get("signature")
    return isinstance(key, str) and is_key(key) and isinstance(value, str) and bool(_HEX.fullmatch(value))
