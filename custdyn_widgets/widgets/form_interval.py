"""The form's interval: a preset or two wall times, and a time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import ipywidgets

from custdyn_widgets.errors import QueryError
from custdyn_widgets.query import FIELDS, PRESETS, Period, ReportQuery, preset_period, time_zones
from custdyn_widgets.widgets.form_control import Control
from custdyn_widgets.widgets.search_select import SearchSelect

CUSTOM = "custom"


class Interval:
    """The controls for the interval, in `box`: preset, start, end and time zone.

    A preset sets the times according to the time zone. Changing a time makes the interval a custom one.
    """

    def __init__(self, now: Callable[[], datetime], changed: Callable[[], None]) -> None:
        self._now = now
        self._changed = changed
        self._filling = False
        field, words = FIELDS["interval"], [p.replace("_", " ").capitalize() for p in PRESETS]
        options = [[CUSTOM, "Custom"], *map(list, zip(PRESETS, words, strict=True))]
        self.preset = Control(
            kind="choice", label=field.label, tooltip=field.help, options=options, value="last_12_months"
        )
        self.start = Control(
            kind="wall time", label="Start", tooltip="The first second of the interval.", value=""
        )
        self.end = Control(
            kind="wall time", label="End", tooltip="The last second of the interval.", value=""
        )
        self.zone = SearchSelect(
            multiple=False,
            label=FIELDS["timezone"].label,
            tooltip=FIELDS["timezone"].help,
            placeholder="Type to search",
            options=[[zone, zone] for zone in time_zones()],
            value=["UTC"],
        )
        self.fill()
        self.preset.observe(self._preset_or_zone_changed, "value")
        self.zone.observe(self._preset_or_zone_changed, "value")
        self.start.observe(self._time_changed, "value")
        self.end.observe(self._time_changed, "value")
        self.box = ipywidgets.HBox([self.preset, self.start, self.end, self.zone])

    def _preset_or_zone_changed(self, _: object) -> None:
        if not self._filling:
            self.fill()
            self._changed()

    def _time_changed(self, _: object) -> None:
        if not self._filling:
            self._filling = True
            self.preset.value = CUSTOM
            self._filling = False
            self._changed()

    def fill(self) -> None:
        """Set the times to the preset's current start and end."""
        zone = self._zone()
        if self.preset.value not in PRESETS or zone not in time_zones():
            return
        try:
            self._show(preset_period(self.preset.value, zone, self._now()))
        except QueryError:  # the system clock is wrong; the query will report it
            return

    def _show(self, period: Period) -> None:
        self._filling = True
        try:
            self.start.value = period.start.isoformat(timespec="seconds")
            self.end.value = period.end.isoformat(timespec="seconds")
        finally:
            self._filling = False

    def _zone(self) -> str:
        return self.zone.value[0] if self.zone.value else ""

    def fields(self) -> dict[str, Any]:
        """Return the fields that the controls set."""
        period = {"start": str(self.start.value or ""), "end": str(self.end.value or "")}
        fixed = {name: time.replace("T", " ") for name, time in period.items()}
        return {
            "interval": fixed if self.preset.value == CUSTOM else self.preset.value,
            "timezone": self._zone(),
        }

    def problems(self) -> dict[str, str]:
        """Return a message for each missing value, by field."""
        found = {}
        if self.preset.value == CUSTOM:
            for name, control in (("start", self.start), ("end", self.end)):
                if not control.value:
                    found[f"interval.{name}"] = f"The {name} is missing: enter a date and a time."
        if not self._zone():
            found["timezone"] = "The time zone is missing: choose one, such as UTC."
        return found

    def load(self, query: ReportQuery) -> None:
        """Show the interval of a query."""
        self._filling = True
        self.zone.value = [query.timezone]
        self.preset.value = query.interval if isinstance(query.interval, str) else CUSTOM
        self._filling = False
        if isinstance(query.interval, Period):
            self._show(query.interval)
        self.fill()

    def controls(self) -> dict[str, SearchSelect | Control]:
        """Return the controls, by field."""
        return {
            "interval": self.preset,
            "interval.start": self.start,
            "interval.end": self.end,
            "timezone": self.zone,
        }
