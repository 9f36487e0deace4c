"""Adding a source: its section of `sources.toml`, and the `.sql` file of a drafted mapping."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, shown
from custdyn_widgets.files import make_folder, write_whole
from custdyn_widgets.mart.dialect import DIALECT_FIELDS, Dialect
from custdyn_widgets.mart.mapping.drafting import Draft
from custdyn_widgets.mart.sources import named_sources
from custdyn_widgets.mart.sources_file import read_sources_file

_NAME = re.compile(r"\w[\w-]*")


def check_new_name(name: str) -> None:
    """Raise an error if a new source cannot have this name.

    Raises
    ------
    SourceError
        If the name is taken, or has characters other than letters, digits, hyphens and underscores.
    SettingsError
        If `sources.toml` cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise SourceError(
            f"A source cannot be named {shown(name)}: use letters, digits, hyphens and underscores.",
            field="name",
        )
    if name in named_sources():
        raise SourceError(
            f"A source named {shown(name)} already exists. Choose another name, or remove its section from "
            "sources.toml.",
            field="name",
        )


def add_source(name: str, draft: Draft) -> tuple[Path, Path]:
    """Write the mapping of a new source of files and its section of `sources.toml`; return both paths.

    Raises
    ------
    SourceError
        If a source or a file with this name already exists.
    SettingsError
        If `sources.toml` cannot be used.
    """
    check_new_name(name)
    sources = _sources_file()
    mapping = _write_mapping(name, draft.sql(), sources)
    whole = str(draft.path.absolute())
    relative = os.path.relpath(whole, sources.parent.absolute())
    _append(sources, name, {"path": min(relative, whole, key=len), "mapping": mapping.name}, draft.dialect)
    return mapping, sources


def add_mapped_database(name: str, url: str, sql: str, dialect: Dialect) -> tuple[Path, Path]:
    """Write the mapping of a new database and its section of `sources.toml`; return both paths.

    Raises
    ------
    SourceError
        If a source or a file with this name already exists.
    SettingsError
        If `sources.toml` cannot be used.
    """
    check_new_name(name)
    sources = _sources_file()
    mapping = _write_mapping(name, sql, sources)
    _append(sources, name, {"url": url, "mapping": mapping.name}, dialect)
    return mapping, sources


def _write_mapping(name: str, sql: str, sources: Path) -> Path:
    mapping = sources.parent / f"{name}.sql"
    try:
        write_whole(mapping, sql.encode("utf-8"), new=True)
    except FileExistsError:
        raise SourceError(
            f"The file {mapping} already exists. Choose another name, or move the file.", field="name"
        ) from None
    return mapping


def add_database(name: str, url: str, system: str, dialect: Dialect) -> Path:
    """Write the section of a database in `sources.toml`, and return the path of that file.

    Raises
    ------
    SourceError
        If a source with this name already exists.
    SettingsError
        If `sources.toml` cannot be used.
    """
    check_new_name(name)
    sources = _sources_file()
    _append(sources, name, {"url": url, "system": system}, dialect)
    return sources


def _sources_file() -> Path:
    sources = settings.load().sources
    assert sources is not None
    make_folder(sources.parent)
    return sources


def _append(sources: Path, name: str, values: Mapping[str, str], dialect: Dialect) -> None:
    """Append a section to `sources.toml`; if that makes the file invalid, restore it."""
    known = {field: value for field in DIALECT_FIELDS if (value := getattr(dialect, field))}
    pairs = [(key, json.dumps(value, ensure_ascii=False)) for key, value in {**values, **known}.items()]
    section = "".join([f"[{name}]\n", *(f"{key} = {value}\n" for key, value in pairs)])
    before = sources.read_text(encoding="utf-8") if sources.exists() else ""
    text = f"{before.rstrip()}\n\n{section}" if before.strip() else section
    write_whole(sources, text.encode("utf-8"), follow=True)
    try:
        read_sources_file(sources)
    except SettingsError:
        write_whole(sources, before.encode("utf-8"), follow=True)
        raise
