"""The form's choice of source: what it offers, as of when the data is, and Sync, without a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets import ReportQuery, Source
from custdyn_widgets.errors import SourceError
from custdyn_widgets.notebook.template import check_parameters, default_template, read_template
from custdyn_widgets.progress import listener as progress
from custdyn_widgets.saved_queries import folders as saved_queries
from custdyn_widgets.saved_queries.content import SavedQuery
from tests import synced
from tests.databases import Database
from tests.widgets.test_app import MART, QUERY, Person

SMALL = Path(__file__).parents[1] / "golden" / "small" / "mart"
MIDDLE_OF_2020 = 1593604800
SYNC = "custdyn_widgets.mart.sync_source"


@pytest.fixture(autouse=True)
def own(own_marts: None) -> None:
    """Have sources, marts and a cache of the test's own."""


def define(**sections: str) -> None:
    """Write sources.toml."""
    text = "".join(f"[{name}]\n{keys}\n" for name, keys in sections.items())
    Path(os.environ["CUSTDYN_SOURCES"]).write_text(text, encoding="utf-8")


class AtSources(Person):
    """Somebody at a form with sources."""

    @property
    def choice(self) -> Any:
        return self.dynamics._sources._choice

    @property
    def offered_sources(self) -> list[str]:
        if self.choice.widget not in self.form.widget.children:
            return []
        return [label for _, label in self.choice._control.options]

    @property
    def as_of(self) -> str:
        return str(self.choice._as_of.value).split(">")[1].split("<")[0]

    def choose(self, label: str) -> None:
        self.choice._control.value = {text: key for key, text in self.choice._control.options}[label]

    def sync(self) -> None:
        self.choice._sync._handle_custom_msg({"clicked": True}, [])

    def stop(self) -> None:
        self.choice._stop._handle_custom_msg({"clicked": True}, [])

    @property
    def buttons(self) -> list[str]:
        both = (self.choice._sync, self.choice._stop)
        shown = [button for button in both if button.layout.visibility == "visible"]
        return [button.description + (" (off)" if button.disabled else "") for button in shown]

    @property
    def found(self) -> str:
        return str(self.choice._found.value) if len(self.choice.widget.children) == 2 else ""


# What is offered.


@pytest.mark.parametrize("source", [MART, str(MART)])
def test_a_form_on_one_path_is_as_it_was(source: Any) -> None:
    person = AtSources(source)
    assert person.offered_sources == []
    assert len(person.form.widget.children) == 5


def test_the_configured_sources_are_offered_with_the_one_that_the_form_was_opened_with(
    tmp_path: Path,
) -> None:
    define(shop=f'path = "{SMALL}"', other=f'path = "{MART}"')
    assert AtSources("shop").offered_sources == ["shop", "other"]
    assert AtSources(MART).offered_sources == ["mart", "shop", "other"]
    assert AtSources(Source(MART, name="<b>")).offered_sources[0] == "<b>"
    assert AtSources(Source(MART)).offered_sources[0] == "mart"
    assert AtSources("/").offered_sources[0] == "/"
    for data in ({}, Source({}), None):
        assert AtSources(data).offered_sources[0] == "This notebook's data"
    twin = tmp_path / "shop"
    shutil.copytree(MART, twin)
    assert AtSources(twin).offered_sources == ["shop (from this notebook)", "shop", "other"]
    define(shop=f'path = "{SMALL}"')
    person = AtSources("shop")
    assert person.offered_sources == ["shop"]
    assert person.buttons == []


def test_a_sources_file_that_cannot_be_read_is_told_and_the_form_is_as_it_was() -> None:
    Path(os.environ["CUSTDYN_SOURCES"]).write_text("[shop")
    person = AtSources(MART)
    assert "sources.toml is not valid TOML" in person.error
    assert person.offered_sources == []
    person.form.load(QUERY)
    person.query()
    assert person.error == ""


def test_as_of_when_the_data_is_follows_the_forms_zone(tmp_path: Path) -> None:
    mart = tmp_path / "mart"
    shutil.copytree(MART, mart)
    for file in mart.iterdir():
        os.utime(file, (MIDDLE_OF_2020, MIDDLE_OF_2020))
    define(shop=f'path = "{mart}"')
    person = AtSources("shop")
    assert person.as_of == "Data as of 2020-07-01 12:00:00 UTC"
    person.form._interval.zone.value = ["Europe/Kyiv"]
    assert person.as_of == "Data as of 2020-07-01 15:00:00 +03:00"
    assert "15:00:00 +03:00" in person.choice._control.tooltip
    person.form._interval.zone.value = ["Nowhere"]
    assert person.as_of == "Data as of 2020-07-01 15:00:00 +03:00"


# Another source.


def test_another_source_is_queried_and_what_it_lacks_is_left_out_and_told() -> None:
    define(shop=f'path = "{SMALL}"', other=f'path = "{MART}"')
    person = AtSources("other")
    names = person.form._names
    lacking, package = names.companies[0], names.packages[0][0]
    person.form.load(ReportQuery(QUERY.interval, company=(lacking,), package=(package,), active_duration=3))
    person.query()
    assert person.dynamics.report.info.source == "other"
    person.choose("shop")
    assert lacking not in person.form._names.companies
    assert person.status.startswith("The source is shop. Removed because they are not in its data: company '")
    assert "package" in person.status
    assert person.dynamics.query == ReportQuery(QUERY.interval, active_duration=3)
    assert person.form._filters.rows == {}
    assert "The form has changed" in person.outdated
    assert not person.form._query_button.disabled
    person.query()
    assert (person.dynamics.report.info.source, person.outdated) == ("shop", "")


def test_values_that_the_other_source_also_has_are_kept(tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(MART, twin)
    define(shop=f'path = "{MART}"', twin=f'path = "{twin}"')
    person = AtSources("shop")
    names = person.form._names
    asked = ReportQuery(QUERY.interval, company=names.companies[:1], currency=names.currencies[0])
    person.form.load(asked)
    person.choose("twin")
    assert person.status == "The source is twin. Click Query for a report."
    assert person.dynamics.query == asked


def test_a_currency_that_the_other_source_lacks_becomes_the_default() -> None:
    define(shop=f'path = "{SMALL}"', other=f'path = "{MART}"')
    person = AtSources("other")
    person.form.load(ReportQuery(QUERY.interval, currency="XAU"))
    person.choose("shop")
    assert "currency XAU" in person.status
    assert person.form._choices.currency.value == ""


def test_a_source_that_cannot_be_read_is_told_and_another_can_be_chosen(tmp_path: Path) -> None:
    define(shop=f'path = "{SMALL}"', gone='path = "nowhere"')
    person = AtSources("shop")
    person.choose("gone")
    assert "is not a folder that exists" in person.error
    assert person.as_of == ""
    person.choose("shop")
    assert (person.error, person.as_of[:10]) == ("", "Data as of")


def test_query_is_off_while_another_source_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    define(shop=f'path = "{SMALL}"', other=f'path = "{MART}"')
    person = AtSources("shop")
    seen: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        "custdyn_widgets.widgets.form_sources.open_mart",
        lambda _source: seen.append((person.status, person.form._query_button.disabled)),
    )
    person.choose("other")
    assert seen == [("Opening …", True)]
    assert not person.form._query_button.disabled


@pytest.mark.parametrize(
    ("error", "words"), [(KeyboardInterrupt(), ""), (MemoryError("no room"), "MemoryError: no room")]
)
def test_a_change_of_source_can_be_stopped_and_no_error_is_lost(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, words: str
) -> None:
    def broken(_source: object) -> Any:
        raise error

    define(shop=f'path = "{SMALL}"', other=f'path = "{MART}"')
    person = AtSources("shop")
    as_of = person.as_of
    monkeypatch.setattr("custdyn_widgets.widgets.form_sources.open_mart", broken)
    person.choose("other")
    assert words in person.error
    assert not person.form._query_button.disabled
    if not words:
        assert person.status == "Stopped. The source is shop, as before."
        assert (person.choice._control.value, person.as_of) == ("shop", as_of)


# Saved queries and templates take the name.


def test_a_schedule_saves_the_name_of_the_chosen_source() -> None:
    define(shop=f'path = "{SMALL}"', other=f'path = "{MART}"')
    person = AtSources("shop")
    person.form.load(QUERY)
    person.choose("other")
    person.form._save_button.click()
    view = person.dialog.widget
    fields = {**view.fields, "title": "Monthly", "schedule.cron": "0 7 1 * *"}
    view._handle_custom_msg({"do": "save", "fields": fields}, [])
    assert saved_queries.load("monthly").saved.source == "other"


def test_loading_a_saved_query_chooses_its_source_if_it_is_configured() -> None:
    define(shop=f'path = "{SMALL}"', other=f'path = "{MART}"')
    company = AtSources("other").form._names.companies[0]
    asked = ReportQuery(QUERY.interval, company=(company,))
    saved_queries.save(SavedQuery("Of other", asked, source="other"), "mine", over=None)
    saved_queries.save(SavedQuery("Of a path", QUERY, source="/nowhere"), "mine", over=None)
    person = AtSources("shop")
    statuses: list[str] = []
    person.result.observe(lambda change: statuses.append(change["new"]["words"]), "_status")
    person.load("Of other")
    assert statuses == [person.status]
    assert person.status == "Loaded: Of other, from other. Click Query to run it."
    assert (person.choice._control.value, person.dynamics.query) == ("other", asked)
    person.load("Of a path")
    assert person.status == "Loaded: Of a path. Click Query to run it."
    assert person.choice._control.value == "other"


# Sync


class FakeSync:
    """What `sync_source` would do: its steps, and how it ends."""

    def __init__(self, ending: Callable[[], Any]) -> None:
        self.ending = ending
        self.asked: list[str] = []

    def __call__(self, name: str) -> Any:
        self.asked.append(name)
        progress.step("Reading clients: 7 rows", 0.25)
        return self.ending()


def raised(error: Exception) -> Any:
    raise error


@pytest.fixture
def shop(postgresql: Database) -> Database:
    """A database that is the source `shop`, beside a source of files."""
    synced.create(postgresql)
    define(shop=f'url = "{postgresql.url}"', files=f'path = "{MART}"')
    return postgresql


def test_a_database_is_read_again_and_what_changed_is_told(shop: Database) -> None:
    person = AtSources("shop")
    assert "'shop' is a database that has not been read yet. Click Sync." in person.error
    assert (person.as_of, person.buttons) == ("Not read yet", ["Sync"])
    statuses: list[dict[str, Any]] = []
    person.result.observe(lambda change: statuses.append(change["new"]), "_status")
    person.sync()
    assert person.error == ""
    assert person.status.startswith("shop: 1 client, 2 transactions")
    assert statuses[0] == {"words": "Connecting to the database", "done": 0.0}
    assert (person.as_of[:13], person.outdated) == ("Data as of 20", "")
    assert (person.found, person.buttons) == ("", ["Sync", "Stop (off)"])
    assert person.form._names.currencies == ("USD",)
    person.form.load(synced.EVERYONE)
    person.query()
    assert (person.dynamics.report.info.source, person.outdated) == ("shop", "")
    shop.run(
        "UPDATE transactions SET amount = 20 WHERE transaction_id = '2'",
        "ALTER TABLE clients ADD COLUMN company text DEFAULT 'Acme'",
    )
    person.sync()
    assert "Changes to past transactions:" in person.found
    assert "2021-03  refill" in person.found
    assert person.form._names.companies == ("Acme",)
    person.choose("files")
    assert (person.found, person.buttons) == ("", [])


def test_a_report_from_before_a_sync_is_marked_until_the_next(shop: Database) -> None:
    person = AtSources("shop")
    person.sync()
    assert person.outdated == ""
    person.form.load(synced.EVERYONE)
    person.query()
    person.sync()
    assert person.outdated.startswith(
        "The data has been read again. The report below is from the earlier data"
    )
    person.form._choices.months.value = 9
    assert person.outdated.startswith("The form has changed")
    person.form.load(synced.EVERYONE)
    assert person.outdated.startswith("The data has been read again.")
    person.query()
    assert person.outdated == ""


def test_a_sync_that_fails_leaves_the_data_and_says_so(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = AtSources("shop")
    with monkeypatch.context() as patch:
        patch.setattr(SYNC, FakeSync(lambda: raised(SourceError("The server sleeps."))))
        person.sync()
    assert person.error == "The server sleeps. Source 'shop' has not been read yet."
    person.sync()
    as_of = person.as_of
    shop.run("UPDATE transactions SET client_id = 'nobody' WHERE transaction_id = '1'")
    person.form.load(synced.EVERYONE)
    person.sync()
    assert "The mart of 'shop' was not replaced." in person.error
    assert person.error.endswith(f"Reports still use the data {as_of.removeprefix('Data ')}.")
    assert (person.status, person.as_of, person.outdated) == ("", as_of, "")
    person.query()
    assert len(person.dynamics.table) == 1


def test_an_error_that_nobody_foresaw_shows_no_password(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = AtSources("shop")
    fake = FakeSync(lambda: raised(ValueError("postgresql://me:hunter2@host/db")))
    monkeypatch.setattr(SYNC, fake)
    person.sync()
    assert "The sync failed: ValueError" in person.error
    assert "hunter2" not in person.error


def test_what_a_sync_found_is_shown_as_text() -> None:
    define(shop=f'path = "{SMALL}"')
    person = AtSources("shop")
    person.choice.show_found("<b>bold</b>\nof \u202eright")
    assert "&lt;b&gt;bold&lt;/b&gt;\nof \ufffdright</div>" in person.found


# In a kernel, where a sync has a thread of its own.


def in_a_kernel(steps: Callable[[AtSources], Any]) -> None:
    """Run steps at a form on `shop` in an event loop."""

    async def main() -> None:
        person = AtSources("shop")
        await steps(person)

    asyncio.run(main())


async def until(met: Callable[[], bool]) -> None:
    for _ in range(1000):
        if met():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


def test_the_form_works_while_a_database_is_read(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    AtSources("shop").sync()
    go_on, reading = threading.Event(), threading.Event()

    def wait() -> Any:
        reading.set()
        assert go_on.wait(10)
        raise SourceError("Lost.")

    fake = FakeSync(wait)
    monkeypatch.setattr(SYNC, fake)
    saved_queries.save(SavedQuery("Of files", QUERY, source="files"), "mine", over=None)

    async def steps(person: AtSources) -> None:
        person.sync()
        await until(reading.is_set)
        assert person.buttons == ["Sync (off)", "Stop"]
        assert person.choice._control.disabled
        assert person.result._status == {"words": "Reading clients: 7 rows", "done": 0.25}
        person.choice._sync.click()  # a second click changes nothing
        person.form.load(synced.EVERYONE)
        person.query()
        await until(lambda: person.view.report is not None and not person.form._query_button.disabled)
        person.load("Of files")
        assert "Wait until the sync ends" in person.error
        go_on.set()
        await until(lambda: "Lost." in person.error)
        assert person.buttons == ["Sync", "Stop (off)"]
        assert not person.choice._control.disabled

    in_a_kernel(steps)
    assert fake.asked == ["shop"]


def test_a_sync_is_stopped_at_its_next_step(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, reading = threading.Event(), threading.Event()

    def read_on() -> Any:
        reading.set()
        assert stopped.wait(10)
        progress.step("Reading clients: 8 rows", 0.5)
        raise AssertionError("it was not stopped")

    monkeypatch.setattr(SYNC, FakeSync(read_on))

    async def steps(person: AtSources) -> None:
        person.stop()  # nothing to stop
        person.sync()
        await until(reading.is_set)
        person.stop()
        assert person.status == "Stopping …"
        stopped.set()
        await until(lambda: person.status.startswith("The sync was stopped."))
        assert person.status == "The sync was stopped. Source 'shop' has not been read yet."
        assert person.error == ""

    in_a_kernel(steps)


def test_a_stop_leaves_the_mart_of_the_last_sync(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    person = AtSources("shop")
    person.sync()
    before = person.as_of
    shop.run("UPDATE transactions SET amount = 20")
    with monkeypatch.context() as patch:
        patch.setattr("threading.Event.is_set", lambda _self: True)  # as if Stop had been clicked
        person.sync()
    assert person.status.startswith("The sync was stopped. Reports still use the data as of")
    assert person.as_of == before
    assert synced.balance() == Decimal("11.25")


def test_a_template_takes_the_name_of_a_synced_source(shop: Database) -> None:
    AtSources("shop").sync()
    given = {"source": "shop", "interval": {"start": "2021-01-01", "end": "2021-12-31"}}
    assert check_parameters(read_template(default_template()), given)["source"] == "shop"
