"""The sources of a form: opening the chosen one, changing to another, and reading a database again.

A database is read in a separate thread, so that the form and the notebook can be used in the meantime. Until
it has been read, reports use the old data.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import ipywidgets

from custdyn_widgets import progress
from custdyn_widgets.errors import CustDynError, SettingsError, SourceError, mask_passwords, shown
from custdyn_widgets.mart import (
    Names,
    OpenedMart,
    Source,
    SourceLike,
    last_synced,
    named_sources,
    open_mart,
)
from custdyn_widgets.widgets.form import QueryForm
from custdyn_widgets.widgets.main_thread import interruptible, run_soon
from custdyn_widgets.widgets.result import ResultPanel, Steps
from custdyn_widgets.widgets.source_choice import SourceChoice

if TYPE_CHECKING:
    from custdyn_widgets.mart import SyncResult


class FormSources:
    """The sources that a form offers.

    Parameters
    ----------
    opened
        The source that the form was opened with.
    result
        The panel that shows progress and results.
    loop
        The event loop of the kernel's main thread, or None if there is no kernel.

    Attributes
    ----------
    form
        The form, once it exists.
    on_error
        Called with an error to show.
    on_busy
        Called with True when a change to another source begins, and with False when it ends.
    on_new_data
        Called when the form's data has changed.
    """

    def __init__(
        self, opened: SourceLike, result: ResultPanel, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self.form: QueryForm | None = None
        self.on_error: Callable[[CustDynError], None] = lambda _error: None
        self.on_busy: Callable[[bool], None] = lambda _busy: None
        self.on_new_data: Callable[[], None] = lambda: None
        self._result, self._loop = result, loop
        self._syncing: threading.Event | None = None  # set to stop the sync that is running
        self._syncs = 0
        named = self._named()
        self._choice = SourceChoice(
            opened, named, picked=self._picked, sync=self._begin_sync, stop=self._stop
        )
        self._last: tuple[str, int | None] = (self._choice.key, None)
        self.widgets: list[ipywidgets.Widget] = [self._choice.widget] if named else []

    def _named(self) -> Mapping[str, Source]:
        try:
            return named_sources()
        except SettingsError as error:
            self._result.set_error(error.message)
            return {}

    @property
    def source(self) -> SourceLike:
        """The chosen source."""
        return self._choice.source

    @property
    def state(self) -> tuple[str, int]:
        """The chosen source and how many times the form has read it, which together identify its data."""
        return self._choice.key, self._syncs

    def open(self) -> OpenedMart:
        """Open the chosen source, and show the time of its data.

        Raises
        ------
        CustDynError
            As for `open_mart`.
        """
        choice = self._choice
        if choice.is_database:
            choice.set_data_as_of(last_synced(choice.key))
            if choice.data_as_of is None:
                raise SourceError(
                    f"Source {shown(choice.key)} is a database that has not been read yet. Click Sync.",
                    field="source",
                )
        mart = open_mart(choice.source)
        choice.set_data_as_of(mart.data_as_of)
        self._last = choice.key, mart.data_as_of
        return mart

    def set_zone(self, zone: object) -> None:
        """Show times in the given time zone."""
        self._choice.set_zone(str(zone))

    def change_to(self, name: str | None) -> bool:
        """Choose a saved query's source if it is configured; return whether the source changed.

        Raises
        ------
        CustDynError
            If a database is being read.
        """
        if not name or not self._choice.offers(name) or name == self._choice.key:
            return False
        if self._syncing:
            raise CustDynError(
                f"The saved query reads {shown(name)}. Wait until the sync ends, or stop it. "
                "Then load the query again."
            )
        self._choice.select(name, None)
        return True

    # Another source.

    def _picked(self) -> None:
        self.on_busy(True)
        run_soon(self._loop, self._change)

    def _change(self) -> None:
        """Open the source that the user picked and offer its names; called in the main thread."""
        self._result.set_error("")
        try:
            self._result.set_status("Opening …")
            with interruptible(), progress.report_to(Steps(self._result)):
                names = self.open().facts.names
        except KeyboardInterrupt:
            self._choice.select(*self._last)
            self._result.set_status(f"Stopped. The source is {self._choice.label}, as before.")
        except CustDynError as error:
            self.on_error(error)
        except Exception as error:
            self.on_error(_unexpected("The source cannot be opened", error))
        else:
            dropped = self.form.change_names(names) if self.form else []
            gone = f" Removed because they are not in its data: {'; '.join(dropped)}." if dropped else ""
            self._result.set_status(f"The source is {self._choice.label}.{gone} Click Query for a report.")
        finally:
            self._last = self._choice.key, self._choice.data_as_of
            self.on_new_data()
            self.on_busy(False)

    # Sync.

    def _begin_sync(self) -> None:
        if self._syncing:
            return
        self._syncing = stop = threading.Event()
        self._result.set_error("")
        self._choice.set_syncing(True)
        name = self._choice.key

        def sync() -> None:
            outcome = self._sync(name, stop)
            run_soon(self._loop, lambda: self._end_sync(name, outcome))

        if self._loop is None:
            sync()
        else:
            threading.Thread(target=sync, name=f"custdyn sync {name}", daemon=True).start()

    def _sync(self, name: str, stop: threading.Event) -> tuple[SyncResult, Names] | CustDynError:
        """Read a database, and build what reports need; called in a separate thread."""
        from custdyn_widgets.mart import sync_source  # imported late because this is slow

        try:
            with progress.report_to(_Stoppable(self._result, stop)):
                found = sync_source(name)
            with progress.report_to(Steps(self._result)):
                return found, open_mart(name).facts.names
        except CustDynError as error:
            return error
        except Exception as error:
            return _unexpected("The sync failed", error)

    def _end_sync(self, name: str, outcome: tuple[SyncResult, Names] | CustDynError) -> None:
        self._syncing = None
        self._choice.set_data_as_of(last_synced(name))
        self._choice.set_syncing(False)
        if isinstance(outcome, _StoppedError):
            self._result.set_status(f"{outcome.message} {self._remaining(name)}")
        elif isinstance(outcome, CustDynError):
            self.on_error(CustDynError(f"{outcome.message} {self._remaining(name)}"))
        else:
            self._syncs += 1
            found, names = outcome
            *lines, summary = found.text().split("\n")
            if self.form:
                self.form.set_names(names)
            self._choice.show_found("\n".join(lines))
            self._result.set_status(summary)
            self.on_new_data()

    def _stop(self) -> None:
        if self._syncing:
            self._syncing.set()
            self._result.set_status("Stopping …")

    def _remaining(self, name: str) -> str:
        """Return a sentence about the data that reports use after an unsuccessful sync."""
        read_at = last_synced(name)
        if read_at is None:
            return f"Source {shown(name)} has not been read yet."
        return f"Reports still use the data as of {self._choice.clock(read_at)}."


class _StoppedError(CustDynError):
    """The user stopped a sync."""


class _Stoppable(Steps):
    """Shows the progress of a sync, and ends the sync at its next step if the user has stopped it."""

    def __init__(self, result: ResultPanel, stop: threading.Event) -> None:
        super().__init__(result)
        self._stop = stop

    def step(self, words: str, done: float) -> None:
        """Show a step."""
        if self._stop.is_set():
            raise _StoppedError("The sync was stopped.")
        super().step(words, done)


def _unexpected(what: str, error: Exception) -> CustDynError:
    return CustDynError(mask_passwords(f"{what}: {type(error).__name__}: {error}"))
