"""Convert the sheets of Excel workbooks to CSV files row by row, and detect the types of their columns."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.mapping.sql_text import identifier, literal

SUFFIXES = (".xlsx", ".xlsm")
_SQL_TYPES = {frozenset({"whole", "number"}): "DECIMAL(38, 9)", frozenset({"time"}): "TIMESTAMP"}
_SQL_TYPES[frozenset({"number"})] = "DECIMAL(38, 9)"


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook: its name, and a query for its rows, which are in a CSV file."""

    name: str
    query: str


def read_sheets(path: Path, folder: Path) -> list[Sheet]:
    """Write the visible sheets of a workbook, except empty ones, to a folder as CSV files.

    Columns of numbers become decimals with the 15 significant digits that Excel stores, and columns of dates
    become times. All other columns become text, including columns of whole numbers, which may be ids.

    Raises
    ------
    SourceError
        If the file is not a workbook, or a value is in a column without a heading.
    """
    import openpyxl  # imported late: rarely needed
    from openpyxl.utils.exceptions import InvalidFileException

    found = []
    try:
        with (
            warnings.catch_warnings(),
            path.open("rb") as file,
            closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as book,
        ):
            warnings.simplefilter("ignore", UserWarning)  # about styles, for example
            for number, sheet in enumerate(book.worksheets):
                if sheet.sheet_state != "visible":
                    continue
                sheet.reset_dimensions()  # wrong dimensions, which some programs write, would hide rows
                place = f"{path.name}, sheet {shown(sheet.title)}"
                with closing(sheet.iter_rows(values_only=True)) as rows:
                    query = _write(rows, folder / f"{number}.csv", place)
                found += [Sheet(sheet.title, query)] if query else []
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise SourceError(
            f"{path.name} is not a readable workbook. Open it in Excel and save it as .xlsx, without "
            "a password.",
            field="source",
        ) from error
    return found


def _write(rows: Iterator[tuple[Any, ...]], file: Path, place: str) -> str:
    """Write the rows of a sheet, and return a query for them, or an empty string if there are no headings."""
    numbered = ((n, row) for n, row in enumerate(rows, start=1) if any(_is_value(v) for v in row))
    _, first = next(numbered, (0, ()))
    names = _headings(first)
    kinds: list[set[str]] = [set() for _ in names]
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for number, row in numbered:
            _write_row(writer, row, kinds, f"{place}, row {number}")
    columns = [
        f"CAST({identifier(name)} AS {_SQL_TYPES.get(frozenset(of), 'VARCHAR')}) AS {identifier(name)}"
        for name, of in zip(names, kinds, strict=True)
    ]
    if not columns:
        return ""
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    options = "header=false, auto_detect=false, delim=',', quote='\"', escape='\"', strict_mode=true"
    return f"SELECT {', '.join(columns)} FROM read_csv({literal(file)}, {options}, columns={{{types}}})"  # noqa: S608 (quoted names)


def _write_row(writer: Any, row: Sequence[Any], kinds: list[set[str]], place: str) -> None:
    extra = next((value for value in row[len(kinds) :] if _is_value(value)), None)
    if extra is not None:
        raise SourceError(
            f"{place}: {shown(str(extra))} is in a column without a heading. Put the headings in the first "
            "row, and remove everything above and beside the table.",
            field="source",
        )
    cells = [""] * len(kinds)
    for position, value in enumerate(row[: len(kinds)]):
        if _is_value(value):
            cells[position], kind = _text(value)
            kinds[position].add(kind)
    writer.writerow(cells)


def _is_value(value: object) -> bool:
    return value is not None and value != ""


def _headings(row: Sequence[Any]) -> list[str]:
    """Return the headings without trailing blanks; number any other blank or repeated headings."""
    last = max((place for place, value in enumerate(row, start=1) if _is_value(value)), default=0)
    names: list[str] = []
    for place, value in enumerate(row[:last], start=1):
        name = _text(value)[0].strip() if _is_value(value) else f"column {place}"
        taken = {other.casefold() for other in names}
        names.append(f"{name} {place}" if name.casefold() in taken else name)
    return names


def _text(value: Any) -> tuple[str, str]:
    """Return a cell as text, and its kind: whole, number, time or text."""
    if isinstance(value, bool):
        return str(value).upper(), "text"
    if isinstance(value, int):
        return str(value), "whole"
    if isinstance(value, float):
        return format(Decimal(f"{value:.15g}"), "f"), "number"  # a double does not store more digits reliably
    if isinstance(value, (datetime, date)):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat(), "time"
    return value.isoformat() if isinstance(value, time) else str(value), "text"
