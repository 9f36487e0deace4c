"""Find files and folders with names similar to those of a mart's tables, and say what to do with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from custdyn_widgets.errors import shown
from custdyn_widgets.mart.reading.near_names import nearest_name, normalized_name, source_error
from custdyn_widgets.mart.schema import TABLES

SUFFIXES = (".csv", ".parquet")
PACKED_CSV = (".csv.gz", ".csv.zip", ".zip")

_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".lz4", ".7z", ".tgz")
_SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_SEPARATED = (".tsv", ".tab", ".psv", ".txt", ".dat")
_OTHERS = (
    *(".json", ".jsonl", ".ndjson", ".feather", ".arrow", ".ipc", ".orc", ".avro", ".pkl", ".pickle"),
    *(".sql", ".xml", ".html", ".sqlite", ".pq", ".parq"),
)
_DATABASES = (".duckdb", ".db")


def near_file(folder: Path, names: Iterable[str], table: str) -> tuple[str, str] | None:
    """Return the name in a folder that is most similar to a table's, with the remedy, or None."""
    stems = {name: name.partition(".")[0] for name in names}
    taken = {name for name in TABLES if name != table}
    likely = sorted(
        (name for name, stem in stems.items() if stem not in taken and _remedy(folder, name, table)),
        key=lambda name: (not name.lower().endswith(SUFFIXES), name),
    )
    stem = nearest_name(table, [stems[name] for name in likely])
    name = next((name for name in likely if stems[name] == stem), None)
    return (name, _remedy(folder, name, table)) if name else None


def seems_data(name: str) -> bool:
    """Return whether a name has the suffix of a data file, in any common format."""
    return name.lower().endswith((*_PACKED, *_SHEETS, *_SEPARATED, *_OTHERS))


def is_same_file(name: str, table: str) -> bool:
    """Return whether a name is that of a table's CSV or Parquet file, ignoring case and punctuation."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and normalized_name(path.stem) == normalized_name(table)


def _remedy(folder: Path, name: str, table: str) -> str:
    """Return what to do with a file of this name, or an empty string if it cannot be a table."""
    ending = Path(name).suffix.lower()
    if ending in ("", *SUFFIXES) and (folder / name).is_dir():
        kinds = [kind for kind in SUFFIXES if any((folder / name).glob(f"*{kind}"))]
        return f"rename it to {table}{kinds[0]}" if kinds else ""
    if ending in SUFFIXES:
        return f"rename it to {table}{ending}"
    if ending in _PACKED:
        return "unpack it"
    if ending in _SHEETS:
        return f"save its sheet as {table}.csv (UTF-8)"
    if ending in _SEPARATED:
        return f"rename it to {table}.csv"
    return f"export its data as {table}.csv or {table}.parquet" if ending in _OTHERS else ""


def hint_for_missing(folder: Path, names: Sequence[str], table: str) -> str:
    """Return the end of a sentence about a missing table: where it may be, and what to do."""
    if near := near_file(folder, names, table):
        name, remedy = near
        return f", but it has {shown(name)}: {remedy}"
    if database := next((name for name in names if _is_database(folder / name)), None):
        return f", but it has {shown(database)}: use the path of that file as the source"
    for name in names:
        inner = folder / name
        if any((inner / f"{table}{suffix}").is_file() for suffix in SUFFIXES):
            return f", but its folder {shown(name)} does: use the path of that folder as the source"
    return ""


def _is_database(path: Path) -> bool:
    """Return whether a file is a DuckDB database; other .db files, such as Thumbs.db on Windows, are not."""
    if path.suffix.lower() not in _DATABASES or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def hint_for_file(path: Path) -> str:
    """Return the end of a sentence about a file given instead of a folder: what it is, and what to do."""
    ending = path.suffix.lower()
    if ending in SUFFIXES:
        return ": it is a file, so give the path of its folder"
    if ending in _PACKED:
        return ": it is an archive, so unpack it and give the path of the folder"
    if ending in _SHEETS:
        return ": it is a workbook, so save its sheets as clients.csv and transactions.csv (UTF-8)"
    return ", nor a .duckdb or .db file"


def reject_near_files(folder: Path, names: Iterable[str], table: str) -> None:
    """Raise an error if a folder has an optional table under a similar name, which reports would ignore."""
    for name in names:
        if is_same_file(name, table) and (folder / name).is_file():
            suffix = Path(name).suffix.lower()
            raise source_error(
                folder.name,
                f"has {shown(name)}, which is not read: rename it to {table}{suffix}, or move it to another "
                "folder",
            )
