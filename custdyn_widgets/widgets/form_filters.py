"""The form's filters: a list to add filters from, and a row for each filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets

from custdyn_widgets.errors import shown
from custdyn_widgets.mart import Names
from custdyn_widgets.query import FIELDS, NO_VALUE, Kind, ReportQuery
from custdyn_widgets.text import cut_short, printable
from custdyn_widgets.widgets.form_button import Button
from custdyn_widgets.widgets.form_control import Control
from custdyn_widgets.widgets.search_select import SearchSelect

MAX_LABEL_LENGTH = 300
_IN_HEX = "\0"
_NO_FILTER = ReportQuery(interval="today")


@dataclass(frozen=True)
class Filter:
    """A filter: its field, its group in the list, the noun for its values, and its extra field."""

    field: str
    group: str
    what: str
    extra: str = ""

    @property
    def label(self) -> str:
        """The label of the field."""
        return FIELDS[self.field].label


FILTERS = {
    f.field: f
    for f in (
        Filter("client_tags", "By clients", "tag", "tags_match"),
        Filter("company", "By clients", "company", "include_descendants"),
        Filter("owner_user", "By clients", "owner user"),
        Filter("package", "Extras", "package"),
    )
}


def _encode(name: str) -> str:
    """Return the browser's key for a name: the name itself, or its bytes in hex if it is not valid UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return _IN_HEX + name.encode(errors="surrogatepass").hex()
    return _IN_HEX + name.encode().hex() if name.startswith(_IN_HEX) else name


def _decode(key: str) -> str:
    """Return the name for a key."""
    if not key.startswith(_IN_HEX):
        return key
    return bytes.fromhex(key.removeprefix(_IN_HEX)).decode(errors="surrogatepass")


def _values(field: str, names: Names) -> Sequence[tuple[str, str]]:
    """Return a filter's values with their labels."""
    if field == "package":
        return [(i, name if name == i else f"{name} ({i})") for i, name in names.packages]
    values = {"client_tags": names.tags, "company": names.companies, "owner_user": names.owners}[field]
    without = [(NO_VALUE, NO_VALUE)] if field != "client_tags" and NO_VALUE not in values else []
    return [*((value, value) for value in values), *without]


def _few(names: Sequence[str]) -> str:
    return ", ".join(shown(name) for name in names[:3]) + (" …" if len(names) > 3 else "")


class FilterRow:
    """The row of a filter, in `box`: a search for its values, its extra field, and a button to remove it."""

    def __init__(
        self, of: Filter, names: Names, changed: Callable[[], None], remove: Callable[[], None]
    ) -> None:
        self.of = of
        self.search = SearchSelect(
            label=of.label, tooltip=FIELDS[of.field].help, placeholder=f"Any {of.what}: type to search"
        )
        self.set_names(names)
        self.extra = self._extra_control()
        words = f"Remove the filter {of.label}"
        bin = Button(remove, look="bin", description=words, tooltip=words)
        parts = [self.search, *([self.extra] if self.extra else []), bin]
        self.box = ipywidgets.HBox(parts)
        self.box.add_class("custdyn-row")
        for part in parts[:-1]:
            part.observe(lambda _: changed(), "value")

    def _extra_control(self) -> Control | None:
        if not self.of.extra:
            return None
        field, value = FIELDS[self.of.extra], getattr(_NO_FILTER, self.of.extra)
        text = {"label": field.label, "tooltip": field.help}
        if field.kind is Kind.FLAG:
            return Control(kind="flag", value=value, **text)
        options = [[choice, choice.capitalize()] for choice in field.choices]
        return Control(kind="choice", value=value, options=options, **text)

    def set_names(self, names: Names) -> None:
        """Offer the values that occur in new data."""
        options = [
            [_encode(name), cut_short(printable(label), MAX_LABEL_LENGTH)]
            for name, label in _values(self.of.field, names)
        ]
        self._present = {key for key, _ in options}
        self._ids: dict[str, list[str]] = {}
        if self.of.field == "package":
            for package_id, name in names.packages:
                self._ids.setdefault(name, []).append(package_id)
        # "(none)" comes last, because Enter chooses the first value.
        self.search.options = sorted(options, key=lambda o: (o[0] == NO_VALUE, o[1].casefold()))

    def fields(self) -> dict[str, Any]:
        """Return the fields that this row sets."""
        chosen: dict[str, Any] = {self.of.field: [_decode(key) for key in self.search.value]}
        if self.extra:
            chosen[self.of.extra] = self.extra.value
        return chosen

    def load(self, query: ReportQuery) -> None:
        """Show the values of a query. Package names become ids."""
        chosen = [_encode(value) for value in getattr(query, self.of.field)]
        ids = {key: self._ids.get(_decode(key), []) for key in chosen if key not in self._present}
        self.search.value = [_encode(ids[key][0]) if len(ids.get(key, [])) == 1 else key for key in chosen]
        if self.extra:
            self.extra.value = getattr(query, self.of.extra)

    def problem(self) -> str:
        """Return a message about values that are not in the data, or ""."""
        gone = self._missing()
        return f"The data has no {self.of.what} {_few(gone)}: remove the marked values." if gone else ""

    def remove_missing(self) -> str:
        """Remove the values that are not in the data, and describe them; "" if there are none."""
        gone = self._missing()
        self.search.value = [key for key in self.search.value if key in self._present]
        return f"{self.of.what} {_few(gone)}" if gone else ""

    def _missing(self) -> list[str]:
        return [_decode(key) for key in self.search.value if key not in self._present]


class Filters:
    """All filters in the form, in `box`."""

    def __init__(self, names: Names, changed: Callable[[], None]) -> None:
        self._names = names
        self._changed = changed
        self._made: dict[str, FilterRow] = {}
        self.rows: dict[str, FilterRow] = {}
        self.search = SearchSelect(
            multiple=False,
            label="Filters",
            tooltip="Filter the clients. Each filter has its own row.",
            placeholder="Add a filter",
        )
        self.search.observe(self._choose, "value")
        self.search.on_undo = self._restore
        self._removed: list[tuple[str, int]] = []  # removed fields and their positions, in order of removal
        self.undo = Button(self._restore, tooltip="Restore the removed filter and its values.")
        self._line = ipywidgets.HBox([self.search])
        self._line.add_class("custdyn-add")
        self.box = ipywidgets.VBox([self._line])
        self._show()

    def _choose(self, change: Mapping[str, Any]) -> None:
        if not change["new"]:
            return
        field = change["new"][0]
        self.search.value = []
        if field in FILTERS and field not in self.rows:
            self.add(field).search.take_focus()

    def add(self, field: str) -> FilterRow:
        """Add an empty filter to the form and return its row."""
        if field not in self._made:
            self._made[field] = FilterRow(
                FILTERS[field], self._names, self._changed, lambda: self._remove(field)
            )
        row = self.rows[field] = self._made[field]
        self._removed = []
        row.load(_NO_FILTER)
        self._show()
        self._changed()
        return row

    def _remove(self, field: str) -> None:
        if field not in self.rows:
            return
        self._removed.append((field, list(self.rows).index(field)))
        del self.rows[field]
        self._show()
        self._changed()
        self.search.take_focus()

    def _restore(self) -> None:
        """Restore the last removed filter to its position, with its values."""
        if not self._removed:
            return
        field, position = self._removed.pop()
        rows = list(self.rows.items())
        self.rows = dict([*rows[:position], (field, self._made[field]), *rows[position:]])
        self._show()
        self._changed()
        self.search.take_focus()  # the Undo button is gone, or is for another filter

    def _show(self) -> None:
        if self._removed:
            self.undo.description = f"Undo: restore {FILTERS[self._removed[-1][0]].label}"
        self._line.children = [self.search, *([self.undo] if self._removed else [])]
        self.box.children = [self._line, *(row.box for row in self.rows.values())]
        self.search.options = [
            [f.field, f.label, f.group] for f in FILTERS.values() if f.field not in self.rows
        ]
        self.search.disabled = not self.search.options

    def fields(self) -> dict[str, Any]:
        """Return the fields that the filters set."""
        return {name: value for row in self.rows.values() for name, value in row.fields().items()}

    def load(self, query: ReportQuery) -> None:
        """Show the filters of a query and no others."""
        self.rows, self._removed = {}, []
        for field in FILTERS:
            if getattr(query, field):
                self.add(field).load(query)
        self._show()

    def set_names(self, names: Names) -> None:
        """Offer the values that occur in new data."""
        self._names = names
        for row in self._made.values():
            row.set_names(names)

    def remove_missing(self) -> list[str]:
        """Remove values that are not in the data, and filters that have no values left; describe them."""
        found = {field: words for field, row in self.rows.items() if (words := row.remove_missing())}
        for field in found:
            if not self.rows[field].search.value:
                del self.rows[field]
        self._removed = []
        self._show()
        return list(found.values())

    def problems(self) -> dict[str, str]:
        """Return a message for each filter with values that are not in the data, by field."""
        return {field: row.problem() for field, row in self.rows.items() if row.problem()}

    def controls(self) -> dict[str, SearchSelect | Control]:
        """Return the visible controls, by field."""
        found: dict[str, SearchSelect | Control] = {}
        for field, row in self.rows.items():
            found[field] = row.search
            if row.extra:
                found[row.of.extra] = row.extra
        return found
