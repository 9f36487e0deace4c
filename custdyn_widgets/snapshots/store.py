"""The snapshot store: frozen reports as folders of plain files, found by an id that cannot be guessed.

    v1/<first two of the id>/<id>/   manifest.json and the files that it lists; never changed once there
    state/<first two>/<id>.json      what may change: `revoked` and `expires`, instants or null
    tmp/                             what is being written; never read

An id is the lower-case base32 of SHA-256 over a version tag and the manifest's bytes. The manifest holds
a 128-bit nonce, so that plausible content does not give the id away, and size and SHA-256 of every file,
so that an id vouches for every byte of its snapshot. The store knows bytes and manifests only; it needs
a POSIX file system, and follows no symbolic link below its own folder.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import (
    SnapshotDamagedError,
    SnapshotError,
    SnapshotNotFoundError,
    SnapshotUnknownError,
    shown,
)
from custdyn_widgets.snapshots.disk import (
    NotPlainError,
    folder_below,
    make_folder,
    names_in,
    plain_file,
    reason,
    sync_folder,
    write_folder,
)
from custdyn_widgets.snapshots.manifests import MANIFEST, id_of, is_id, parsed, sealed
from custdyn_widgets.snapshots.state import read_state

_REMEMBERED = 256


@dataclass(frozen=True)
class Problem:
    """What `Store.verify` found: in which snapshot (or none), at which file (or none), and what."""

    id: str
    file: str
    what: str


class Store:
    """A folder of snapshots, which many processes may read and publish to at once.

    Parameters
    ----------
    folder
        The store's folder; made by the first publishing. New files and folders get the modes that the
        umask leaves, without an exec bit on files; a set-group-id bit on the store's folder is inherited.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        # What an id means can never change, so a manifest once re-hashed needs no second look.
        self._remembered: dict[str, dict[str, Any]] = {}

    def publish(self, manifest: Mapping[str, object], files: Mapping[str, bytes]) -> str:
        """Store a snapshot for ever and return its id, which is said only once everything is on the disk.

        Parameters
        ----------
        manifest
            What is told about the snapshot; the store adds `format`, `nonce` and `files`.
        files
            Content by file name: small letters, digits, and single points and hyphens between them.

        Raises
        ------
        SnapshotUnknownError
            If something failed after the snapshot became visible.
        SnapshotError
            If nothing was published, and why.
        """
        data = sealed(manifest, files)
        snapshot_id = id_of(data)
        staged = self._stage({**files, MANIFEST: data}, snapshot_id[:2])
        self._reveal(staged, snapshot_id)
        return snapshot_id

    def path(self, snapshot_id: str) -> Path:
        """Return the folder of a snapshot that can be seen."""
        self._files(snapshot_id)
        return self.place(snapshot_id)

    def manifest(self, snapshot_id: str) -> dict[str, Any]:
        """Return the manifest of a snapshot, re-hashed and strictly parsed.

        Raises
        ------
        SnapshotNotFoundError
            If there is no such snapshot, or it is revoked or expired.
        SnapshotDamagedError
            If the manifest is not the one that gave the id.
        """
        if not is_id(snapshot_id) or read_state(self.folder, snapshot_id).word:
            raise SnapshotNotFoundError(snapshot_id)
        try:
            with folder_below(self.folder, "v1", snapshot_id[:2], snapshot_id) as folder:
                return _read_manifest(folder, snapshot_id)
        except FileNotFoundError:
            raise SnapshotNotFoundError(snapshot_id) from None
        except OSError as error:
            raise SnapshotDamagedError(snapshot_id, "its folder", reason(error)) from error

    def listed(self, snapshot_id: str, name: str) -> dict[str, Any]:
        """Return the `size` and `sha256` that the manifest gives for a file; errors as `read`."""
        entry: dict[str, Any] | None = self._files(snapshot_id).get(name)
        if entry is None:
            raise SnapshotNotFoundError(snapshot_id)
        return entry

    def read(self, snapshot_id: str, name: str) -> bytes:
        """Return a file's bytes, after comparing their size and SHA-256 with the manifest.

        They are compared at every reading: hashing a page costs a tenth of a millisecond, and a memory of
        sizes and times would trust what anyone who changes a file can set.

        Raises
        ------
        SnapshotNotFoundError
            If there is no such snapshot or it has no such file, or it is revoked or expired.
        SnapshotDamagedError
            If the file is not what was published.
        """
        entry = self.listed(snapshot_id, name)
        try:
            with folder_below(self.folder, "v1", snapshot_id[:2], snapshot_id) as folder:
                problem, data = _compared(folder, name, entry)
        except FileNotFoundError:  # deleted, as a whole, since its manifest was remembered
            raise SnapshotNotFoundError(snapshot_id) from None
        except OSError as error:
            raise SnapshotDamagedError(snapshot_id, "its folder", reason(error)) from error
        if problem:
            raise SnapshotDamagedError(snapshot_id, name, problem)
        return data

    def read_compared(self, snapshot_id: str, name: str) -> tuple[bytes, dict[str, str]]:
        """Return a file's bytes, and what is wrong with the snapshot's other files, by their names.

        Every byte of the snapshot is read and compared, the manifest's too; errors as `read`.
        """
        self.listed(snapshot_id, name)
        wrong: dict[str, str] = {}
        data = b""
        try:
            with folder_below(self.folder, "v1", snapshot_id[:2], snapshot_id) as folder:
                _check_manifest(folder, snapshot_id)
                for file, entry in self._files(snapshot_id).items():
                    problem, content = _compared(folder, file, entry)
                    if problem:
                        wrong[file] = problem
                    elif file == name:
                        data = content
        except FileNotFoundError:
            raise SnapshotNotFoundError(snapshot_id) from None
        except OSError as error:
            raise SnapshotDamagedError(snapshot_id, "its folder", reason(error)) from error
        if wrong and not _may_exist(self.place(snapshot_id)):  # deleted in the middle of the reading
            raise SnapshotNotFoundError(snapshot_id)
        if name in wrong:
            raise SnapshotDamagedError(snapshot_id, name, wrong[name])
        return data, wrong

    def ids(self) -> list[str]:
        """Return the ids of all stored snapshots, sorted; revoked, expired and damaged ones too."""
        return sorted(name for shard, name in self._entries() if is_id(name) and name[:2] == shard)

    def verify(self, ids: Sequence[str] | None = None) -> list[Problem]:
        """Re-hash snapshots and return what is wrong; an empty list means that nothing is.

        Parameters
        ----------
        ids
            Which snapshots; default: all, and whatever else lies among them is a problem too.
        """
        problems: list[Problem] = []
        if ids is None:
            ids = self.ids()
            own = set(ids)
            strays = [entry for entry in self._entries() if entry[1] not in own or entry[1][:2] != entry[0]]
            problems = [
                Problem("", "/".join(("v1", *entry)).rstrip("/"), "is not a snapshot") for entry in strays
            ]
        return problems + [problem for snapshot_id in ids for problem in self._problems(snapshot_id)]

    def _problems(self, snapshot_id: str) -> list[Problem]:
        if not is_id(snapshot_id):
            return [Problem(shown(snapshot_id), "", "is not an id: 52 small letters and digits")]
        found: list[tuple[str, str]] = []
        try:
            read_state(self.folder, snapshot_id)
        except SnapshotDamagedError as error:
            found.append((error.file, error.what))
        try:
            with folder_below(self.folder, "v1", snapshot_id[:2], snapshot_id) as folder:
                found += _folder_problems(folder, snapshot_id)
        except OSError as error:
            found.append(("", reason(error)))
        return [Problem(snapshot_id, file, what) for file, what in found]

    def _files(self, snapshot_id: str) -> dict[str, Any]:
        """Return the files that a visible snapshot's manifest lists, from memory where it was read before."""
        files = self._remembered.get(snapshot_id)
        if files is None or read_state(self.folder, snapshot_id).word:
            files = self.manifest(snapshot_id)["files"]
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[snapshot_id] = files
        return files

    def place(self, snapshot_id: str) -> Path:
        """Return where the folder of an id stands, without looking whether it is there."""
        return self.folder / "v1" / snapshot_id[:2] / snapshot_id

    def _entries(self) -> list[tuple[str, str]]:
        """Return (folder, name) of everything two levels below v1/; what is not a folder has no name."""
        entries: list[tuple[str, str]] = []
        try:
            with folder_below(self.folder, "v1") as folder:
                shards = names_in(folder)
        except FileNotFoundError:
            return []
        for shard in shards:
            try:
                with folder_below(self.folder, "v1", shard) as folder:
                    entries += [(shard, name) for name in names_in(folder)]
            except OSError:
                entries.append((shard, ""))
        return entries

    def _stage(self, files: Mapping[str, bytes], shard: str) -> Path:
        """Write a snapshot's files where nobody looks, to the disk."""
        staged = self.folder / "tmp" / secrets.token_hex(16)
        try:
            make_folder(staged.parent)
            make_folder(self.folder / "v1" / shard)
            write_folder(staged, files)
        except BaseException as error:
            shutil.rmtree(staged, ignore_errors=True)
            if isinstance(error, OSError):
                raise SnapshotError.not_published(str(error.strerror or error)) from error
            raise
        return staged

    def _reveal(self, staged: Path, snapshot_id: str) -> None:
        """Put a written snapshot in its place in one step, and make that step last."""
        place = self.place(snapshot_id)
        try:
            staged.rename(place)
        except OSError as error:
            if _may_exist(place):  # a network file system can do it and lose the answer
                raise SnapshotUnknownError(snapshot_id, str(error.strerror or error)) from error
            shutil.rmtree(staged, ignore_errors=True)
            raise SnapshotError.not_published(str(error.strerror or error)) from error
        try:
            for folder in (place.parent, place.parent.parent, self.folder):
                sync_folder(folder)
        except OSError as error:
            raise SnapshotUnknownError(snapshot_id, str(error.strerror or error)) from error


def _may_exist(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _compared(folder: int, name: str, entry: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return what is wrong with a file (empty: nothing) and its bytes."""
    try:
        with plain_file(folder, name) as file:
            data = file.read()
    except (OSError, NotPlainError) as error:
        return reason(error), b""
    if len(data) != entry["size"]:
        return f"has {len(data)} bytes instead of {entry['size']}", data
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        return "has other content than was published", data
    return "", data


def _read_manifest(folder: int, snapshot_id: str) -> dict[str, Any]:
    try:
        with plain_file(folder, MANIFEST) as file:
            return parsed(file.read(), snapshot_id)
    except (OSError, NotPlainError) as error:
        raise SnapshotDamagedError(snapshot_id, MANIFEST, reason(error)) from error


def _check_manifest(folder: int, snapshot_id: str) -> None:
    """Compare the manifest's bytes with the id, which says all of them without parsing."""
    try:
        with plain_file(folder, MANIFEST) as file:
            if id_of(file.read()) == snapshot_id:
                return
        problem = "does not give this id"
    except (OSError, NotPlainError) as error:
        problem = reason(error)
    raise SnapshotDamagedError(snapshot_id, MANIFEST, problem)


def _folder_problems(folder: int, snapshot_id: str) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for the open folder of a snapshot."""
    try:
        entries = _read_manifest(folder, snapshot_id)["files"]
    except SnapshotDamagedError as error:
        yield error.file, error.what
        return
    for name in sorted({*entries, *names_in(folder)}):
        if name in entries:
            problem, _ = _compared(folder, name, entries[name])
            if problem:
                yield name, problem
        elif name != MANIFEST:
            yield name, "is not listed in the manifest"
