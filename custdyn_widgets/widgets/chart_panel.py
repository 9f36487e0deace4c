"""The chart below the table: a preset or a Blank Chart, which can be saved as PNG or SVG."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets

from custdyn_widgets.errors import CustDynError, shown
from custdyn_widgets.render import (
    BLANK,
    absent_columns,
    blank_spec,
    browser_library,
    can_zoom,
    live_spec,
    missing_columns,
    preset_spec,
    presets_of,
)
from custdyn_widgets.report import Report
from custdyn_widgets.text import printable
from custdyn_widgets.widgets.chart_editor import ChartEditor
from custdyn_widgets.widgets.download import Download, File, chart_file
from custdyn_widgets.widgets.live_chart import LiveChart

_SAVE = [["png", "Save as PNG"], ["svg", "Save as SVG"]]
_CLOSE = [["close", "Close the chart"]]
_NO_COLUMN = "Choose the columns to draw."
_HINT = "Drag to pan, hold Shift and scroll to zoom, double-click to reset."


class ChartPanel:
    """The chart of the report on screen.

    Changes to two controls may arrive in two threads, and the first chart takes a second to draw. Charts are
    therefore drawn one at a time, each from the current choice, so that the last one shows the latest choice.

    Attributes
    ----------
    widget
        The panel, hidden until a chart is drawn.
    lock
        Held while the chart or the editor changes.
    on_change
        Called when the chart changes or is hidden.
    on_edit
        Called when the user has changed the Blank Chart editor.
    on_close
        Called when the user closes the chart.
    link
        Returns the report's link, or "" if there is none yet; files are named after its snapshot.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.on_change: Callable[[], None] = lambda: None
        self.on_edit: Callable[[], None] = lambda: None
        self.on_close: Callable[[], None] = lambda: None
        self.link: Callable[[], str] = lambda: ""
        self._report: Report | None = None
        self._spec: dict[str, Any] | None = None
        self._choice: dict[str, Any] | None = None
        self._live: LiveChart | None = None
        self._editor = ChartEditor(self._edited, self.lock)
        self._message = ipywidgets.HTML()
        self._hint = ipywidgets.HTML()
        self._place = ipywidgets.VBox(layout={"display": "none"})  # shows that a chart is being drawn
        self._download = Download(self._make_file, buttons=_CLOSE)
        self.widget = ipywidgets.VBox(
            [self._editor.widget, self._message, self._place, self._hint, self._download]
        )
        self.widget.add_class("custdyn-chart")
        self._place.add_class("custdyn-drawing")
        self._message.add_class("custdyn-message")
        self._show_widget(False)

    @staticmethod
    def prepare() -> None:
        """Load the drawing library ahead of time, because loading it takes a second."""
        browser_library()

    def draw(self, report: Report, name: str) -> None:
        """Draw a preset, or open the Blank Chart editor."""
        self.restore(report, {} if name == BLANK else {"preset": name}, focus=name == BLANK)

    def restore(self, report: Report, choice: Mapping[str, Any], *, focus: bool = False) -> None:
        """Draw a choice returned by `choice`, or show why the report cannot be drawn that way.

        A chart of another report is removed first. If the report lacks x, its first heading is used. `focus`
        moves the focus to the editor.
        """
        with self.lock:
            if report is not self._report:
                self._clear()
            self._report = report
            self._show_widget(True)
            name = choice.get("preset")
            if name in presets_of(report):
                self._editor.hide()
                self._try(lambda: preset_spec(report, str(name)), {"preset": name})
            elif name is not None:
                self._editor.hide()
                self._show_message(_missing(report, str(name)))
            else:
                self._editor.open(report, choice)
                if focus:
                    self._editor.take_focus()  # before drawing, because the first chart is slow
                if not choice and not self._editor.choice()["y"]:
                    self._begin_blank()
                else:
                    self._compose()

    def hide(self) -> None:
        """Hide the chart."""
        with self.lock:
            self._show_widget(False)
            if self._spec is not None:
                self._clear()
                self.on_change()

    def spec(self) -> dict[str, Any] | None:
        """Return the chart's Vega-Lite specification, or None if there is no chart."""
        return self._spec

    def choice(self) -> dict[str, Any] | None:
        """Return the chart to save, as `{"preset": name}` or x, y, mark, second_axis and title."""
        return self._choice

    def edited_choice(self) -> dict[str, Any] | None:
        """Return the choice in the Blank Chart editor, even if it cannot be drawn; None without columns."""
        choice = self._editor.choice()
        return choice if choice["y"] else None

    def needs_columns(self) -> bool:
        """Return whether the Blank Chart editor is shown without a column to draw."""
        return self._is_editing() and not self._editor.choice()["y"]

    def name(self) -> str:
        """Return the name that Show Chart uses for the current chart, or "" if there is none."""
        return "" if self._choice is None else chart_name(self._choice)

    def _is_editing(self) -> bool:
        return self._editor.is_shown() and self.widget.layout.display != "none"

    def _edited(self) -> None:
        """Draw the user's changes, unless another chart has since been chosen or this one has been closed."""
        if self._is_editing():
            self._compose()
            self.on_edit()

    def _begin_blank(self) -> None:
        self._clear()
        self._show_message("")
        self._hint.value = f'<p class="custdyn-hint">{_NO_COLUMN}</p>'
        self.on_change()

    def _compose(self) -> None:
        report, choice = self._report, self._editor.choice()
        if not choice["y"]:
            self._show_message("Choose at least one column to draw.")
        elif report is not None and (lacks := absent_columns(report, choice["y"])):
            self._show_message(f"The report lacks {_columns(lacks)}. Choose other columns.")
        elif report is not None:
            self._try(lambda: blank_spec(report, **choice), choice)

    def _clear(self) -> None:
        self._spec, self._choice, self._hint.value = None, None, ""
        self._place.layout.display = "none"
        self._download.buttons = _CLOSE
        if self._live is not None:
            self._live.spec = None

    def _try(self, draw: Callable[[], dict[str, Any]], choice: dict[str, Any]) -> None:
        """Draw a chart. On an error, show the message and keep the last chart."""
        try:
            spec = draw()
            live = live_spec(spec)
        except Exception as error:
            self._show_message(_reason(error))
            return
        self._show_message("")
        self._spec, self._choice = spec, choice
        self._hint.value = f'<p class="custdyn-hint">{_HINT}</p>' if can_zoom(spec) else ""
        self._show_live(live)
        self._download.buttons = [*_SAVE, *_CLOSE]
        self.on_change()

    def _show_live(self, spec: dict[str, Any]) -> None:
        """Show a chart in the single chart widget, because each widget loads a megabyte of JavaScript."""
        self._place.layout.display = None
        if self._live is None:
            self._live = LiveChart()
            self._place.children = [self._live]
        self._live.spec = spec

    def _make_file(self, key: str) -> File | None:
        if key == "close":
            self.hide()
            self.on_close()
            return None
        if self._report is None or self._spec is None:
            return None
        try:
            return chart_file(self._report, self._spec, key, link=self.link())
        except Exception as error:
            self._show_message(_reason(error))
            return None

    def _show_message(self, words: str) -> None:
        html = f'<p class="custdyn-error" role="alert">{escape(printable(words))}</p>' if words else ""
        self._message.value = html

    def _show_widget(self, shown: bool) -> None:
        self.widget.layout.display = None if shown else "none"


def chart_name(choice: Mapping[str, Any]) -> str:
    """Return the name that Show Chart uses for a choice returned by `ChartPanel.choice`."""
    return str(choice.get("preset", BLANK))


def _missing(report: Report, name: str) -> str:
    """Return why a report has no preset of this name."""
    lacks = missing_columns(report, name)
    because = f", because it lacks {_columns(lacks)}" if lacks else ""
    return f"The report has no chart {shown(name)}{because}. Choose another from Show Chart."


def _columns(names: Sequence[str]) -> str:
    """Return names as a phrase: the column 'A'; the columns 'A' and 'B'."""
    *others, last = map(shown, names)
    return f"the columns {', '.join(others)} and {last}" if others else f"the column {last}"


def _reason(error: Exception) -> str:
    """Return the message for an error, even an unexpected one, because Jupyter would only log it."""
    if isinstance(error, CustDynError):
        return error.message
    return f"The chart cannot be drawn: {type(error).__name__}: {error}"
