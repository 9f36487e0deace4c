"""Cells: exact sums for each row of a report."""
