"""Sources of data: their locations, their names in reports, and how their faulty rows are handled.

A source is a path, a dict of tables in memory, or a name defined in `sources.toml`:

    [shop]
    path = "exports/shop"        # relative to this file
    timezone = "Europe/Kyiv"     # for times without an offset
    on_fault = "quarantine"      # or "refuse", the default

The file must not contain secrets: anything that looks like a password is rejected.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Union, get_args

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, nearest, shown
from custdyn_widgets.mart.database_url import check_url
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.objects.address import is_object_address, object_address
from custdyn_widgets.mart.refused_addresses import reject_url
from custdyn_widgets.mart.synced import RECORD, read_record, synced_folder
from custdyn_widgets.query import time_zone_data

if TYPE_CHECKING:
    import pandas as pd

FaultRule = Literal["refuse", "quarantine"]


class ArrowStream(Protocol):
    """A table that Arrow can read, such as a Polars DataFrame, an Arrow table or a DuckDB relation."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule with the table's ArrowArrayStream."""


TableLike = Union["pd.DataFrame", ArrowStream]

_RULES = get_args(FaultRule)
GENERIC = "generic"  # the mapping for a database whose tables are those of a mart
_SYSTEM = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Source:
    """A source of data.

    Attributes
    ----------
    data
        A folder of CSV or Parquet files, a DuckDB file, the address of either on object storage
        (`s3://bucket/folder`), the word `demo`, or a dict of tables by name: pandas or Polars DataFrames,
        Arrow tables, DuckDB relations.
    on_fault
        How to handle faulty rows: `refuse` raises an error that lists them; `quarantine` leaves out
        those rows and all rows that refer to them, lists them in a file, and adds a warning to every report.
    name
        The name shown in reports. Defaults to the last component of the path.
    dialect
        The format of the data: separators, encoding, date order, and the time zone of times without an
        offset.
    mapping
        A file of SELECTs that convert the data to the tables of a mart.
    url
        The URL of a database, without a password; `data` is then None.
    system
        The billing system whose shipped mapping is used instead of `mapping`. Defaults to `generic` for a
        database without a mapping.
    endpoint, region
        The URL of the storage service, if it is not Amazon's, and the region of the bucket, if it cannot be
        looked up.
    """

    data: str | Path | Mapping[str, TableLike] | None = None
    on_fault: FaultRule = "refuse"
    name: str | None = None
    dialect: Dialect = field(default_factory=Dialect)
    mapping: Path | None = None
    url: str | None = None
    system: str | None = None
    endpoint: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        if self.on_fault not in _RULES:
            raise SourceError(
                f"on_fault must be {' or '.join(map(shown, _RULES))}, not {shown(self.on_fault)}.",
                field="on_fault",
            )
        if not isinstance(self.dialect, Dialect):
            raise SourceError(f"dialect must be a Dialect, not {shown(self.dialect)}.", field="dialect")
        if self.mapping and self.system:
            raise SourceError("Give either mapping or system, not both.", field="system")
        if self.system is not None and not _SYSTEM.fullmatch(self.system):
            raise SourceError(
                f"system must be the name of a shipped mapping, such as 'astpp', not {shown(self.system)}.",
                field="system",
            )
        if is_object_address(self.data):
            object_address(str(self.data), self.endpoint, self.region)
        elif self.endpoint or self.region:
            raise SourceError(
                "endpoint and region are allowed only for data on object storage (s3://bucket/folder).",
                field="endpoint" if self.endpoint else "region",
            )
        if self.url is None:
            return
        check_url(self.url)
        if self.data is not None:
            raise SourceError("Give either data or url, not both.", field="url")
        if not (self.mapping or self.system):
            object.__setattr__(self, "system", GENERIC)

    @property
    def path(self) -> Path:
        """The path of a resolved source's files."""
        assert isinstance(self.data, Path)
        return self.data

    @property
    def mart_dialect(self) -> Dialect:
        """The dialect of the mart that is created from the source.

        With a shipped mapping, `timezone` is ignored: the mapping knows the time zone of its system and
        returns times in UTC.
        """
        is_shipped = self.system not in (None, GENERIC)
        return replace(self.dialect, timezone=None) if is_shipped else self.dialect

    def cache_key(self, fingerprint: str) -> str:
        """Return the cache key of facts built with these settings from files with this fingerprint."""
        rules = (fingerprint, self.on_fault, *astuple(self.dialect), str(self.mapping), self.system)
        if self.dialect.timezone not in (None, "UTC"):  # times depend on the version of the time zone rules
            rules = (*rules, time_zone_data())
        return hashlib.sha256(repr(rules).encode()).hexdigest()


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
    found = find_source(source)
    if isinstance(found.data, Mapping):
        return found
    if is_object_address(found.data):
        return _copied(found)
    if found.url is not None:
        return _synced(found)
    if isinstance(source, str) and found.name:
        return found
    return replace(found, data=_path(found.data, is_text=isinstance(source, str)))


def find_source(source: SourceLike) -> Source:
    """Return a source as given or, for a name, as defined in `sources.toml`, without accessing its data.

    Raises
    ------
    SourceError
        If the source is a URL other than an address on object storage.
    SettingsError
        If `sources.toml` cannot be used.
    """
    if isinstance(source, Mapping):
        return Source(source)
    data = source.data if isinstance(source, Source) else source
    if not is_object_address(data):
        reject_url(data)
        if isinstance(source, str) and (named := named_sources().get(source)):
            return named
    return source if isinstance(source, Source) else Source(source)


def _copied(source: Source) -> Source:
    """Return a source for an up-to-date local copy of data on object storage."""
    from custdyn_widgets.mart.objects.copying import local_copy  # imported late: loads Arrow

    address = object_address(str(source.data), source.endpoint, source.region)
    copy = local_copy(address, mapped=bool(source.mapping or source.system))
    return replace(source, data=copy, endpoint=None, region=None)


def _synced(source: Source) -> Source:
    """Return a source for the mart that the last sync of a database wrote."""
    if source.name is None:
        raise SourceError(
            "A database must be given by its name in sources.toml. Define it there and run custdyn sync.",
            field="source",
        )
    folder = synced_folder(source.name)
    if not (folder / RECORD).is_file():
        raise SourceError(
            f"Source {shown(source.name)} is a database that has not been read yet. Run: "
            f"custdyn sync {source.name}",
            field="source",
        )
    if read_record(folder) is None:
        raise SourceError(
            f"The mart of source {shown(source.name)} was written by another version of custdyn, or is "
            f"damaged. Update custdyn, or sync the source again: custdyn sync {source.name}",
            field="source",
        )
    return replace(source, data=folder, url=None, mapping=None, system=None, dialect=source.mart_dialect)


def absolute_source(source: str) -> str:
    """Return a source's name, absolute path or address, which is valid in any working directory.

    Raises
    ------
    SourceError, SettingsError
        As in `resolve_source`, or if there is no mart at the path and no mapping to create one.
    """
    from custdyn_widgets.mart.located import locate  # imported late: loads Arrow

    found = resolve_source(source)
    assert isinstance(found.data, Path)
    locate(found)
    return found.name or (source if is_object_address(source) else str(found.data.absolute()))


def named_sources() -> dict[str, Source]:
    """Return the sources in `sources.toml`, keyed by name, or an empty dict if there is no such file.

    Raises
    ------
    SettingsError
        If the file is not valid TOML, or a section contains an unknown key, an invalid value or a secret.
    """
    path = settings.load().sources
    if path is None or not path.is_file():
        return {}
    from custdyn_widgets.mart.sources_file import read_sources_file  # imported late: few users have one

    return {name: _source(path, name, given) for name, given in read_sources_file(path).items()}


def _source(path: Path, name: str, given: dict[str, Any]) -> Source:
    try:
        return Source(**given)
    except SourceError as error:
        raise SettingsError(f"{path.name}, {shown(name)}: {error.message}", field=error.field) from None


def _path(data: object, *, is_text: bool) -> Path:
    """Return the path of a source; create the demo mart for `demo` unless a file has that name."""
    if not isinstance(data, (str, Path)):
        raise SourceError(
            "A source is the path of a folder, a name in sources.toml or a dict of tables, not "
            f"{type(data).__name__}. Give tables in memory as {{'clients': …, 'transactions': …}}.",
            field="source",
        )
    try:
        path = Path(data).expanduser()
        exists = path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, or `~` with an unknown user
        raise SourceError.not_found(str(data), "is not the path of a folder") from None
    if str(data) == "demo" and not exists:
        from custdyn_widgets.mart.demo.folder import demo_folder  # imported late: only needed for the demo

        return demo_folder()
    if is_text and not exists and (named := named_sources()):
        close = nearest(data, named, 1)
        hint = f" (did you mean {shown(close[0])}?)" if close else ""
        raise SourceError.not_found(
            str(data), f"is not a folder that exists, nor a name in sources.toml{hint}"
        )
    return path
