"""`custdyn queries address`, `custdyn snapshots note`, `history` and `list --by`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from custdyn_widgets import settings
from custdyn_widgets.cli import commands as cli
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.saved_queries import ForEach, SavedQuery, save
from custdyn_widgets.snapshots.addresses import find_address
from custdyn_widgets.snapshots.ownership import account
from custdyn_widgets.snapshots.store import Store
from tests.snapshots.test_store import FILES

QUERY = ReportQuery(interval="last_month")


def custdyn(*args: str) -> Result:
    result = CliRunner().invoke(cli.main, args)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def store() -> Store:
    return Store(settings.load().snapshots)


@pytest.fixture(autouse=True)
def board() -> None:
    save(SavedQuery(title="Board", query=QUERY), "mine", over=None)


def made(
    store: Store, month: int, query: ReportQuery = QUERY, saved_query: str = "board", year: int = 2026
) -> str:
    instant = f"{year}-{month:02}-01T00:00:00Z"
    about = {"as_of": instant, "generated_at": instant, "query": query.to_dict(), "saved_query": saved_query}
    return store.publish(about, FILES)


def address_of(name: str, *options: str) -> str:
    result = custdyn("queries", "address", name, *options)
    assert result.exit_code == 0, result.stderr
    [link] = result.stdout.splitlines()
    return link


def token_of(link: str) -> str:
    found = re.fullmatch(r"http://127\.0\.0\.1:8899/latest\?q=([a-z2-7]{40})", link)
    assert found
    return found[1]


def test_it_prints_the_same_address_each_time_and_where_it_leads(store: Store) -> None:
    first = custdyn("queries", "address", "board")
    assert "It leads nowhere until a run of board under this account makes a snapshot." in first.stderr
    link = first.stdout.strip()
    assert find_address(store.folder, token_of(link))
    assert address_of("board") == link
    [listed] = json.loads(custdyn("queries", "address", "--json").stdout)
    assert (listed["saved_query"], listed["address"], listed["snapshot"]) == ("board", link, None)
    assert link in custdyn("queries", "address").stdout


def test_it_leads_at_once_to_what_the_saved_query_as_it_is_has_made(store: Store) -> None:
    other = ReportQuery(interval="last_month", company=("Acme",))
    made(store, 1, other)
    own = made(store, 2)
    result = custdyn("queries", "address", "board")
    assert f"It now leads to {own}, and will lead to" in result.stderr


def test_it_does_not_lead_to_an_earlier_form_of_the_saved_query(store: Store) -> None:
    made(store, 2, ReportQuery(interval="last_month", company=("Acme",)))
    assert "It leads nowhere" in custdyn("queries", "address", "board").stderr


def test_the_share_url_is_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_SHARE_URL", "https://reports.example/r")
    assert address_of("board").startswith("https://reports.example/r/latest?q=")


def test_revoking_is_permanent_and_the_next_address_is_another(store: Store) -> None:
    link = address_of("board")
    result = custdyn("queries", "address", "board", "--revoke")
    assert result.exit_code == 0
    assert result.stderr.startswith("Revoked: the address of board created on ")
    assert find_address(store.folder, token_of(link)) is None
    assert custdyn("queries", "address", "board", "--revoke").exit_code == 1
    assert address_of("board") != link


def test_deleting_the_saved_query_revokes_its_address(store: Store) -> None:
    link = address_of("board")
    result = custdyn("queries", "delete", "board", "--yes")
    assert "Revoked: the address of board" in result.stderr
    assert find_address(store.folder, token_of(link)) is None
    save(SavedQuery(title="Board", query=QUERY), "mine", over=None)
    assert address_of("board") != link


def test_it_remains_while_another_saved_query_has_the_name(store: Store) -> None:
    save(SavedQuery(title="Board", query=QUERY), "shared", over=None)
    link = address_of("board")
    assert "Revoked" not in custdyn("queries", "delete", "board", "--place", "mine", "--yes").stderr
    assert find_address(store.folder, token_of(link))


def test_a_renamed_saved_query_keeps_its_address(store: Store) -> None:
    link = address_of("board")
    save(SavedQuery(title="Directors", query=QUERY), "mine", over=None)
    assert address_of("directors", "--was", "board") == link
    assert "Revoked" not in custdyn("queries", "delete", "board", "--yes").stderr
    newest = made(store, 12, saved_query="directors", year=2099)  # newer than the address
    assert f"It now leads to {newest}" in custdyn("queries", "address", "directors").stderr
    refused = custdyn("queries", "address", "directors", "--was", "nothing")
    assert (refused.exit_code, refused.stdout) == (1, "")


def test_a_saved_query_with_a_report_for_each_company_has_none(tmp_path: Path) -> None:
    each = ForEach(by="company", addresses="addresses.csv")
    save(SavedQuery(title="Resellers", query=QUERY, for_each=each, output="csv"), "mine", over=None)
    result = custdyn("queries", "address", "resellers")
    assert result.exit_code == 1
    assert "makes a report for each company, so it cannot have an address" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["unknown"], 1), (["--revoke"], 2), (["--was", "board"], 2), (["board", "--was", "x", "--revoke"], 2)],
)
def test_wrong_arguments_are_refused(arguments: list[str], code: int) -> None:
    assert custdyn("queries", "address", *arguments).exit_code == code


def test_snapshots_are_listed_by_saved_query(store: Store) -> None:
    first, second = made(store, 1), made(store, 2)
    made(store, 3, saved_query="other")
    listed = json.loads(custdyn("snapshots", "list", "--by", "board", "--json").stdout)
    assert [entry["id"] for entry in listed] == [second, first]
    nothing = custdyn("snapshots", "list", "--by", "nobody")
    assert (nothing.exit_code, nothing.stdout) == (0, "The saved query 'nobody' has made no snapshots.\n")


def test_notes_are_added_listed_and_withdrawn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_ROLE", "controller")
    snapshot_id = made(store, 1)
    assert "no notes" in custdyn("snapshots", "note", snapshot_id).stderr
    link = f"https://reports.example/view?id={snapshot_id}"
    assert custdyn("snapshots", "note", link, "March was billed late.").stderr == f"Noted: {snapshot_id}.\n"
    [note] = json.loads(custdyn("snapshots", "note", snapshot_id, "--json").stdout)
    assert (note["by"], note["role"], note["text"]) == (account(), "controller", "March was billed late.")
    assert "1  20" in custdyn("snapshots", "note", snapshot_id).stdout
    assert "March was billed late." in custdyn("snapshots", "note", snapshot_id, "--withdraw", "1").stderr
    assert json.loads(custdyn("snapshots", "note", snapshot_id, "--json").stdout) == []
    assert custdyn("snapshots", "note", snapshot_id, "text", "--withdraw", "1").exit_code == 2
    assert custdyn("snapshots", "note", "a" * 52).exit_code == 1


def test_the_history_tells_who_did_what_even_after_a_deletion(store: Store) -> None:
    snapshot_id = made(store, 1)
    custdyn("snapshots", "expire", snapshot_id, "--at", "2030-01-01T00:00:00Z")
    custdyn("snapshots", "revoke", snapshot_id)
    actions = json.loads(custdyn("snapshots", "history", snapshot_id, "--json").stdout)
    assert [act["act"] for act in actions] == ["published", "expiry", "revoked"]
    assert {act["by"] for act in actions} == {account()}
    custdyn("snapshots", "prune", "--older-than", "1d", "--yes")
    assert not store.holds(snapshot_id)
    text = custdyn("snapshots", "history", snapshot_id).stdout
    assert re.search(r"deleted +custdyn snapshots prune", text)
    assert custdyn("snapshots", "history", "a" * 52).exit_code == 1


@pytest.mark.parametrize(("count", "words"), [(1, "1 action on"), (2, "2 actions on")])
def test_the_history_shows_what_it_can_and_fails_if_an_act_cannot_be_read(
    store: Store, count: int, words: str
) -> None:
    snapshot_id = made(store, 1)
    custdyn("snapshots", "revoke", snapshot_id)
    for n in range(count):
        name = f"{snapshot_id}.{'0' * 20}.{n:08x}.json"
        (store.folder / "acts" / snapshot_id[:2] / name).write_text("no action")
    result = custdyn("snapshots", "history", snapshot_id)
    assert result.exit_code == 1
    assert "revoked" in result.stdout
    assert f"{words} {snapshot_id} cannot be read." in result.stderr


def test_pruning_by_size_deletes_the_oldest_until_the_rest_is_small_enough(store: Store) -> None:
    def large(month: int) -> str:
        instant = f"2026-{month:02}-01T00:00:00Z"
        return store.publish({"generated_at": instant}, {"report.html": bytes(400_000)})

    _, second, third, fourth = (large(month) for month in (1, 2, 3, 4))
    refused = custdyn("snapshots", "prune", "--max-size", "1 MB", "--yes")
    assert refused.exit_code == 2
    assert "is not a size: give a whole number of MB, GB or TB" in refused.stderr
    result = custdyn("snapshots", "prune", "--max-size", "1MB", "--keep-last", "3", "--yes")
    assert "Deleted: 1 snapshot" in result.stderr  # two would be small enough, but three are kept
    assert store.ids() == sorted([second, third, fourth])
    custdyn("snapshots", "prune", "--max-size", "1MB", "--yes")
    assert store.ids() == sorted([third, fourth])
    assert "Deleted: 0 snapshots" in custdyn("snapshots", "prune", "--max-size", "1MB", "--yes").stderr
