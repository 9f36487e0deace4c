"""The report on screen: its table or download, chart, link and static view."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import ipywidgets

from custdyn_widgets.mart import OpenedMart
from custdyn_widgets.report import Report, triangle_html
from custdyn_widgets.text import printable
from custdyn_widgets.widgets.chart_panel import ChartPanel, chart_name
from custdyn_widgets.widgets.client_panel import ClientPanel
from custdyn_widgets.widgets.difference_panel import DifferencePanel
from custdyn_widgets.widgets.main_thread import run_soon
from custdyn_widgets.widgets.publishing import Published, Publisher
from custdyn_widgets.widgets.result import ResultPanel
from custdyn_widgets.widgets.static_view import StaticView

_CREATING_LINK = "Creating the link: saving the report and its charts as a page …"
_QUIET_S = 1.5  # seconds without a query before loading what the next click may need


class ReportView:
    """Shows a report with its chart and link, and keeps the static view up to date.

    Attributes
    ----------
    report
        The report on screen, or None.
    panel, clients, changes, charts, static
        The widgets that show the report, the clients behind a cell, the differences from an earlier
        snapshot, the chart, and the output in a saved notebook.
    wanted_chart
        The chart to draw with the next report that has its columns.
    """

    def __init__(self, *, publish: bool, loop: asyncio.AbstractEventLoop | None) -> None:
        self.report: Report | None = None
        self.wanted_chart: dict[str, Any] | None = None
        self.panel, self.charts, self.static = ResultPanel(), ChartPanel(), StaticView()
        self.charts.link = self.panel.link
        self.clients, self._cohorts = ClientPanel(), ipywidgets.HTML()
        self._cohorts.add_class("custdyn-result")
        self.panel.on_clients, self.clients.on_close = (
            self.clients.open_row,
            self.panel.take_focus_from_clients,
        )
        self._publisher = Publisher() if publish else None
        self.changes = DifferencePanel(self._publisher or Publisher())  # needed by Create link
        self.changes.on_close = self.panel.take_focus_from_changes
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.panel.on_show_chart = self._show_chart
        self._chart_name = ""
        self.charts.on_change, self.charts.on_close = self._chart_changed, self._chart_closed
        self.charts.on_edit = self._chart_edited

    @property
    def widgets(self) -> list[Any]:
        """The widgets below the form, in order."""
        return [
            self.panel,
            self.clients,
            self.changes,
            self.changes.clients,
            self._cohorts,
            self.charts.widget,
        ]

    def prepare(self) -> None:
        """Start the publishing process ahead of time, so that the first link does not have to wait for it."""
        if self._publisher and self._loop is not None:
            run_soon(self._loop, self._publisher.start, _QUIET_S)

    def show(self, report: Report, mart: OpenedMart, output: str, page: str) -> None:
        """Show a report as a table, or download it in the given browser page.

        `mart` contains the data behind the report.
        """
        self.report = report
        self.clients.set_report(report, mart)
        self.changes.close_panel()
        self._cohorts.value = _heat_map(report) if output == "web" else ""
        if output == "web":
            self.panel.show(report)
        else:
            self.panel.set_download_only(report, output, page)
        self._redraw(report, output)
        if self._publisher:
            self.panel.set_link("", _CREATING_LINK, busy=True)
            self._publisher.publish(report, lambda done: self._show_link(report, done))
        self._write_static()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._prepare_charts)

    def chart(self) -> dict[str, Any] | None:
        """Return the chart to save with a query."""
        return self.wanted_chart or self.charts.choice()

    def _show_link(self, report: Report, done: Published) -> None:
        """Show a link if its report is still on screen. Called in the publisher's thread."""
        if report is self.report:
            self.panel.set_link(done.link, done.words, done.page)

    def _prepare_charts(self) -> None:
        """Load the drawing library once no query has run for a while, to avoid delaying a query."""
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None:
            prepare = threading.Thread(target=ChartPanel.prepare, daemon=True)
            self._timer = self._loop.call_later(_QUIET_S, prepare.start)

    def _show_chart(self, name: str) -> None:
        if self.report is not None:
            self.panel.set_status(f"Drawing {name} …", about="chart")
            with self.charts.lock:
                self.charts.draw(self.report, name)
                self._chart_name = name
                self._tell_chart()

    def _tell_chart(self) -> None:
        """Say where the chart is and what it still needs, in place of an earlier status about it."""
        wanted, drawn = self._chart_name, self.charts.name()
        if self.charts.needs_columns():
            words = f"{wanted} is below the table. Choose its columns."
        elif drawn == wanted:
            words = f"{wanted} is below the table."
        else:
            words = _not_drawn(wanted, drawn)
        self.panel.change_status(words, about="chart")

    def _redraw(self, report: Report, output: str) -> None:
        """Draw the requested chart or, if there is none, the last one.

        If the report cannot show it, say so and keep it for a later report. A Blank Chart without columns
        stays open.
        """
        with self.charts.lock:  # so that a change made in the meantime is not undone
            choice = self.chart()
            if output == "web" and (choice or self.charts.needs_columns()):
                self.charts.restore(report, choice or {})
            else:
                self.charts.hide()
            self.wanted_chart = None if self.charts.choice() else choice
            if choice and output == "web":
                self._chart_name = chart_name(choice)
                if self.wanted_chart:
                    self.panel.add_status(_not_drawn(self._chart_name), about="chart")

    def _chart_changed(self) -> None:
        self.wanted_chart = None
        self._write_static()

    def _chart_edited(self) -> None:
        if self.wanted_chart is not None:  # the changes cannot be drawn yet either
            self.wanted_chart = self.charts.edited_choice()
        self._tell_chart()

    def _chart_closed(self) -> None:
        self.wanted_chart = None
        self.panel.end_status("chart")
        self.panel.take_focus_from_chart()

    def _write_static(self) -> None:
        """Write the static view after the publisher's pending work."""
        if self.report is None:
            return
        report, chart = self.report, self.charts.spec()

        def write() -> None:
            try:
                self.static.show(report, chart)
            except Exception as error:  # otherwise, the error would be lost in the publisher's thread
                reason = f"{type(error).__name__}: {error}"
                self.panel.set_error(f"The table in the saved notebook is out of date: {reason}")

        if self._publisher:
            self._publisher.submit(write)
        else:
            write()


def _not_drawn(wanted: str, drawn: str = "") -> str:
    """Return the status for a chart that cannot be drawn, with the chart that is still shown, if any."""
    still = f", where {drawn} is still shown" if drawn else ""
    return f"{printable(wanted)} cannot be drawn. The reason is below the table{still}."


def _heat_map(report: Report) -> str:
    """Return the retention triangle as HTML, or "" if the report has none."""
    if report.triangle is None:
        return ""
    # Otherwise, Lab handles keys in the scrolling region: D, D deletes a cell.
    suppressed = 'tabindex="0" data-lm-suppress-shortcuts="true"'
    return triangle_html(report.triangle).replace('tabindex="0"', suppressed, 1)
