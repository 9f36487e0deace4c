"""Local copies of sources on object storage, which are updated by downloading only changed objects.

A copy is a folder that is written under a temporary name and then renamed, so that readers see the objects
from one listing, never a mixture of two. Each file has the size and modification time of its object,
which are compared with those in the next listing. Unchanged files are hard links to the files in the previous
copy.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets import progress
from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.files import make_folder, remove_folder, sync_folder
from custdyn_widgets.mart.objects.address import ObjectAddress
from custdyn_widgets.mart.objects.listing import Listing, StoredObject, list_objects
from custdyn_widgets.mart.objects.place import copies_of
from custdyn_widgets.mart.objects.service import open_service
from custdyn_widgets.mart.objects.transfer import ObjectChangedError, Transfer

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

_BUILDING = ".building-"
_ABANDONED = 3600  # seconds
# Services may store times in whole seconds. An object stored shortly before it was listed could then be
# replaced without a change to its time, so its copy is not reused.
_TOO_RECENT = 3 * 10**9  # nanoseconds


def local_copy(address: ObjectAddress, *, mapped: bool) -> Path:
    """Return the path of an up-to-date copy of a source; `mapped` is True if a mapping reads the source.

    Raises
    ------
    SourceError
        If the objects cannot be listed or read, keep changing, or cannot be stored on this machine.
    """
    root = copies_of(address)
    service = open_service(address)
    try:
        for _ in range(2):
            began = time.time_ns()
            progress.step(f"Listing {address.url}", 0.0)
            listing = list_objects(service, address, mapped=mapped)
            copy = _matching(root, listing)
            if copy is None:
                with contextlib.suppress(ObjectChangedError), _new_copy(root) as building:
                    _fill(building, listing, root, service, address, began)
                    if list_objects(service, address, mapped=mapped).objects != listing.objects:
                        raise ObjectChangedError
                    copy = building.rename(root / secrets.token_hex(8))
                    sync_folder(root)
            if copy is not None:
                _remove_unused(root, keep=copy)
                return copy / address.name
    except OSError as error:
        raise SourceError(
            f"The copy of {shown(address.url)} cannot be written to {root}: {error.strerror or error}. Free "
            "some space, or set CUSTDYN_CACHE to another folder.",
            field="source",
        ) from error
    raise SourceError(
        f"Source {shown(address.url)} kept changing while it was being copied. Try again when the export is "
        "complete.",
        field="source",
    )


def _copies_in(root: Path) -> list[Path]:
    """Return the copies of a source, most recently used first."""
    with contextlib.suppress(FileNotFoundError):
        found = [path for path in root.iterdir() if not path.name.startswith(".")]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    return []


def _matching(root: Path, listing: Listing) -> Path | None:
    """Return the copy that matches a listing, if there is one."""
    for copy in _copies_in(root):
        if _content(copy) == listing:
            with contextlib.suppress(OSError):  # the cache may be read-only
                os.utime(copy)
            return copy
    return None


def _content(copy: Path) -> Listing:
    """Return the listing that a copy corresponds to."""
    found = Listing()
    with contextlib.suppress(FileNotFoundError):  # removed by another process
        for path in copy.rglob("*"):
            name, status = path.relative_to(copy).as_posix(), path.lstat()
            if path.is_dir():
                found.folders.add(name)
            elif status.st_mtime_ns == 0:
                found.others.add(name)
            else:
                found.objects[name] = StoredObject(status.st_size, status.st_mtime_ns)
    return found


@contextlib.contextmanager
def _new_copy(root: Path) -> Iterator[Path]:
    """Create a folder for a new copy; at the end, remove the folder unless it has been renamed."""
    make_folder(root)
    building = root / f"{_BUILDING}{secrets.token_hex(8)}"
    building.mkdir(mode=0o700)
    try:
        yield building
    finally:
        remove_folder(building)


def _fill(
    building: Path,
    listing: Listing,
    root: Path,
    service: S3FileSystem,
    address: ObjectAddress,
    began: int,
) -> None:
    """Write a listing's files to a folder: link those already copied, and download the others."""
    for name in sorted(listing.folders):
        (building / name).mkdir()
    for name in listing.others:
        (building / name).touch()
        os.utime(building / name, ns=(0, 0))
    earlier = [(copy, _content(copy).objects) for copy in _copies_in(root)]
    missing = []
    for name, stored in listing.objects.items():
        source = next((copy / name for copy, had in earlier if had.get(name) == stored), None)
        if source is None or not _link(source, building / name):
            missing.append(name)
    Transfer(service, address, building).run({name: listing.objects[name] for name in missing})
    for name in missing:
        changed = listing.objects[name].changed
        if changed > began - _TOO_RECENT:
            os.utime(building / name, ns=(changed, changed + 1))


def _link(source: Path, target: Path) -> bool:
    """Link a file from an earlier copy into a new one, and return whether that succeeded."""
    try:
        os.link(source, target)
    except FileNotFoundError:  # removed by another process
        return False
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
    return True


def _remove_unused(root: Path, keep: Path) -> None:
    """Remove other copies, complete or not, that have not been used or changed within the last hour."""
    for path in root.iterdir():
        with contextlib.suppress(FileNotFoundError):  # removed by another process
            if path != keep and time.time() - path.stat().st_mtime > _ABANDONED:
                remove_folder(path)
