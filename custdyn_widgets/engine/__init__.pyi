from .clients import clients_behind
from .cohorts import cohort_triangle
from .compute import report_lines, run_report
from .default_currency import target_currency
from .metrics import metric, ratio
from .query_columns import column_groups, columns_of
from .report import report_on
from .snapshot_difference import compare_snapshots, frozen_report

__all__ = [
    "clients_behind",
    "cohort_triangle",
    "column_groups",
    "columns_of",
    "compare_snapshots",
    "frozen_report",
    "metric",
    "ratio",
    "report_lines",
    "report_on",
    "run_report",
    "target_currency",
]
