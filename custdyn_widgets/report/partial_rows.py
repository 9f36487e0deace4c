"""The mark for partial rows, whose buckets are cut short, and the notes that explain it."""

PARTIAL_MARK = "◐"
CUT_SHORT = "cut short by the interval's start or end, or by the moment of the report"
PARTIAL_NOTE = f"{PARTIAL_MARK} marks a bucket {CUT_SHORT}."
ASTERISK_NOTE = f"* {CUT_SHORT}"
