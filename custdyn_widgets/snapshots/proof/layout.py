"""The layout of a snapshot's ZIP: uncompressed and undated, so that identical content yields identical bytes.

It can be read without decompression, and the files' names and contents determine every byte.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

MAX_FILES, MAX_BYTES = 1_003, 2**30 + 2**27
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_VERSION, _UNIX, _DATE = 20, 3 << 8, 1 << 5 | 1  # the date is the earliest that a ZIP can have, 1980-01-01
_PLAIN_FILE, _LINK = 0o100644, 0o120000
_CHUNK = 2**20


class ZipProblemError(Exception):
    """A file cannot be read as a snapshot's ZIP."""


@dataclass(frozen=True)
class Entry:
    """A file in a ZIP.

    Attributes
    ----------
    name, size, offset
        Its name, its size, and the position of its header.
    mode
        The file type and permissions that it would have after unpacking.
    is_stored
        Whether it is neither compressed nor encrypted.
    """

    name: str
    size: int
    offset: int
    mode: int = _PLAIN_FILE
    is_stored: bool = True

    @property
    def is_link(self) -> bool:
        """Whether it would be unpacked as a symbolic link."""
        return self.mode & 0o170000 == _LINK


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP of these files, in the given order."""
    parts, entries, at = [], [], 0
    for name, data in files.items():
        entry, crc = Entry(name, len(data), at), zlib.crc32(data)
        header = local_header(entry, crc)
        parts += [header, data]
        entries.append((entry, crc))
        at += len(header) + len(data)
    return b"".join([*parts, directory(entries)])


def local_header(entry: Entry, crc: int) -> bytes:
    """Return the header that precedes a file's content."""
    name = entry.name.encode("ascii")
    size = entry.size
    return _LOCAL.pack(0x04034B50, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name), 0) + name


def directory(entries: Sequence[tuple[Entry, int]]) -> bytes:
    """Return the directory and its end record, which come after all the files."""
    found = b""
    for entry, crc in entries:
        name = entry.name.encode("ascii")
        found += (
            _CENTRAL.pack(
                0x02014B50, _UNIX | _VERSION, _VERSION, 0, 0, 0, _DATE, crc, entry.size, entry.size,
                len(name), 0, 0, 0, 0, _PLAIN_FILE << 16, entry.offset,
            )
            + name
        )  # fmt: skip
    start = sum(_LOCAL.size + len(entry.name) + entry.size for entry, _ in entries)
    count = len(entries)
    return found + _END.pack(0x06054B50, 0, 0, count, count, len(found), start, 0)


def read_directory(file: BinaryIO) -> list[Entry]:
    """Return the files listed in a ZIP's directory, after checking the directory's size.

    Raises
    ------
    ZipProblemError
        If it is not a ZIP, or has more files or bytes than a snapshot can have.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size))
    end = file.read(_END.size)
    if len(end) < _END.size or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise ZipProblemError("The file is not a ZIP, is truncated, or has extra bytes at the end.")
    _, _, _, _, count, length, start, _ = _END.unpack(end)
    if size > MAX_BYTES or count > MAX_FILES or length > count * 200:
        raise ZipProblemError("The ZIP has more files or bytes than a snapshot can have.")
    if start + length + _END.size != size:
        raise ZipProblemError("The ZIP's directory is damaged, or bytes were added before or after it.")
    file.seek(start)
    return list(_entries(file.read(length), count))


def _entries(listed: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if len(listed) - at < _CENTRAL.size:
            raise ZipProblemError("The ZIP's directory is damaged.")
        found = _CENTRAL.unpack_from(listed, at)
        flags, method, packed, size = found[3], found[4], found[8], found[9]
        name, extra, comment, mode, offset = found[10], found[11], found[12], found[15] >> 16, found[16]
        at += _CENTRAL.size
        text = listed[at : at + name].decode("utf-8", "replace")
        yield Entry(text, size, offset, mode, flags & 1 == method == 0 and packed == size)
        at += name + extra + comment


def content(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield the content of a stored file in pieces; the content is incomplete if the ZIP is truncated."""
    file.seek(entry.offset + _LOCAL.size + len(entry.name))
    left = entry.size
    while left > 0 and (piece := file.read(min(left, _CHUNK))):
        left -= len(piece)
        yield piece


def is_as_written(file: BinaryIO, sums: Mapping[str, tuple[int, int]]) -> bool:
    """Return whether a ZIP contains exactly these files, by size and CRC-32 checksum, and no other bytes."""
    at, entries = 0, []
    for name, (size, crc) in sums.items():
        entry = Entry(name, size, at)
        header = local_header(entry, crc)
        file.seek(at)
        if file.read(len(header)) != header:
            return False
        entries.append((entry, crc))
        at += len(header) + size
    file.seek(at)
    end = directory(entries)
    return file.read(len(end) + 1) == end
