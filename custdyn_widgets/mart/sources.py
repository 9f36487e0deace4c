"""Sources of data: their location, their name in reports, and what to do with faulty rows.

A source is a path, a dict of tables in memory, or a name defined in `sources.toml`:

    [shop]
    path = "exports/shop"        # relative to this file
    timezone = "Europe/Kyiv"     # for times without an offset
    on_fault = "quarantine"      # or "refuse", the default

The file must not contain secrets: anything that looks like a password is rejected.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Union, get_args

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, mask_passwords, nearest, shown
from custdyn_widgets.mart.database_url import check_url, has_secret
from custdyn_widgets.mart.demo.folder import demo_folder
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.sources_file import URL, read_sources_file
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
GENERIC = "generic"  # the mapping of a database that has the tables of a mart
_SYSTEM = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Source:
    """A source of data.

    Attributes
    ----------
    data
        A folder of CSV or Parquet files, a DuckDB file, the word `demo`, or a dict of tables by name: pandas
        or Polars DataFrames, Arrow tables, DuckDB relations.
    on_fault
        How to handle faulty rows: `refuse` lists them without a report; `quarantine` leaves out those rows
        and all rows that refer to them, lists them in a file, and adds a warning to every report.
    name
        The name shown in reports. Defaults to the last component of the path.
    dialect
        The format of the data: separators, encoding, order of dates, and the time zone of times without an
        offset.
    mapping
        A file of SELECTs that turn the data into the tables of a mart.
    url
        The URL of a database, without a password; `data` is then None.
    system
        The billing system whose shipped mapping to use instead of `mapping`. A database without a mapping
        has the system `generic`.
    """

    data: str | Path | Mapping[str, TableLike] | None = None
    on_fault: FaultRule = "refuse"
    name: str | None = None
    dialect: Dialect = field(default_factory=Dialect)
    mapping: Path | None = None
    url: str | None = None
    system: str | None = None

    def __post_init__(self) -> None:
        if self.on_fault not in _RULES:
            raise SourceError(
                f"on_fault must be {' or '.join(map(shown, _RULES))}, not {shown(self.on_fault)}.",
                field="on_fault",
            )
        if not isinstance(self.dialect, Dialect):
            raise SourceError(f"dialect must be a Dialect, not {shown(self.dialect)}.", field="dialect")
        if self.mapping and self.system:
            raise SourceError("Give only one of mapping and system.", field="system")
        if self.system is not None and not _SYSTEM.fullmatch(self.system):
            raise SourceError(
                f"system must be the name of a shipped mapping, such as 'astpp', not {shown(self.system)}.",
                field="system",
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
        """The path of a resolved source of files."""
        assert isinstance(self.data, Path)
        return self.data

    @property
    def mart_dialect(self) -> Dialect:
        """The dialect of the mart made from the source.

        Shipped mappings know the time zones of their systems and return times in UTC, so `timezone` is
        ignored.
        """
        is_shipped = self.system not in (None, GENERIC)
        return replace(self.dialect, timezone=None) if is_shipped else self.dialect

    def cache_key(self, fingerprint: str) -> str:
        """Return the key for facts built from files with this fingerprint and the source's settings."""
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
    if isinstance(source, Mapping):
        return Source(source)
    reject_url(source.data if isinstance(source, Source) else source)
    if isinstance(source, Source):
        if isinstance(source.data, Mapping):
            return source
        if source.url is not None:
            return _synced(source)
        return replace(source, data=_path(source.data))
    if isinstance(source, str):
        named = named_sources()
        if source in named:
            return named[source] if named[source].url is None else resolve_source(named[source])
        return Source(_path(source, named))
    return Source(_path(source))


def _synced(source: Source) -> Source:
    """Return the source for the mart that the last sync of a database wrote."""
    if source.name is None:
        raise SourceError(
            "A database can be read only by its name in sources.toml. Define it there and run custdyn sync.",
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


_FILES = (
    "http://",
    "https://",
    "ftp://",
    "sftp://",
    "s3://",
    "s3a://",
    "gs://",
    "az://",
    "abfs://",
    "file://",
)


def reject_url(data: object) -> None:
    """Raise if the source is the address of a database; the message shows at most its scheme."""
    text = str(data) if isinstance(data, str | Path) else ""
    scheme = URL.match(text)
    if scheme or (_has_login(text) and not os.path.lexists(text)):
        begin = scheme[0].strip().rstrip("/") + "//" if scheme else ""  # a Path has lost a slash
        what = f"a URL ({shown(begin)}…)" if scheme else "the address of a database with a login"
        remedy = (
            "Download its tables as CSV or Parquet to a folder, and give that folder"
            if begin.lower() in _FILES
            else "To report on a database, run custdyn mapping new NAME URL (without the password), and then "
            "custdyn sync NAME"
        )
        raise SourceError(
            f"A source is a folder, a file or a name, not {what}. {remedy}. If others may have seen a "
            "password in it, change the password.",
            field="source",
        )


def _has_login(text: str) -> bool:
    """Return whether text looks like `user:password@host`, `user/password@//host` or `…password=…`."""
    return has_secret(f" {text}") or "@/" in text or mask_passwords(text) != text


def absolute_source(source: str) -> str:
    """Return a source's name or absolute path, valid in any working folder.

    Raises
    ------
    SourceError, SettingsError
        As in `resolve_source`, or if there is no mart at the path and no mapping makes one.
    """
    from custdyn_widgets.mart.located import locate  # imported late: loads Arrow

    found = resolve_source(source)
    assert isinstance(found.data, Path)
    locate(found)
    return found.name or str(found.data.absolute())


def named_sources() -> dict[str, Source]:
    """Return the sources defined in `sources.toml` by name; without the file, return an empty dict.

    Raises
    ------
    SettingsError
        If the file is not valid TOML, or a section has an unknown key, a wrong value or a secret.
    """
    path = settings.load().sources
    if path is None or not path.is_file():
        return {}
    return {name: _source(path, name, given) for name, given in read_sources_file(path).items()}


def _source(path: Path, name: str, given: dict[str, Any]) -> Source:
    try:
        return Source(**given)
    except SourceError as error:
        raise SettingsError(f"{path.name}, {shown(name)}: {error.message}", field=error.field) from None


def _path(data: object, named: Mapping[str, Source] | None = None) -> Path:
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
