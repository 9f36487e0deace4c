"""The waits between attempts to reach the mail server."""

from __future__ import annotations

from custdyn_widgets.errors import SettingsError, shown

WAITS = (5.0, 30.0, 120.0, 300.0)
_MAX_WAITS, _MAX_WAIT_S = 10, 3_600


def parse_waits(text: str | None) -> tuple[float, ...]:
    """Parse the CUSTDYN_SMTP_WAITS setting: waits in seconds, separated by spaces."""
    if text is None:
        return WAITS
    try:
        waits = tuple(float(part) for part in text.split())
    except ValueError:
        waits = (-1.0,)
    if len(waits) > _MAX_WAITS or not all(0 <= wait <= _MAX_WAIT_S for wait in waits):
        raise SettingsError(
            f"CUSTDYN_SMTP_WAITS must be at most {_MAX_WAITS} waits of up to {_MAX_WAIT_S:,} seconds each, "
            f"such as 5 30 120, not {shown(text)}.",
            field="CUSTDYN_SMTP_WAITS",
        )
    return waits
