"""The kinds of fault that a check finds."""

from __future__ import annotations

from dataclasses import replace

from custdyn_widgets.mart.checking.faults import FaultKind
from custdyn_widgets.mart.schema import MartColumn

NULL_OF_MYSQL = "\\N"  # as written by SELECT … INTO OUTFILE and mysqldump --tab

# Rows and headings
NO_COLUMN = FaultKind("no_column", "is missing: the table has no such column", "Add the column.")
NEAR_HEADING = FaultKind(
    "near_heading",
    "a heading resembles the name of a column but does not match it, so it is not read",
    "Rename the heading, or remove the column.",
    of_column=False,
)
CELL_COUNT = FaultKind(
    "cell_count",
    "has too few or too many cells",
    "Write one cell per heading, and enclose text that contains a comma in double quotes.",
    of_column=False,
)

# Any value
BLANK = FaultKind("blank", "is blank, but a value is required", "Fill in the value.")
NOT_TEXT = FaultKind("not_text", "is not text", "Store the column as text.")
NOT_A_LIST = FaultKind(
    "not_a_list", "is not a list of strings", "Store tags as semicolon-separated text or as lists of strings."
)
DUPLICATE = FaultKind(
    "duplicate", "occurs more than once", "Keep one row, or give each row a different value."
)
NOT_A_CURRENCY = FaultKind(
    "not_a_currency",
    "is not an ISO 4217 code of three capital letters",
    "Use the currency's code, such as USD.",
)

# Times and dates
NOT_A_TIME = FaultKind(
    "not_a_time",
    "is not an ISO 8601 time",
    "Write times as 2021-10-01T09:30:00Z, in UTC or with an offset. A mapping can read other formats: see "
    "docs/own-mapping.md.",
)
OUTSIDE_CALENDAR = FaultKind(
    "outside_calendar",
    "is outside the years 1 to 9999",
    "Correct the time, or leave it blank if there is none.",
)
LARGER_UNIT = FaultKind(
    "larger_unit",
    "is outside the years 1 to 9999, as if milliseconds had been read as seconds",
    "Use the right unit when you convert numbers to times.",
)
INFINITE_TIME = FaultKind(
    "infinite_time",
    "is the earliest or latest time of its type, which represents infinity",
    "Leave the time blank if there is none.",
)
EPOCH_SECONDS = FaultKind(
    "epoch_seconds",
    "looks like seconds since 1970, not an ISO 8601 time",
    "Write times as 2021-10-01T09:30:00Z, in UTC or with an offset.",
)
EPOCH_MILLISECONDS = replace(
    EPOCH_SECONDS,
    code="epoch_milliseconds",
    reason="looks like milliseconds since 1970, not an ISO 8601 time",
)
EPOCH_MICROSECONDS = replace(
    EPOCH_SECONDS,
    code="epoch_microseconds",
    reason="looks like microseconds since 1970, not an ISO 8601 time",
)
EPOCH_NANOSECONDS = replace(
    EPOCH_SECONDS,
    code="epoch_nanoseconds",
    reason="looks like nanoseconds since 1970, not an ISO 8601 time",
)
SPREADSHEET_DAYS = replace(
    EPOCH_SECONDS,
    code="spreadsheet_days",
    reason="looks like a spreadsheet's day number, not an ISO 8601 time",
)
NOT_A_DATE = FaultKind("not_a_date", "is not a date in the form YYYY-MM-DD", "Write dates as 2021-10-01.")
EARLY_CLOSING = FaultKind(
    "early_closing", "is before created_at", "Correct one of the two times, or its offset."
)

# Amounts and quotes
NOT_AN_AMOUNT = FaultKind(
    "not_an_amount",
    "is not a plain decimal number",
    "Write only digits and a decimal point, without thousands separators, currencies or spaces: -1234.50. "
    "A mapping can read other formats: see docs/own-mapping.md.",
)
NOT_WITH_COMMA = FaultKind(
    "not_with_comma",
    "is not a number with a decimal comma",
    "Write all numbers in the source with a decimal comma: -1234,50.",
)
EXPONENT = FaultKind(
    "exponent", "has an exponent, but amounts must be plain decimals", "Write all digits: 0.00001, not 1e-5."
)
TOO_PRECISE = FaultKind("too_precise", "has more than 6 decimal places", "Round amounts to 6 decimal places.")
TOO_LARGE = FaultKind(
    "too_large", "is too large: the largest amount is 9 223 372 036 854.775807", "Correct the amount."
)
NOT_A_NUMBER = FaultKind("not_a_number", "is not a number", "Write the amount as a number.")
NOT_POSITIVE = FaultKind(
    "not_positive",
    "must be greater than 0",
    "Write how many units of the currency one unit of the base buys.",
)
SECOND_QUOTE = FaultKind(
    "second_quote",
    "is a second quote for the same currency and date",
    "Keep one quote for each currency and date.",
)
SECOND_BASE = FaultKind("second_base", "is a second base", "Quote all currencies against one base.")
BASE_NOT_ONE = FaultKind(
    "base_not_one",
    "is the quote for the base itself, which must be 1",
    "Quote the base at 1, or remove its rows.",
)
BALANCE_TOO_LARGE = FaultKind(
    "balance_too_large",
    "has a balance outside ±9 223 372 036 854.775807",
    "Correct the client's amounts and opening balance.",
)

# References
OWN_ANCESTOR = FaultKind(
    "own_ancestor", "makes a company its own ancestor", "Correct the parent of one of these companies."
)


def near_heading_in_csv() -> FaultKind:
    """Return the kind of fault for a heading that would be read if the source set a CSV format."""
    remedy = (
        'Rename the heading, or remove the column. Or set delimiter = "," for the source: in a source that '
        "sets the format of its CSV files, headings may differ from column names in case and punctuation."
    )
    return replace(NEAR_HEADING, remedy=remedy)


def null_of_mysql(column: MartColumn) -> FaultKind:
    r"""Return the kind of fault for `\N`, which is how MySQL writes NULL to files."""
    blank = "Leave the cell blank. In MySQL, select IFNULL(column, '')."
    remedy = "Fill in the value." if column.required else blank
    return FaultKind("null_of_mysql", "is MySQL's NULL, which means no value", remedy)


def unknown_choice(column: MartColumn) -> FaultKind:
    """Return the kind of fault for a value that is not among a column's choices."""
    remedy = f"Use one of these: {', '.join(column.choices)}."
    return FaultKind("unknown_choice", f"is not a known {column.name}", remedy)


def unknown_reference(origin: str) -> FaultKind:
    """Return the kind of fault for a reference to a row that does not exist."""
    return FaultKind("unknown_reference", f"is not in {origin}", f"Add it to {origin}, or correct it here.")


def lost_reference(origin: str) -> FaultKind:
    """Return the kind of fault for a reference to a row that is left out."""
    return FaultKind(
        "lost_reference", f"refers to a row of {origin} that is left out", f"Fix its row in {origin}."
    )
