"""Signed snapshots in the viewer: the bar names the key, `/key` shows it, a ZIP has the whole snapshot."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest

from custdyn_widgets.snapshots import check_zip, exporting, grouped, life, pem, signatures, signing
from custdyn_widgets.snapshots.proof.ed25519 import keys_in
from custdyn_widgets.viewer.view import Site
from tests.snapshots.signed import Signed, signed_snapshot
from tests.viewer.test_bar import ADDRESS, links_of, shown, text_of
from tests.viewer.test_viewer import FILES, HEADERS, Running, running  # noqa: F401  # a fixture


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return signed_snapshot(tmp_path)


@pytest.fixture
def site(signed: Signed) -> Site:
    return Site(signed.store)


def test_the_bar_names_the_key_and_leads_to_it(signed: Signed, site: Site) -> None:
    bar = shown(site, signed.id)
    words = f"Signed with {grouped(signed.key.public)}"
    assert links_of(bar)[words] == "key"
    assert f"Signed with key {signed.key.public}" in text_of(bar)


def test_a_snapshot_without_a_signature_has_no_word_of_one_until_it_is_signed(
    signed: Signed, site: Site
) -> None:
    snapshot_id = signed.store.publish({}, FILES)
    before = site.page(snapshot_id, ADDRESS)
    assert "igned" not in text_of(shown(site, snapshot_id))
    signatures.sign(signed.store, snapshot_id, signed.key)
    assert "Signed with" in text_of(shown(site, snapshot_id))
    assert site.page(snapshot_id, ADDRESS).digest != before.digest


@pytest.mark.parametrize("harm", ["changed", "unknown key"])
def test_an_invalid_signature_is_a_warning_and_there_is_no_zip(signed: Signed, site: Site, harm: str) -> None:
    assert "ZIP" in links_of(shown(site, signed.id))
    if harm == "changed":
        path = signed.store.folder / "signatures" / signed.id[:2] / f"{signed.id}.json"
        stored = json.loads(path.read_bytes())
        stored["signature"] = "00" * 64
        path.write_text(json.dumps(stored, separators=(",", ":")))
    else:
        (signed.store.folder / "keys" / f"{signed.key.public}.json").unlink()
    bar = shown(site, signed.id)
    assert "⚠ Not signed with a key from this store" in text_of(bar)
    assert not {"ZIP", f"Signed with {grouped(signed.key.public)}"} & links_of(bar).keys()


def test_no_zip_is_offered_of_a_damaged_snapshot(signed: Signed, site: Site) -> None:
    (signed.store.place(signed.id) / "data.parquet").unlink()
    bar = shown(site, signed.id)
    assert "ZIP" in text_of(bar)
    assert "ZIP" not in links_of(bar)


def test_a_zip_is_the_exported_one_and_is_verified(running: Running, tmp_path: Path) -> None:  # noqa: F811
    key = signing.new_key(tmp_path / "key.pem", running.store.folder)
    snapshot_id = running.store.publish({}, FILES)
    unsigned = running.ask(f"/view?id={snapshot_id}&format=zip")
    signatures.sign(running.store, snapshot_id, key)
    reply = running.ask(f"/view?id={snapshot_id}&format=zip")
    assert (unsigned.status, reply.status) == (200, 200)
    assert reply.body == exporting.snapshot_zip(running.store, snapshot_id)
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers["Content-Type"] == "application/zip"
    name = f"customer-dynamics-{snapshot_id[:8]}.zip"
    assert reply.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    (tmp_path / name).write_bytes(reply.body)
    assert check_zip(tmp_path / name, [key.public]).exit_code == 0
    target = f"/view?id={snapshot_id}&format=zip"
    assert running.ask(target, If_None_Match=reply.headers["Etag"]).status == 304
    assert running.ask(target, If_None_Match=unsigned.headers["Etag"]).status == 200
    life.revoke(running.store, snapshot_id)
    nothing = running.view("a" * 52)
    assert running.ask(target, If_None_Match=reply.headers["Etag"]).all_but_date == nothing.all_but_date


def test_a_damaged_snapshot_has_no_zip(running: Running) -> None:  # noqa: F811
    snapshot_id = running.store.publish({}, FILES)
    (running.store.path(snapshot_id) / "data.parquet").write_bytes(b"PAR2")
    assert running.ask(f"/view?id={snapshot_id}&format=zip").status == 500


def test_the_keys_are_shown_newest_first(running: Running, tmp_path: Path) -> None:  # noqa: F811
    nothing = running.view("a" * 52)
    old = signing.new_key(tmp_path / "old.pem", running.store.folder)
    new = signing.new_key(tmp_path / "new.pem", running.store.folder)
    for key in (old, new):
        signatures.sign(running.store, running.store.publish({}, FILES), key)
    keys = running.store.folder / "keys"
    (keys / f"{old.public}.json").write_text('{"since":"2025-01-31T00:00:00Z"}')
    (keys / f"{new.public}.json").write_text('{"since":"2026-01-31T00:00:00Z"}')
    (keys / "none.json").write_text("{}")
    (keys / f"{'0' * 64}.json").write_text("not JSON")
    reply = running.ask("/key")
    assert reply.status == 200
    assert HEADERS.items() <= reply.headers.items()
    page = reply.body.decode()
    assert page.index(grouped(new.public)) < page.index("In use since 2026-01-31") < page.index(old.public)
    assert "<script" not in page
    assert page.count("In use since") == page.count("<h2>") - 1  # nobody knows since when for 0000…
    assert "In use since 0001" not in page
    assert "Content-Disposition" not in reply.headers
    assert reply.headers["Content-Type"] == "text/html; charset=UTF-8"
    as_pem = running.ask("/key?format=pem")
    assert keys_in(as_pem.body) == [one.key for one in signatures.published_keys(running.store.folder)]
    assert pem(old.public) in as_pem.body
    assert as_pem.headers["Content-Type"] == "application/x-pem-file"
    assert as_pem.headers["Content-Disposition"] == 'attachment; filename="signing-keys.pem"'
    for target in ("/key?", "/keys", "/key/", "/key?format=html", "/key?x", "/key?format=pem&format=pem"):
        status = 200 if target == "/key?" else 404
        assert running.ask(target).status == status, target
    assert running.ask("/key?x").all_but_date == nothing.all_but_date
    assert running.ask("/key", "POST").status == 405
    assert running.ask("/key", "HEAD").headers["Content-Length"] == str(len(reply.body))


def test_a_request_for_a_key_is_logged_without_its_query(
    running: Running,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="custdyn.viewer"):
        running.ask("/key?token=hunter2")
        deadline = time.monotonic() + 5  # a line is written after its answer was sent
        while not any("GET /key 404" in record.getMessage() for record in caplog.records):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert "hunter2" not in caplog.text
