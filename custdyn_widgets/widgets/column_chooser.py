"""The form's column chooser: a button that opens a list of checkboxes, one for each group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from custdyn_widgets.errors import shown
from custdyn_widgets.query import COLUMN_GROUPS, DEFAULT_COLUMN_GROUPS, FIELDS
from custdyn_widgets.report import Column
from custdyn_widgets.text import printable

_FOLDER = Path(__file__).parent
_NOT_BY_PACKAGE = "Not available by package, because a client's balance is not divided among packages."


class ColumnChooser(anywidget.AnyWidget):
    """A chooser for the groups of columns.

    Attributes
    ----------
    options
        The groups: value, name, names of the columns, their definitions, the reason why the group cannot be
        chosen or "", and whether it is shown by default.
    value
        The chosen groups; empty for the default.
    label, tooltip
        The label above the button, and the tooltip.
    error
        The error in the value, or "".
    """

    _esm = _FOLDER / "column_chooser.js"
    _css = _FOLDER / "form.css"

    options: Any = traitlets.List().tag(sync=True)
    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    label = traitlets.Unicode(FIELDS["columns"].label).tag(sync=True)
    tooltip = traitlets.Unicode(FIELDS["columns"].help).tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)  # Jupyter requires a description to show a tooltip
    error = traitlets.Unicode().tag(sync=True)

    def offer(self, groups: Mapping[str, tuple[Column, ...]], *, by_package: bool) -> None:
        """Offer the groups of columns. Balances cannot be chosen while packages have their own rows."""
        self.options = [
            _option(name, columns, _NOT_BY_PACKAGE if by_package and name == "balances" else "")
            for name, columns in groups.items()
        ]

    def chosen(self) -> list[str]:
        """Return the chosen groups without those that cannot be chosen now; empty for the default."""
        impossible = {value for value, *_, why_not, _ in self.options if why_not}
        return [value for value in self.value if value not in impossible]

    def problem(self) -> str:
        """Return a message if a chosen group no longer exists; "" otherwise."""
        offered = {option[0] for option in self.options}
        missing = [shown(value) for value in self.value if value not in offered]
        if not missing:
            return ""
        return f"These columns do not exist: {', '.join(missing)}. Remove them, or define their metrics."


def _option(name: str, columns: tuple[Column, ...], why_not: str) -> list[Any]:
    return [
        name,
        printable(columns[0].group),
        printable(", ".join(column.label for column in columns)),
        printable(" ".join(f"{column.label}: {column.definition}" for column in columns)),
        why_not,
        name in DEFAULT_COLUMN_GROUPS or name not in COLUMN_GROUPS,
    ]
