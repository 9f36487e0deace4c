"""The former home of the chart functions, kept for notebooks and extensions written for version 0.1."""

from custdyn_widgets.render import blank_chart, chart, register_preset, report_charts

__all__ = ["blank_chart", "chart", "register_preset", "report_charts"]
