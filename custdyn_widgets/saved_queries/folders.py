"""Saved queries: a query under a title, kept as a small JSON file, to be run again.

There are two folders, the person's own and the shared one; a name that stands in both means the person's
own. What changes the numbers is the query, and its interval is kept as it is: a preset moves with the day,
a period stays. Output and chart say what is done with the report.

The files are read as what they are, other people's: whatever is wrong with one is said in words that name
it, and hides no other. A file is written whole or not at all, and never over what the person has not seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from custdyn_widgets.errors import (
    CustDynError,
    SavedQueryChangedError,
    SavedQueryError,
    SavedQueryExistsError,
)
from custdyn_widgets.files import (
    NotPlainError,
    TooLargeError,
    error_words,
    lock_folder,
    read_plain,
    write_whole,
)
from custdyn_widgets.saved_queries.content import MOST_BYTES, OUTPUTS, SavedQuery, is_name, name_for
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings

__all__ = [
    "MOST_BYTES",
    "OUTPUTS",
    "PLACES",
    "Entry",
    "Place",
    "SavedQuery",
    "Stored",
    "delete",
    "find",
    "folder_of",
    "listing",
    "load",
    "name_for",
    "save",
]

Place = Literal["mine", "shared"]
PLACES: tuple[Place, ...] = ("mine", "shared")  # in the order in which a name is looked up


@dataclass(frozen=True)
class Stored:
    """A saved query as it is kept; `revision` tells whether it is still the same (SHA-256 of the file)."""

    saved: SavedQuery
    name: str
    place: Place
    revision: str


@dataclass(frozen=True)
class Entry:
    """One line of a listing: a saved query, or why a file (or a whole folder: no name) has none."""

    name: str
    title: str
    place: Place
    saved: SavedQuery | None = None
    error: CustDynError | None = None


def listing(settings: Settings | None = None) -> list[Entry]:
    """Return the saved queries of both places, by title; also the files that hold none, with the error."""
    found = []
    for place, folder in _folders(settings).items():
        try:
            files = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            continue
        except OSError as error:
            why = SavedQueryError.folder_unusable(place, "read", error_words(error))
            found.append(Entry("", "", place, error=why))
            continue
        names = [file[:-5] for file in files if file.endswith(".json") and not file.startswith(".")]
        found += [entry for name in names if (entry := _entry(folder, place, name))]
    return sorted(found, key=lambda entry: (entry.title.casefold(), entry.name, entry.place))


def load(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Stored:
    """Return the saved query of this name: the person's own if there is one, else the shared one.

    Raises
    ------
    SavedQueryError
        If there is none, or its file cannot be used.
    """
    for where, folder in _searched(name, place, settings).items():
        with contextlib.suppress(FileNotFoundError):
            data = _read(folder, name)
            return Stored(SavedQuery.from_file(f"{name}.json", data), name, where, _revision(data))
    raise SavedQueryError.not_found(name, _present(settings))


def save(saved: SavedQuery, place: Place, *, over: str | None, settings: Settings | None = None) -> Stored:
    """Keep a saved query under the name of its title.

    Parameters
    ----------
    saved
        What to keep.
    place
        `mine` or `shared`.
    over
        The revision that the person saw and wants overwritten; None: there must be none of this name.
    settings
        Where the folders are; default: the settings in force.

    Raises
    ------
    SavedQueryExistsError
        If there is one and `over` is None.
    SavedQueryChangedError
        If what is there is not the revision `over`.
    SavedQueryError
        If the folder cannot be written to. Whatever was there is there as it was.
    """
    name, data = name_for(saved.title), saved.to_bytes()
    [(_, folder)] = _searched(name, place, settings).items()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder):
            _compare(folder, name, over)
            write_whole(folder / f"{name}.json", data, new=over is None)
    except OSError as error:
        if isinstance(error, FileExistsError) and folder.is_dir():
            _compare(folder, name, over)  # it was put there by somebody who takes no lock
        raise SavedQueryError.folder_unusable(place, "written to", error_words(error)) from error
    return Stored(saved, name, place, _revision(data))


def find(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Place:
    """Return where the saved query of this name is, whether or not it can be used; errors as in `load`."""
    for where, folder in _searched(name, place, settings).items():
        if os.path.lexists(folder / f"{name}.json"):
            return where
    raise SavedQueryError.not_found(name, _present(settings))


def folder_of(place: Place, *, settings: Settings | None = None) -> Path:
    """Return the folder of a place, which what a saved query's file names by a path is relative to."""
    return _folders(settings)[place]


def delete(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Place:
    """Delete the saved query of this name, also one that cannot be used; return where it was.

    Raises
    ------
    SavedQueryError
        If there is none, or the folder cannot be written to.
    """
    where = find(name, place, settings=settings)
    [(_, folder)] = _searched(name, where, settings).items()
    try:
        with lock_folder(folder):
            (folder / f"{name}.json").unlink()
    except FileNotFoundError:
        raise SavedQueryError.not_found(name, _present(settings)) from None
    except OSError as error:
        raise SavedQueryError.folder_unusable(where, "deleted from", error_words(error)) from error
    return where


def _folders(settings: Settings | None) -> dict[Place, Path]:
    in_force = settings or load_settings()
    own = in_force.my_queries
    if own is None or own == in_force.queries:
        return {"shared": in_force.queries}
    return {"mine": own, "shared": in_force.queries}


def _searched(name: str, place: Place | None, settings: Settings | None) -> dict[Place, Path]:
    """Return the folders in which a name is meant, once it is known to be a name and nothing else."""
    if place is not None and place not in PLACES:
        raise SavedQueryError.not_allowed("place", place, PLACES)
    if not is_name(name):
        raise SavedQueryError.bad_name(name, _present(settings))
    folders = _folders(settings)
    if place is None:
        return folders
    if place not in folders:
        raise SavedQueryError.folder_unusable(place, "written to", "it is not a folder of its own")
    return {place: folders[place]}


def _present(settings: Settings | None) -> list[str]:
    return sorted({entry.name for entry in listing(settings) if is_name(entry.name)})


def _read(folder: Path, name: str) -> bytes:
    """Return the bytes of a file; errors as `read_plain`, in words of saved queries."""
    file = f"{name}.json"
    try:
        return read_plain(folder, file, MOST_BYTES)
    except TooLargeError as error:
        raise SavedQueryError.unreadable(file, f"{error}, so it is no saved query") from error
    except NotPlainError as error:
        raise SavedQueryError.unreadable(file, str(error)) from error


def _entry(folder: Path, place: Place, name: str) -> Entry | None:
    """Return the line of one file, or None if it has gone."""
    try:
        if not is_name(name):
            raise SavedQueryError.unreadable(f"{name}.json", _MISNAMED)
        saved = SavedQuery.from_file(f"{name}.json", _read(folder, name))
    except FileNotFoundError:
        return None
    except CustDynError as error:
        return Entry(name, name, place, error=error)
    return Entry(name, saved.title, place, saved)


_MISNAMED = (
    "is not named as a saved query is: rename it to at most 80 lowercase letters and digits, with hyphens "
    "between, and .json"
)


def _compare(folder: Path, name: str, over: str | None) -> None:
    """Refuse to go on if what is there is not what the person saw."""
    try:
        data = _read(folder, name)
    except FileNotFoundError:
        if over is not None:
            raise SavedQueryChangedError(name, None) from None
        return
    if over is None:
        title = name
        with contextlib.suppress(CustDynError):
            title = SavedQuery.from_file(f"{name}.json", data).title
        raise SavedQueryExistsError(name, title, _revision(data))
    if over != _revision(data):
        raise SavedQueryChangedError(name, _revision(data))


def _revision(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
