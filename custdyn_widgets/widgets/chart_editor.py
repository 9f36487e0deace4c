"""The Blank Chart editor: x axis, columns, mark, second axis and title."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import ipywidgets

from custdyn_widgets.render import COLUMNS, MARKS
from custdyn_widgets.report import Report
from custdyn_widgets.widgets.form_control import Control
from custdyn_widgets.widgets.search_select import SearchSelect


class ChartEditor:
    """A row of controls, hidden until it is opened. Each change redraws the chart.

    `changed` is called while `lock` is held, after a change by the user.
    """

    def __init__(self, changed: Callable[[], None], lock: AbstractContextManager[object]) -> None:
        self._changed, self._lock = changed, lock
        self._quiet = False
        self._x = Control(kind="choice", label="X", tooltip="The heading or column on the x axis.", value="")
        self._y = SearchSelect(label="Columns", tooltip="The columns to draw.", placeholder="Add a column")
        self._mark = Control(
            kind="choice",
            label="Mark",
            tooltip="How values are drawn.",
            options=[[mark, mark.capitalize()] for mark in MARKS],
            value=MARKS[0],
        )
        self._right = SearchSelect(
            label="Second axis",
            tooltip="The columns drawn against a second axis on the right.",
            placeholder="None",
        )
        self._title = Control(
            kind="text", label="Title", tooltip="Defaults to the names of the columns.", value=""
        )
        controls = [self._x, self._y, self._mark, self._right, self._title]
        for control in controls:
            control.observe(self._control_changed, "value")
        self.widget = ipywidgets.HBox(controls)
        self.widget.add_class("custdyn-line").add_class("custdyn-editor")
        self.hide()

    def open(self, report: Report, choice: Mapping[str, Any]) -> None:
        """Show the controls for a report, prefilled with an earlier choice. An empty one keeps their values.

        At first, no column is chosen. If the report lacks x because its grouping is different, x becomes the
        report's first heading.
        """
        names = [column.name for column in report.columns]
        places = [*(report.headings or [COLUMNS]), *names]
        wanted = {**self.choice(), **choice}
        kept = [name for name in self._y.value if name in names]
        self._quiet = True
        self._x.options = [[name, name] for name in places]
        self._y.options = [[name, name] for name in names]
        self._x.value = wanted["x"] if wanted["x"] in places else places[0]
        self._y.value = list(choice.get("y") or kept)
        self._mark.value = wanted["mark"] or MARKS[0]
        self._right.value = list(wanted["second_axis"] or ())
        self._title.value = wanted["title"] or ""
        self._offer_right()
        self._quiet = False
        self.widget.layout.display = None

    def take_focus(self) -> None:
        """Focus the columns, because keyboard users would otherwise have to move through the entire table."""
        self._y.take_focus()

    def is_shown(self) -> bool:
        """Return whether the controls are shown."""
        return bool(self.widget.layout.display != "none")

    def hide(self) -> None:
        """Hide the controls without clearing their values."""
        self.widget.layout.display = "none"

    def choice(self) -> dict[str, Any]:
        """Return the choice as arguments of `blank_spec`."""
        return {
            "x": self._x.value,
            "y": list(self._y.value),
            "mark": self._mark.value,
            "second_axis": [name for name in self._right.value if name in self._y.value],
            "title": self._title.value.strip() or None,
        }

    def _offer_right(self) -> None:
        """Offer only the chosen columns for the second axis."""
        self._right.options = [[name, name] for name in self._y.value]
        self._right.value = [name for name in self._right.value if name in self._y.value]

    def _control_changed(self, change: Mapping[str, Any]) -> None:
        with self._lock:  # so that a change during `open` is not mistaken for one by `open`
            if self._quiet:
                return
            if change["owner"] is self._y:
                self._quiet = True
                self._offer_right()
                self._quiet = False
            self._changed()
