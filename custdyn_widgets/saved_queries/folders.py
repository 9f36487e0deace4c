"""The folders of saved queries: the person's own, and the shared one.

A name that is in both means the person's own. The files may be other people's: an error in one names it and
hides no other. A file is written whole or not at all, and never over one that the person has not seen.
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
    alone,
    error_words,
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
    """A saved query in its folder; `revision`, the SHA-256 of its file, changes when it does."""

    saved: SavedQuery
    name: str
    place: Place
    revision: str


@dataclass(frozen=True)
class Entry:
    """One line of a listing: a saved query, or the error of a file (without a name: of a folder)."""

    name: str
    title: str
    place: Place
    saved: SavedQuery | None = None
    error: CustDynError | None = None


def listing(settings: Settings | None = None) -> list[Entry]:
    """List the saved queries of both folders by title, and the files that cannot be read."""
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
    """Load a saved query by name: the person's own if there is one, else the shared one.

    Raises
    ------
    SavedQueryError
        If there is none, or its file cannot be read.
    """
    for where, folder in _searched(name, place, settings).items():
        with contextlib.suppress(FileNotFoundError):
            data = _read(folder, name)
            return Stored(SavedQuery.from_file(f"{name}.json", data), name, where, _revision(data))
    raise SavedQueryError.not_found(name, _present(settings))


def save(saved: SavedQuery, place: Place, *, over: str | None, settings: Settings | None = None) -> Stored:
    """Save a query under the name that its title gives.

    Parameters
    ----------
    saved
        The saved query.
    place
        `mine` or `shared`.
    over
        The revision to overwrite, which the person has seen; None if there must be none.
    settings
        The settings with the folders; default: the current ones.

    Raises
    ------
    SavedQueryExistsError
        If there is one already and `over` is None.
    SavedQueryChangedError
        If the one there is not the revision `over`.
    SavedQueryError
        If the folder cannot be written to; nothing was changed.
    """
    name, data = name_for(saved.title), saved.to_bytes()
    [(_, folder)] = _searched(name, place, settings).items()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            _compare(folder, name, over)
            write_whole(folder / f"{name}.json", data, new=over is None)
    except OSError as error:
        if isinstance(error, FileExistsError) and folder.is_dir():
            _compare(folder, name, over)  # somebody who takes no lock wrote it
        raise SavedQueryError.folder_unusable(place, "written to", error_words(error)) from error
    return Stored(saved, name, place, _revision(data))


def find(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Place:
    """Return where a saved query is, even if it cannot be read; errors as in `load`."""
    for where, folder in _searched(name, place, settings).items():
        if os.path.lexists(folder / f"{name}.json"):
            return where
    raise SavedQueryError.not_found(name, _present(settings))


def folder_of(place: Place, *, settings: Settings | None = None) -> Path:
    """Return the folder of a place; relative paths in a saved query start there."""
    return _folders(settings)[place]


def delete(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Place:
    """Delete a saved query, even one that cannot be read; return where it was.

    Raises
    ------
    SavedQueryError
        If there is none, or the folder cannot be written to.
    """
    where = find(name, place, settings=settings)
    [(_, folder)] = _searched(name, where, settings).items()
    try:
        with alone(folder):
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
    """Return the folders to look in, after checking that the name is one."""
    if place is not None and place not in PLACES:
        raise SavedQueryError.not_allowed("place", place, PLACES)
    if not is_name(name):
        raise SavedQueryError.bad_name(name, _present(settings))
    folders = _folders(settings)
    if place is None:
        return folders
    if place not in folders:
        raise SavedQueryError.folder_unusable(place, "written to", "it is not a plain folder")
    return {place: folders[place]}


def _present(settings: Settings | None) -> list[str]:
    return sorted({entry.name for entry in listing(settings) if is_name(entry.name)})


def _read(folder: Path, name: str) -> bytes:
    """Read a file as `read_plain` does; errors speak of saved queries."""
    file = f"{name}.json"
    try:
        return read_plain(folder, file, MOST_BYTES)
    except TooLargeError as error:
        raise SavedQueryError.unreadable(file, f"{error}, so it is no saved query") from error
    except NotPlainError as error:
        raise SavedQueryError.unreadable(file, str(error)) from error


def _entry(folder: Path, place: Place, name: str) -> Entry | None:
    """Return the line of one file; None if it is gone."""
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
    """Raise an error if the file is not the one that the person saw."""
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
