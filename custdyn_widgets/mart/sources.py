"""Sources of data: where the data is, what reports call it, and how faulty rows are handled.

A source is a path, a dict of tables in memory, or a name defined in `sources.toml`:

    [shop]
    path = "exports/shop"        # relative to this file
    on_fault = "quarantine"      # or "refuse", the default

The file must not contain secrets: anything that looks like a password is rejected.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Union, get_args

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, nearest, shown

if TYPE_CHECKING:
    import pandas as pd

FaultRule = Literal["refuse", "quarantine"]


class ArrowStream(Protocol):
    """A table that Arrow can read, such as a Polars DataFrame, an Arrow table or a DuckDB relation."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule with the table's ArrowArrayStream."""


TableLike = Union["pd.DataFrame", ArrowStream]

_RULES = get_args(FaultRule)
_KEYS = ("path", "on_fault")
_NAME = re.compile(r"\w[\w.-]*")
_URL = re.compile(r"[\s\ufeff]*[A-Za-z][\w+.:-]+:/")  # `Path` drops the second slash
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
        A folder of CSV or Parquet files, a DuckDB file, the word `demo`, or a dict of tables by name: pandas
        or Polars DataFrames, Arrow tables, DuckDB relations.
    on_fault
        How to handle faulty rows: `refuse` lists them and makes no report; `quarantine` leaves out those rows
        and all rows that refer to them, lists them in a file, and adds a warning to every report.
    name
        The name shown in reports. Defaults to the last component of the path.
    """

    data: str | Path | Mapping[str, TableLike]
    on_fault: FaultRule = "refuse"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.on_fault not in _RULES:
            raise SourceError(
                f"on_fault must be {' or '.join(map(shown, _RULES))}, not {shown(self.on_fault)}.",
                field="on_fault",
            )

    def cache_key(self, fingerprint: str) -> str:
        """Return the key of the facts built by this source's rules from files with a fingerprint."""
        return hashlib.sha256(f"{fingerprint}\0{self.on_fault}".encode()).hexdigest()


SourceLike = Source | str | Path | Mapping[str, TableLike]


def resolve_source(source: SourceLike) -> Source:
    """Return a `Source` whose data is a `Path` or a dict; names in `sources.toml` take precedence over paths.

    Raises
    ------
    SourceError
        If there is no such source.
    SettingsError
        If `sources.toml` cannot be used.
    """
    if isinstance(source, Mapping):
        return Source(source)
    _reject_url(source.data if isinstance(source, Source) else source)
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


def _reject_url(data: object) -> None:
    """Raise if the source is a URL, and show only its scheme."""
    scheme = _URL.match(str(data)) if isinstance(data, str | Path) else None
    if scheme:
        raise SourceError(
            f"A source is a folder or a file, not a URL ({shown(scheme[0].strip())}…): export its tables as "
            "CSV or Parquet to a folder, and give that folder. If others may have seen a password in it, "
            "change the password.",
            field="source",
        )


def absolute_source(source: str) -> str:
    """Return a source's name or absolute path, valid in any working folder.

    Raises
    ------
    SourceError, SettingsError
        As for `resolve_source`, or if there is no mart at the path.
    """
    from custdyn_widgets.mart.reading.fingerprint import stamp  # late: loads Arrow

    found = resolve_source(source)
    assert isinstance(found.data, Path)
    stamp(found.data)
    return found.name or str(found.data.absolute())


def named_sources() -> dict[str, Source]:
    """Return the sources defined in `sources.toml` by name; empty if the file does not exist.

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
    return {name: _read_section(path, name, section) for name, section in stored.items()}


def _read_section(file: Path, name: str, section: object) -> Source:
    place = f"{file.name}, {shown(name)}"
    if not isinstance(section, dict):
        _reject_secret(place, name, section)
        raise SettingsError(f"{place}: move it into the [name] section of a source.", field="sources")
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{place}: source names may contain only letters, digits, dots, hyphens and underscores.",
            field="sources",
        )
    for key, value in section.items():
        _reject_secret(place, key, value)
        if key not in _KEYS:
            close = nearest(key, _KEYS, 1)
            hint = f"Did you mean {shown(close[0])}?" if close else f"Known keys: {', '.join(_KEYS)}."
            raise SettingsError(f"{place} has an unknown key {shown(key)}. {hint}", field=key)
        if not isinstance(value, str):
            raise SettingsError(f"{place}: {key} must be text.", field=key)
    if "path" not in section:
        raise SettingsError(f"{place} has no path.", field="path")
    if _URL.match(section["path"]):
        raise SettingsError(
            f"{place}: path is a URL. Give the path of a folder or a DuckDB file.", field="path"
        )
    rule: Any = section.get("on_fault", "refuse")
    if rule not in _RULES:
        allowed = " or ".join(map(shown, _RULES))
        raise SettingsError(f"{place}: on_fault must be {allowed}, not {shown(rule)}.", field="on_fault")
    try:
        path = file.parent / Path(section["path"]).expanduser()
    except RuntimeError:  # `~` of an unknown user
        raise SettingsError(f"{place}: path {shown(section['path'])} is not valid.", field="path") from None
    return Source(path, rule, name)


def _reject_secret(place: str, key: str, value: object) -> None:
    """Raise if a value looks like a secret, without showing it."""
    if _SECRET_KEY.search(key) or (isinstance(value, str) and _SECRET_VALUE.search(value)):
        raise SettingsError(
            f"{place} contains a secret, but anyone may read this file. Remove the secret, and change it "
            "if others may have seen it.",
            field="sources",
        )


def _path(data: str | Path, named: Mapping[str, Source] | None = None) -> Path:
    """Return the path of a source; create the demo mart for `demo` unless a file has that name."""
    if not isinstance(data, (str, Path)):
        raise SourceError.not_found(str(data), "is not the path of a folder")
    try:
        path = Path(data).expanduser()
        exists = path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, or `~` of an unknown user
        raise SourceError.not_found(str(data), "is not the path of a folder") from None
    if str(data) == "demo" and not exists:
        return demo_folder()
    if named and not exists:
        close = nearest(data, named, 1)
        hint = f" (did you mean {shown(close[0])}?)" if close else ""
        raise SourceError.not_found(
            str(data), f"is not a folder that exists, nor a name in sources.toml{hint}"
        )
    return path


def last_midnight() -> datetime:
    """Return the latest midnight in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def demo_folder(as_of: datetime | None = None) -> Path:
    """Return the folder of the demo mart that ends at `as_of`; write it if missing.

    `as_of` defaults to the last midnight in UTC.
    """
    at = as_of or last_midnight()
    folder = settings.load().cache / "demo" / at.strftime("demo-%Y%m%dT%H%M%SZ")
    if not folder.exists():
        from custdyn_widgets.mart.demo.mart import write_demo

        try:
            write_demo(folder, at)
        except OSError as error:
            raise SourceError(
                f"The demo mart cannot be written to {folder.parent}: {error.strerror}. Free some space, or "
                "set CUSTDYN_CACHE to another folder.",
                field="source",
            ) from error
    return folder
