"""Saving the form's query, and loading saved queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from custdyn_widgets.mart import Names
from custdyn_widgets.query import resolve
from custdyn_widgets.saved_queries import Stored
from custdyn_widgets.widgets.form import QueryForm
from custdyn_widgets.widgets.form_sources import FormSources
from custdyn_widgets.widgets.report_view import ReportView
from custdyn_widgets.widgets.save_dialog import SaveDialog
from custdyn_widgets.widgets.saved_choices import SavedChoices


class Saving:
    """The actions Save Query and Load Query.

    Parameters
    ----------
    form, saved, sources, view
        The form, its saved queries and sources, and the report on screen.

    Attributes
    ----------
    dialog
        The dialog that saves a query.
    read_names
        Returns the names in the data, or None after showing an error.
    """

    def __init__(self, form: QueryForm, saved: SavedChoices, sources: FormSources, view: ReportView) -> None:
        self._form, self._saved, self._sources, self._view = form, saved, sources, view
        self.dialog = SaveDialog(sources.source)
        self.read_names: Callable[[], Names | None] = lambda: None

    def save(self) -> None:
        """Open the dialog for the query in the form."""
        query = self._form.query()
        if query is not None:
            period = resolve(query, datetime.now(UTC).replace(microsecond=0)).period
            seen, loaded = self._saved.seen, self._saved.latest
            self.dialog.source = self._sources.source
            self.dialog.open(query, period, self._form.output, self._view.chart(), seen, loaded)

    def after_saving(self, stored: Stored) -> None:
        """Offer a saved query that the dialog has just written."""
        self._saved.mark_seen(stored)
        self._form.set_saved(self._saved.listed())
        self._view.panel.set_status(f"Saved as {stored.saved.title}.", about="form")

    def load(self, key: str) -> None:
        """Load the saved query with this key into the form.

        Raises
        ------
        CustDynError
            If it no longer exists or is invalid.
        """
        self._view.panel.set_error("")
        try:
            saved = self._saved.load(key).saved
        finally:
            self._form.set_saved(self._saved.listed())
        moved = self._sources.change_to(saved.source)
        self._view.wanted_chart = saved.chart
        self._form.load(saved.query, saved.output)
        if (moved or self._form.query() is None) and (names := self.read_names()):  # there may be new values
            self._form.set_names(names)
            self._form.load(saved.query, saved.output)
        about = f"Loaded: {saved.title}{f', from {saved.source}' if moved else ''}."
        self._view.panel.set_status(f"{about} Click Query to run it.", about="form")
