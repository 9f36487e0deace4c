"""The mark for partial rows, whose buckets are cut short, and the notes on partial rows and reports."""

from __future__ import annotations

from custdyn_widgets.report.formatting import format_instant
from custdyn_widgets.report.report import Report

PARTIAL_MARK = "◐"
CUT_SHORT = "cut short by the interval's start or end, or by the time of the report"
PARTIAL_NOTE = f"{PARTIAL_MARK} marks a bucket {CUT_SHORT}."
ASTERISK_NOTE = f"* {CUT_SHORT}"


def cut_note(report: Report) -> str:
    """Return a note if the figures end before the interval does, otherwise an empty string."""
    if not report.is_partial:
        return ""
    info = report.info
    until = format_instant(info.effective_end, info.timezone)
    return (
        f"Partial: the figures run up to {until}, the time of the report; "
        f"the interval ends at {info.interval_end}."
    )


def partial_notes(report: Report) -> list[str]:
    """Return the notes on what is partial, for outputs that do not mark rows; empty if nothing is."""
    notes = [cut_note(report)] if report.is_partial else []
    if report.query.time_group:
        buckets = dict.fromkeys(row.labels[0] for row in report.rows if row.partial)
        if buckets:
            notes.append(f"{' and '.join(buckets)}: {CUT_SHORT}.")
    return notes
