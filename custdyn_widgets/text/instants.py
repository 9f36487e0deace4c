"""Times as text, in the format used in all reports, manifests, states and records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TO_THE_SECOND = 19  # characters


def format_instant_utc(instant: datetime | int) -> str:
    """Return a time as ISO 8601 in UTC, truncated to seconds, e.g. `2021-10-31T23:00:00Z`.

    Parameters
    ----------
    instant
        A datetime with an offset, or a Unix time in seconds.
    """
    if not isinstance(instant, datetime):
        instant = _EPOCH + timedelta(seconds=instant)
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_instant(text: str) -> datetime:
    """Parse an ISO 8601 string with an offset and return the time in UTC.

    Raises
    ------
    ValueError
        If it is not a valid time, has no offset, or is outside the years 1 to 9999.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time without an offset")
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time outside the years 1 to 9999") from error


def format_clock(instant: str | None) -> str:
    """Format a time for display in lists, e.g. `2021-10-31 23:00:00`; return an en dash for None."""
    return (instant or "–")[:_TO_THE_SECOND].replace("T", " ")
