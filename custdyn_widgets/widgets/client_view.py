"""The view of a list of clients: which clients are shown, and in what order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from custdyn_widgets.report import Column

if TYPE_CHECKING:
    import pandas as pd

PAGE_LINES = 200
MOST_LINES = 5_000  # in the browser; the export contains all lines
FLAGS = ("Active", "Overall Active", "Alive")
OWN_CURRENCY = "Balance"
MOVEMENTS = {
    **{name: (name,) for name in ("new", "reactivated", "lapsed", "closed", "retained")},
    "new or reactivated": ("new", "reactivated"),
    "lapsed or closed": ("lapsed", "closed"),
    "active before": ("retained", "lapsed", "closed"),
}
_OF_MOVEMENT_COLUMN = {
    **{name.capitalize(): name for name in ("new", "reactivated", "lapsed", "closed")},
    "Opening": "active before", "Closing": "Active", "Churn Rate": "lapsed or closed",
}  # fmt: skip
_SIGNS = {"Balance Pos": "positive", "Balance Neg": "negative"}
FLOWS = {
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
    """The view of a list of clients.

    Attributes
    ----------
    by
        The grouping by which the row is split; "" to list its clients instead.
    change
        Whether the list shows how much each client changed.
    only
        Only clients with this flag, such as `Active`, or this movement; "" for all.
    sign
        Only clients with a `positive` or `negative` balance; "" for all.
    search
        Only clients with this text in their id, name, company or owner.
    sort, descending
        The column to sort by ("" to sort by id) and the direction. Changes are sorted by absolute value.
    lines
        The maximum number of lines shown.
    """

    by: str = ""
    change: bool = False
    only: str = ""
    sign: str = ""
    search: str = ""
    sort: str = ""
    descending: bool = False
    lines: int = PAGE_LINES


def first_view(clicked: Column | None, *, compared: bool) -> ClientView:
    """Return the initial view after a click on a column. The report may compare two periods."""
    if clicked is None:
        return ClientView()
    label = value_label(clicked)
    flow = FLOWS.get(f"{clicked.group}: {label}", "")
    if compared and flow and clicked.part != "value":
        return ClientView(change=True, sort=f"{flow} Change", descending=True)
    if flow:
        return ClientView(sort=flow, descending=True)
    if clicked.group == "Clients - Movement":
        return ClientView(only=_OF_MOVEMENT_COLUMN.get(label, ""))
    balance = "Balance Converted" if "Balance" in label else ""
    sign = _SIGNS.get(label, "")
    largest_first = bool(balance) and sign != "negative"
    return ClientView(only=_GROUPS.get(clicked.group, ""), sign=sign, sort=balance, descending=largest_first)


def chosen_clients(table: pd.DataFrame, view: ClientView) -> pd.DataFrame:
    """Return the clients that have the view's flag or movement and whose balance has the view's sign."""
    if view.only in FLAGS and view.only in table:
        table = table[table[view.only] == 1]
    elif view.only in MOVEMENTS and "Movement" in table:
        table = table[table["Movement"].isin(MOVEMENTS[view.only])]
    if view.sign in _SIGNS.values() and OWN_CURRENCY in table:
        wanted = -1 if view.sign == "negative" else 1
        table = table[[balance * wanted > 0 for balance in table[OWN_CURRENCY]]]
    return table


def value_label(column: Column) -> str:
    """Return a column's label without the words that a comparison adds."""
    ends = {"before": " Before", "change": " Change", "change_percent": " Change %"}
    return column.label.removesuffix(ends.get(column.part, ""))


def change_view(view: ClientView, asked: Mapping[str, Any]) -> None:
    """Change the choice, search, order and number of lines as the browser requests.

    Fields of the wrong type are ignored.
    """
    texts = ("only", "sign", "search", "sort")
    for name, kind in (*((text, str) for text in texts), ("descending", bool)):
        if isinstance(asked.get(name), kind):
            setattr(view, name, asked[name])
    more = view.lines + PAGE_LINES if asked.get("more") is True else PAGE_LINES
    view.lines = min(more, MOST_LINES)


def found_lines(table: pd.DataFrame, view: ClientView, searched: Sequence[str]) -> pd.DataFrame:
    """Return the lines where a searched column contains the search text, in the view's order."""
    if wanted := view.search.strip().casefold():
        found = [
            any(wanted in str(text).casefold() for text in texts)
            for texts in zip(*(table[name] for name in searched), strict=True)
        ]
        table = table[found]
    if view.sort not in table:
        return table
    values = table[view.sort].tolist()
    return table.iloc[_order(values, view.descending, by_size=view.sort.endswith(" Change"))]


def has_more(view: ClientView, found: int) -> bool:
    """Return whether more of the found lines can be shown."""
    return found > view.lines and view.lines < MOST_LINES


def _order(values: Sequence[Any], descending: bool, *, by_size: bool) -> list[int]:
    """Return the positions of values in sorted order, missing values last. Equal values keep their order."""
    present = [i for i, value in enumerate(values) if value is not None and value != ""]
    there = set(present)

    def key(i: int) -> Any:
        value = values[i]
        return abs(value) if by_size and isinstance(value, int | Decimal) else value

    return [*sorted(present, key=key, reverse=descending), *(i for i in range(len(values)) if i not in there)]
