"""Reading `sources.toml`: checking its sections and converting them to arguments for `Source`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import SettingsError, SourceError, is_address, mask_value, nearest, shown
from custdyn_widgets.mart.database_url import SECRET_KEY, check_url, has_secret
from custdyn_widgets.mart.dialect import DIALECT_FIELDS, Dialect
from custdyn_widgets.mart.objects.address import is_object_address

_KEYS = ("path", "url", "endpoint", "region", "mapping", "system", *DIALECT_FIELDS, "on_fault")
_NAME = re.compile(r"\w[\w.-]*")
_SECRET_VALUE = re.compile(r"://[^/\s]*:[^/\s]*@|(password|passwd|pwd)=", re.IGNORECASE)


def read_sources_file(path: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments for `Source` that each section defines, keyed by the section's name.

    Raises
    ------
    SettingsError
        If the file is not valid TOML, or a section contains an unknown key, an invalid value or a secret.
    """
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}.", field="sources") from error
    return {name: _read_section(path, name, section) for name, section in stored.items()}


def _read_section(file: Path, name: str, section: object) -> dict[str, Any]:
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
    _reject_combinations(place, section)
    try:
        dialect = Dialect(**{key: section[key] for key in DIALECT_FIELDS if key in section})
        if "url" in section:
            check_url(section["url"])
    except SourceError as error:
        raise SettingsError(f"{place}: {error.message}", field=error.field) from None
    return {
        "data": section["path"] if _is_on_objects(section) else _path(file, place, section, "path"),
        "name": name,
        "on_fault": section.get("on_fault", "refuse"),
        "dialect": dialect,
        "mapping": _path(file, place, section, "mapping"),
        "url": section.get("url"),
        "system": section.get("system"),
        "endpoint": section.get("endpoint"),
        "region": section.get("region"),
    }


def _is_on_objects(section: dict[str, str]) -> bool:
    return is_object_address(section.get("path"))


def _reject_combinations(place: str, section: dict[str, str]) -> None:
    """Raise an error unless a section has exactly one location for its data, and at most one mapping."""
    if "path" not in section and "url" not in section:
        raise SettingsError(f"{place} has neither a path nor a url. Give one of them.", field="path")
    for one, other in (("path", "url"), ("mapping", "system")):
        if one in section and other in section:
            raise SettingsError(f"{place} has both {one} and {other}. Give only one of them.", field=other)
    if is_address(section.get("path", "")) and not _is_on_objects(section):
        raise SettingsError(
            f"{place}: path is a URL. Give the path of a folder or a file, or s3://bucket/folder; the key "
            "for a database is url.",
            field="path",
        )
    if is_address(section.get("mapping", "")):
        raise SettingsError(f"{place}: mapping is a URL. Give the path of a file.", field="mapping")


def _path(file: Path, place: str, section: dict[str, str], key: str) -> Path | None:
    """Return a path in a section, resolved relative to the file."""
    if key not in section:
        return None
    try:
        return file.parent / Path(section[key]).expanduser()
    except RuntimeError:  # `~` with an unknown user
        raise SettingsError(f"{place}: {key} {shown(section[key])} is not valid.", field=key) from None


def _reject_secret(place: str, key: str, value: object) -> None:
    """Raise an error if a value looks like a secret, without showing the value."""
    secret = isinstance(value, str) and (
        _SECRET_VALUE.search(value)
        or (key in ("url", "path", "endpoint", "mapping") and has_secret(value))
        or (key in ("path", "mapping") and mask_value(value) != value)
    )
    if SECRET_KEY.search(key) or secret:
        raise SettingsError(
            f"{place} contains a secret, but other users may be able to read this file. Remove the secret, "
            "and change it if others may have seen it.",
            field="sources",
        )
