"""The folder in which a new snapshot is written before it becomes visible."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.files import folder_below, make_folder, new_folder, remove_folder
from custdyn_widgets.snapshots.evidence import EVIDENCE


@contextlib.contextmanager
def staged_folder(store: Path, files: Mapping[str, bytes], shard: str) -> Iterator[Path]:
    """Write files to disk in a folder that no reader opens; the caller then moves it into place."""
    staged = store / "tmp" / secrets.token_hex(16)
    with contextlib.ExitStack() as written:
        try:
            for folder in ("tmp", "v1", f"v1/{shard}"):
                make_folder(store / folder)
            with folder_below(store, "v1", shard):  # readers do not follow links
                written.enter_context(new_folder(staged, files, private={EVIDENCE}))
        except BaseException as error:
            remove_folder(staged)
            if isinstance(error, OSError):
                raise not_published(store, error) from error
            raise
        yield staged


def not_published(store: Path, error: OSError) -> SnapshotError:
    """Return the error for a store that cannot be written to."""
    why = f"cannot be written to ({error.strerror or error})"
    return SnapshotError.not_published(f"the snapshot store {store} (CUSTDYN_SNAPSHOTS) {why}")
