"""The snapshot store: frozen reports as folders of plain files, found by an id that cannot be guessed.

    v1/<first two of the id>/<id>/   manifest.json and the files that it lists; never changed. Evidence is
                                     one of them, but is never served (see `evidence`)
    state/<first two>/<id>.json      the part that may change: `revoked` and `expires`, timestamps or null
    revoked/<id>                     when it was revoked; restoring a backup does not remove it
    tmp/                             snapshots being written; never read
    trash/                           snapshots being deleted; never read

An id is the lowercase base32 form of the SHA-256 hash of a version tag and the manifest. The manifest
contains a 128-bit nonce, so that an id cannot be derived from guessed content, and the size and SHA-256 of
every file, so that an id verifies every byte of its snapshot. The store handles only bytes and manifests. It
needs a POSIX file system and follows no symbolic links below its own folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import (
    SnapshotDamagedError,
    SnapshotNewerError,
    SnapshotNotFoundError,
    SnapshotUnknownError,
    shown,
)
from custdyn_widgets.files import (
    folder_below,
    may_exist,
    names_two_levels_below,
    reason,
    remove_folder,
    sync_folder,
)
from custdyn_widgets.snapshots.evidence import EVIDENCE, Evidence
from custdyn_widgets.snapshots.ids import id_of, is_id
from custdyn_widgets.snapshots.manifests import (
    MANIFEST,
    check_manifest,
    compared,
    folder_problems,
    read_manifest,
    sealed,
)
from custdyn_widgets.snapshots.newer import missing
from custdyn_widgets.snapshots.staging import not_published, staged_folder
from custdyn_widgets.snapshots.visibility import is_hidden, read_state

_REMEMBERED = 256


@dataclass(frozen=True)
class Problem:
    """A problem found by `Store.verify`; `id` or `file` is empty if the problem does not concern one."""

    id: str
    file: str
    what: str


class Store:
    """A folder of snapshots that many processes may read and publish to concurrently.

    Parameters
    ----------
    folder
        The store's folder, created when the first snapshot is published. The modes of new files and folders
        follow the umask or, if the folder has the set-group-ID bit, its mode; files are not executable.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        # An id's manifest never changes, so its hash is checked only once.
        self._remembered: dict[str, dict[str, Any]] = {}

    def publish(
        self, manifest: Mapping[str, object], files: Mapping[str, bytes], evidence: Evidence | None = None
    ) -> str:
        """Store a snapshot permanently and return its id once everything is on disk.

        Parameters
        ----------
        manifest
            The description of the snapshot; the store adds `format`, `nonce` and `files`.
        files
            The contents by file name. Names consist of lowercase letters and digits, with single dots and
            hyphens between them.
        evidence
            The evidence. Only the `evidence` method returns it, and only the owner and, in a shared store,
            the group can read its file.

        Raises
        ------
        SnapshotUnknownError
            If something failed after the snapshot became visible.
        SnapshotError
            If nothing was published; the error says why.
        """
        data = sealed(manifest, files, evidence)
        snapshot_id = id_of(data)
        kept = {EVIDENCE: evidence.data} if evidence else {}
        with staged_folder(self.folder, {**files, **kept, MANIFEST: data}, snapshot_id[:2]) as staged:
            self._reveal(staged, snapshot_id)
        return snapshot_id

    def path(self, snapshot_id: str) -> Path:
        """Return the folder of a visible snapshot."""
        self.manifest(snapshot_id)
        return self.place(snapshot_id)

    def manifest(self, snapshot_id: str) -> dict[str, Any]:
        """Return the manifest of a snapshot after checking its hash and parsing it strictly.

        Raises
        ------
        SnapshotNotFoundError
            If the snapshot does not exist, or is revoked or expired.
        SnapshotDamagedError
            If the manifest does not match the id.
        """
        if not is_id(snapshot_id) or is_hidden(self.folder, snapshot_id):
            raise SnapshotNotFoundError(snapshot_id)
        return self.kept_manifest(snapshot_id)

    def kept_manifest(self, snapshot_id: str) -> dict[str, Any]:
        """Return a manifest even if the snapshot is revoked or expired; never use this to serve a link.

        Raises the same errors as `manifest`.
        """
        if not is_id(snapshot_id):
            raise SnapshotNotFoundError(snapshot_id)
        with self._opened(snapshot_id) as folder:
            return read_manifest(folder, snapshot_id)

    def listed(self, snapshot_id: str, name: str) -> dict[str, Any]:
        """Return the `size` and `sha256` of a file from the manifest; raises the same errors as `read`."""
        entry: dict[str, Any] | None = self._files(snapshot_id).get(name)
        if entry is None:
            raise SnapshotNotFoundError(snapshot_id)
        return entry

    def read(self, snapshot_id: str, name: str) -> bytes:
        """Return a file's bytes after checking their size and SHA-256 against the manifest.

        Every read checks them: hashing a page takes a tenth of a millisecond, and a cache based on sizes and
        times would trust values that anyone who changes a file can forge.

        Raises
        ------
        SnapshotNotFoundError
            If the snapshot or the file does not exist, or the snapshot is revoked or expired.
        SnapshotDamagedError
            If the file differs from what was published.
        """
        entry = self.listed(snapshot_id, name)
        with self._opened(snapshot_id) as folder:
            problem, data = compared(folder, name, entry)
            if problem:
                raise SnapshotDamagedError(snapshot_id, name, problem)
        return data

    def evidence(self, snapshot_id: str) -> Evidence | None:
        """Return the evidence of a visible snapshot; None if it was published without any.

        Raises the same errors as `read`.
        """
        manifest = self.manifest(snapshot_id)
        if "evidence" not in manifest:
            return None
        with self._opened(snapshot_id) as folder:
            problem, data = compared(folder, EVIDENCE, manifest["evidence"])
            if problem:
                raise SnapshotDamagedError(snapshot_id, EVIDENCE, problem)
        return Evidence(manifest["evidence"]["nonce"], data)

    def read_compared(self, snapshot_id: str, name: str) -> tuple[bytes, dict[str, str]]:
        """Return a file's bytes, and any problems with the snapshot's other files, by name.

        Every byte of the snapshot is checked, including the manifest. Raises the same errors as `read`.
        """
        self.listed(snapshot_id, name)
        wrong: dict[str, str] = {}
        data = b""
        with self._opened(snapshot_id) as folder:
            check_manifest(folder, snapshot_id)
            for file, entry in self._files(snapshot_id).items():
                problem, content = compared(folder, file, entry)
                if problem:
                    wrong[file] = problem
                elif file == name:
                    data = content
            if wrong and not self.holds(snapshot_id):  # deleted while it was being read
                raise SnapshotNotFoundError(snapshot_id)
            if name in wrong:
                raise SnapshotDamagedError(snapshot_id, name, wrong[name])
        return data, wrong

    def ids(self) -> list[str]:
        """Return the sorted ids of all stored snapshots, including revoked, expired and damaged ones."""
        return sorted(name for shard, name in self._entries() if is_id(name) and name[:2] == shard)

    def holds(self, snapshot_id: str) -> bool:
        """Return whether the store has a snapshot with this id, even if it is revoked or expired."""
        return is_id(snapshot_id) and may_exist(self.place(snapshot_id))

    def verify(self, ids: Iterable[str] | None = None) -> list[Problem]:
        """Check every byte of the given snapshots and return all problems.

        Parameters
        ----------
        ids
            The ids of the snapshots, which must exist. By default, all snapshots are checked, and anything
            else in their folder is also reported.
        """
        if ids is None:
            return [*self.strays(), *self.verify_stored(self.ids())]
        return [problem for snapshot_id in ids for problem in self._problems(snapshot_id)]

    def verify_stored(self, ids: Iterable[str]) -> list[Problem]:
        """Check snapshots as `verify` does, but skip any that are deleted during the check."""
        problems = ((snapshot_id, self._problems(snapshot_id)) for snapshot_id in ids)
        return [problem for snapshot_id, found in problems if self.holds(snapshot_id) for problem in found]

    def strays(self) -> list[Problem]:
        """Return a problem for each item in the snapshots' folder that is not a snapshot."""
        return [
            Problem("", "/".join(("v1", *entry)).rstrip("/"), "is not a snapshot")
            for entry in self._entries()
            if not is_id(entry[1]) or entry[1][:2] != entry[0]
        ]

    def _problems(self, snapshot_id: str) -> list[Problem]:
        if not is_id(snapshot_id):
            return [Problem(shown(snapshot_id), "", "is not an id: 52 lowercase letters and digits")]
        found: list[tuple[str, str]] = []
        try:
            read_state(self.folder, snapshot_id)
        except SnapshotDamagedError as error:
            found.append((error.file, error.what))
        try:
            with folder_below(self.folder, "v1", snapshot_id[:2], snapshot_id) as folder:
                found += folder_problems(folder, snapshot_id)
        except OSError as error:
            absent = isinstance(error, FileNotFoundError) and missing(self.folder, snapshot_id)
            what = SnapshotNewerError.WHAT if isinstance(absent, SnapshotNewerError) else reason(error)
            found.append(("", what))
        return [Problem(snapshot_id, file, what) for file, what in found]

    def _files(self, snapshot_id: str) -> dict[str, Any]:
        """Return the files in a visible snapshot's manifest, which is read from disk only once."""
        files = self._remembered.get(snapshot_id)
        if files is None or is_hidden(self.folder, snapshot_id):
            files = self.manifest(snapshot_id)["files"]
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[snapshot_id] = files
        return files

    def place(self, snapshot_id: str) -> Path:
        """Return the path of a snapshot's folder, which need not exist."""
        return self.folder / "v1" / snapshot_id[:2] / snapshot_id

    def _entries(self) -> list[tuple[str, str]]:
        return names_two_levels_below(self.folder, "v1")

    @contextlib.contextmanager
    def _opened(self, snapshot_id: str) -> Iterator[int]:
        """Open a snapshot's folder; if it has just been deleted, report it as not found, not as damaged."""
        try:
            with folder_below(self.folder, "v1", snapshot_id[:2], snapshot_id) as folder:
                yield folder
        except FileNotFoundError:
            raise missing(self.folder, snapshot_id) from None
        except OSError as error:
            raise SnapshotDamagedError(snapshot_id, "its folder", reason(error)) from error
        except SnapshotDamagedError:
            if self.holds(snapshot_id):
                raise
            raise SnapshotNotFoundError(snapshot_id) from None

    def _reveal(self, staged: Path, snapshot_id: str) -> None:
        """Move a staged snapshot into place atomically and durably."""
        place = self.place(snapshot_id)
        try:
            staged.rename(place)
        except OSError as error:
            if may_exist(place):  # a network file system may move it but lose the reply
                raise SnapshotUnknownError(snapshot_id, str(error.strerror or error)) from error
            remove_folder(staged)
            raise not_published(self.folder, error) from error
        try:
            for folder in (place.parent, place.parent.parent, self.folder):
                sync_folder(folder)
        except OSError as error:
            raise SnapshotUnknownError(snapshot_id, str(error.strerror or error)) from error
