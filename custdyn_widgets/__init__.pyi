from .engine import (
    clients_behind,
    cohort_triangle,
    compare_snapshots,
    metric,
    ratio,
    report_lines,
    report_on,
    run_report,
)
from .errors import CustDynError
from .mart import Dialect, Source, check_source, draft_mapping, open_mart, open_on_spark, sync_source
from .notebook import query_from_parameters, source_from_parameters
from .publish import freeze
from .query import ReportQuery
from .render import blank_chart, chart, register_preset, report_charts, to_csv, to_pdf, to_xlsx
from .report import Report, ReportDifference, report_difference
from .widgets import CustomerDynamics

__version__: str

__all__ = [
    "CustDynError",
    "CustomerDynamics",
    "Dialect",
    "Report",
    "ReportDifference",
    "ReportQuery",
    "Source",
    "blank_chart",
    "chart",
    "check_source",
    "clients_behind",
    "cohort_triangle",
    "compare_snapshots",
    "draft_mapping",
    "freeze",
    "metric",
    "open_mart",
    "open_on_spark",
    "query_from_parameters",
    "ratio",
    "register_preset",
    "report_charts",
    "report_difference",
    "report_lines",
    "report_on",
    "run_report",
    "source_from_parameters",
    "sync_source",
    "to_csv",
    "to_pdf",
    "to_xlsx",
]
