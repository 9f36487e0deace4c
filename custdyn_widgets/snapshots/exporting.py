"""Exporting a snapshot as a ZIP, and the verifier as a file that works without this package."""

from __future__ import annotations

from importlib.resources import files as package_files

from custdyn_widgets.snapshots.proof.checking import MANIFEST, PUBLIC_KEY, SIGNATURE
from custdyn_widgets.snapshots.proof.ed25519 import pem
from custdyn_widgets.snapshots.proof.layout import zip_bytes
from custdyn_widgets.snapshots.signatures import public_manifest, signature_of
from custdyn_widgets.snapshots.store import Store

_PROOF = "custdyn_widgets.snapshots.proof"
_MODULES = ("ed25519", "layout", "checking", "command")
_MAIN = f"import sys\n\nfrom {_PROOF}.command import main\n\nsys.exit(main())\n"


def snapshot_zip(store: Store, snapshot_id: str) -> bytes:
    """Return a visible snapshot as a ZIP: its manifest and files, and its signature if it has one.

    The same snapshot and signature always produce the same bytes. The ZIP does not contain the evidence.

    Raises
    ------
    SnapshotNotFoundError, SnapshotDamagedError
        As for `Store.read`, and if the signature does not match the manifest.
    """
    manifest = store.manifest(snapshot_id)
    files = {MANIFEST: public_manifest(snapshot_id, manifest)}
    signature = signature_of(store, snapshot_id)
    if signature is not None:
        files |= {SIGNATURE: signature.value, PUBLIC_KEY: pem(signature.key)}
    for name in sorted(manifest["files"]):
        files[name] = store.read(snapshot_id, name)
    return zip_bytes(files)


def zip_digest(store: Store, snapshot_id: str) -> str:
    """Return a string that changes whenever a snapshot's ZIP does."""
    signature = signature_of(store, snapshot_id)
    return f"{snapshot_id}-{signature.value.hex()}" if signature else f"{snapshot_id}-unsigned"


def standalone_verifier() -> bytes:
    """Return the verifier as a single file that runs on Python 3.11 or newer without any packages."""
    folder = package_files(_PROOF)
    place = _PROOF.replace(".", "/")
    packages = ("custdyn_widgets", "custdyn_widgets/snapshots", place)
    sources = {"__main__.py": _MAIN.encode(), **{f"{package}/__init__.py": b"" for package in packages}}
    for module in _MODULES:
        sources[f"{place}/{module}.py"] = (folder / f"{module}.py").read_bytes()
    return zip_bytes(sources)
