"""The query form: a control for each field, checked on every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from typing import Any

import ipywidgets

from custdyn_widgets.engine import target_currency
from custdyn_widgets.errors import CustDynError, QueryError
from custdyn_widgets.mart import Names
from custdyn_widgets.query import FIELDS, ReportQuery
from custdyn_widgets.text import printable
from custdyn_widgets.widgets.column_chooser import ColumnChooser
from custdyn_widgets.widgets.form_button import Button
from custdyn_widgets.widgets.form_choices import Choices
from custdyn_widgets.widgets.form_control import Control
from custdyn_widgets.widgets.form_filters import Filters
from custdyn_widgets.widgets.form_interval import Interval
from custdyn_widgets.widgets.menu import Menu
from custdyn_widgets.widgets.questions import QUESTIONS
from custdyn_widgets.widgets.search_select import SearchSelect

DEFAULT = ReportQuery(interval="last_12_months")
_TIMES = {"interval.start": "Start", "interval.end": "End"}


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _nothing(*_: str) -> None:
    return None


class QueryForm:
    """A form for a query.

    Parameters
    ----------
    names
        The names in the data, for filter values and currencies.
    saved
        The key and title of each saved query.
    now
        Returns the time that presets are relative to.
    first
        The form's initial query.
    top
        Widgets above the fields.

    Attributes
    ----------
    widget
        The form.
    on_query, on_save, on_load
        Called when Query, Save Query or Load Query is clicked. The first two are called only if the query is
        valid; the last one receives the key of the saved query.
    on_question
        Called with the key of a question when the user chooses one, but only if the query is valid.
    on_change
        Called after a field changes, even if its value is invalid.
    """

    def __init__(
        self,
        names: Names,
        saved: Sequence[tuple[str, str]] = (),
        now: Callable[[], datetime] = _now,
        first: ReportQuery = DEFAULT,
        top: Sequence[ipywidgets.Widget] = (),
    ) -> None:
        self.on_query: Callable[[], None] = _nothing
        self.on_save: Callable[[], None] = _nothing
        self.on_change: Callable[[], None] = _nothing
        self.on_load: Callable[[str], None] = _nothing
        self.on_question: Callable[[str], None] = _nothing
        self._names = names
        self._busy = False
        self._quiet = False
        self._problems: dict[str, str] = {}
        self._query: ReportQuery | None = None
        self._filters = Filters(names, self._check)
        self._interval = Interval(now, self._check)
        self._choices = Choices(names, DEFAULT, self._check)
        self._make_buttons()
        self.widget = ipywidgets.VBox(
            [*top, self._filters.box, self._interval.box, self._choices.box, self._message, self._buttons]
        )
        self.widget.add_class("custdyn-form")
        for box, name in (
            (self._filters.box, "filters"), (self._interval.box, "line"), (self._choices.box, "line"),
            (self._buttons, "buttons"), (self._message, "message"),
        ):  # fmt: skip
            box.add_class(f"custdyn-{name}")
        self.set_saved(saved)
        self.load(first)

    def _make_buttons(self) -> None:
        self._query_button = Button(
            lambda: self._act_if_valid(self.on_query),
            description="Query",
            look="primary",
            tooltip="Compute and show the report.",
        )
        self._save_button = Button(
            lambda: self._act_if_valid(self.on_save),
            description="Save Query",
            tooltip="Save this query under a title so that you can run it again.",
        )
        self._load_button = Button(
            lambda: self._saved.value and self.on_load(self._saved.value),
            description="Load Query",
            tooltip="Fill the form with the selected saved query.",
        )
        self._questions = Menu(
            lambda key: self._act_if_valid(lambda: self.on_question(key)),
            description="Questions",
            tooltip="Fill in the form for a common question and show the answer.",
            options=[[key, question.words] for key, question in QUESTIONS.items()],
        )
        self._saved = Control(
            kind="choice", label="Saved query", tooltip="Your saved queries and the shared ones.", value=""
        )
        self._message = ipywidgets.HTML()
        self._buttons = ipywidgets.HBox()

    def _act_if_valid(self, then: Callable[[], None]) -> None:
        self._interval.fill()
        self._show_problems()  # removes errors from the last query
        if self._query is not None and not self._busy:
            then()

    @property
    def page(self) -> str:
        """The id of the browser page in which Query was last clicked, or ""."""
        return self._query_button.page

    @property
    def output(self) -> str:
        """The output type: `web`, `csv`, `csv-excel`, `xlsx` or `pdf`."""
        return str(self._choices.output.value)

    def fields(self) -> dict[str, Any]:
        """Return the query in the form as a JSON object, even if it is invalid."""
        fields = {
            **DEFAULT.to_dict(),
            **self._interval.fields(),
            **self._filters.fields(),
            **self._choices.fields(),
        }
        return {name: fields[name] for name in FIELDS if name in fields}

    def query(self) -> ReportQuery | None:
        """Return the query in the form, or None if a field is invalid."""
        return self._query

    def load(self, query: ReportQuery, output: str = "web") -> None:
        """Fill in the form. Values that are not in the data are marked."""
        with self._without_checks():
            self._interval.load(query)
            self._filters.load(query)
            self._choices.load(query, output)

    def set_names(self, names: Names) -> None:
        """Offer the names in new data, and mark values that are no longer there."""
        if names == self._names:
            return
        self._names = names
        with self._without_checks():
            self._filters.set_names(names)
            self._choices.set_names(names)

    def change_names(self, names: Names) -> list[str]:
        """Offer the names of another source. Remove chosen values that are not in it, and return them."""
        self.set_names(names)
        with self._without_checks():
            return [*self._filters.remove_missing(), *self._choices.remove_missing()]

    def set_saved(self, saved: Sequence[tuple[str, str]]) -> None:
        """Offer saved queries, given as keys and titles. If there are none, hide Load Query."""
        titles = [title for _, title in saved]
        self._saved.options = [
            [name, printable(title if titles.count(title) == 1 else f"{title} ({name})")]
            for name, title in saved
        ]
        if self._saved.value not in [name for name, _ in saved]:
            self._saved.value = saved[0][0] if saved else ""
        load = [self._saved, self._load_button] if saved else []
        self._buttons.children = [self._query_button, self._questions, self._save_button, *load]

    def set_busy(self, busy: bool) -> None:
        """Disable Query while a report is being computed."""
        self._busy = busy
        self._query_button.disabled = self._questions.disabled = busy or bool(self._problems)

    def show_error(self, error: CustDynError) -> None:
        """Show an error below its control, or above the buttons, until the form changes."""
        control = self._controls().get(error.field or "")
        if control:
            control.error = printable(_message_for(error))
        else:
            self._show_message(error.message)

    def _show_message(self, words: str) -> None:
        self._message.value = (
            f'<p class="custdyn-error" role="alert">{escape(printable(words))}</p>' if words else ""
        )

    @contextmanager
    def _without_checks(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False
        self._check()

    def _check(self) -> None:
        """Check the form after a change. Query is disabled if a field is invalid."""
        if self._quiet:
            return
        self._problems = self._find_problems()
        self._query = None if self._problems else ReportQuery(**self.fields())
        self._show_problems()
        self.on_change()

    def _show_problems(self) -> None:
        """Show each control's problem, replacing other errors."""
        controls = self._controls()
        for field, control in controls.items():
            control.error = printable(self._problems.get(field, ""))
        self._show_message(
            " ".join(words for field, words in self._problems.items() if field not in controls)
        )
        self._save_button.disabled = bool(self._problems)
        self.set_busy(self._busy)

    def _find_problems(self) -> dict[str, str]:
        """Return what is wrong with each invalid field."""
        groups = (self._interval, self._filters, self._choices)
        found = {field: words for group in groups for field, words in group.problems().items()}
        known = {field.partition(".")[0] for field in found}
        for name, value in self.fields().items():
            if name not in known:
                try:
                    self._check_field(name, value)
                except QueryError as error:
                    found[error.field or name] = _message_for(error)
        return found

    def _check_field(self, name: str, value: Any) -> None:
        if value is not None:
            value = FIELDS[name].check(value)
        if name == "currency" and self._names.currencies:  # without data, there is no default
            target_currency(self._names, value)

    def _controls(self) -> dict[str, SearchSelect | Control | ColumnChooser]:
        return {
            **self._interval.controls(),
            **self._filters.controls(),
            **self._choices.controls(),
        }


def _message_for(error: CustDynError) -> str:
    """Return an error's message, with the name of the field replaced by its label."""
    field = error.field or ""
    label = _TIMES.get(field) or (FIELDS[field].label if field in FIELDS else "")
    if label and error.message.startswith(field):
        return f"{label}{error.message.removeprefix(field)}"
    return error.message
