"""Formatting of numbers, times and Info, shared by pages, text tables, charts and the Info sheet.

These functions turn values of a report into text. They compute nothing.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from custdyn_widgets.report.report import Column, Quote, Report, Value
from custdyn_widgets.text import isolate, printable

NULL = "–"
COUNTED_UNTIL = "Counted until"  # a label in Info, shown if the figures end before the interval does
MINUS = "\N{MINUS SIGN}"
# Generated content is shown and printed but never copied.
THOUSANDS_CSS = '::before{content:","}'
_EXACT = Context(prec=1_000)
_FEW_QUOTES = 3


@functools.cache
def minor_digits(currency: str) -> int:
    """Return the number of decimal places shown for amounts in a currency (2 for an unknown code)."""
    from babel.numbers import get_currency_precision  # imported late because it loads locale data

    digits: int = get_currency_precision(currency)
    return digits


def format_value(value: Value, column: Column, currency: str) -> str:
    """Format a value for display.

    Parameters
    ----------
    value
        A count (int), an amount in `currency` (Decimal), or None for an undefined average.
    column
        The value's column, whose unit determines the format.
    currency
        The ISO 4217 code of the report's amounts. It determines the number of decimal places but is not
        part of the text, since headings show it once.

    Returns
    -------
    str
        The value with thousands separators, rounded to the currency's minor digits, with U+002D as the minus
        sign and never a negative zero; an en dash for None. Rates are shown as percentages with one decimal
        place, rounded half away from zero, as the number formats of spreadsheets do, so that a workbook shows
        the same; stored values are rounded half to even.
    """
    if value is None:
        return NULL
    if column.unit == "count":
        return f"{value:,d}"
    if column.unit != "money":
        return _format_percent(Decimal(value), column)
    step = Decimal(1).scaleb(-minor_digits(currency))
    return f"{Decimal(value).quantize(step, ROUND_HALF_UP, _EXACT):z,f}"


def _format_percent(value: Decimal, column: Column) -> str:
    """Format a percentage with one decimal place, such as `12.5%`, or `1.2 pp` for percentage points."""
    percent = value if column.unit == "percent" else value.scaleb(2, _EXACT)
    rounded = f"{percent.quantize(Decimal('0.1'), ROUND_HALF_UP, _EXACT):z,f}"
    return f"{rounded} pp" if column.unit == "points" else f"{rounded}%"


def number_html(text: str, kind: str = "") -> str:
    """Return a formatted number as HTML with thousands separators that are visible but not copied.

    Spreadsheets then recognize the copied number in every locale. Each group after the first is a `span`,
    with the class `kind` if given; `THOUSANDS_CSS` separates them.
    """
    first, *groups = text.split(",")
    span = f'<span class="{kind}">' if kind else "<span>"
    return first + "".join(f"{span}{group}</span>" for group in groups)


def format_instant(instant: str, timezone: str) -> str:
    """Format an instant (ISO 8601 with `Z`) in a time zone, to the second, with its UTC offset."""
    moment = datetime.fromisoformat(instant)
    try:
        local = moment.astimezone(ZoneInfo(timezone))
    except OverflowError:  # the local time is outside years 1 to 9999
        local = moment.astimezone(UTC)
    offset = "UTC" if not local.utcoffset() else local.isoformat()[-6:].replace("-", MINUS)
    return f"{local:%Y-%m-%d %H:%M:%S} {offset}"


def format_duration(milliseconds: int) -> str:
    """Format a duration in a suitable unit, such as `123 ms`, `4.2 s` or `3 min 5 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 1000}.{milliseconds % 1000 // 100} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes:,} min {seconds} s"


def describe_query(report: Report) -> str:
    """Describe the query, adding the report's currency if the query has none; names are isolated."""
    return report.query.describe(isolate) + (
        "" if report.query.currency else f", amounts in {report.currency}"
    )


def info_rows(report: Report, *, warnings: bool = True) -> list[tuple[str, str]]:
    """Return Info as pairs of label and text, in display order.

    Each warning has its own row labelled `Warning`, unless `warnings` is false. Quotes are listed by
    currency: in full if there are few, otherwise as a number and a range of dates. `report.info.quotes`
    contains all of them.
    """
    info = report.info
    zone = info.timezone
    actual = "no transactions in this interval"
    if info.actual_start and info.actual_end:
        actual = f"{format_instant(info.actual_start, zone)} to {format_instant(info.actual_end, zone)}"
    cut = [(COUNTED_UNTIL, format_instant(info.effective_end, zone))] if report.is_partial else []
    rows = [
        ("Data Interval", f"{info.interval_start} to {info.interval_end} ({zone})"),
        *cut,
        ("Actual Interval", actual),
        ("Generated by", printable(info.role)),
        ("Generated at", format_instant(info.generated_at, zone)),
        ("Duration", format_duration(info.duration_ms)),
        ("As of", format_instant(info.as_of, zone)),
        (
            "Data as of",
            format_instant(info.data_as_of, zone) if info.data_as_of else "not known (data in memory)",
        ),
        ("Source", printable(info.source)),
        ("Clients read", f"{info.clients:,}"),
        ("Transactions read", f"{info.transactions:,}"),
        ("Currency", info.currency),
        ("Quotes used", _format_quotes(info.quotes)),
        ("Time-zone data", info.time_zone_data),
    ]
    return rows + [("Warning", printable(warning)) for warning in info.warnings if warnings]


def _format_quotes(quotes: tuple[Quote, ...]) -> str:
    if not quotes:
        return "none"
    ordered = sorted(quotes, key=lambda q: (q.currency, q.date))
    by_currency = groupby(ordered, key=lambda q: q.currency)
    return "; ".join(_format_currency_quotes(list(same)) for _, same in by_currency)


def _format_currency_quotes(quotes: list[Quote]) -> str:
    """Format the quotes of one currency, which are sorted by date."""
    if len(quotes) <= _FEW_QUOTES:
        text = ", ".join(f"{q.units_per_base} of {q.date}" for q in quotes)
    else:
        text = f"{len(quotes):,} quotes from {quotes[0].date} to {quotes[-1].date}"
    return f"{quotes[0].currency} per {quotes[0].base}: {text}"


def interval_slug(report: Report) -> str:
    """Return the interval as used in file names: a preset's name and last day, or the first and last day."""
    last = report.info.interval_end[:10]
    if isinstance(report.query.interval, str):
        return f"{report.query.interval.replace('_', '-')}-{last}"
    return f"{report.info.interval_start[:10]}-to-{last}"
