"""Addresses that lead to the newest snapshot, and notes in the bar, as the viewer serves them."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custdyn_widgets.snapshots.addresses import make_address, revoke_address
from custdyn_widgets.snapshots.life import revoke
from custdyn_widgets.snapshots.notes import add_note, withdraw_note
from custdyn_widgets.snapshots.store import Store
from tests.payloads import PAYLOADS
from tests.viewer.test_bar import text_of
from tests.viewer.test_viewer import FILES, HEADERS, Reply, Running, served
from tests.viewer.test_viewer import nothing as nothing
from tests.viewer.test_viewer import running as running

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def made(running: Running, saved_query: str, month: int) -> str:
    instant = f"2026-{month:02}-01T00:00:00Z"
    return running.store.publish(
        {"saved_query": saved_query, "as_of": instant, "generated_at": instant}, FILES
    )


def test_an_address_redirects_to_the_newest_snapshot_and_is_not_cached(running: Running) -> None:
    address = make_address(running.store.folder, "board", BEGINNING)
    made(running, "board", 1)
    newest = made(running, "board", 2)
    reply = running.ask(f"/latest?q={address.token}")
    assert (reply.status, reply.headers["Location"]) == (302, f"view?id={newest}")
    assert reply.headers["Cache-Control"] == "no-store"
    assert HEADERS.items() <= reply.headers.items()
    assert running.ask(f"/{reply.headers['Location']}").status == 200
    as_csv = running.ask(f"/latest?q={address.token}&format=csv").headers["Location"]
    assert running.ask(f"/{as_csv}").body == FILES["report.csv"]
    assert running.ask(f"/latest?q={address.token}", "HEAD").headers["Location"] == f"view?id={newest}"
    revoke(running.store, newest)
    assert running.ask(f"/latest?q={address.token}").headers["Location"] != f"view?id={newest}"


def test_all_other_addresses_get_the_same_404(running: Running, nothing: Reply) -> None:
    address = make_address(running.store.folder, "nobody", BEGINNING)
    revoked = make_address(running.store.folder, "board", BEGINNING)
    made(running, "board", 3)
    revoke_address(running.store.folder, revoked)
    token = address.token
    for target in (
        "/latest", "/latest?", "/latest?q=", f"/latest?q={token}", f"/latest?q={revoked.token}",
        f"/latest?q={'a' * 40}", f"/latest?q={token.upper()}", f"/latest?q={token}&q={token}",
        f"/latest?q={token}&format=exe", f"/latest?q={token}&x=1", f"/latest?id={token}",
        f"/view?q={token}", f"/latest/?q={token}", f"/latest?q=../v1/{token[6:]}",
    ):  # fmt: skip
        assert running.ask(target).all_but_date == nothing.all_but_date, target


def test_if_the_store_cannot_be_read_the_address_is_not_available_now(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    address = make_address(store.folder, "board", BEGINNING)
    with served(store) as running:
        made(running, "board", 1)
        away = (store.folder / "v1").rename(store.folder / "away")
        (store.folder / "v1").write_text("not a folder")
        reply = running.ask(f"/latest?q={address.token}")
        assert (reply.status, reply.headers["Cache-Control"]) == (503, "no-store")
        assert b"Not available now" in reply.body
        (store.folder / "v1").unlink()
        away.rename(store.folder / "v1")
        assert running.ask(f"/latest?q={address.token}").status == 302


def test_the_log_has_only_the_beginning_of_a_token(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    address = make_address(running.store.folder, "logged", BEGINNING)
    made(running, "logged", 1)
    with caplog.at_level(logging.INFO, "custdyn.viewer"):
        running.ask(f"/latest?q={address.token}")
        deadline = time.monotonic() + 5  # a line is written after its answer was sent
        while "/latest" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    [line] = [record.getMessage() for record in caplog.records if "/latest" in record.getMessage()]
    assert line.startswith(f"GET /latest {address.token[:8]}… page 302 ")
    assert address.token[:9] not in caplog.text


def test_a_note_is_shown_above_the_report_from_the_next_request_on(running: Running) -> None:
    snapshot_id = running.store.publish({}, FILES)
    before = running.view(snapshot_id)
    add_note(running.store, snapshot_id, "March was billed late.", "controller")
    reply = running.view(snapshot_id, If_None_Match=before.headers["Etag"])
    assert reply.status == 200
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert f"{today}, controller: March was billed late." in text_of(reply.body.decode())
    assert reply.body.endswith(FILES["report.html"])
    withdraw_note(running.store, snapshot_id, 1)
    assert running.view(snapshot_id).body == before.body
    assert running.ask(f"/view?id={snapshot_id}&format=html").body == FILES["report.html"]


def test_hostile_notes_are_text_in_the_bar(running: Running) -> None:
    snapshot_id = running.store.publish({}, FILES)
    for payload in [text for text in PAYLOADS if text.strip() and text.isprintable()][:10]:
        add_note(running.store, snapshot_id, payload, payload)
    above = running.view(snapshot_id).body.decode().partition("</nav>")[0]
    assert above.count("<li>") == above.count("</li>") > 3
    for markup in ("<script", "<img", "<svg", "<iframe", "<a href", 'onerror="'):
        assert markup not in above


def test_many_notes_show_the_newest_and_their_number(running: Running) -> None:
    snapshot_id = running.store.publish({}, FILES)
    for number in range(13):
        add_note(running.store, snapshot_id, f"note {number}", "analyst")
    shown = text_of(running.view(snapshot_id).body.decode())
    assert "note 12" in shown
    assert "note 2" not in shown
    assert "and 3 earlier" in shown


def test_a_note_that_cannot_be_read_is_told_in_the_bar(running: Running) -> None:
    snapshot_id = running.store.publish({}, FILES)
    add_note(running.store, snapshot_id, "text", "analyst")
    [file] = (running.store.folder / "acts" / snapshot_id[:2]).glob(f"{snapshot_id}.*")
    file.write_text("damaged")
    reply = running.view(snapshot_id)
    assert reply.status == 200
    assert "⚠ A note on this report cannot be read" in text_of(reply.body.decode())
