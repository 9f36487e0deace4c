"""Folders of memory-mapped arrays and text files that never change.

The seal of a folder contains the size, time and checksum of each of the other files, and a folder that does
not match its seal is damaged. Sizes and times are checked whenever a folder is opened. Checksums are checked
separately, because reading every byte takes as long as a small report (12 ms for the facts of 10 million
rows; a report on all of them takes 500 ms). A checksum is a sum of 64-bit words, which is fast enough and
detects flipped bytes and blocks left empty by a crash.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.facts.large_arrays import save_array

_SEAL = "seal.json"
# The exceptions that reading a damaged folder can raise.
DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError)


def write_sealed(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, bytes]) -> None:
    """Write arrays, text files and their seal into an empty folder.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    for name, array in arrays.items():
        save_array(folder / f"{name}.npy", array)
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    files = _files(folder, [*(f"{name}.npy" for name in arrays), *texts])
    content = json.dumps({"files": files, "sums": _sums(arrays, texts)})
    seal = f"{zlib.crc32(content.encode()):08x} {content}"
    (folder / _SEAL).write_text(seal, encoding="ascii")


class SealedFolder(NamedTuple):
    """A folder whose files have the sizes and times recorded in its seal.

    Attributes
    ----------
    path
        The path of the folder.
    seal
        The checksum of the seal.
    sums
        For each array, its type, shape and checksum; for each text file, its checksum.
    """

    path: Path
    seal: str
    sums: Mapping[str, Any]

    @classmethod
    def opened(cls, path: Path) -> SealedFolder:
        """Open a folder; raise one of `DAMAGED` if a file is missing or differs from the seal."""
        seal, _, text = (path / _SEAL).read_text(encoding="ascii").partition(" ")
        if seal != f"{zlib.crc32(text.encode()):08x}":
            raise ValueError("the seal is damaged")
        content = json.loads(text)
        if content["files"] != _files(path, content["files"]):
            raise ValueError("a file differs from the seal")
        return cls(path, seal, content["sums"])

    def array(self, name: str) -> npt.NDArray[Any]:
        """Map an array, with the type and shape recorded in the seal rather than in the file."""
        kind, shape, _ = self.sums[name]
        path, dtype = self.path / f"{name}.npy", np.dtype(kind)
        begin = path.stat().st_size - dtype.itemsize * math.prod(shape)
        return np.asarray(np.memmap(path, dtype, "r", begin, tuple(shape)))

    def text(self, name: str) -> bytes:
        """Return the content of a text file."""
        return (self.path / name).read_bytes()

    def verify(self, arrays: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, bytes]) -> None:
        """Raise a ValueError if any of the arrays or text files does not match its checksum."""
        found = _sums(arrays, texts)
        if found != {name: self.sums[name] for name in found}:
            raise ValueError("a checksum differs")


def _files(folder: Path, names: Iterable[str]) -> dict[str, list[int]]:
    """Return the size and time of each file."""
    found = {}
    for name in names:
        status = (folder / name).stat()
        found[name] = [status.st_size, status.st_mtime_ns]
    return found


def _sums(arrays: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, bytes]) -> dict[str, Any]:
    sums: dict[str, Any] = {name: zlib.crc32(text) for name, text in texts.items()}
    for name, array in arrays.items():
        octets = np.asarray(array).reshape(-1).view(np.uint8)
        words = octets[: len(octets) // 8 * 8].view(np.uint64)
        total = int(np.add.reduce(words)) + int.from_bytes(octets[len(words) * 8 :].tobytes(), "little")
        sums[name] = [array.dtype.str, list(array.shape), total]
    return sums
