"""The form's single-choice fields: client type, grouping, currency, months and output type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from custdyn_widgets.engine import target_currency
from custdyn_widgets.errors import QueryError
from custdyn_widgets.mart import Names
from custdyn_widgets.query import FIELDS, TIME_GROUPS, ReportQuery
from custdyn_widgets.widgets.form_control import Control

OUTPUTS = {"web": "Table", "csv": "CSV", "csv-excel": "Excel CSV", "xlsx": "XLSX"}


class Choices:
    """Controls of the single-choice fields, in `box`."""

    def __init__(self, names: Names, defaults: ReportQuery, changed: Callable[[], None]) -> None:
        self._names = names
        types = {t: t.replace("_", " ").capitalize() for t in FIELDS["client_type"].choices}
        self.client_type = _choice("client_type", types, defaults.client_type)
        times = {"": "None", **{t: t.capitalize() for t in TIME_GROUPS}}
        self.time = _choice("group_by", times, defaults.time_group or "")
        self.by_package = Control(
            kind="flag",
            value=defaults.by_package,
            label="By package",
            tooltip="Also group by package.",
        )
        self.currency = _choice("currency", {}, defaults.currency or "")
        self._offer_currencies()
        self.months = _number("active_duration", defaults.active_duration)
        self.output = Control(
            kind="choice",
            label="Output type",
            tooltip="A table in the notebook, or a file to download.",
            options=[list(option) for option in OUTPUTS.items()],
            value="web",
        )
        controls = [
            self.client_type, self.time, self.by_package, self.currency, self.months, self.output,
        ]  # fmt: skip
        for control in controls:
            control.observe(lambda _: changed(), "value")
        self.box = ipywidgets.HBox(controls)

    def fields(self) -> dict[str, Any]:
        """Return the fields that the controls set."""
        groups = (self.time.value, "package" if self.by_package.value else "")
        return {
            "client_type": self.client_type.value,
            "group_by": [group for group in groups if group],
            "currency": self.currency.value or None,
            "active_duration": self.months.value,
        }

    def load(self, query: ReportQuery, output: str) -> None:
        """Show the choices of a query, and the output type."""
        self.client_type.value = query.client_type
        self.time.value = query.time_group or ""
        self.by_package.value = query.by_package
        self.currency.value = query.currency or ""
        self._offer_currencies()
        self.months.value = query.active_duration
        self.output.value = output if output in OUTPUTS else "web"

    def set_names(self, names: Names) -> None:
        """Offer the currencies in new data."""
        self._names = names
        self._offer_currencies()

    def remove_missing(self) -> list[str]:
        """Return to the default currency if the chosen one is not in the data, and describe the change."""
        chosen = self.currency.value
        if not chosen or chosen in self._present():
            return []
        self.currency.value = ""
        self._offer_currencies()
        return [f"currency {chosen}"]

    def problems(self) -> dict[str, str]:
        """Return a message for each missing value, by field."""
        if self.months.value is not None:
            return {}
        field = FIELDS["active_duration"]
        low, high = field.bounds[0], field.bounds[-1]
        return {field.name: f"The {field.unit} are missing: enter a whole number from {low} to {high}."}

    def controls(self) -> dict[str, Control]:
        """Return the controls, by field."""
        return {
            "client_type": self.client_type,
            "group_by": self.time,
            "currency": self.currency,
            "active_duration": self.months,
        }

    def _present(self) -> set[str]:
        names = self._names
        return {*names.currencies, *names.quotes, *([names.base] if names.base else [])}

    def _offer_currencies(self) -> None:
        names, present = self._names, sorted(self._present())
        try:
            default = f"Default ({target_currency(names, None)})"
        except QueryError:
            default = "Choose one" if names.currencies else "Default"
        chosen = self.currency.value
        missing = [[chosen, f"{chosen} (not in the data)"]] if chosen and chosen not in present else []
        self.currency.options = [["", default], *([c, c] for c in present), *missing]


def _choice(name: str, options: Mapping[str, str], value: str) -> Control:
    field = FIELDS[name]
    return Control(
        kind="choice",
        label=field.label,
        tooltip=field.help,
        options=[list(option) for option in options.items()],
        value=value,
    )


def _number(name: str, value: int) -> Control:
    field = FIELDS[name]
    return Control(
        kind="number",
        label=f"{field.label} ({field.unit})",
        tooltip=field.help,
        least=field.bounds[0],
        most=field.bounds[-1],
        value=value,
    )
