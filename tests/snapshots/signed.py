"""A signed snapshot and its ZIP, small enough to be changed in many ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from custdyn_widgets.snapshots import Evidence, Store, exporting, signatures, signing

FILES = {
    "report.html": b"<!doctype html><title>x</title>",
    "report.csv": b"Month\r\n2026-10\r\n",
    "report.json": b'{"format":1}',
    "data.parquet": b"PAR1",
}
EVIDENCE = Evidence("0123456789abcdef" * 2, b"only digests")


@dataclass(frozen=True)
class Signed:
    """A store with one signed snapshot."""

    store: Store
    id: str
    key: signing.SigningKey
    zip: bytes


def signed_snapshot(folder: Path) -> Signed:
    """Return a new signed snapshot in a new store below a folder, with a new key beside it."""
    store = Store(folder / "store")
    manifest = {"query_words": "Last month", "generated_at": "2026-11-01T00:00:00Z"}
    snapshot_id = store.publish(manifest, FILES, EVIDENCE)
    key = signing.new_key(folder / "key.pem", store.folder)
    signatures.sign(store, snapshot_id, key)
    return Signed(store, snapshot_id, key, exporting.snapshot_zip(store, snapshot_id))
