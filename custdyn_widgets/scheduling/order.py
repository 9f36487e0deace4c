"""What to run, and the logical time to run it for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from custdyn_widgets.errors import RunError, SavedQueryError
from custdyn_widgets.query import parse_as_of
from custdyn_widgets.report import format_instant
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.text import format_instant_utc

TIMEOUT_S = 3_600.0


@dataclass(frozen=True)
class Order:
    """What to run.

    Attributes
    ----------
    name
        The saved query's name.
    as_of
        The time for which to run the query; If None, the most recent time in its schedule.
    source
        The source; None: the saved query's own.
    template
        The notebook; None: the default one.
    parameters
        The template's own parameters.
    send
        Whether to send mails.
    timeout_s
        Seconds that the notebook may take.
    """

    name: str
    as_of: str | None = None
    source: str | None = None
    template: Path | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    send: bool = True
    timeout_s: float = TIMEOUT_S

    def logical_time(self, saved: SavedQuery, now: datetime) -> datetime:
        """Return the instant that intervals resolve against.

        Raises
        ------
        SavedQueryError
            If no instant is given and there is no schedule.
        QueryError
            If the given instant is not valid.
        """
        if self.as_of is not None:
            return parse_as_of(self.as_of)
        if saved.schedule is None:
            raise SavedQueryError.missing(
                "schedule",
                f"the saved query {self.name} has none, so there is no time to run it for. Give it a "
                "schedule, or run it with --as-of INSTANT",
            )
        return saved.schedule.last(now)

    def source_of(self, saved: SavedQuery) -> str:
        """Return the source to read.

        Raises
        ------
        RunError
            If neither the order nor the saved query names one.
        """
        if source := self.source or saved.source:
            return source
        raise RunError(f"The saved query {self.name} names no source: give --source, or save one with it.")

    def note(self, saved: SavedQuery, logical_time: datetime, now: datetime) -> str:
        """Return the sentence that says that this is a later run; empty if it is not."""
        if self.as_of is None or logical_time >= (saved.schedule.last(now) if saved.schedule else now):
            return ""
        zone = saved.query.timezone
        for_time, made = (format_instant(format_instant_utc(at), zone) for at in (logical_time, now))
        return (
            f"This is a later run for {for_time}, made at {made} on the data of that moment: entries and "
            "changes made in between count as well."
        )

    def again(self, logical_time: str | None) -> str:
        """Return the command that runs it again for the same time."""
        words = ["custdyn", "run", *([str(self.template)] if self.template else []), "--saved", self.name]
        words += ["--as-of", logical_time] if logical_time else ["--scheduled"]
        words += ["--source", self.source] if self.source else []
        for name, value in self.parameters.items():
            words += ["-p", name, str(value)]
        return shlex.join(words)
