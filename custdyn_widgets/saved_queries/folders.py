"""The folders of saved queries: listing, loading, saving and deleting their files.

There are two folders, the user's own and the shared one. A name that exists in both refers to the user's
own saved query. Intervals are stored as given: a preset moves with the date, while a period is fixed.

Other users may write these files, so an invalid file is reported by name and does not hide the others. Files
are written atomically and never replace a version that the user has not seen.
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
    error_text,
    lock_folder,
    read_plain,
    write_whole,
)
from custdyn_widgets.saved_queries.content import MAX_BYTES, SavedQuery, is_name, name_for
from custdyn_widgets.saved_queries.recovery import recover_failure_recipients
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings

Place = Literal["mine", "shared"]
PLACES: tuple[Place, ...] = ("mine", "shared")  # in lookup order


@dataclass(frozen=True)
class Stored:
    """A stored saved query; `revision`, the SHA-256 of its file, reveals changes."""

    saved: SavedQuery
    name: str
    place: Place
    revision: str


@dataclass(frozen=True)
class ListedQuery:
    """An entry in a listing: a saved query, or the error in a file or folder; a folder's `name` is empty."""

    name: str
    title: str
    place: Place
    saved: SavedQuery | None = None
    error: CustDynError | None = None


def listing(settings: Settings | None = None) -> list[ListedQuery]:
    """Return the saved queries in both folders, sorted by title.

    An invalid file has an entry with its error, and so does a folder that cannot be read.
    """
    found = []
    for place, folder in _folders(settings).items():
        try:
            files = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            continue
        except OSError as error:
            why = SavedQueryError.folder_unusable(place, "read", error_text(error))
            found.append(ListedQuery("", "", place, error=why))
            continue
        names = [file[:-5] for file in files if file.endswith(".json") and not file.startswith(".")]
        found += [listed for name in names if (listed := _listed(folder, place, name))]
    return sorted(found, key=lambda listed: (listed.title.casefold(), listed.name, listed.place))


def load(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Stored:
    """Return the saved query with this name: the user's own if it exists, otherwise the shared one.

    Raises
    ------
    SavedQueryError
        If it does not exist or its file is invalid.
    """
    for where, folder in _folders_to_search(name, place, settings).items():
        with contextlib.suppress(FileNotFoundError):
            data = _read(folder, name)
            return Stored(SavedQuery.from_file(f"{name}.json", data), name, where, _revision(data))
    raise SavedQueryError.not_found(name, _known_names(settings))


def failure_recipients(name: str, *, settings: Settings | None = None) -> tuple[str, ...]:
    """Return the failure recipients of an invalid saved query, or () if none can be read."""
    for folder in _folders_to_search(name, None, settings).values():
        with contextlib.suppress(FileNotFoundError, SavedQueryError):
            return recover_failure_recipients(_read(folder, name))
    return ()


def save(saved: SavedQuery, place: Place, *, over: str | None, settings: Settings | None = None) -> Stored:
    """Save a query under the name derived from its title.

    Parameters
    ----------
    saved
        The saved query.
    place
        `mine` or `shared`.
    over
        The revision to overwrite, which the user has seen; None if the name must be unused.
    settings
        The settings that name the folders. Defaults to the current settings.

    Raises
    ------
    SavedQueryExistsError
        If the name is in use and `over` is None.
    SavedQueryChangedError
        If the stored revision is not `over`.
    SavedQueryError
        If the folder cannot be written to; nothing has been changed.
    """
    name, data = name_for(saved.title), saved.to_bytes()
    [folder] = _folders_to_search(name, place, settings).values()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder):
            _compare(folder, name, over)
            write_whole(folder / f"{name}.json", data, new=over is None)
    except OSError as error:
        if isinstance(error, FileExistsError) and folder.is_dir():
            _compare(folder, name, over)  # written by a program that does not use the lock
        raise SavedQueryError.folder_unusable(place, "written to", error_text(error)) from error
    return Stored(saved, name, place, _revision(data))


def find(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Place:
    """Return the place of the saved query with this name, valid or not.

    Raises
    ------
    SavedQueryError
        If it does not exist.
    """
    for where, folder in _folders_to_search(name, place, settings).items():
        if os.path.lexists(folder / f"{name}.json"):
            return where
    raise SavedQueryError.not_found(name, _known_names(settings))


def folder_of(place: Place, *, settings: Settings | None = None) -> Path:
    """Return a place's folder, against which relative paths in its saved queries are resolved."""
    return _folders(settings)[place]


def delete(name: str, place: Place | None = None, *, settings: Settings | None = None) -> Place:
    """Delete the saved query with this name, valid or not, and return where it was stored.

    Raises
    ------
    SavedQueryError
        If it does not exist or the folder cannot be written to.
    """
    where = find(name, place, settings=settings)
    folder = folder_of(where, settings=settings)
    try:
        with lock_folder(folder):
            (folder / f"{name}.json").unlink()
    except FileNotFoundError:
        raise SavedQueryError.not_found(name, _known_names(settings)) from None
    except OSError as error:
        raise SavedQueryError.folder_unusable(where, "deleted from", error_text(error)) from error
    return where


def _folders(settings: Settings | None) -> dict[Place, Path]:
    settings = settings or load_settings()
    own = settings.my_queries
    if own is None or own == settings.queries:
        return {"shared": settings.queries}
    return {"mine": own, "shared": settings.queries}


def _folders_to_search(name: str, place: Place | None, settings: Settings | None) -> dict[Place, Path]:
    """Check a name and a place, and return the folders to search for the name."""
    if place is not None and place not in PLACES:
        raise SavedQueryError.not_allowed("place", place, PLACES)
    if not is_name(name):
        raise SavedQueryError.bad_name(name, _known_names(settings))
    folders = _folders(settings)
    if place is None:
        return folders
    if place not in folders:
        raise SavedQueryError.folder_unusable(
            place, "written to", "it is the folder for shared saved queries"
        )
    return {place: folders[place]}


def _known_names(settings: Settings | None) -> list[str]:
    return sorted({listed.name for listed in listing(settings) if is_name(listed.name)})


def _read(folder: Path, name: str) -> bytes:
    """Return the content of a file; raise FileNotFoundError if it does not exist."""
    file = f"{name}.json"
    try:
        return read_plain(folder, file, MAX_BYTES)
    except TooLargeError as error:
        raise SavedQueryError.unreadable(file, f"{error}, so it is not a saved query") from error
    except NotPlainError as error:
        raise SavedQueryError.unreadable(file, str(error)) from error


def _listed(folder: Path, place: Place, name: str) -> ListedQuery | None:
    """Return the entry for a file; None if the file has since been deleted."""
    try:
        if not is_name(name):
            why = "has an invalid name: rename it, using up to 80 lowercase letters, digits and hyphens"
            raise SavedQueryError.unreadable(f"{name}.json", why)
        saved = SavedQuery.from_file(f"{name}.json", _read(folder, name))
    except FileNotFoundError:
        return None
    except CustDynError as error:
        return ListedQuery(name, name, place, error=error)
    return ListedQuery(name, saved.title, place, saved)


def _compare(folder: Path, name: str, over: str | None) -> None:
    """Raise an error unless the stored revision is the one that the user has seen."""
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
