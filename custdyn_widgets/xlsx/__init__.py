"""A report as an XLSX workbook: the sheets Report, Charts, Info and Definitions."""

from custdyn_widgets.xlsx.workbook import ROW_LIMIT, to_xlsx

__all__ = ["ROW_LIMIT", "to_xlsx"]
