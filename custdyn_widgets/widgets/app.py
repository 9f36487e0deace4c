"""`CustomerDynamics`: the form, its report and the saved queries.

Clicks arrive in another thread, but queries run in the kernel's main thread, so that JupyterLab's stop button
can interrupt them. Once the table is on screen, a worker thread freezes the report and writes the static
view. Errors are shown as messages, and the last table remains on screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

from custdyn_widgets import progress
from custdyn_widgets.engine import report_on
from custdyn_widgets.errors import CustDynError, QueryError, SettingsError
from custdyn_widgets.mart import Names, OpenedMart, SourceLike
from custdyn_widgets.progress import ProgressBar
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.report import Report, format_duration
from custdyn_widgets.widgets.early_progress import EarlyProgress
from custdyn_widgets.widgets.first_query import first_query, remember
from custdyn_widgets.widgets.form import DEFAULT, QueryForm
from custdyn_widgets.widgets.form_sources import FormSources
from custdyn_widgets.widgets.main_thread import interruptible, run_soon, running_loop
from custdyn_widgets.widgets.questions import CHANGES, QUESTIONS, Question
from custdyn_widgets.widgets.report_view import ReportView
from custdyn_widgets.widgets.result import Steps
from custdyn_widgets.widgets.saved_choices import SavedChoices
from custdyn_widgets.widgets.saving import Saving
from custdyn_widgets.widgets.static_view import LIVE

if TYPE_CHECKING:
    import pandas as pd

_SETTLE = 0.03  # seconds; a change made just before a click may arrive after the click
_ECHO = 0.1  # seconds; clicks made while a query was running arrive within this time and are ignored
_OUTDATED = "The form has changed. The report below is for the previous query."
_SYNCED = "The data has been read again. The report below is from the earlier data."
_NO_NAMES = Names((), (), (), (), (), {}, {}, "")


class CustomerDynamics:
    """A query form in a notebook, with the report that it shows.

    The form is displayed if it is the last expression of a cell. `report`, `table`, `total` and `info` return
    the report on screen.

    Parameters
    ----------
    source
        As for `run_report`: a folder, a DuckDB file, a name from `sources.toml`, `demo`, or a dict of
        DataFrames.
    publish
        Whether to freeze a snapshot and show its link whenever Query is clicked.
    """

    def __init__(self, source: SourceLike = "demo", *, publish: bool = True) -> None:
        self._busy = False
        self._shown_query: ReportQuery | None = None
        self._shown_data: tuple[str, int] | None = None
        self._loop = running_loop()
        self._view = ReportView(publish=publish, loop=self._loop)
        self._result = self._view.panel
        saved = SavedChoices()
        self._sources = FormSources(source, self._result, self._loop)
        self._sources.on_error, self._sources.on_busy = self._show_error, self._set_busy
        with EarlyProgress() if self._loop else ProgressBar() as early:
            names = self._names()
        if isinstance(early, EarlyProgress):
            self._result.set_status(" ".join(early.notes))
        self._form = QueryForm(
            names or _NO_NAMES, saved.listed(), first=self._first_query(), top=self._sources.widgets
        )
        self._saving = Saving(self._form, saved, self._sources, self._view)
        self._saving.read_names = self._names
        self._sources.form, self._sources.on_new_data = self._form, self._mark_outdated
        self._form.on_query = self._click
        self._form.on_change = self._form_changed
        self._form.on_question = lambda key: self._try(lambda: self._ask(key))
        self._form.on_save = lambda: self._try(self._saving.save)
        self._form.on_load = lambda key: self._try(lambda: self._saving.load(key))
        self._saving.dialog.on_saved = lambda stored: self._try(lambda: self._saving.after_saving(stored))
        self._result.on_changes = lambda: self._try(self._show_changes)
        self.widget = ipywidgets.VBox([self._form.widget, self._saving.dialog.widget, *self._view.widgets])
        self.widget.add_class("custdyn-app").add_class(LIVE)

    @property
    def query(self) -> ReportQuery | None:
        """The query in the form, or None if a field is invalid."""
        query: ReportQuery | None = self._form.query()
        return query

    @property
    def report(self) -> Report:
        """The report on screen.

        Raises
        ------
        CustDynError
            If no query has run yet.
        """
        if self._view.report is None:
            raise CustDynError("There is no report yet: click Query, or call run().")
        return self._view.report

    @property
    def table(self) -> pd.DataFrame:
        """The rows of the report as a DataFrame; see `Report.table`."""
        return self.report.table

    @property
    def total(self) -> pd.Series[Any] | None:
        """The values of the Total by column, or None if there is no Total."""
        from custdyn_widgets.report import total_series

        return total_series(self.report)

    @property
    def info(self) -> pd.Series[Any]:
        """The attributes of `report.info` as a Series."""
        from custdyn_widgets.report import info_series

        return info_series(self.report)

    def run(self, query: ReportQuery | None = None) -> Report:
        """Run a query as if Query were clicked, and return the report, which is frozen in the background.

        Parameters
        ----------
        query
            The query to fill the form with. Defaults to the query already in the form.

        Raises
        ------
        CustDynError
            As for `run_report`. The form also shows the message.
        """
        if query is not None:
            self._form.load(query, self._form.output)
        self._run(self._form.query() or ReportQuery.from_dict(self._form.fields()))
        return self.report

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)
        self._view.static.display()
        self._view.prepare()

    # Queries.

    def _click(self) -> None:
        if self._busy:
            return
        self._set_busy(True)
        run_soon(self._loop, self._run_clicked, _SETTLE)

    def _run_clicked(self) -> None:
        query = self._form.query()
        if query is None:
            self._set_busy(False)
            return
        try:
            with interruptible():
                self._run(query, self._form.page)
            remember(query)
        except (CustDynError, KeyboardInterrupt):
            return  # the error is on screen, and a second interrupt must not stop the kernel

    def _ask(self, key: str) -> None:
        """Answer a question from the menu: fill in the form, run the query, and show the clients."""
        question, current = QUESTIONS[key], self._form.query()
        if self._busy or current is None:
            return
        if key == CHANGES:
            self._show_changes()
            return
        self._form.load(question.query(current))
        self._set_busy(True)
        run_soon(self._loop, lambda: self._run_question(question), _SETTLE)

    def _run_question(self, question: Question) -> None:
        query = self._form.query()
        if query is None:  # for example, if the comparison period starts before 1900
            self._set_busy(False)
            return
        try:
            with interruptible():
                self._run(query)
                report = self.report
                if question.column and report.rows:
                    self._view.clients.open_row(None, report.column(question.column), question.movement)
        except (CustDynError, KeyboardInterrupt):
            return  # the error is on screen

    def _show_changes(self) -> None:
        """Offer the source's earlier snapshots, starting with those of the form's query."""
        query = self._form.query()
        asked = query.to_dict() if query else None
        self._view.changes.offer(self._sources.source, self._sources.open().name, asked)

    def _run(self, query: ReportQuery, page: str = "") -> None:
        self._set_busy(True)
        self._result.set_error("")
        before, began = self._view.report, time.monotonic()
        had_table = self._result.shows_table
        try:
            with progress.report_to(Steps(self._result)):
                self._result.set_status("Counting …")
                mart = self._sources.open()
                report = report_on(query, mart)
                self._form.set_names(mart.facts.names)
            self._show(report, mart, time.monotonic() - began, page)
            self._shown_query, self._shown_data = query, self._sources.state
            self._mark_outdated()
        except QueryError as error:
            self._show_error(error)
            self._form.show_error(error)
            raise
        except CustDynError as error:
            self._show_error(error)
            raise
        except KeyboardInterrupt:
            unchanged = had_table and self._view.report is before
            self._result.set_status(
                "Stopped. The table is unchanged." if unchanged else "Stopped.", about="form"
            )
            raise CustDynError("The query was stopped.") from None
        except Exception as error:
            failed = CustDynError(f"The query failed: {type(error).__name__}: {error}")
            self._show_error(failed)
            raise failed from error
        finally:
            self._set_busy(False)

    def _show(self, report: Report, mart: OpenedMart, seconds: float, page: str) -> None:
        rows = "1 row" if len(report.rows) == 1 else f"{len(report.rows):,} rows"
        self._result.set_status(f"{rows} in {format_duration(round(seconds * 1000))}.", about="report")
        self._view.show(report, mart, self._form.output, page)

    def _form_changed(self) -> None:
        self._mark_outdated()
        self._sources.set_zone(self._form.fields()["timezone"])
        self._result.end_status("form", "file")

    def _mark_outdated(self) -> None:
        """Mark the report as outdated if the form's query has changed or the data has been read again."""
        words, data = "", self._sources.state
        if self._shown_query is not None and self._shown_data is not None and self._shown_data != data:
            words = _SYNCED if self._shown_data[0] == data[0] else _OUTDATED
        if self._shown_query is not None and self._form.query() != self._shown_query:
            words = _OUTDATED
        self._result.set_outdated(words)

    # Messages and states.

    def _try(self, act: Callable[[], None]) -> None:
        """Handle a click and show any error, which Jupyter would only log."""
        try:
            act()
        except CustDynError as error:
            self._show_error(error)
        except Exception as error:
            self._show_error(CustDynError(f"Something went wrong: {type(error).__name__}: {error}"))

    def _show_error(self, error: CustDynError) -> None:
        last = " The table below is from the last successful query." if self._result.shows_table else ""
        self._result.set_status("")
        self._result.set_error(error.message + last)

    def _names(self) -> Names | None:
        """Return the names in the data. If the data cannot be read, show the error and return None."""
        try:
            return self._sources.open().facts.names
        except CustDynError as error:
            self._show_error(error)
            return None

    def _first_query(self) -> ReportQuery:
        """Return the form's initial query. If a setting is invalid, show the error."""
        try:
            return first_query(DEFAULT)
        except SettingsError as error:
            self._show_error(error)
            return DEFAULT

    def _set_busy(self, busy: bool) -> None:
        if busy:
            self._busy = True
            self._form.set_busy(True)
        else:
            run_soon(self._loop, self._idle, _ECHO)

    def _idle(self) -> None:
        self._busy = False
        self._form.set_busy(False)
