"""Somebody at the dialog that saves a query, for tests that need no browser."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from custdyn_widgets.query.checks import Period
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.folders import Stored
from custdyn_widgets.widgets.save_dialog import SaveDialog

RELATIVE = ReportQuery(interval="last_month", timezone="Asia/Tokyo", client_tags=("vip",))
OCTOBER = Period(datetime(2021, 10, 1), datetime(2021, 10, 31, 23, 59, 59))
FIXED = ReportQuery(interval=OCTOBER)


class Person:
    """Somebody at the dialog: what they see, and what they do."""

    def __init__(
        self,
        query: ReportQuery = RELATIVE,
        chart: dict[str, Any] | None = None,
        *,
        source: Any = "demo",
        loaded: Stored | None = None,
        output: str = "web",
        period: Period = OCTOBER,
    ) -> None:
        self.saved: list[Stored] = []
        self.dialog = SaveDialog(source)
        self.dialog.on_saved = self.saved.append
        seen = {(loaded.place, loaded.name): loaded.revision} if loaded else {}
        self.dialog.open(query, period, output, chart, seen, loaded)

    @classmethod
    def after_loading(cls, stored: Stored, *, source: Any = "demo") -> Person:
        """Open the dialog as the form does when a saved query was loaded and nothing was changed."""
        saved, interval = stored.saved, stored.saved.query.interval
        period = interval if isinstance(interval, Period) else OCTOBER
        return cls(saved.query, saved.chart, source=source, loaded=stored, output=saved.output, period=period)

    def do(self, what: str, **typed: str) -> None:
        view = self.dialog.widget
        view._handle_custom_msg({"do": what, "fields": {**view.fields, **typed}}, [])

    def save(self, title: str, **typed: str) -> None:
        self.do("save", title=title, **typed)

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.dialog.widget.fields)

    @property
    def error(self) -> str:
        return self.dialog.widget.error[0] if self.dialog.widget.error else ""

    @property
    def wrong(self) -> str:
        """The field that the error is about."""
        return self.dialog.widget.error[1] if self.dialog.widget.error else ""

    @property
    def question(self) -> list[str]:
        return list(self.dialog.widget.question)

    def offered(self, what: str) -> list[str]:
        return [key for key, _ in getattr(self.dialog.widget, what)]
