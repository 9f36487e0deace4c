"""Listing the objects of a source: those that are read, and the names of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.mapping.exports import is_data_name
from custdyn_widgets.mart.objects.address import ObjectAddress, is_plain_name
from custdyn_widgets.mart.objects.service import service_errors
from custdyn_widgets.mart.reading.mart_files import DUCKDB_SUFFIXES
from custdyn_widgets.mart.reading.near_files import PACKED_CSV, SUFFIXES
from custdyn_widgets.mart.schema import TABLES
from custdyn_widgets.mart.synced import RECORD

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, S3FileSystem

_FILES = {RECORD, *(f"{table}{suffix}" for table in TABLES for suffix in (*SUFFIXES, *PACKED_CSV))}
_FOLDERS = {f"{table}{suffix}" for table in TABLES for suffix in SUFFIXES}
_NAMES = 1000  # the maximum number of names to compare with the names of missing tables


@dataclass(frozen=True)
class StoredObject:
    """The size of an object, and the Unix time at which it was stored, in nanoseconds."""

    size: int
    changed: int


@dataclass(frozen=True)
class Listing:
    """The objects of a source, by their paths relative to the source's parent folder.

    Attributes
    ----------
    objects
        The objects that are read.
    others
        The names of objects that are not read, which errors and notes from `check` may mention.
    folders
        The paths of the folders.
    """

    objects: dict[str, StoredObject] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)


def list_objects(service: S3FileSystem, address: ObjectAddress, *, mapped: bool) -> Listing:
    """List the objects of a mart or, if `mapped` is True, of an export that a mapping reads.

    Raises
    ------
    SourceError
        If there are no objects, they cannot be listed, or an object to be read has an invalid file name.
    """
    with service_errors(address):
        if address.name.lower().endswith(DUCKDB_SUFFIXES) or (mapped and is_data_name(address.name)):
            found = service.get_file_info([address.path, f"{address.path}.wal"])
            listing = Listing()
            listing.objects.update((info.base_name, _stored(info)) for info in found if info.is_file)
            if address.name in listing.objects:
                return listing
        try:
            return _list_folder(service, address, mapped=mapped)
        except FileNotFoundError:
            raise _no_objects(service, address) from None


def _list_folder(service: S3FileSystem, address: ObjectAddress, *, mapped: bool) -> Listing:
    """List a folder and any subfolders that contain parts of a table."""
    listing = Listing(folders={address.name})
    top = list(_entries(service, address.path))
    names = {name for name, info in top if info.is_file}
    for name, info in top[:_NAMES] + [each for each in top[_NAMES:] if each[0] in _FILES | _FOLDERS]:
        path = f"{address.name}/{name}"
        if info.is_file:
            _add(listing, path, info, is_read=is_data_name(name) if mapped else name in _FILES)
            continue
        if name in names:
            raise SourceError(
                f"Source {shown(address.url)} has both an object and a folder named {shown(name)}. Delete "
                "one of them.",
                field="source",
            )
        is_table = not name.startswith((".", "_")) if mapped else name in _FOLDERS
        if is_table or is_plain_name(name):
            _check_name(path)
            listing.folders.add(path)
        if is_table:
            for inner, found in _entries(service, f"{address.path}/{name}"):
                if found.is_file:
                    _add(listing, f"{path}/{inner}", found, is_read=is_data_name(inner))
                elif is_plain_name(inner):
                    listing.folders.add(f"{path}/{inner}")
    return listing


def _entries(service: S3FileSystem, path: str) -> Iterator[tuple[str, FileInfo]]:
    """Yield the sorted names and the file information of a folder's entries, but not of the folder itself."""
    from pyarrow.fs import FileSelector  # imported late: takes a tenth of a second to load

    for info in sorted(service.get_file_info(FileSelector(path)), key=lambda info: str(info.path)):
        if name := str(info.path).removeprefix(path).removeprefix("/"):
            yield name, info


def _add(listing: Listing, path: str, info: FileInfo, *, is_read: bool) -> None:
    if is_read:
        _check_name(path)
        listing.objects[path] = _stored(info)
    elif is_plain_name(path.rpartition("/")[2]):
        listing.others.add(path)


def _stored(info: FileInfo) -> StoredObject:
    return StoredObject(info.size, info.mtime_ns or 0)


def _check_name(path: str) -> None:
    """Raise an error if the last component of an object's path is not a valid file name."""
    if not is_plain_name(path.rpartition("/")[2]):
        raise SourceError(
            f"The name of the object {shown(path)} is not a valid file name. Rename it.", field="source"
        )


def _no_objects(service: S3FileSystem, address: ObjectAddress) -> SourceError:
    if address.key and service.get_file_info(address.path).is_file:
        words = f"is an object. Use its folder: s3://{address.path.rpartition('/')[0]}"
    else:
        words = "contains no objects. Check the name of the folder, which is case-sensitive"
    return SourceError(f"Source {shown(address.url)} {words}.", field="source")
