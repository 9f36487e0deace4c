"""Cells: the exact sums behind each row of a report."""
