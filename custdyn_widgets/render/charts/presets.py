"""Chart presets: the four standard ones and those you register.

Presets are registered in one process, but a report may be shown in another: `custdyn run` renders the page
after the notebook's kernel has shut down. A frozen report therefore includes its author's presets among its
charts, each as a Vega-Lite specification with the preset's columns, mark and description in `usermeta`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.errors import CustDynError, QueryError, shown
from custdyn_widgets.render.charts.vegalite import MARKS
from custdyn_widgets.report import Report

_META = "custdyn-preset"


@dataclass(frozen=True)
class Preset:
    """A named chart.

    Attributes
    ----------
    name
        The name, which is also the chart's title.
    columns
        The one-level names of the columns to draw.
    mark
        One of `MARKS`. Over time, bars for packages or groups of clients are stacked, because their flows
        add up.
    description
        One sentence on what the chart shows.
    """

    name: str
    columns: tuple[str, ...]
    mark: str
    description: str

    def add_to(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of a specification with this preset in its `usermeta`."""
        about = {"columns": list(self.columns), "mark": self.mark, "description": self.description}
        return {**spec, "usermeta": {_META: about}}

    @classmethod
    def read_from(cls, name: str, spec: object) -> Preset | None:
        """Return the preset in a specification's `usermeta`, or None."""
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
            "Clients that are alive at the end of each row and had a paid use within the active duration.",
        ),
        Preset(
            "Balance Refill: Total", ("Balance Refill: Total",), "bar",
            "Amounts that clients added to their balances in each row.",
        ),
        Preset(
            "Pay as you Go: Total", ("Pay As You Go: Total",), "bar",
            "Amounts that clients spent on usage in each row, less reversals.",
        ),
        Preset(
            "Packages: Renew Total", ("Packages: Renew Total",), "bar",
            "Amounts charged for package renewals in each row, less reversals.",
        ),
    )
}  # fmt: skip
"""This process's presets by name, in display order."""

_STANDARD = dict(PRESETS)

BRIDGE = "bridge"  # only for bridges
_MOVEMENT, _BALANCES = "Clients - Movement", "Balance Movement"
BRIDGES: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "Movement bridge",
            tuple(
                f"{_MOVEMENT}: {label}"
                for label in ("Opening", "New", "Reactivated", "Lapsed", "Closed", "Closing")
            ),
            BRIDGE,
            "How the number of active clients changed from the start to the end.",
        ),
        Preset(
            "Balance bridge",
            tuple(
                f"{_BALANCES}: {label}"
                for label in (
                    "Opening", "Joined", "Refills", "Usage", "Packages", "Other", "Left", "Exchange",
                    "Closing",
                )
            ),
            BRIDGE,
            "How balances changed from the start to the end.",
        ),
    )
}  # fmt: skip
"""The presets for reports with the columns `movement` or `balances`, drawn for the Total or the only row."""


def register_preset(name: str, columns: str | Sequence[str], mark: str, description: str) -> Preset:
    """Add or replace a chart preset and return it.

    Parameters
    ----------
    name
        The name, which is also the chart's title.
    columns
        One or more one-level column names, e.g. `Packages: Renew Qty`. They are looked up when a report is
        drawn; a report without these columns is shown without the chart.
    mark
        `line`, `bar`, `stacked bar`, `area`, `point` or `stacked area`.
    description
        One sentence on what the chart shows.

    Raises
    ------
    QueryError
        If the mark is unknown.
    CustDynError
        If the name is empty or there are no columns.
    """
    check_mark(mark)
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not isinstance(name, str) or not name.strip():
        raise CustDynError(f"A chart's name must be a nonempty string, not {shown(name)}.", field="chart")
    if not names or not all(isinstance(column, str) for column in names):
        raise CustDynError(
            f"The chart {shown(name)} needs one or more column names, such as 'Packages: Renew Qty'.",
            field="chart",
        )
    PRESETS[name] = Preset(name, names, mark, description)
    return PRESETS[name]


def own_presets() -> dict[str, Preset]:
    """Return the presets registered in this process, by name."""
    return {name: preset for name, preset in PRESETS.items() if _STANDARD.get(name) != preset}


def presets_of(report: Report) -> dict[str, Preset]:
    """Return the presets, from this process or the report itself, whose columns are all in the report."""
    return {name: one for name, one in _known(report).items() if not absent_columns(report, one.columns)}


def missing_columns(report: Report, name: str) -> list[str]:
    """Return the columns of a preset that the report lacks; none if the preset is unknown."""
    preset = _known(report).get(name)
    return absent_columns(report, preset.columns) if preset else []


def absent_columns(report: Report, names: Iterable[str]) -> list[str]:
    """Return the names that are not among the report's columns."""
    present = {column.name for column in report.columns}
    return [name for name in names if name not in present]


def _known(report: Report) -> dict[str, Preset]:
    """Return the presets from this process and from the report itself."""
    carried = {name: Preset.read_from(name, spec) for name, spec in report.charts.items()}
    own = {name: preset for name, preset in carried.items() if preset is not None}
    return {**PRESETS, **{name: bridge for name, bridge in BRIDGES.items() if name not in PRESETS}, **own}


def row_presets(report: Report) -> list[Preset]:
    """Return the presets that draw the rows of a report: all but bridges."""
    return [preset for preset in presets_of(report).values() if preset.mark != BRIDGE]


def check_mark(mark: str) -> None:
    """Check that a mark is one of `MARKS`.

    Raises
    ------
    QueryError
        If the mark is unknown. The message lists the known marks.
    """
    if mark not in MARKS:
        raise QueryError.not_allowed("mark", mark, MARKS)
