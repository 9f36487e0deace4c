"""A request for a run: the saved query, its logical time and its options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from custdyn_widgets.errors import RunError, SavedQueryError
from custdyn_widgets.query import parse_as_of
from custdyn_widgets.report import format_instant
from custdyn_widgets.saved_queries import SavedQuery
from custdyn_widgets.text import format_instant_utc

TIMEOUT_S = 3_600.0
DEADLINE = timedelta(hours=1)  # how late a trigger may be in crontab lines and timers


@dataclass(frozen=True)
class RunRequest:
    """A request to run a saved query.

    Attributes
    ----------
    name
        The saved query's name.
    as_of
        The time that the run is for. Defaults to the most recent time in the saved query's schedule.
    source
        The source. Defaults to the saved query's source.
    template
        The notebook. Defaults to the template in the package.
    parameters
        The template's own parameters.
    send
        Whether to send email.
    timeout_s
        The time limit for the notebook, in seconds.
    sync
        Whether to read the source's database first, even if the saved query does not ask for it.
    pdf
        Whether the snapshot gets a PDF, even if neither the settings nor the saved query asks for one.
    again
        Whether to run even if there has already been a run for the scheduled time.
    within
        How late the run may start; None means no limit.
    """

    name: str
    as_of: str | None = None
    source: str | None = None
    template: Path | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    send: bool = True
    timeout_s: float = TIMEOUT_S
    sync: bool = False
    pdf: bool = False
    again: bool = False
    within: timedelta | None = None

    @property
    def is_once(self) -> bool:
        """Whether to run only if there has not yet been a run for the scheduled time."""
        return self.as_of is None and not self.again

    def logical_time(self, saved: SavedQuery, now: datetime) -> datetime:
        """Return the time that intervals resolve against.

        Raises
        ------
        SavedQueryError
            If no time is given and there is no schedule.
        QueryError
            If the given time is not valid.
        """
        if self.as_of is not None:
            return parse_as_of(self.as_of)
        if saved.schedule is None:
            raise SavedQueryError.missing(
                "schedule",
                f"the saved query {self.name} has none, so there is no time for the run. Give it "
                "a schedule, or run it with --as-of TIME",
            )
        return saved.schedule.last(now)

    def source_of(self, saved: SavedQuery) -> str:
        """Return the source to read.

        Raises
        ------
        RunError
            If neither the request nor the saved query names one.
        """
        if source := self.source or saved.source:
            return source
        raise RunError(f"The saved query {self.name} has no source: use --source, or save it with a source.")

    def note(self, saved: SavedQuery, logical_time: datetime, now: datetime) -> str:
        """Return a note if this run is later than scheduled, otherwise an empty string."""
        if self.as_of is None or logical_time >= (saved.schedule.last(now) if saved.schedule else now):
            return ""
        zone = saved.query.timezone
        for_time, made = (format_instant(format_instant_utc(at), zone) for at in (logical_time, now))
        return (
            f"This report for {for_time} was made later, at {made}, from the data available then: it "
            "includes entries and changes made in between."
        )

    def repeat_command(self, logical_time: str | None) -> str:
        """Return the command that repeats this run for the same time."""
        words = ["custdyn", "run", *([str(self.template)] if self.template else []), "--saved", self.name]
        words += ["--as-of", logical_time] if logical_time else ["--scheduled"]
        words += ["--source", self.source] if self.source else []
        words += ["--sync"] if self.sync else []
        words += ["--pdf"] if self.pdf else []
        for name, value in self.parameters.items():
            words += ["-p", name, str(value)]
        return shlex.join(words)
