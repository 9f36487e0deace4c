"""A report as an XLSX workbook: the sheets Report, Charts, Info and Definitions."""
