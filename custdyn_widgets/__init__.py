"""Customer Dynamics in Jupyter: how a telecom or VoIP operator's customers move, exactly.

The public door. Names are imported when they are first used, so that `import custdyn_widgets` costs
nothing and the command line starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from custdyn_widgets.charts import blank_chart, chart
    from custdyn_widgets.compute import report_lines, run_report
    from custdyn_widgets.errors import CustDynError
    from custdyn_widgets.export import to_csv, to_xlsx
    from custdyn_widgets.freezing import freeze
    from custdyn_widgets.mart.cache import check_source
    from custdyn_widgets.mart.sources import Source
    from custdyn_widgets.metrics import metric, ratio
    from custdyn_widgets.notebook.parameters import query_from_parameters, source_from_parameters
    from custdyn_widgets.query import ReportQuery
    from custdyn_widgets.report import Report
    from custdyn_widgets.widgets.app import CustomerDynamics

__version__ = "0.1.0"

_HOMES = {
    "CustDynError": "errors",
    "CustomerDynamics": "widgets.app",
    "Report": "report",
    "ReportQuery": "query",
    "Source": "mart.sources",
    "blank_chart": "charts",
    "chart": "charts",
    "check_source": "mart.cache",
    "freeze": "freezing",
    "metric": "metrics",
    "query_from_parameters": "notebook.parameters",
    "ratio": "metrics",
    "report_lines": "compute",
    "run_report": "compute",
    "source_from_parameters": "notebook.parameters",
    "to_csv": "export",
    "to_xlsx": "export",
}

__all__ = [
    "CustDynError",
    "CustomerDynamics",
    "Report",
    "ReportQuery",
    "Source",
    "blank_chart",
    "chart",
    "check_source",
    "freeze",
    "metric",
    "query_from_parameters",
    "ratio",
    "report_lines",
    "run_report",
    "source_from_parameters",
    "to_csv",
    "to_xlsx",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'custdyn_widgets' has no attribute {name!r}")
    return getattr(importlib.import_module(f"custdyn_widgets.{_HOMES[name]}"), name)
