"""Write test marts as other systems export them: separators, decimal commas, local times, encodings."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from custdyn_widgets import Dialect
from tests import oracle
from tests.mart_forms import COLUMNS

_ORDERS = {"DMY": "%d{0}%m{0}%Y", "MDY": "%m{0}%d{0}%Y", "YMD": "%Y{0}%m{0}%d"}
_EXCEL_EPOCH = datetime(1899, 12, 30)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Writing:
    """How a system writes: its dialect, and what a dialect need not say.

    `packed` is the suffix that packing adds; `headings` changes the names of columns.
    """

    dialect: Dialect
    thousands: str = ""
    between: str = "/"
    clock: str = "%H:%M:%S"
    excel: bool = False
    packed: str = ""
    headings: str = "as they are"
    quote_all: bool = False

    def number(self, text: str) -> str:
        """Return a plain decimal as this system writes it."""
        whole, point, part = format(Decimal(text), "f").partition(".")
        sign = whole[: len(whole) - len(whole.lstrip("+-"))]
        grouped = format(int(whole.lstrip("+-")), ",").replace(",", self.thousands)
        return sign + grouped + point.replace(".", self.dialect.decimal or ".") + part

    def time(self, text: str) -> str:
        """Return an instant as this system's clock shows it, with its offset only if it needs one."""
        at = oracle.instant(text)
        local = at.astimezone(ZoneInfo(self.dialect.timezone or "UTC"))
        wall = local.replace(tzinfo=None)
        millis, rest = divmod(wall - _EXCEL_EPOCH, _SECOND / 1000)
        if self.excel and not rest and 1930 < wall.year < 2170 and self._resolved(wall) == at:
            days = round(Decimal(millis) / 86_400_000, 12)
            return format(days.normalize(), "f").replace(".", self.dialect.decimal or ".")
        part = f".{wall.microsecond:06}" if wall.microsecond else ""
        clock = wall.strftime(self.clock)
        clock = (
            clock.replace(" PM", f"{part} PM").replace(" AM", f"{part} AM") if "M" in clock else clock + part
        )
        written = f"{self._date(wall)} {clock}"
        return written if self._resolved(wall) == at else written + _offset(local)

    def _date(self, day: datetime) -> str:
        order = _ORDERS[self.dialect.dates or "YMD"].format(self.between)
        return order.replace("%Y", f"{day.year:04}").replace("%m", f"{day:%m}").replace("%d", f"{day:%d}")

    def _resolved(self, wall: datetime) -> datetime:
        zone = ZoneInfo(self.dialect.timezone or "UTC")
        return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)

    def cell(self, column: str, kind: str, text: str | None) -> str:
        """Return a cell of the mart as this system writes it."""
        if not text:
            return ""
        if kind == "instant":
            return self.time(text)
        if kind == "amount":
            return self.number(text)
        return self._date(datetime.fromisoformat(text)) if column == "date" else text

    def heading(self, column: str) -> str:
        """Return the heading of a column."""
        words = column.split("_")
        return {"as they are": column, "words": " ".join(words).title(), "hyphens": "-".join(words).upper()}[
            self.headings
        ]


def _offset(local: datetime) -> str:
    text = local.isoformat()[-6:]
    assert text[0] in "+-", "an offset with seconds cannot be written"
    return text


def write(mart: oracle.Mart, folder: Path, writing: Writing) -> Path:
    """Write a mart as CSV files in a dialect and return the folder."""
    for name, rows in mart.items():
        _write_file(folder / f"{name}.csv{writing.packed}", _text(name, rows, writing), writing)
    return folder


def _text(name: str, rows: Iterable[oracle.Row], writing: Writing) -> str:
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if writing.quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=writing.dialect.delimiter or ",", quoting=quoting)
    writer.writerow([writing.heading(column) for column in COLUMNS[name]])
    for row in rows:
        writer.writerow([writing.cell(c, kind, row.get(c)) for c, kind in COLUMNS[name].items()])
    return out.getvalue()


def _write_file(path: Path, text: str, writing: Writing) -> None:
    data = text.encode(writing.dialect.encoding or "utf-8")
    if writing.packed == ".gz":
        data = gzip.compress(data, mtime=0)
    elif writing.packed == ".zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(path.stem, data)
        data = out.getvalue()
    path.write_bytes(data)
