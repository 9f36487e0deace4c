"""The whole of it: `CustomerDynamics` puts form, result, chart and saved queries together.

A click on Query computes in the kernel's main thread, so that Lab's stop button interrupts it (Lab tells
kernels of clicks in a thread of their own). The table is shown, and then a worker freezes the report and
writes the static view. Whatever goes wrong is said in words, and the last good table stays.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import ipywidgets

from custdyn_widgets import progress
from custdyn_widgets.engine import report_on
from custdyn_widgets.errors import CustDynError, QueryError
from custdyn_widgets.mart import Names, SourceLike, open_mart
from custdyn_widgets.progress import ProgressBar
from custdyn_widgets.query import ReportQuery, resolve
from custdyn_widgets.report import Report, format_duration
from custdyn_widgets.saved_queries import Stored
from custdyn_widgets.widgets.chart_panel import ChartPanel
from custdyn_widgets.widgets.early_progress import EarlyProgress
from custdyn_widgets.widgets.form import QueryForm
from custdyn_widgets.widgets.main_thread import interruptible, running_loop
from custdyn_widgets.widgets.publishing import Published, Publisher
from custdyn_widgets.widgets.result import ResultPanel, Steps
from custdyn_widgets.widgets.save_dialog import SaveDialog
from custdyn_widgets.widgets.saved_choices import SavedChoices
from custdyn_widgets.widgets.static_view import LIVE, StaticView

if TYPE_CHECKING:
    import pandas as pd

_SETTLE = 0.03  # seconds: what was changed just before a click may arrive just behind it
_ECHO = 0.1  # seconds: clicks that waited while a query ran arrive within it, and are not meant again
_QUIET = 1.5  # seconds without a click, until what draws is loaded
_NO_NAMES = Names((), (), (), (), (), {}, {}, "")


class CustomerDynamics:
    """The query form of a notebook, and the report that it shows.

    Put it last in a cell to see it. A notebook can go on with the numbers: `report`, `table`, `total` and
    `info` are those of the table on screen.

    Parameters
    ----------
    source
        As for `run_report`: a folder, a DuckDB file, a name of `sources.toml`, `demo`, a dict of DataFrames.
    publish
        Whether each click on Query freezes a snapshot and shows its link.
    """

    def __init__(self, source: SourceLike = "demo", *, publish: bool = True) -> None:
        self._source = source
        self._publisher = Publisher() if publish else None
        self._report: Report | None = None
        self._chart: dict[str, Any] | None = None  # to be drawn with the next report that has it
        self._busy = False
        self._loop = running_loop()
        self._quiet: asyncio.TimerHandle | None = None
        self._static = StaticView()
        self._result = ResultPanel()
        self._saved = SavedChoices()
        with EarlyProgress() if self._loop else ProgressBar() as early:
            names = self._names()
        if isinstance(early, EarlyProgress):
            self._result.set_status(" ".join(early.notes))
        self._form = QueryForm(names or _NO_NAMES, self._saved.listed())
        self._charts = ChartPanel()
        self._dialog = SaveDialog(source)
        self._form.on_query = self._click
        self._form.on_save = lambda: self._try(self._save)
        self._form.on_load = lambda key: self._try(lambda: self._load(key))
        self._result.on_show_chart = self._show_chart
        self._charts.on_change, self._charts.on_close = self._chart_changed, self._chart_closed
        self._dialog.on_saved = lambda stored: self._try(lambda: self._after_saving(stored))
        self.widget = ipywidgets.VBox(
            [self._form.widget, self._dialog.widget, self._result, self._charts.widget]
        )
        self.widget.add_class("custdyn-app").add_class(LIVE)

    @property
    def query(self) -> ReportQuery | None:
        """The query as the form stands; None while a field is invalid."""
        query: ReportQuery | None = self._form.query()
        return query

    @property
    def report(self) -> Report:
        """The report on screen.

        Raises
        ------
        CustDynError
            If nothing was asked yet.
        """
        if self._report is None:
            raise CustDynError("There is no report yet: click Query, or call run().")
        return self._report

    @property
    def table(self) -> pd.DataFrame:
        """The rows: labels as index, two-level columns; counts Int64, money Decimal in `report.currency`."""
        return self.report.table

    @property
    def total(self) -> pd.Series[Any] | None:
        """The Total's values, by column; None for a report without one."""
        from custdyn_widgets.report import total_series

        return total_series(self.report)

    @property
    def info(self) -> pd.Series[Any]:
        """What is told around the table, by label."""
        from custdyn_widgets.report import info_series

        return info_series(self.report)

    def run(self, query: ReportQuery | None = None) -> Report:
        """Ask as a click on Query does, and return the report; its snapshot is frozen in the background.

        Parameters
        ----------
        query
            Put into the form first; default: as the form stands.

        Raises
        ------
        CustDynError
            As `run_report`; the form says the same words.
        """
        if query is not None:
            self._form.load(query, self._form.output)
        asked = self._form.query() or ReportQuery.from_dict(self._form.fields())
        self._ask(asked)
        return self.report

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)
        self._static.display()

    # What the person does.

    def _click(self) -> None:
        if self._busy:
            return
        self._set_busy(True)
        if self._loop is None:
            self._answer_click()
        else:
            loop = self._loop
            loop.call_soon_threadsafe(lambda: loop.call_later(_SETTLE, self._answer_click))

    def _answer_click(self) -> None:
        query = self._form.query()
        if query is None:
            self._set_busy(False)
            return
        try:
            with interruptible():
                self._ask(query, self._form.page)
        except (CustDynError, KeyboardInterrupt):
            return  # it was said; and an interrupt that came twice must not end the kernel

    def _ask(self, query: ReportQuery, page: str = "") -> None:
        self._set_busy(True)
        self._result.set_error("")
        before, began = self._report, time.monotonic()
        try:
            with progress.told_to(Steps(self._result)):
                self._result.set_status("Counting …")
                mart = open_mart(self._source)
                report = report_on(query, mart)
                self._form.set_names(mart.facts.names)
            self._show(report, time.monotonic() - began, page)
        except QueryError as error:
            self._say(error)
            self._form.show_error(error)
            raise
        except CustDynError as error:
            self._say(error)
            raise
        except KeyboardInterrupt:
            left = self._report is before
            self._result.set_status("Stopped. The table is the one of before." if left else "Stopped.")
            raise CustDynError("The query was stopped.") from None
        except Exception as error:
            failed = CustDynError(f"The query failed: {type(error).__name__}: {error}")
            self._say(failed)
            raise failed from error
        finally:
            self._set_busy(False)

    def _show(self, report: Report, seconds: float, page: str) -> None:
        self._report = report
        rows = "1 row" if len(report.rows) == 1 else f"{len(report.rows):,} rows"
        self._result.set_status(f"{rows} in {format_duration(round(seconds * 1000))}.")
        if self._form.output == "web":
            self._result.show(report)
        else:
            self._result.set_download_only(report, self._form.output, page)
        self._draw_again(report)
        if self._publisher:
            self._result.set_link("", "Making the link …")
            self._publisher.publish(report, lambda done: self._linked(report, done))
        self._freeze_static()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._prepare_charts)

    def _linked(self, report: Report, done: Published) -> None:
        """Show a link, if its report is still the one on screen; called in the worker's thread."""
        if report is self._report:
            self._result.set_link(done.link, done.words, done.page)

    # Charts.

    def _prepare_charts(self) -> None:
        """Load what draws once nothing was asked for a while: before, it would hold up the next answer."""
        if self._quiet is not None:
            self._quiet.cancel()
        if self._loop is not None:
            prepare = threading.Thread(target=ChartPanel.prepare, daemon=True)
            self._quiet = self._loop.call_later(_QUIET, prepare.start)

    def _show_chart(self, name: str) -> None:
        if self._report is not None:
            self._result.set_status(f"Drawing {name} …")
            self._charts.draw(self._report, name)
            self._result.set_status(f"{name} is below the table." if self._charts.spec() else "")

    def _draw_again(self, report: Report) -> None:
        """Draw what was drawn of the last report, or what a saved query asks for.

        What this report cannot show is kept for the next one that can.
        """
        choice = self._chart or self._charts.choice()
        if choice and report.rows and self._form.output == "web":
            self._charts.restore(report, choice)
        else:
            self._charts.hide()
        self._chart = None if self._charts.choice() else choice

    def _chart_changed(self) -> None:
        self._chart = None
        self._freeze_static()

    def _chart_closed(self) -> None:
        self._chart = None
        self._result.take_focus_from_chart()

    def _freeze_static(self) -> None:
        """Write the static view behind what the worker has to do first."""
        if self._report is None:
            return
        report, chart = self._report, self._charts.spec()

        def write() -> None:
            try:
                self._static.show(report, chart)
            except Exception as error:  # in a worker nobody else would hear of it
                why = f"{type(error).__name__}: {error}"
                self._result.set_error(f"What a saved notebook shows is not up to date: {why}")

        if self._publisher:
            self._publisher.submit(write)
        else:
            write()

    # Saved queries.

    def _save(self) -> None:
        query = self._form.query()
        if query is not None:
            period = resolve(query, datetime.now(UTC).replace(microsecond=0)).period
            chart = self._chart or self._charts.choice()
            seen, loaded = self._saved.seen, self._saved.latest
            self._dialog.open(query, period, self._form.output, chart, seen, loaded)

    def _after_saving(self, stored: Stored) -> None:
        self._saved.saw(stored)
        self._form.set_saved(self._saved.listed())
        self._result.set_status(f"Saved as {stored.saved.title}.")

    def _load(self, key: str) -> None:
        self._result.set_error("")
        try:
            saved = self._saved.load(key).saved
        finally:
            self._form.set_saved(self._saved.listed())
        self._chart = saved.chart
        self._form.load(saved.query, saved.output)
        if self._form.query() is None and (names := self._names()):  # perhaps it is new in the data
            self._form.set_names(names)
            self._form.load(saved.query, saved.output)
        self._result.set_status(f"Loaded: {saved.title}. Click Query to ask it.")

    # Words and states.

    def _try(self, act: Callable[[], None]) -> None:
        """Do what a click asks for; if that fails, say why: Jupyter would only log it."""
        try:
            act()
        except CustDynError as error:
            self._say(error)
        except Exception as error:
            self._say(CustDynError(f"That failed: {type(error).__name__}: {error}"))

    def _say(self, error: CustDynError) -> None:
        last = " The table below is the last good one." if self._report else ""
        self._result.set_status("")
        self._result.set_error(error.message + last)

    def _names(self) -> Names | None:
        """Return the names in the data, for the filters; without data the reason is said."""
        try:
            return open_mart(self._source).facts.names
        except CustDynError as error:
            self._say(error)
            return None

    def _set_busy(self, busy: bool) -> None:
        if busy:
            self._busy = True
            self._form.set_busy(True)
        elif self._loop is None:
            self._idle()
        else:
            self._loop.call_soon_threadsafe(lambda loop: loop.call_later(_ECHO, self._idle), self._loop)

    def _idle(self) -> None:
        self._busy = False
        self._form.set_busy(False)
