from .arrow import arrow_table, encodable
from .client_changes import ClientChange, ClientChanges
from .cohorts import CohortTriangle
from .comparing import Cell, number_cells, value_positions
from .difference import NOT_KNOWN, ReportDifference, report_difference
from .formatting import (
    COUNTED_UNTIL,
    MINUS,
    describe_query,
    format_duration,
    format_instant,
    format_value,
    info_rows,
    interval_slug,
    minor_digits,
    number_html,
)
from .frames import info_series, total_series
from .heat_map import LIGHT, TRIANGLE_NOTE, share_step, triangle_html
from .html import THOUSANDS, html_text, report_html
from .partial_rows import ASTERISK_NOTE, cut_note, partial_notes
from .report import Column, Info, Quote, Report, Row, Unit, Value
from .table_view import MAX_LABEL, MAX_QUERY_TEXT, MAX_ROWS, ColumnGroup, TableRow, TableView, table_view
from .terminal import report_text

__all__ = [
    "ASTERISK_NOTE",
    "COUNTED_UNTIL",
    "LIGHT",
    "MAX_LABEL",
    "MAX_QUERY_TEXT",
    "MAX_ROWS",
    "MINUS",
    "NOT_KNOWN",
    "THOUSANDS",
    "TRIANGLE_NOTE",
    "Cell",
    "ClientChange",
    "ClientChanges",
    "CohortTriangle",
    "Column",
    "ColumnGroup",
    "Info",
    "Quote",
    "Report",
    "ReportDifference",
    "Row",
    "TableRow",
    "TableView",
    "Unit",
    "Value",
    "arrow_table",
    "cut_note",
    "describe_query",
    "encodable",
    "format_duration",
    "format_instant",
    "format_value",
    "html_text",
    "info_rows",
    "info_series",
    "interval_slug",
    "minor_digits",
    "number_cells",
    "number_html",
    "partial_notes",
    "report_difference",
    "report_html",
    "report_text",
    "share_step",
    "table_view",
    "total_series",
    "triangle_html",
    "value_positions",
]
