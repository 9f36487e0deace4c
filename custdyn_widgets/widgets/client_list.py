"""The clients behind a row of the report on screen, or the row's parts by company, cohort and so on.

Both are found, searched, sorted and exported in Python. The browser receives only the lines in view, as text.
The lines are sent as messages and not stored in a widget's state, so that client names are never saved in a
notebook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from custdyn_widgets.engine import clients_behind
from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.report import Column, Report, format_value, interval_slug
from custdyn_widgets.text import printable, readable_slug
from custdyn_widgets.widgets.breakdown import Breakdown, possible_groups
from custdyn_widgets.widgets.client_view import (
    FLAGS,
    FLOWS,
    MOVEMENTS,
    OWN_CURRENCY,
    ClientView,
    change_view,
    chosen_clients,
    first_view,
    found_lines,
    has_more,
    value_label,
)

if TYPE_CHECKING:
    import pandas as pd

_TEXTS = ("Client Id", "Name", "Company", "Owner User", "Currency", "Movement", "First Use", "Last Use")
_SEARCHED = _TEXTS[:4]


class ClientList:
    """The clients behind a row.

    Parameters
    ----------
    report, mart
        The report on screen and the data that it was computed from.
    place
        The position of the row in the report; None for the Total or the only row.
    column
        The position of the column that was clicked, which determines what is shown first.
    """

    def __init__(self, report: Report, mart: OpenedMart, place: int | None, column: int) -> None:
        self._report, self._mart = report, mart
        self._row = None if place is None or not report.headings else report.rows[place]
        self._labels = self._row.labels if self._row else ()
        self._clicked = report.columns[column] if 0 <= column < len(report.columns) else None
        self._compared = bool(report.query.compare)
        self._tables: dict[bool, pd.DataFrame] = {}
        self._parts: dict[str, Breakdown] = {}
        self.groups = possible_groups(report, mart, self._clicked) if self._clicked else []
        self.view = first_view(self._clicked, compared=self._compared)

    @property
    def title(self) -> str:
        """The heading, with the row's labels."""
        labels = ", ".join(self._labels) or ("Total" if self._report.headings else "")
        if self.view.by and self._clicked:
            where = f"{self._clicked.group}{f', {labels}' if labels else ''}"
            return printable(f"{where}, by {_words(self.view.by).lower()}")
        return printable(f"Clients behind {labels}" if labels else "Clients behind the report")

    @property
    def file_name(self) -> str:
        """The name of the exported file."""
        return f"{readable_slug(self.title) or 'clients'}-{interval_slug(self._report)}.csv"

    @property
    def is_found(self) -> bool:
        """Whether the lines of the view have already been found. Finding them can take a second."""
        return self.view.by in self._parts if self.view.by else self.view.change in self._tables

    @property
    def choices(self) -> list[list[str]]:
        """The choices for `only`: values and labels."""
        flags = [[name, name] for name in FLAGS]
        return [["", "All"], *flags, *([name, name.capitalize()] for name in MOVEMENTS)]

    def table(self) -> pd.DataFrame:
        """Return the table of the view: all of its columns, and the lines that match its search, sorted.

        Raises
        ------
        CustDynError
            As for `clients_behind`.
        """
        view = self.view
        table = self._whole() if view.by else chosen_clients(self._whole(), view)
        return found_lines(table, view, [str(table.columns[0])] if view.by else _SEARCHED)

    def shown(self) -> dict[str, Any]:
        """Return the view as JSON values, with its lines as printable text."""
        table, view = self.table(), self.view
        names = [str(name) for name in table.columns]
        lines = table.iloc[: view.lines]
        if view.by:
            texts = self._part_texts(lines)
        else:
            currencies = lines["Currency"].tolist()
            texts = [self._texts(name, lines[name].tolist(), currencies) for name in names]
        own = "" if view.by else "; Balance in the client's own currency"
        return {
            "title": self.title,
            "columns": [[name, not i or (not view.by and name in _TEXTS)] for i, name in enumerate(names)],
            "lines": [list(line) for line in zip(*texts, strict=True)],
            "whole": self._whole_texts() if view.by else [],
            "unit": "row" if view.by else "client",
            "found": len(table),
            "all": len(self._whole()),
            "groups": [["", "Client"], *([group, _words(group)] for group in self.groups)],
            "choices": [] if view.change or view.by else self.choices,
            "compared": self._compared and not view.by,
            "more": has_more(view, len(table)),
            "view": {
                "by": view.by, "change": view.change, "only": view.only, "sign": view.sign,
                "search": view.search, "sort": view.sort, "descending": view.descending,
            },
            "note": f"Amounts in {self._report.currency}{own}.",
        }  # fmt: skip

    def ask(self, asked: Mapping[str, Any]) -> None:
        """Change the view as the browser requests. Fields of the wrong type are ignored."""
        change_view(self.view, asked)
        by = asked.get("by")
        if by != self.view.by and by in ("", *self.groups) and self._clicked:
            first = first_view(self._clicked, compared=self._compared)
            label = f"{value_label(self._clicked)}{' Change' if self._compared else ''}"
            self.view = first if by == "" else ClientView(by=by, sort=label, descending=True)
        change = asked.get("change")
        if isinstance(change, bool) and change != self.view.change and self._compared:
            flow = self.view.sort.removesuffix(" Change")
            flow = flow if flow in FLOWS.values() else "Pay As You Go Total"
            self.view.change, self.view.descending = change, True
            self.view.sort = f"{flow} Change" if change else flow

    def _part(self) -> Breakdown:
        by, column = self.view.by, self._clicked
        assert column is not None
        if by not in self._parts:
            self._parts[by] = Breakdown(self._report, self._mart, self._row, column, by)
        return self._parts[by]

    def _whole(self) -> pd.DataFrame:
        if self.view.by:
            return self._part().table()
        change = self.view.change
        if change not in self._tables:
            self._tables[change] = clients_behind(
                self._report,
                self._labels or None,
                self._mart,
                total=bool(self._report.headings) and not self._labels,
                change=change,
            )
            self._tables[change] = self._led_by_clicked(self._tables[change])
        return self._tables[change]

    def _led_by_clicked(self, table: pd.DataFrame) -> pd.DataFrame:
        """Place the columns that add up to the clicked one directly after the Currency column."""
        sorted_by = first_view(self._clicked, compared=self._compared).sort.removesuffix(" Change")
        if not sorted_by:
            return table
        leading = [name for name in table.columns if str(name).startswith(sorted_by)]
        others = [name for name in table.columns if name not in leading]
        after = others.index("Currency") + 1
        return table[[*others[:after], *leading, *others[after:]]]

    def _part_texts(self, lines: pd.DataFrame) -> list[list[str]]:
        columns, currency = self._part().columns, self._report.currency
        labels = [printable(str(label)) for label in lines.iloc[:, 0]]
        values = [
            [format_value(value, column, currency) for value in lines[name].tolist()]
            for name, column in columns.items()
        ]
        return [labels, *values]

    def _whole_texts(self) -> list[str]:
        part = self._part()
        pairs = zip(part.whole(), part.columns.values(), strict=True)
        return ["All", *(format_value(value, column, self._report.currency) for value, column in pairs)]

    def _texts(self, name: str, values: Sequence[Any], currencies: Sequence[str]) -> list[str]:
        if name in FLAGS:
            return ["Yes" if value else "No" for value in values]
        if name in _TEXTS:
            return [printable(str(value or "")) for value in values]
        column = Column("", name, "count" if " Qty" in name else "money", "")
        if name != OWN_CURRENCY:
            currencies = [self._report.currency] * len(values)
        return [
            format_value(value, column, currency) for value, currency in zip(values, currencies, strict=True)
        ]


def _words(group: str) -> str:
    return group.replace("_", " ").capitalize()
