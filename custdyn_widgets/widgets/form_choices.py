"""The form's single-choice fields: client type, grouping, columns, comparison, currency, output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from custdyn_widgets.engine import column_groups, target_currency
from custdyn_widgets.errors import QueryError
from custdyn_widgets.mart import Names
from custdyn_widgets.query import COMPARISONS, FIELDS, ROW_GROUPS, TIME_GROUPS, ReportQuery
from custdyn_widgets.widgets.column_chooser import ColumnChooser
from custdyn_widgets.widgets.form_control import Control

OUTPUTS = {"web": "Table", "csv": "CSV", "csv-excel": "Excel CSV", "xlsx": "XLSX", "pdf": "PDF"}


class Choices:
    """The controls for the single-choice fields, in `box`."""

    def __init__(self, names: Names, defaults: ReportQuery, changed: Callable[[], None]) -> None:
        self._names = names
        types = {t: _words(t) for t in FIELDS["client_type"].choices}
        self.client_type = _choice("client_type", types, defaults.client_type)
        times = {"": "None", **{t: t.capitalize() for t in TIME_GROUPS}}
        self.time = _choice("group_by", times, defaults.time_group or "")
        self.row = Control(
            kind="choice",
            label="And by",
            tooltip="Also split the rows by package or by a client attribute.",
            options=[["", "(none)"], *([group, _words(group)] for group in ROW_GROUPS)],
            value=defaults.row_group or "",
        )
        self.compare = _choice(
            "compare",
            {"": "No comparison", **{period: _words(period) for period in COMPARISONS}},
            defaults.compare or "",
        )
        self.columns = ColumnChooser()
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
            self.client_type, self.time, self.row, self.compare, self.columns, self.currency, self.months,
            self.output,
        ]  # fmt: skip
        self.row.observe(lambda _: self._offer_columns(), "value")  # before the form is checked
        for control in controls:
            control.observe(lambda _: changed(), "value")
        self._offer_columns()
        self.box = ipywidgets.HBox(controls)

    def fields(self) -> dict[str, Any]:
        """Return the fields that the controls set."""
        groups = (self.time.value, self.row.value)
        unless_unset = {"columns": self.columns.chosen(), "compare": self.compare.value}
        return {
            **{name: value for name, value in unless_unset.items() if value},
            "client_type": self.client_type.value,
            "group_by": [group for group in groups if group],
            "currency": self.currency.value or None,
            "active_duration": self.months.value,
        }

    def load(self, query: ReportQuery, output: str) -> None:
        """Show the choices of a query, and the output type."""
        self.client_type.value = query.client_type
        self.time.value = query.time_group or ""
        self.row.value = query.row_group or ""
        self.compare.value = query.compare or ""
        self._offer_columns()
        self.columns.value = list(query.columns)
        self.currency.value = query.currency or ""
        self._offer_currencies()
        self.months.value = query.active_duration
        self.output.value = output if output in OUTPUTS else "web"

    def set_names(self, names: Names) -> None:
        """Offer the currencies that occur in new data, and the columns of newly defined metrics."""
        self._names = names
        self._offer_columns()
        self._offer_currencies()

    def remove_missing(self) -> list[str]:
        """Revert to the default currency if the chosen one is not in the data, and describe the change."""
        chosen = self.currency.value
        if not chosen or chosen in self._present():
            return []
        self.currency.value = ""
        self._offer_currencies()
        return [f"currency {chosen}"]

    def problems(self) -> dict[str, str]:
        """Return a message for each missing value, by field."""
        found = {"columns": words} if (words := self.columns.problem()) else {}
        if self.months.value is not None:
            return found
        field = FIELDS["active_duration"]
        low, high = field.bounds[0], field.bounds[-1]
        return {
            **found,
            field.name: f"The number of {field.unit} is missing: enter a whole number from {low} to {high}.",
        }

    def controls(self) -> dict[str, Control | ColumnChooser]:
        """Return the controls, by field."""
        return {
            "client_type": self.client_type,
            "group_by": self.time,
            "compare": self.compare,
            "columns": self.columns,
            "currency": self.currency,
            "active_duration": self.months,
        }

    def _offer_columns(self) -> None:
        self.columns.offer(column_groups(), by_package=self.row.value == "package")

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


def _words(value: str) -> str:
    return value.replace("_", " ").capitalize()


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
