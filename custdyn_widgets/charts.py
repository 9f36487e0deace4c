"""The old address of charts: notebooks and extensions written for version 0.1 import from here."""

from custdyn_widgets.render import blank_chart, chart, register_preset, report_charts

__all__ = ["blank_chart", "chart", "register_preset", "report_charts"]
