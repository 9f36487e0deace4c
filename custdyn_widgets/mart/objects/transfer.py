"""Downloading objects to files, several at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from custdyn_widgets import progress
from custdyn_widgets.mart.objects.address import ObjectAddress
from custdyn_widgets.mart.objects.listing import StoredObject
from custdyn_widgets.mart.objects.service import service_errors

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

_AT_ONCE = 8  # objects
_CHUNK = 8 * 2**20  # bytes
_REPORT_EVERY = 0.5  # seconds between progress reports


class ObjectChangedError(Exception):
    """An object changed while it was being read."""


class Transfer:
    """Downloads objects to files in a folder, and gives each file the modification time of its object.

    Parameters
    ----------
    service, address
        The storage service, and the address of the source.
    folder
        The folder for the files, whose subfolders must already exist.
    """

    def __init__(self, service: S3FileSystem, address: ObjectAddress, folder: Path) -> None:
        self._service, self._address, self._folder = service, address, folder
        self._parent = address.path.removesuffix(address.name)
        self._stopped = threading.Event()
        self._done: dict[str, int] = {}  # bytes

    def run(self, objects: Mapping[str, StoredObject]) -> None:
        """Download all objects; on failure or interrupt, stop all downloads.

        Raises
        ------
        SourceError
            If the storage service cannot be reached, or refuses a request.
        ObjectChangedError
            If an object has been deleted or replaced since it was listed.
        OSError
            If a file cannot be written.
        """
        total = sum(stored.size for stored in objects.values())
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="custdyn copy") as threads:
            pending = {threads.submit(self._copy, name, stored) for name, stored in objects.items()}
            try:
                while pending:
                    progress.step(
                        f"Copying {len(objects):,} objects from {self._address.url}",
                        sum(self._done.copy().values()) / max(total, 1),
                    )
                    os.utime(self._folder)  # other processes remove folders that have been unused for an hour
                    finished, pending = wait(pending, _REPORT_EVERY, "FIRST_COMPLETED")
                    for each in finished:
                        each.result()
            finally:
                self._stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)

    def _copy(self, name: str, stored: StoredObject) -> None:
        target = self._folder / name
        try:
            with service_errors(self._address):
                self._download(name, target)
        except FileNotFoundError:
            raise ObjectChangedError from None
        if target.stat().st_size != stored.size:
            raise ObjectChangedError
        os.utime(target, ns=(stored.changed, stored.changed))

    def _download(self, name: str, target: Path) -> None:
        path = self._parent + name
        with self._service.open_input_file(path) as stream, target.open("xb") as file:
            tag = stream.metadata().get("ETag")  # changes with the content
            try:
                while (chunk := stream.read(_CHUNK)) and not self._stopped.is_set():
                    file.write(chunk)
                    self._done[name] = file.tell()
            finally:  # if the object cannot be read, this often raises a clearer error
                with self._service.open_input_file(path) as again:
                    tag_after = again.metadata().get("ETag")
            file.flush()
            os.fsync(file.fileno())  # a crash must not leave a file with the right size but wrong content
        if tag_after != tag:
            raise ObjectChangedError
