"""Add a source: write its section in `sources.toml` and the `.sql` file of its drafted mapping."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, shown
from custdyn_widgets.files import make_folder, write_whole
from custdyn_widgets.mart.dialect import DIALECT_FIELDS
from custdyn_widgets.mart.sources import Source, named_sources
from custdyn_widgets.mart.sources_file import read_sources_file

_NAME = re.compile(r"\w[\w-]*")


def check_new_name(name: str) -> None:
    """Raise an error if a new source cannot have this name.

    Raises
    ------
    SourceError
        If the name is taken, or contains characters other than letters, digits, hyphens and underscores.
    SettingsError
        If `sources.toml` cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise SourceError(
            f"A source cannot be named {shown(name)}: use only letters, digits, hyphens and underscores.",
            field="name",
        )
    if name in named_sources():
        raise SourceError(
            f"A source named {shown(name)} already exists. Choose another name, or remove its section from "
            "sources.toml.",
            field="name",
        )


def add_source(source: Source, sql: str) -> tuple[Path, Path]:
    """Write a new source's mapping and its section in `sources.toml`, and return both paths.

    Raises
    ------
    SourceError
        If a source or a file with this name already exists.
    SettingsError
        If `sources.toml` cannot be used.
    """
    assert source.name is not None
    check_new_name(source.name)
    sources = _sources_file()
    mapping = sources.parent / f"{source.name}.sql"
    try:
        write_whole(mapping, sql.encode("utf-8"), new=True)
    except FileExistsError:
        raise SourceError(
            f"The file {mapping} already exists. Choose another name, or move the file.", field="name"
        ) from None
    _append(sources, source, {"mapping": mapping.name})
    return mapping, sources


def add_database(source: Source, system: str) -> Path:
    """Add a section to `sources.toml` for a database with a shipped mapping, and return the file's path.

    Raises
    ------
    SourceError
        If a source with this name already exists.
    SettingsError
        If `sources.toml` cannot be used.
    """
    assert source.name is not None
    check_new_name(source.name)
    sources = _sources_file()
    _append(sources, source, {"system": system})
    return sources


def _sources_file() -> Path:
    sources = settings.load().sources
    assert sources is not None
    make_folder(sources.parent)
    return sources


def _append(sources: Path, source: Source, values: Mapping[str, str]) -> None:
    """Append a section to `sources.toml`; if that makes the file invalid, restore the old text."""
    known = {field: value for field in DIALECT_FIELDS if (value := getattr(source.dialect, field))}
    place = {"url": source.url} if source.url else {"path": _shorter_path(source.path, sources.parent)}
    pairs = {**place, **values, **known}.items()
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in pairs]
    # a TOML key without quotes may contain only ASCII letters
    heading = (
        source.name if source.name and source.name.isascii() else json.dumps(source.name, ensure_ascii=False)
    )
    section = "".join([f"[{heading}]\n", *lines])
    before = sources.read_text(encoding="utf-8") if sources.exists() else ""
    text = f"{before.rstrip()}\n\n{section}" if before.strip() else section
    write_whole(sources, text.encode("utf-8"), follow=True)
    try:
        read_sources_file(sources)
    except SettingsError:
        write_whole(sources, before.encode("utf-8"), follow=True)
        raise


def _shorter_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, or the absolute path if that is shorter."""
    whole = str(path.absolute())
    return min(os.path.relpath(whole, folder.absolute()), whole, key=len)
