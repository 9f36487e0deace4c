"""The dialog that saves a query under a title, shown below the form's buttons."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError, SavedQueryChangedError, SavedQueryExistsError, shown
from custdyn_widgets.mart import SourceLike
from custdyn_widgets.query import Period, ReportQuery
from custdyn_widgets.report import Column
from custdyn_widgets.saved_queries import Place, SavedQuery, Stored, name_for
from custdyn_widgets.text import cut_short, isolate, printable
from custdyn_widgets.widgets import dialog_automation as automation
from custdyn_widgets.widgets.dialog_alerts import Choices, choices, in_dialog

_PLACES = [["mine", "Mine"], ["shared", "Shared with everyone who uses the shared folder"]]
_OUTPUTS = [["web", "Table"], ["csv", "CSV"], ["csv-excel", "Excel CSV"], ["xlsx", "XLSX"], ["pdf", "PDF"]]
_EMPTY = {
    "title": "",
    "description": "",
    "place": "mine",
    "interval": "fixed",
    "output": "web",
    "chart": "none",
    **automation.empty_fields("UTC"),
}
_MAX_TEXT_LENGTH, _MAX_QUESTION_LENGTH = 200, 1_000


class DialogView(anywidget.AnyWidget):
    """The browser side of the dialog.

    Attributes
    ----------
    opened
        0 while the dialog is closed, and a different number each time it is opened.
    asked
        The description of the query to save. The form may have changed since.
    fields
        The values as strings, by name.
    outputs, places, intervals, charts
        The value and label of each choice.
    error
        The message, its field, and a number that is different for each error; or empty.
    question
        The question and its two answers, to overwrite or keep; or empty.
    division
        The label of the checkbox to send a report for each company, or "".
    conditions
        The values and labels to choose from in each part of a condition; see `dialog_alerts.choices`.
    """

    _esm = Path(__file__).with_name("save_dialog.js")
    _css = Path(__file__).with_name("save_dialog.css")

    opened = traitlets.Int(0).tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)
    fields: Any = traitlets.Dict(_EMPTY).tag(sync=True)
    outputs: Any = traitlets.List(_OUTPUTS).tag(sync=True)
    places: Any = traitlets.List(_PLACES).tag(sync=True)
    intervals: Any = traitlets.List().tag(sync=True)
    charts: Any = traitlets.List().tag(sync=True)
    error: Any = traitlets.List().tag(sync=True)
    question: Any = traitlets.List().tag(sync=True)
    division = traitlets.Unicode().tag(sync=True)
    conditions: Any = traitlets.Dict().tag(sync=True)


class SaveDialog:
    """A dialog that asks for the remaining fields of a saved query and saves it.

    Parameters
    ----------
    source
        The form's source, which is also the source of scheduled runs.

    Attributes
    ----------
    source
        The form's source, to be updated whenever the form's source changes.
    widget
        The dialog, which is empty until it is opened.
    on_saved
        Called with the stored query.
    """

    def __init__(self, source: SourceLike = "demo") -> None:
        self.source = source
        self.on_saved: Callable[[Stored], None] = lambda _stored: None
        self.widget = DialogView()
        self.widget.add_class("custdyn-dialog")
        self.widget.on_msg(self._asked)
        self._query: ReportQuery | None = None
        self._period: Period | None = None
        self._chart: dict[str, Any] | None = None
        self._seen: Mapping[tuple[Place, str], str] = {}
        self._loaded: Stored | None = None
        self._over: str | None = None  # the revision that the open question is about
        self._count = 0

    @property
    def is_open(self) -> bool:
        """Whether the dialog is open."""
        return bool(self.widget.opened > 0)

    def open(
        self,
        query: ReportQuery,
        period: Period,
        output: str,
        chart: dict[str, Any] | None,
        seen: Mapping[tuple[Place, str], str] | None = None,
        loaded: Stored | None = None,
    ) -> None:
        """Open the dialog for a query.

        Parameters
        ----------
        query
            The query to save.
        period
            The interval as of now, which is saved if the user chooses a fixed interval.
        output
            The output: `web`, `csv`, `csv-excel`, `xlsx` or `pdf`.
        chart
            The chart on screen, as returned by `ChartPanel.choice`.
        seen
            The revisions that the user has loaded or saved, by place and name, to detect later edits.
        loaded
            The saved query last loaded or saved, which fills the other fields.
        """
        self._seen, self._loaded = seen or {}, loaded
        self._query, self._period, self._chart = query, period, chart
        self._clear_question()
        self._count += 1
        fixed = ["fixed", f"Fixed: {period.start} to {period.end} ({query.timezone})"]
        with self.widget.hold_sync():
            self.widget.intervals = [*_relative(query), fixed]
            self.widget.charts = [*_drawn(chart), ["none", "None"]]
            self.widget.asked = printable(
                cut_short(query.describe(isolate), _MAX_QUESTION_LENGTH), isolates=True
            )
            first = {"interval": self.widget.intervals[0][0], "chart": self.widget.charts[0][0]}
            own = {**automation.empty_fields(query.timezone), **(_shown_of(loaded) if loaded else {})}
            self.widget.conditions = self._choices()
            self.widget.division = automation.describe_for_each(loaded.saved.for_each if loaded else None)
            self.widget.fields = {**_EMPTY, **first, **own, "output": output}
            self.widget.error = []
            self.widget.opened = self._count

    def close(self) -> None:
        """Close the dialog."""
        self._clear_question()
        self.widget.opened = 0

    def _asked(self, _widget: object, message: object, _buffers: object) -> None:
        """Handle a click on save, overwrite, keep or cancel."""
        if not self.is_open or not isinstance(message, Mapping) or not isinstance(message.get("do"), str):
            return
        typed = message.get("fields")
        if not isinstance(typed, Mapping):
            return
        self.widget.fields = {name: str(typed.get(name, value)) for name, value in _EMPTY.items()}
        if message["do"] == "save":
            self._save(over=None)
        elif message["do"] == "overwrite" and self.widget.question:
            self._save(over=self._over)
        elif message["do"] == "keep":
            self._clear_question()
        elif message["do"] == "cancel":
            self.close()

    def _save(self, over: str | None) -> None:
        place: Place = "shared" if self.widget.fields["place"] == "shared" else "mine"
        self._clear_question()
        asked = {"division_asked": bool(self.widget.division)}
        existing = None
        try:
            saved = self._typed(place)
            existing = _existing(name_for(saved.title), place)
            saved = replace(saved, **automation.hidden_values(existing, saved, **asked))
            stored = saved_queries.save(saved, place, over=over)
        except SavedQueryExistsError as error:
            more = (
                automation.describe_lost(existing, saved) + automation.describe_kept(existing, **asked)
                if existing
                else ""
            )
            if self._seen.get((place, name_for(saved.title)), error.revision) == error.revision:
                words = f"A saved query with this name already exists: {shown(error.title)}. Overwrite it?"
                self._ask(words + more, "Overwrite", "Keep", error.revision)
            else:
                which = f"the saved query {shown(error.title)} since you last saw it"
                words = f"Someone else has changed {which}. Overwrite it?"
                self._ask(words + more, "Overwrite anyway", "Cancel", error.revision)
        except SavedQueryChangedError as error:
            done, answer = ("changed", "Overwrite") if error.revision else ("deleted", "Save")
            words = f"Someone else has {done} this saved query in the meantime. Nothing was overwritten."
            self._ask(words, f"{answer} anyway", "Cancel", error.revision)
        except CustDynError as error:
            self._count += 1
            error = in_dialog(error)
            field = error.field or ""
            words = error.message.removeprefix(f"{field}: ") if field in _EMPTY else error.message
            self.widget.error = [printable(words), field, self._count]
        else:
            self.close()
            self.on_saved(stored)

    def _typed(self, place: Place) -> SavedQuery:
        """Return the saved query described by the fields."""
        assert self._query is not None
        assert self._period is not None
        typed, query = self.widget.fields, self._query
        if not typed["title"].strip():
            raise CustDynError("Enter a title.", field="title")
        if typed["interval"] == "fixed":
            query = replace(query, interval=self._period)
        return SavedQuery(
            title=typed["title"].strip(),
            query=query,
            description=typed["description"].strip(),
            output=typed["output"],
            chart=self._chart if typed["chart"] == "now" else None,
            for_each=automation.for_each_in(typed, self._loaded, place),
            **automation.arguments_in(typed, self.source, self._columns),
        )

    def _columns(self) -> tuple[Column, ...]:
        """Return the columns of the query's report."""
        from custdyn_widgets.engine import columns_of  # imported late because it loads pandas

        assert self._query is not None
        return columns_of(self._query)

    def _choices(self) -> Choices:
        """Return the choices for conditions, without columns if an extension cannot be imported."""
        assert self._query is not None
        columns: tuple[Column, ...] = ()
        with contextlib.suppress(CustDynError):
            columns = self._columns()
        return choices(self._query, columns, self._loaded.saved.alert_if if self._loaded else ())

    def _ask(self, words: str, yes: str, no: str, revision: str | None) -> None:
        self._over = revision
        self.widget.question = [printable(words), yes, no]

    def _clear_question(self) -> None:
        self._over = None
        self.widget.question = []
        self.widget.error = []


def _shown_of(stored: Stored) -> dict[str, str]:
    """Return the fields of a stored query, except interval, output and chart, which come from the form."""
    saved = stored.saved
    own = {"title": saved.title, "description": saved.description, "place": stored.place}
    return {**own, **automation.fields_of(saved)}


def _existing(name: str, place: Place) -> SavedQuery | None:
    """Return the saved query with this name, or None if it does not exist or is invalid."""
    with contextlib.suppress(CustDynError):
        return saved_queries.load(name, place).saved
    return None


def _relative(query: ReportQuery) -> list[list[str]]:
    if isinstance(query.interval, Period):
        return []
    words = query.interval.replace("_", " ").capitalize()
    return [["relative", f"Relative: {words}, as of each run"]]


def _drawn(chart: Mapping[str, Any] | None) -> list[list[str]]:
    if not chart:
        return []
    named = chart.get("preset") or chart.get("title") or ", ".join(chart.get("y", []))
    return [["now", f"The chart shown now: {printable(cut_short(str(named), _MAX_TEXT_LENGTH))}"]]
