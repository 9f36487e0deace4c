"""Adding a source with a drafted mapping: its `.sql` file and its section of `sources.toml`."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, shown
from custdyn_widgets.files import make_folder, write_whole
from custdyn_widgets.mart.dialect import DIALECT_FIELDS
from custdyn_widgets.mart.mapping.drafting import Draft
from custdyn_widgets.mart.sources import named_sources
from custdyn_widgets.mart.sources_file import read_sources_file

_NAME = re.compile(r"\w[\w-]*")


@dataclass(frozen=True)
class AddedSource:
    """The files that define a new source."""

    mapping: Path
    sources: Path


def check_new_name(name: str) -> None:
    """Raise a SourceError if a new source cannot have a name.

    Raises
    ------
    SourceError
        If the name has other characters than letters, digits, hyphens and underscores, or a source has it.
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
            f"There is a source {shown(name)} already. Choose another name, or remove its section from "
            "sources.toml.",
            field="name",
        )


def add_source(name: str, path: Path, draft: Draft) -> AddedSource:
    """Write the mapping file of a new source, and its section of `sources.toml`.

    Raises
    ------
    SourceError
        If a source or a file has the name already.
    SettingsError
        If `sources.toml` cannot be used.
    """
    check_new_name(name)
    sources = settings.load().sources
    assert sources is not None
    make_folder(sources.parent)
    mapping = sources.parent / f"{name}.sql"
    try:
        write_whole(mapping, draft.sql(path.name).encode("utf-8"), new=True)
    except FileExistsError:
        raise SourceError(
            f"There is a file {mapping} already. Choose another name, or move it away.", field="name"
        ) from None
    before = sources.read_text(encoding="utf-8") if sources.exists() else ""
    section = _section(name, path, mapping, draft)
    text = f"{before.rstrip()}\n\n{section}" if before.strip() else section
    write_whole(sources, text.encode("utf-8"), follow=True)
    try:
        read_sources_file(sources)
    except SettingsError:
        write_whole(sources, before.encode("utf-8"), follow=True)
        raise
    return AddedSource(mapping, sources)


def _section(name: str, path: Path, mapping: Path, draft: Draft) -> str:
    """Return the section of a source, with paths relative to the file where that is shorter."""
    whole = str(path.absolute())
    relative = os.path.relpath(whole, mapping.parent.absolute())
    values = {"path": min(relative, whole, key=len), "mapping": mapping.name}
    values |= {field: value for field in DIALECT_FIELDS if (value := getattr(draft.dialect, field))}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    return "".join([f"[{name}]\n", *lines])
