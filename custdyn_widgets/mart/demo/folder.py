"""The folder of the demo mart, written on first use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from custdyn_widgets import settings
from custdyn_widgets.errors import SourceError


def last_midnight() -> datetime:
    """Return the most recent midnight in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def demo_folder(as_of: datetime | None = None) -> Path:
    """Return the folder of the demo mart that ends at `as_of`; write it if it does not exist.

    `as_of` defaults to the most recent midnight in UTC.
    """
    at = as_of or last_midnight()
    folder = settings.load().cache / "demo" / at.strftime("demo-%Y%m%dT%H%M%SZ")
    if not folder.exists():
        from custdyn_widgets.mart.demo.mart import write_demo  # imported late: only needed to write it

        try:
            write_demo(folder, at)
        except OSError as error:
            raise SourceError(
                f"The demo mart cannot be written to {folder.parent}: {error.strerror}. Free some space, or "
                "set CUSTDYN_CACHE to another folder.",
                field="source",
            ) from error
    return folder
