"""The mark and the notes of partial rows: buckets that are cut short."""

PARTIAL_MARK = "◐"
CUT_SHORT = "cut short by the interval's start or end, or by the moment of the report"
PARTIAL_NOTE = f"{PARTIAL_MARK} marks a bucket {CUT_SHORT}."
ASTERISK_NOTE = f"* {CUT_SHORT}"
