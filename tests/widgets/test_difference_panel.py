"""The panel of changes: the clients behind them, as the command line names them, and a link of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets import CustomerDynamics, compare_snapshots, run_report
from custdyn_widgets.publish.freezing import freeze
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render import table_csv
from custdyn_widgets.report.client_changes import ClientChange, ClientChanges
from custdyn_widgets.report.difference import ReportDifference
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.widgets import client_view, publishing
from custdyn_widgets.widgets.changed_client_list import ChangedClientList
from custdyn_widgets.widgets.publishing import SHARED, Published, publish_report
from tests.widgets.test_questions import mart

QUERY = ReportQuery(interval="last_12_months")
HOSTILE = "<img src=x onerror=alert(1)>\u202e=1+1"


class Analyst:
    """Somebody who compares a snapshot with data that was re-rated since."""

    def __init__(self, folder: Path) -> None:
        self.store, self.source = Store(folder / "snapshots"), mart(folder / "mart")
        self.sent = str(freeze(run_report(QUERY, self.source)).id)
        mart(self.source, rerated="-6.25")
        self.said: list[Any] = []
        self.of_clients: list[Any] = []
        self.files: list[Any] = []
        self.dynamics = CustomerDynamics(self.source, publish=False)
        self.panel = self.dynamics._view.changes
        self.panel.send = lambda message, *_: self.said.append(message)  # type: ignore[method-assign]
        self.panel.clients.send = self.of_clients.append  # type: ignore[method-assign]
        self.panel.clients._download.start = lambda file, *_: self.files.append(file)  # type: ignore[method-assign]
        self.dynamics._show_changes()

    def compare(self) -> ReportDifference:
        self.ask(snapshot=self.sent)
        return compare_snapshots(self.sent, source=self.source, store=self.store)

    def ask(self, **message: Any) -> dict[str, Any]:
        self.panel._handle_custom_msg(message, [])
        return dict(self.said[-1])

    def ask_clients(self, **message: Any) -> dict[str, Any]:
        self.panel.clients._handle_custom_msg(message, [])
        return dict(self.of_clients[-1])

    def link(self) -> dict[str, Any]:
        """Create a link, and wait for it."""
        self.ask(ask="link")
        self.panel._publisher.submit(lambda: None).result(timeout=60)
        return dict(self.said[-1])


@pytest.fixture
def analyst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Analyst:
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "snapshots"))
    monkeypatch.setenv("CUSTDYN_SHARE_URL", "https://reports.example")
    return Analyst(tmp_path)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish in this process, which is faster."""
    monkeypatch.setattr(SHARED, "publish", publish_report)


def test_the_clients_that_changed_are_those_of_the_command_line(analyst: Analyst) -> None:
    clients = analyst.compare().clients
    assert clients
    assert analyst.said[-1]["clients"] == "Clients whose contribution changed (1)"
    analyst.ask(ask="clients")
    shown = analyst.of_clients[-1]
    assert (shown["kind"], shown["opened"]) == ("clients", True)
    assert shown["title"] == "Clients whose contribution changed (1)"
    assert shown["columns"] == [[name, True] for name in clients.line_headings]
    assert shown["lines"] == [list(line) for line in clients.texts()]
    assert {line[1] for line in shown["lines"]} == {"back"}
    analyst.ask_clients(ask="csv", page="")
    [file] = analyst.files
    assert file.name == f"clients-changed-since-{analyst.sent[:8]}.csv"
    assert file.content == table_csv(list(clients.line_headings), clients.texts())


def test_names_are_sent_only_when_asked_for_and_never_kept_in_the_notebook(analyst: Analyst) -> None:
    analyst.compare()
    assert "'back'" not in repr(analyst.said)
    analyst.ask(ask="clients")
    assert "'back'" in repr(analyst.of_clients)
    assert "'back'" not in repr(analyst.panel.get_state()) + repr(analyst.panel.clients.get_state())


def changes(count: int, rows: int = 1) -> ClientChanges:
    lines = [
        ClientChange((f"2026-{row + 1:02}",), f"{at:05}", f"Name {at}", "" if at % 2 else "North", "ann")
        for row in range(rows)
        for at in range(count)
    ]
    return ClientChanges(("Month",), tuple(lines), count)


def test_the_list_is_searched_and_sorted_and_only_some_lines_go_to_the_browser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_view, "PAGE_LINES", 3)
    listed = ChangedClientList(changes(10), "abc")
    listed.ask({"sort": "Client Id", "descending": True})
    shown = listed.shown()
    assert ([line[1] for line in shown["lines"]], shown["more"]) == (["00009", "00008", "00007"], True)
    listed.ask({"more": True})
    assert len(listed.shown()["lines"]) == 6
    listed.ask({"sort": "Company", "descending": False, "search": " NORTH "})
    assert (listed.shown()["found"], listed.shown()["all"]) == (5, 10)
    listed.ask({"search": "", "sort": 7, "descending": "yes"})
    assert [line[3] for line in listed.table().itertuples(index=False)] == ["North"] * 5 + [""] * 5


def test_a_client_that_changed_in_several_rows_is_counted_once() -> None:
    shown = ChangedClientList(changes(2, rows=3), "abc").shown()
    assert (shown["title"], shown["all"], shown["unit"]) == (
        "Clients whose contribution changed (2)",
        6,
        "row",
    )
    assert "for each row where" in shown["note"]
    assert ChangedClientList(changes(2), "abc").shown()["unit"] == "client"


def test_hostile_names_are_sent_as_printable_text() -> None:
    hostile = ClientChanges(("Month",), (ClientChange((HOSTILE,), HOSTILE, HOSTILE, HOSTILE, HOSTILE),), 1)
    [line] = ChangedClientList(hostile, "abc").shown()["lines"]
    assert len(line) == 5
    assert all("\u202e" not in text and "<img" in text for text in line)


def test_another_comparison_and_closing_close_the_list(analyst: Analyst) -> None:
    analyst.compare()
    analyst.ask(ask="clients")
    analyst.compare()
    assert analyst.of_clients[-1] == {"kind": "closed"}
    analyst.ask(ask="clients")
    analyst.ask(ask="close")
    assert analyst.of_clients[-1] == {"kind": "closed"}
    heard = len(analyst.of_clients)
    analyst.ask(ask="clients")
    assert len(analyst.of_clients) == heard


def test_the_next_report_closes_the_changes(analyst: Analyst) -> None:
    analyst.panel._download.start = lambda file, *_: analyst.files.append(file)  # type: ignore[method-assign]
    analyst.compare()
    analyst.ask(ask="csv", page="")
    assert [file.name for file in analyst.files] == [f"changes-since-{analyst.sent[:8]}.csv"]
    analyst.dynamics.run()
    assert analyst.said[-1] == {"kind": "closed"}
    analyst.ask(ask="csv", page="")
    assert len(analyst.files) == 1


def test_closing_the_list_returns_to_the_comparison(analyst: Analyst) -> None:
    analyst.compare()
    analyst.ask(ask="clients")
    analyst.ask_clients(ask="close")
    assert analyst.said[-1] == {"kind": "clients closed"}


def test_without_evidence_there_is_no_list(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "evidence", lambda *_: None)
    analyst.compare()
    assert analyst.said[-1]["clients"] == ""
    assert "no evidence" in analyst.said[-1]["reasons"][-1]
    assert analyst.ask(ask="clients")["kind"] == "difference"


@pytest.mark.usefixtures("here")
def test_the_link_is_that_of_a_frozen_difference_without_names(analyst: Analyst) -> None:
    difference = analyst.compare()
    made = analyst.link()
    busy = analyst.said[-2]
    assert (busy["busy"], busy["words"][:17]) == (True, "Creating the link")
    assert (made["kind"], made["words"], made["page"], made["busy"]) == ("link", "", False, False)
    address, snapshot_id = made["link"].split("/view?id=")
    assert address == "https://reports.example"
    manifest = analyst.store.manifest(snapshot_id)
    assert (manifest["kind"], manifest["compared"]) == ("difference", [analyst.sent])
    frozen = str(freeze(difference).id)
    for name in ("report.csv", "report.json"):
        # Both compare with the data of now, perhaps a second apart.
        made_now, made_here = (
            re.sub(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"now", analyst.store.read(each, name))
            for each in (snapshot_id, frozen)
        )
        assert made_now == made_here
    kept = json.loads(analyst.store.read(snapshot_id, "report.json"))["clients"]
    assert (kept["count"], kept["lines"]) == (1, [])


@pytest.mark.usefixtures("here")
def test_without_a_viewer_the_page_can_be_opened_here(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUSTDYN_SHARE_URL")
    monkeypatch.setattr(publishing, "ask_viewer", lambda _: None)
    analyst.compare()
    assert analyst.ask(ask="page")["kind"] == "difference"
    made = analyst.link()
    assert ("custdyn serve" in made["words"], made["page"]) == (True, True)
    assert analyst.ask(ask="page", page="p") == {"kind": "page", "page": "p"}


@pytest.mark.usefixtures("here")
def test_an_error_is_told_and_the_link_can_be_created_again(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    analyst.compare()
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "publish", full)
        made = analyst.link()
    told = "There is no link: No space left on device. Fix that and click Create link again."
    assert (made["link"], made["words"]) == ("", told)
    assert analyst.link()["link"]


class Waiting:
    """A publisher whose work is done when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Callable[[Published], None]]] = []

    def publish(self, report: Any, done: Callable[[Published], None]) -> Future[None]:
        self.asked.append((report, done))
        return Future()


def test_a_second_click_waits_and_a_link_of_an_earlier_comparison_is_not_shown(analyst: Analyst) -> None:
    waiting = Waiting()
    analyst.panel._publisher = waiting  # type: ignore[assignment]
    assert analyst.ask(ask="link")["kind"] == "snapshots"
    analyst.compare()
    for _ in range(2):
        analyst.ask(ask="link")
    assert len(waiting.asked) == 1
    analyst.compare()
    analyst.ask(ask="link")
    (_, first), (_, second) = waiting.asked
    first(Published("https://reports.example/view?id=old"))
    assert analyst.said[-1]["busy"] is True
    second(Published("https://reports.example/view?id=new"))
    assert analyst.said[-1]["link"].endswith("new")


@pytest.fixture
def process() -> Iterator[None]:
    yield
    SHARED.close()


@pytest.mark.usefixtures("process")
def test_the_publishing_process_makes_the_link_and_gets_no_names(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst.compare()
    connection = SHARED._connect()
    sent: list[Any] = []

    class Listening:
        def send(self, what: Any) -> None:
            sent.append(what)
            connection.send(what)

        def recv(self) -> Any:
            return connection.recv()

    monkeypatch.setattr(SHARED, "_connect", Listening)
    snapshot_id = analyst.link()["link"].split("/view?id=")[1]
    assert analyst.store.manifest(snapshot_id)["kind"] == "difference"
    [(difference, *_)] = sent
    assert difference.clients == replace(difference.clients, lines=())
