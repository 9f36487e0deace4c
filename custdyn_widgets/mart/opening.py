"""Opening a source: its facts are built once and cached under a fingerprint of its files.

Modules needed only for building are imported late, so that a report from cached facts starts faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from custdyn_widgets import progress
from custdyn_widgets.mart.facts import cache
from custdyn_widgets.mart.facts.facts import Facts
from custdyn_widgets.mart.facts.memory import keep_freed_memory
from custdyn_widgets.mart.located import locate
from custdyn_widgets.mart.reading.mart_files import source_name
from custdyn_widgets.mart.sources import SourceLike, resolve_source


@dataclass(frozen=True)
class OpenedMart:
    """An opened source: its facts, its name, and the Unix time of the last change to its files.

    `warnings` contains sentences to show in every report.
    """

    facts: Facts
    name: str
    data_as_of: int | None
    warnings: tuple[str, ...] = ()


def open_mart(source: SourceLike) -> OpenedMart:
    """Open a source.

    Parameters
    ----------
    source
        A `Source`, a name in `sources.toml`, a folder of CSV or Parquet files, a DuckDB file, the address of
        either on object storage (`s3://bucket/folder`), the word `demo`, or a dict of tables by name: pandas
        or Polars DataFrames, Arrow tables, DuckDB relations.

    Raises
    ------
    SourceError
        If the source does not exist, cannot be read, or keeps changing while it is read.
    MartError
        If the data has faults and the source does not quarantine them.
    SettingsError
        If `sources.toml` cannot be used.
    """
    keep_freed_memory()
    chosen = resolve_source(source)
    if isinstance(chosen.data, Mapping):
        from custdyn_widgets.mart.building import build_in_memory  # imported late: rarely needed

        built, name, floats = build_in_memory(chosen)
        return _opened(built, name, None, floats)
    for _ in range(2):
        mart = locate(chosen)
        key = chosen.cache_key(mart.stamp.fingerprint)
        entry = cache.load(key)
        if entry is None:
            from custdyn_widgets.mart.building import build_unchanged  # imported late: not for cached facts

            entry = build_unchanged(mart, chosen)
            if entry is None:
                continue
            cache.store(key, entry)
        return _opened(entry, chosen.name or source_name(chosen.path), mart.stamp.last_changed)
    from custdyn_widgets.mart.building import still_changing  # imported late: rarely needed

    raise still_changing(chosen)


def _opened(entry: cache.CacheEntry, name: str, changed: int | None, warning: str = "") -> OpenedMart:
    if entry.listing:
        progress.note(f"The rows left out are listed in {entry.listing}")
    return OpenedMart(entry.facts, name, changed, tuple(filter(None, (entry.warning, warning))))
