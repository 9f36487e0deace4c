"""Chart presets: the four that every report has, and your own.

A preset is registered in one process, a report may be shown in another: `custdyn run` draws the page after
the notebook's kernel has gone. So a frozen report carries its author's presets among its charts, each as a
Vega-Lite specification whose `usermeta` says which columns it draws and how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.errors import CustDynError, QueryError, shown
from custdyn_widgets.render.charts.vegalite import MARKS
from custdyn_widgets.report import Report

_META = "custdyn-preset"


@dataclass(frozen=True)
class Preset:
    """A chart by name.

    Attributes
    ----------
    name
        Its name, which is also the chart's title.
    columns
        The one-level names of the columns that it draws.
    mark
        One of `MARKS`. Bars of packages over time are stacked: flows of packages add up.
    description
        What it shows, in a sentence.
    """

    name: str
    columns: tuple[str, ...]
    mark: str
    description: str

    def add_to(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Return a specification of this chart with the preset in its `usermeta`."""
        about = {"columns": list(self.columns), "mark": self.mark, "description": self.description}
        return {**spec, "usermeta": {_META: about}}

    @classmethod
    def read_from(cls, name: str, spec: object) -> Preset | None:
        """Return the preset in a specification's `usermeta`; None where there is none."""
        meta = spec.get("usermeta") if isinstance(spec, Mapping) else None
        about = meta.get(_META) if isinstance(meta, Mapping) else None
        if not isinstance(about, Mapping) or about.get("mark") not in MARKS:
            return None
        columns, description = about.get("columns"), about.get("description")
        if not isinstance(columns, list) or not columns or not isinstance(description, str):
            return None
        return cls(name, tuple(map(str, columns)), about["mark"], description)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "Clients - Active: Qty", ("Clients - Active: Qty",), "line",
            "Clients that are alive and paid for a use within the active duration, at the end of each row.",
        ),
        Preset(
            "Balance Refill: Total", ("Balance Refill: Total",), "bar",
            "What clients paid onto their balances in each row.",
        ),
        Preset(
            "Pay as you Go: Total", ("Pay As You Go: Total",), "bar",
            "What clients spent on usage in each row, less reversals.",
        ),
        Preset(
            "Packages: Renew Total", ("Packages: Renew Total",), "bar",
            "What package renewals brought in each row, less reversals.",
        ),
    )
}  # fmt: skip
"""The presets of this process by name, in the order in which they are shown."""

_STANDARD = dict(PRESETS)


def register_preset(name: str, columns: str | Sequence[str], mark: str, description: str) -> Preset:
    """Add a chart to the presets, or replace the one of this name, and return it.

    Parameters
    ----------
    name
        Its name and title.
    columns
        The one-level name of the column that it draws, e.g. `Packages: Renew Qty`, or several. They are
        looked up when a report is drawn; a report without them is shown without the chart.
    mark
        `line`, `bar`, `stacked bar`, `area`, `point` or `stacked area`.
    description
        What it shows, in a sentence.

    Raises
    ------
    QueryError
        If the mark is none of those.
    CustDynError
        If the name is empty or there is no column.
    """
    check_mark(mark)
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not isinstance(name, str) or not name.strip():
        raise CustDynError(f"A chart's name must be a text to read, not {shown(name)}.", field="chart")
    if not names or not all(isinstance(column, str) for column in names):
        raise CustDynError(
            f"The chart {shown(name)} needs the name of a column, such as 'Packages: Renew Qty', or several.",
            field="chart",
        )
    PRESETS[name] = Preset(name, names, mark, description)
    return PRESETS[name]


def own_presets() -> dict[str, Preset]:
    """Return the presets that were registered in this process, by name."""
    return {name: preset for name, preset in PRESETS.items() if _STANDARD.get(name) != preset}


def presets_of(report: Report) -> dict[str, Preset]:
    """Return the presets that a report is shown with: this process's and its own, if it has their columns."""
    carried = {name: Preset.read_from(name, spec) for name, spec in report.charts.items()}
    known = PRESETS | {name: preset for name, preset in carried.items() if preset is not None}
    present = {column.name for column in report.columns}
    return {name: preset for name, preset in known.items() if present.issuperset(preset.columns)}


def check_mark(mark: str) -> None:
    """Raise an error for an unknown mark.

    Raises
    ------
    QueryError
        If the mark is none of `MARKS`; the message lists them.
    """
    if mark not in MARKS:
        raise QueryError.not_allowed("mark", mark, MARKS)
