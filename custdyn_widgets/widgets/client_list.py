"""The clients behind a row of the report on screen: found, searched, sorted and exported in Python.

The browser gets only the lines in view, as text. They are sent as messages instead of as a widget's state, so
that no notebook saves the names of clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from custdyn_widgets.engine import clients_behind
from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.report import Column, Report, format_value
from custdyn_widgets.text import printable

if TYPE_CHECKING:
    import pandas as pd

PAGE_LINES = 200
MOST_LINES = 5_000  # in the browser; the export has all
_TEXTS = ("Client Id", "Name", "Company", "Owner User", "Currency", "Movement", "First Use", "Last Use")
_SEARCHED = _TEXTS[:4]
_FLAGS = ("Active", "Overall Active", "Alive")
_MOVEMENTS = ("new", "reactivated", "lapsed", "closed", "retained")
_OWN_CURRENCY = "Balance"
_FLOWS = {
    "Balance Refill: Qty": "Refill Qty",
    "Balance Refill: Total": "Refill Total",
    "Pay As You Go: Total": "Pay As You Go Total",
    **{
        f"Packages: {name}": name
        for name in ("Activation Qty", "Activation Total", "Renew Qty", "Renew Total")
    },
}
_GROUPS = {
    "Clients - Active": "Active",
    "Clients - Overall Active": "Overall Active",
    "Clients - All": "Alive",
}


@dataclass
class ClientView:
    """What is shown of a list of clients.

    Attributes
    ----------
    change
        Whether the list shows how much each client changed.
    only
        Only clients with this flag, such as `Active`, or this movement; "" for all.
    search
        Only clients with this text in their id, name, company or owner.
    sort, descending
        The column to sort by, "" for the order of ids, and its direction. Changes are sorted by their size.
    lines
        How many lines are shown.
    """

    change: bool = False
    only: str = ""
    search: str = ""
    sort: str = ""
    descending: bool = False
    lines: int = PAGE_LINES


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
        self._labels = () if place is None or not report.headings else report.rows[place].labels
        self._tables: dict[bool, pd.DataFrame] = {}
        clicked = report.columns[column] if 0 <= column < len(report.columns) else None
        self.view = self._first_view(clicked)

    @property
    def title(self) -> str:
        """The heading: the labels of the row."""
        labels = ", ".join(self._labels) or ("Total" if self._report.headings else "")
        return printable(f"Clients behind {labels}" if labels else "Clients behind the report")

    @property
    def is_found(self) -> bool:
        """Whether the clients of the view have been found already, which can take a second."""
        return self.view.change in self._tables

    @property
    def choices(self) -> list[list[str]]:
        """The values and labels of `only`."""
        flags = [[name, name] for name in _FLAGS]
        return [["", "All"], *flags, *([name, name.capitalize()] for name in _MOVEMENTS)]

    def table(self) -> pd.DataFrame:
        """Return the table of the view: all of its columns, and the lines that it searches for, sorted.

        Raises
        ------
        CustDynError
            As for `clients_behind`.
        """
        table, view = self._whole(), self.view
        if view.only in _FLAGS and view.only in table:
            table = table[table[view.only] == 1]
        elif view.only in _MOVEMENTS and "Movement" in table:
            table = table[table["Movement"] == view.only]
        if wanted := view.search.strip().casefold():
            found = [
                any(wanted in str(text).casefold() for text in texts)
                for texts in zip(*(table[name] for name in _SEARCHED), strict=True)
            ]
            table = table[found]
        if view.sort not in table:
            return table
        values = table[view.sort].tolist()
        return table.iloc[_order(values, view.descending, by_size=view.sort.endswith(" Change"))]

    def shown(self) -> dict[str, Any]:
        """Return the view as JSON values, with the printable texts of its lines."""
        table, view = self.table(), self.view
        names = [str(name) for name in table.columns]
        lines = table.iloc[: view.lines]
        currencies = lines["Currency"].tolist()
        texts = [self._texts(name, lines[name].tolist(), currencies) for name in names]
        return {
            "title": self.title,
            "columns": [[name, name in _TEXTS] for name in names],
            "lines": [list(line) for line in zip(*texts, strict=True)],
            "found": len(table),
            "all": len(self._whole()),
            "choices": [] if view.change else self.choices,
            "compared": bool(self._report.query.compare),
            "more": len(table) > view.lines and view.lines < MOST_LINES,
            "view": {
                "change": view.change, "only": view.only, "search": view.search, "sort": view.sort,
                "descending": view.descending,
            },
            "note": f"Amounts in {self._report.currency}; Balance in the client's own currency.",
        }  # fmt: skip

    def ask(self, asked: Mapping[str, Any]) -> None:
        """Change the view as the browser requests. Fields of the wrong type are ignored."""
        for name, kind in (("only", str), ("search", str), ("sort", str), ("descending", bool)):
            if isinstance(asked.get(name), kind):
                setattr(self.view, name, asked[name])
        change = asked.get("change")
        if isinstance(change, bool) and change != self.view.change and self._report.query.compare:
            flow = self.view.sort.removesuffix(" Change")
            flow = flow if flow in _FLOWS.values() else "Pay As You Go Total"
            self.view.change, self.view.descending = change, True
            self.view.sort = f"{flow} Change" if change else flow
        more = self.view.lines + PAGE_LINES if asked.get("more") is True else PAGE_LINES
        self.view.lines = min(more, MOST_LINES)

    def _first_view(self, clicked: Column | None) -> ClientView:
        if clicked is None:
            return ClientView()
        compared = bool(self._report.query.compare)
        label = _value_label(clicked)
        flow = _FLOWS.get(f"{clicked.group}: {label}", "")
        if compared and flow and clicked.part != "value":
            return ClientView(change=True, sort=f"{flow} Change", descending=True)
        if flow:
            return ClientView(sort=flow, descending=True)
        if clicked.group == "Clients - Movement":
            return ClientView(only=label.lower() if label.lower() in _MOVEMENTS else "")
        balance = "Balance Converted" if "Balance" in label else ""
        only = _GROUPS.get(clicked.group, "")
        return ClientView(only=only, sort=balance, descending=bool(balance) and label != "Balance Neg")

    def _whole(self) -> pd.DataFrame:
        change = self.view.change
        if change not in self._tables:
            self._tables[change] = clients_behind(
                self._report,
                self._labels or None,
                self._mart,
                total=bool(self._report.headings) and not self._labels,
                change=change,
            )
        return self._tables[change]

    def _texts(self, name: str, values: Sequence[Any], currencies: Sequence[str]) -> list[str]:
        if name in _FLAGS:
            return ["Yes" if value else "No" for value in values]
        if name in _TEXTS:
            return [printable(str(value or "")) for value in values]
        column = Column("", name, "count" if " Qty" in name else "money", "")
        if name != _OWN_CURRENCY:
            currencies = [self._report.currency] * len(values)
        return [
            format_value(value, column, currency) for value, currency in zip(values, currencies, strict=True)
        ]


def _value_label(column: Column) -> str:
    """Return a column's label without the words that a comparison adds."""
    ends = {"before": " Before", "change": " Change", "change_percent": " Change %"}
    return column.label.removesuffix(ends.get(column.part, ""))


def _order(values: Sequence[Any], descending: bool, *, by_size: bool) -> list[int]:
    """Return the positions of values in order, those without a value last. Equal values keep their order."""
    present = [i for i, value in enumerate(values) if value is not None and value != ""]
    there = set(present)

    def key(i: int) -> Any:
        value = values[i]
        return abs(value) if by_size and isinstance(value, int | Decimal) else value

    return [*sorted(present, key=key, reverse=descending), *(i for i in range(len(values)) if i not in there)]
