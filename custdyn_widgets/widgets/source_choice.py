"""The form's choice of source: the configured sources, the time of their data, and the Sync button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from custdyn_widgets.mart import Source, SourceLike
from custdyn_widgets.query import is_time_zone
from custdyn_widgets.report import format_instant
from custdyn_widgets.text import cut_short, format_instant_utc, printable
from custdyn_widgets.widgets.form_button import Button
from custdyn_widgets.widgets.form_control import Control

_OPENED = ""  # the key of a source without a name in sources.toml
_MAX_LABEL_LENGTH = 100
_HELP = "The data to report on."


class SourceChoice:
    """The form's line for the source, in `widget`.

    Parameters
    ----------
    opened
        The source that the form was opened with.
    named
        The sources in `sources.toml`, by name.
    picked, sync, stop
        Called when the user picks another source, or clicks Sync or Stop.

    Attributes
    ----------
    key
        The key of the chosen source, which is its name if it is in `sources.toml`.
    data_as_of
        The Unix time of the chosen source's data, or None if it is unknown or has not been read yet.
    """

    def __init__(
        self,
        opened: SourceLike,
        named: Mapping[str, Source],
        *,
        picked: Callable[[], None],
        sync: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        self._opened, self._named = opened, named
        self._labels = _labels(opened, named)
        self._picked = picked
        self._quiet = False
        self._zone = "UTC"
        self.key = _OPENED if _OPENED in self._labels else str(opened)
        self._control = Control(kind="choice", label="Source", value=self.key)
        self._control.options = [[key, label] for key, label in self._labels.items()]
        self._control.observe(self._changed, "value")
        self._as_of = ipywidgets.HTML()
        self._sync = Button(sync, description="Sync", tooltip="Read the database again.")
        self._stop = Button(stop, description="Stop", tooltip="Stop reading and keep the data as it was.")
        self._found = ipywidgets.HTML()
        buttons = [self._sync, self._stop] if any(source.url for source in named.values()) else []
        line = ipywidgets.HBox([self._control, self._as_of, *buttons])
        line.add_class("custdyn-line").add_class("custdyn-source")
        self.widget = ipywidgets.VBox([line])
        self._line = line
        self._start(None)

    @property
    def source(self) -> SourceLike:
        """The chosen source."""
        return self.key or self._opened

    @property
    def label(self) -> str:
        """The label of the chosen source."""
        return self._labels[self.key]

    @property
    def is_database(self) -> bool:
        """Whether the chosen source is a database."""
        return self.key in self._named and self._named[self.key].url is not None

    def offers(self, name: str | None) -> bool:
        """Return whether this is the name of a configured source."""
        return name in self._named

    def select(self, key: str, data_as_of: int | None) -> None:
        """Choose a source as the user would, but do not call `picked`."""
        self._quiet = True
        self._control.value = self.key = key
        self._quiet = False
        self._start(data_as_of)

    def set_data_as_of(self, data_as_of: int | None) -> None:
        """Show the time of the chosen source's data."""
        self.data_as_of = data_as_of
        self._show_as_of()

    def set_zone(self, zone: str) -> None:
        """Show times in a time zone; an unknown one is ignored."""
        if is_time_zone(zone):
            self._zone = zone
            self._show_as_of()

    def set_syncing(self, syncing: bool) -> None:
        """Offer Sync, or Stop while a database is being read; Stop remains afterwards to keep the focus."""
        self._control.disabled = self._sync.disabled = syncing
        self._stop.disabled = not syncing
        if syncing:
            _show(self._stop, shown=True)

    def show_found(self, words: str) -> None:
        """Show the findings of a sync below the line; "" removes them."""
        if not words:
            self.widget.children = [self._line]
            return
        printable_lines = "\n".join(printable(line) for line in words.split("\n"))
        self._found.value = (
            '<div class="custdyn-found" role="region" tabindex="0" aria-label="What the last sync found" '
            f'data-lm-suppress-shortcuts="true">{escape(printable_lines)}</div>'
        )
        self.widget.children = [self._line, self._found]

    def clock(self, instant: int) -> str:
        """Return a Unix time in the form's time zone."""
        return format_instant(format_instant_utc(instant), self._zone)

    def _show_as_of(self) -> None:
        words = ""
        if self.data_as_of is not None:
            words = f"Data as of {self.clock(self.data_as_of)}"
        elif self.is_database:
            words = "Not read yet"
        self._as_of.value = f'<span class="custdyn-as-of">{escape(words)}</span>'
        self._control.tooltip = f"{_HELP} {words}." if words else _HELP  # screen readers announce it

    def _changed(self, change: Mapping[str, Any]) -> None:
        if not self._quiet and change["new"] in self._labels:
            self.key = change["new"]
            self._start(None)
            self._picked()

    def _start(self, data_as_of: int | None) -> None:
        """Show a new source. Hidden buttons still take up space, so that nothing moves."""
        _show(self._sync, shown=self.is_database)
        _show(self._stop, shown=False)
        self.set_syncing(False)
        self.set_data_as_of(data_as_of)
        self.show_found("")


def _show(button: Button, *, shown: bool) -> None:
    button.layout.visibility = "visible" if shown else "hidden"


def _labels(opened: SourceLike, named: Mapping[str, Source]) -> dict[str, str]:
    """Return the labels of sources by key; an opened source without a configured name comes first."""
    labels = {name: cut_short(name, _MAX_LABEL_LENGTH) for name in named}
    if isinstance(opened, str) and opened in named:
        return labels
    own = cut_short(_label(opened), _MAX_LABEL_LENGTH)
    return {_OPENED: f"{own} (from this notebook)" if own in named else own, **labels}


def _label(source: object) -> str:
    """Return the label of a source; for a path, its last component."""
    if isinstance(source, Source):
        return source.name or _label(source.data)
    if isinstance(source, str | Path):
        return printable(Path(source).name or str(source))
    return "This notebook's data"
