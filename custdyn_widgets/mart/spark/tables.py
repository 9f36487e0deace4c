"""Reading the tables of a mart with Spark: the ledger stays in Spark, and the other tables are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from custdyn_widgets import progress
from custdyn_widgets.errors import ADDRESS, SourceError
from custdyn_widgets.mart.columns import is_text
from custdyn_widgets.mart.database_url import has_secret
from custdyn_widgets.mart.dialect import Dialect
from custdyn_widgets.mart.located import locate
from custdyn_widgets.mart.objects.address import is_object_address, object_address
from custdyn_widgets.mart.reading.mart_files import mart_files, source_name
from custdyn_widgets.mart.reading.near_names import source_error
from custdyn_widgets.mart.reading.stored import BATCH, StoredLedger, StoredMart, StoredTable
from custdyn_widgets.mart.schema import TABLES, MartTable
from custdyn_widgets.mart.sources import Source, SourceLike, find_source, resolve_source
from custdyn_widgets.mart.spark.session import spark_errors, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILE, ROW = "__file", "__row"  # columns with each row's file and its position in the file, from 0
_UTC = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class SparkMart:
    """A mart that Spark reads.

    Attributes
    ----------
    stored
        The mart, with the columns of the ledger but without its rows.
    ledger
        The known columns of the ledger.
    data_as_of
        The Unix time of the last change to its files.
    sentences
        Sentences that describe what a mapping or a sync left out or rounded.
    """

    stored: StoredMart
    ledger: DataFrame
    data_as_of: int
    sentences: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.stored.name

    @property
    def headings(self) -> StoredTable:
        """The ledger without its rows."""
        return self.stored.ledger.whole(None)


@dataclass(frozen=True)
class _Place:
    """The location of a mart: the paths of its tables as Spark expects them, and properties of its files."""

    name: str
    paths: Mapping[str, str]
    dialect: Dialect
    is_written_by_us: bool = False
    last_changed: int | None = None
    sentences: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


def read_on_spark(source: SourceLike) -> SparkMart:
    """Read the tables of a mart with Spark, except the rows of its ledger.

    Raises
    ------
    SourceError
        If the source does not consist of Parquet files that Spark can read.
    SettingsError
        If Spark cannot be started, or `sources.toml` cannot be used.
    """
    place = _place(source)
    progress.step("Starting Spark", 0.0)
    session = spark_session()
    with spark_errors(place.name):
        frames = {
            name: frame
            for name, path in place.paths.items()
            if (frame := _frame(session, path, place.options))
        }
        for name in (name for name, spec in TABLES.items() if spec.required and name not in frames):
            raise source_error(place.name, f"has no {name}.parquet, which the spark engine needs")
        tables = {}
        for name, frame in frames.items():
            progress.step(f"Reading {name}", 0.1)
            origin = name if place.is_written_by_us else f"{name}.parquet"
            empty = _headings(frame, TABLES[name], origin)._replace(dialect=place.dialect)
            tables[name] = empty if name == "transactions" else empty._replace(data=_rows(frame, empty))
        _reject_fractional_ids(frames["transactions"], place.name)
        changed = _last_changed(frames) if place.last_changed is None else place.last_changed
    ledger = tables.pop("transactions")
    return SparkMart(
        StoredMart(place.name, tables, StoredLedger.of(ledger)),
        frames["transactions"].select(*_quoted(ledger)),
        changed,
        place.sentences,
    )


def _reject_fractional_ids(ledger: DataFrame, name: str) -> None:
    """Reject ids that are fractions, or too large to be whole numbers: their text depends on other rows."""
    ids = [column.name for column in TABLES["transactions"].columns if column.kind == "id"]
    for column, kind in ledger.dtypes:
        if column not in ids:
            continue
        value = f"`{column}`"
        if kind in ("double", "float"):
            wrong = f"NOT isnan({value}) AND ({value} != rint({value}) OR abs({value}) >= 9.2e18D)"
        elif kind.startswith("decimal") and not kind.endswith(",0)"):
            wrong = f"{value} != floor({value})"
        else:
            continue
        if not ledger.where(wrong).isEmpty():
            words = f"has fractions in transactions.parquet, {column}, which the spark engine does not accept"
            raise source_error(name, f"{words} as ids. Use the local engine")


def _place(source: SourceLike) -> _Place:
    given = _given(source)
    text = given.data.strip() if isinstance(given.data, str) else ""
    is_url = bool(ADDRESS.match(text)) and not has_secret(text)  # other URLs are rejected below
    chosen = given if is_url else resolve_source(source)
    if chosen.on_fault != "refuse":
        raise SourceError(
            "The spark engine cannot leave out faulty rows. Set on_fault = 'refuse' for the source, or use "
            "the local engine.",
            field="on_fault",
        )
    if is_url:
        if chosen.mapping or chosen.system:
            raise SourceError(
                "The spark engine cannot run a mapping on data at a URL. Use the URL of a mart.",
                field="mapping",
            )
        root = text.rstrip("/")
        if is_object_address(text):
            root = f"s3a://{object_address(text).path}"  # Spark's name for the scheme
        paths = {name: f"{root}/{name}.parquet" for name in TABLES}
        return _Place(chosen.name or root.rpartition("/")[2], paths, chosen.dialect, options=_options(chosen))
    if isinstance(chosen.data, Mapping):
        raise SourceError(
            "The spark engine reads Parquet files, not tables in memory. Use the local engine.",
            field="engine",
        )
    located = locate(chosen)
    return _Place(
        chosen.name or source_name(chosen.path),
        _paths(located.path),
        chosen.dialect,
        located.is_written_by_us,
        located.stamp.last_changed,
        located.sentences,
    )


def _given(source: SourceLike) -> Source:
    """Return a source as `find_source` does, but also accept URLs of any file system that Spark reads."""
    data = source.data if isinstance(source, Source) else source
    if isinstance(data, str) and ADDRESS.match(data):
        return source if isinstance(source, Source) else Source(data)
    return find_source(source)


def _options(source: Source) -> dict[str, str]:
    """Return Spark's options for the endpoint and the region of a bucket."""
    if not is_object_address(source.data):
        return {}
    address = object_address(str(source.data), source.endpoint, source.region)
    options: dict[str, str] = {}
    if source.endpoint:
        options |= {"endpoint": source.endpoint, "path.style.access": "true"}
    if source.region:
        options["endpoint.region"] = source.region
    return {f"fs.s3a.bucket.{address.bucket}.{name}": value for name, value in options.items()}


def _paths(folder: Path) -> dict[str, str]:
    """Return the paths of a mart's tables on this machine."""
    found = mart_files(folder)
    for path in found.values():
        if path.suffix != ".parquet":
            raise source_error(
                folder.name, f"has {path.name}, but the spark engine reads only Parquet. Write it as "
                "Parquet, or use the local engine"
            )  # fmt: skip
    return {name: f"file:{path.absolute()}" for name, path in found.items()}


def _frame(session: SparkSession, path: str, options: Mapping[str, str]) -> DataFrame | None:
    """Return a table, or None if there is no such file."""
    from pyspark.errors import AnalysisException  # imported late: slow to load

    try:
        frame = session.read.options(**options).parquet(path)
        assert frame.schema  # a remote session reads the schema only now, and may fail
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            return None
        raise
    return frame


def _headings(frame: DataFrame, spec: MartTable, origin: str) -> StoredTable:
    """Return the columns of a table, without its rows."""
    names = [name for name in spec.column_names if name in frame.columns]
    data = utc(frame.select(*(f"`{name}`" for name in names)).limit(0).toArrow())
    extra = tuple(name for name in frame.columns if name not in names)
    return StoredTable(spec, origin, data, extra)


def _quoted(table: StoredTable) -> list[str]:
    return [f"`{name}`" for name in table.data.column_names]


def _rows(frame: DataFrame, table: StoredTable) -> pa.Table:
    """Return the rows of a table, in the order of its files."""
    ordered = frame.orderBy("_metadata.file_path", "_metadata.row_index")
    return utc(ordered.select(*_quoted(table)).toArrow().combine_chunks())


def _last_changed(frames: Mapping[str, DataFrame]) -> int:
    """Return the Unix time of the last change to any table's files."""
    times: list[int] = []
    for frame in frames.values():
        seconds = frame.selectExpr("unix_seconds(_metadata.file_modification_time) AS at")
        times += seconds.groupBy().max("at").toArrow().column(0).drop_null().to_pylist()
    return max(times, default=0)


def utc(table: pa.Table) -> pa.Table:
    """Return a table with its times in UTC rather than in the session's time zone."""
    for i, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type) and column.type.tz:
            table = table.set_column(i, column.name, table.column(i).cast(_UTC))
    return table


def joined(batches: Iterator[pa.RecordBatch], spec: MartTable) -> Iterator[pa.Table]:
    """Combine Spark's small batches into tables of the usual size and types."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= BATCH:
            yield _as_read(pa.Table.from_batches(waiting), spec)
            waiting = []
    if waiting:
        yield _as_read(pa.Table.from_batches(waiting), spec)


def _as_read(table: pa.Table, spec: MartTable) -> pa.Table:
    """Return rows with the types that the local engine reads from Parquet: dictionaries for repeated text."""
    table = utc(table.combine_chunks())
    for name in spec.repeating:
        if name in table.column_names and is_text(table.schema.field(name).type):
            i = table.column_names.index(name)
            table = table.set_column(i, name, table.column(i).dictionary_encode())
    return table
