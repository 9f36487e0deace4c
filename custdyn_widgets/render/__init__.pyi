from .charts.drawing import (
    blank_chart,
    browser_library,
    chart,
    chart_png,
    chart_svg,
    report_charts,
    start_engine,
    with_own_presets,
)
from .charts.live import can_zoom, live_spec
from .charts.points import COLUMNS
from .charts.presets import absent_columns, missing_columns, presets_of, register_preset
from .charts.specs import BLANK, blank_spec, column_colour, preset_spec
from .charts.vegalite import MARKS
from .csv import table_csv, to_csv, to_excel_csv, total_line
from .difference_page import render_difference
from .notebook_page import render_notebook
from .page import Section, headline_figures, render_page
from .pdf.report_pdf import to_pdf
from .pdf.typesetting import require_pdf
from .xlsx.workbook import to_xlsx

__all__ = [
    "BLANK",
    "COLUMNS",
    "MARKS",
    "Section",
    "absent_columns",
    "blank_chart",
    "blank_spec",
    "browser_library",
    "can_zoom",
    "chart",
    "chart_png",
    "chart_svg",
    "column_colour",
    "headline_figures",
    "live_spec",
    "missing_columns",
    "preset_spec",
    "presets_of",
    "register_preset",
    "render_difference",
    "render_notebook",
    "render_page",
    "report_charts",
    "require_pdf",
    "start_engine",
    "table_csv",
    "to_csv",
    "to_excel_csv",
    "to_pdf",
    "to_xlsx",
    "total_line",
    "with_own_presets",
]
