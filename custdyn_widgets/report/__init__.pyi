from .formatting import (
    CUT_SHORT,
    format_duration,
    format_instant,
    format_value,
    heading_groups,
    info_rows,
    minor_digits,
)
from .frames import info_series, total_series
from .html import report_html
from .report import Column, Info, Quote, Report, Row, Unit, Value

__all__ = [
    "CUT_SHORT",
    "Column",
    "Info",
    "Quote",
    "Report",
    "Row",
    "Unit",
    "Value",
    "format_duration",
    "format_instant",
    "format_value",
    "heading_groups",
    "info_rows",
    "info_series",
    "minor_digits",
    "report_html",
    "total_series",
]
