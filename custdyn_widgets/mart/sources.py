"""What a source is: data, the name that reports carry, and what happens to its faulty rows.

A source is given by a path, by DataFrames, or by a name that `sources.toml` gives to a path:

    [shop]
    path = "exports/shop"        # relative to this file
    on_fault = "quarantine"      # or "refuse", which is what happens otherwise

The file holds nothing secret, and refuses what looks like a password.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, nearest, shown
from custdyn_widgets.text import mask_passwords

if TYPE_CHECKING:
    import pandas as pd

FaultRule = Literal["refuse", "quarantine"]

_RULES = get_args(FaultRule)
_KEYS = ("path", "on_fault")
_NAME = re.compile(r"\w[\w.-]*")
_URL = re.compile(r"[A-Za-z][\w+.-]+:/")  # a path has dropped the second slash
_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|^pass$|pwd|secret|token|credential|api[_-]?key", re.IGNORECASE
)
_SECRET_VALUE = re.compile(r"://[^/\s]*:[^/\s]*@|(password|passwd|pwd)=", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A source of data.

    Attributes
    ----------
    data
        The path of a folder of CSV or Parquet files or of a DuckDB file, the word `demo`, or a dict of
        DataFrames by the names of the tables.
    on_fault
        What happens when rows have faults: `refuse` gives no report and lists them; `quarantine` leaves
        those rows out, and what refers to them, lists them in a file and says so in every report.
    name
        What reports call it. Defaults to the last component of the path.
    """

    data: str | Path | Mapping[str, pd.DataFrame]
    on_fault: FaultRule = "refuse"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.on_fault not in _RULES:
            raise SourceError(
                f"on_fault must be {' or '.join(map(shown, _RULES))}, not {shown(self.on_fault)}.",
                field="on_fault",
            )


SourceLike = Source | str | Path | Mapping[str, "pd.DataFrame"]


def resolve(source: SourceLike) -> Source:
    """Return a source as a value, its data as a `Path` or a dict; a name of `sources.toml` wins over a path.

    Raises
    ------
    SourceError
        If what is given can be no source.
    SettingsError
        If `sources.toml` cannot be used.
    """
    if isinstance(source, Mapping):
        return Source(source)
    _refuse_url(source.data if isinstance(source, Source) else source)
    if isinstance(source, Source):
        if isinstance(source.data, Mapping):
            return source
        return Source(_path(source.data), source.on_fault, source.name)
    if isinstance(source, str):
        named = named_sources()
        if source in named:
            return named[source]
        return Source(_path(source, named))
    return Source(_path(source))


def _refuse_url(data: object) -> None:
    """Refuse the address of a database or a store, without repeating its password."""
    text = str(data) if isinstance(data, str | Path) else ""
    if _URL.match(text):
        raise SourceError(
            f"Source {shown(mask_passwords(text))} is an address, and sources are files: export its tables "
            "as CSV or Parquet to a folder, and give that folder. If others may have seen a password in it, "
            "change the password.",
            field="source",
        )


def lasting(source: str) -> str:
    """Return a source's name, or its absolute path: what means the same in another working folder.

    Raises
    ------
    SourceError, SettingsError
        As `resolve`; or if there is no mart at that path.
    """
    from custdyn_widgets.mart.reading.files import stamp  # late: loads Arrow

    found = resolve(source)
    assert isinstance(found.data, Path)
    stamp(found.data)
    return found.name or str(found.data.absolute())


def named_sources() -> dict[str, Source]:
    """Return the sources of `sources.toml` by name; none if there is no such file.

    Raises
    ------
    SettingsError
        If the file is not valid TOML, or a section has an unknown key, a wrong value or a secret.
    """
    path = settings.load().sources
    if path is None or not path.is_file():
        return {}
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}.", field="sources") from error
    return {name: _section(path, name, section) for name, section in stored.items()}


def _section(file: Path, name: str, section: object) -> Source:
    place = f"{file.name}, {shown(name)}"
    if not isinstance(section, dict):
        _refuse_secret(place, name, section)
        raise SettingsError(f"{place}: it must stand in a section [name] of a source.", field="sources")
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{place}: a source's name has letters, digits, points, hyphens and underscores only.",
            field="sources",
        )
    for key, value in section.items():
        _refuse_secret(place, key, value)
        if key not in _KEYS:
            close = nearest(key, _KEYS, 1)
            hint = f"Did you mean {shown(close[0])}?" if close else f"It takes: {', '.join(_KEYS)}."
            raise SettingsError(f"{place} has an unknown key {shown(key)}. {hint}", field=key)
        if not isinstance(value, str):
            raise SettingsError(f"{place}: {key} must be text.", field=key)
    if "path" not in section:
        raise SettingsError(f"{place} lacks its path.", field="path")
    if _URL.match(section["path"]):
        raise SettingsError(
            f"{place}: path {shown(section['path'])} is an address. Give the path of a folder or of a "
            "DuckDB file.",
            field="path",
        )
    rule: Any = section.get("on_fault", "refuse")
    if rule not in _RULES:
        allowed = " or ".join(map(shown, _RULES))
        raise SettingsError(f"{place}: on_fault must be {allowed}, not {shown(rule)}.", field="on_fault")
    try:
        path = file.parent / Path(section["path"]).expanduser()
    except RuntimeError:  # `~` of somebody unknown
        raise SettingsError(f"{place}: path {shown(section['path'])} is none.", field="path") from None
    return Source(path, rule, name)


def _refuse_secret(place: str, key: str, value: object) -> None:
    """Refuse a password without repeating it."""
    if _SECRET_KEY.search(key) or (isinstance(value, str) and _SECRET_VALUE.search(value)):
        raise SettingsError(
            f"{place} holds a secret. This file is for what anybody may read: take it out, and change the "
            "password if others have seen it.",
            field="sources",
        )


def _path(data: str | Path, named: Mapping[str, Source] | None = None) -> Path:
    """Return the path of a source; the word `demo`, where nothing of that name is, makes the demo mart."""
    if not isinstance(data, (str, Path)):
        raise SourceError.not_found(str(data), "is not the path of a folder")
    try:
        path = Path(data).expanduser()
        there = path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, or `~` of somebody unknown
        raise SourceError.not_found(str(data), "is not the path of a folder") from None
    if str(data) == "demo" and not there:
        return demo_folder()
    if named and not there:
        close = nearest(data, named, 1)
        meant = f" (did you mean {shown(close[0])}?)" if close else ""
        raise SourceError.not_found(
            str(data), f"is not a folder that exists, nor a name in sources.toml{meant}"
        )
    return path


def last_midnight() -> datetime:
    """Return the latest midnight in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def demo_folder(as_of: datetime | None = None) -> Path:
    """Return the folder of the demo mart that ends at `as_of` (default: the latest midnight in UTC)."""
    at = as_of or last_midnight()
    folder = settings.load().cache / "demo" / at.strftime("demo-%Y%m%dT%H%M%SZ")
    if not folder.exists():
        from custdyn_widgets.mart.demo.mart import write_demo

        try:
            write_demo(folder, at)
        except OSError as error:
            raise SourceError(
                f"The demo mart cannot be written to {folder.parent}: {error.strerror}. Make room, or let "
                "CUSTDYN_CACHE name another folder.",
                field="source",
            ) from error
    return folder
