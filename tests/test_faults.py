"""The scripts of faults in a short form, and what re-rating does to a snapshot: nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.request import urlopen

import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.publish.freezing import content_digest, freeze
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.report.report import Report
from custdyn_widgets.snapshots.store import Store
from tests.browser.chromium import served
from tests.faults import calls, flips, full_disk, kills, pruning, publishers, strace
from tests.faults.findings import Findings, Onlooker
from tests.faults.publisher import MANIFEST, some_files

MART = Path(__file__).parent / "golden" / "small" / "mart"
AS_OF = "2022-01-01T00:00:00Z"


@pytest.mark.slow
def test_publishers_killed_at_random_show_nothing_partial_and_lose_nothing(tmp_path: Path) -> None:
    findings = kills.random_kills(tmp_path / "store", 20)
    assert findings.broken == []
    assert findings.counts["publishers killed"] == 20
    assert findings.counts["snapshots acknowledged"] > 0


@pytest.mark.slow
def test_a_publishing_that_is_killed_at_a_call_or_whose_call_fails_leaves_nothing_bad(tmp_path: Path) -> None:
    try:
        findings = calls.each_call(tmp_path, 24)
    except strace.NoTracingError as error:
        pytest.skip(str(error))
    assert findings.broken == []
    outcomes = {what: n for what, n in findings.counts.items() if ": " in what}
    assert sum(outcomes.values()) == 24
    assert outcomes.keys() >= {"killed: killed", "EIO: not published", "ENOSPC: not published"}


def test_a_publishing_makes_the_calls_that_the_faults_are_meant_for(tmp_path: Path) -> None:
    try:
        seen = strace.published(tmp_path / "store").calls
    except strace.NoTracingError as error:
        pytest.skip(str(error))
    assert {"mkdir", "write", "fsync", "close", "rename"} <= {call.name for call in seen}


def test_a_full_disk_is_an_error_and_work_goes_on_once_there_is_room() -> None:
    try:
        done = full_disk.in_own_namespace("--count", "8")
    except full_disk.NoMountingError as error:
        pytest.skip(str(error))
    assert done.returncode == 0


def test_eight_publishers_at_once_lose_nothing(tmp_path: Path) -> None:
    findings = publishers.side_by_side(tmp_path / "store", 15)
    assert findings.broken == []
    assert findings.counts["snapshots acknowledged"] == 120


def test_every_changed_byte_file_and_folder_is_found(tmp_path: Path) -> None:
    findings = flips.every_change(tmp_path / "store", 10)
    assert findings.broken == []
    assert findings.counts["bytes flipped"] >= 12 * 8


def test_pruning_under_readers_tears_no_page(tmp_path: Path) -> None:
    findings = pruning.under_readers(tmp_path / "store", 60)
    assert findings.broken == []
    assert findings.counts["snapshots deleted"] >= 60
    assert findings.counts["pages read whole"] > 0


# --- the scripts can fail


def onlooker_of(store: Store) -> Onlooker:
    return Onlooker(store.folder, Findings())


def test_an_onlooker_notes_what_is_lost_untold_or_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    kept, gone = (store.publish(MANIFEST, some_files(n)) for n in range(2))
    looking = onlooker_of(store)
    looking.look("at first", there=[kept, gone])
    assert looking.findings.broken == []
    shutil.rmtree(store.place(gone))
    looking.look("later", there=[kept, gone])
    assert looking.findings.broken == ["later: 1 acknowledged snapshots are lost"]
    looking = onlooker_of(store)
    looking.look("now", there=[])
    assert looking.findings.broken == ["now: 1 snapshots are there that nobody was told of"]
    looking = onlooker_of(store)
    (store.place(kept) / "report.csv").write_bytes(b"")
    looking.look_anew("at last", there=[kept])
    assert len(looking.findings.broken) == 1
    assert looking.findings.tell() == 1


def test_a_reader_notes_a_page_that_is_not_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    snapshot_id = store.publish(MANIFEST, some_files(1))
    assert pruning._seen(store, snapshot_id) == "pages read whole"
    (store.place(snapshot_id) / "report.html").write_bytes(b"<h1>half a pa")
    assert pruning._seen(store, snapshot_id).startswith("SnapshotDamagedError: ")
    shutil.rmtree(store.place(snapshot_id))
    assert pruning._seen(store, snapshot_id) == "pages not found"


# --- re-rating


@pytest.fixture
def mart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mart of this test, and settings that lead to a store and a cache of this test."""
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "store"))
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    for name in ("CUSTDYN_CONFIG", "CUSTDYN_STAGING", "CUSTDYN_STAGING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(MART, tmp_path / "mart"))


def asked(mart: Path) -> Report:
    query = ReportQuery.from_dict({"interval": {"start": "2021-01-01", "end": "2021-12-31"}})
    return run_report(query, mart, as_of=AS_OF)


def seen(snapshot_id: str | None) -> dict[str, bytes]:
    """Return what a link shows, in each format, in a viewer that is started for it."""
    with served(os.environ) as address:
        link = f"{address}view?id={snapshot_id}"
        formats = ("html", "csv", "xlsx", "json")
        return {form: urlopen(f"{link}&format={form}", timeout=10).read() for form in formats}


def test_after_re_rating_the_old_link_gives_the_same_bytes_and_a_new_run_differs(
    mart: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    report = asked(mart)
    old = freeze(report)
    before = seen(old.id)

    ledger = mart / "transactions.csv"
    rated = ledger.read_text()
    assert "usage,-30.25," in rated
    ledger.write_text(rated.replace("usage,-30.25,", "usage,-31.50,"))
    again = asked(mart)
    new = freeze(again)

    assert seen(old.id) == before
    assert content_digest(again) != content_digest(report)
    assert seen(new.id)["csv"] != before["csv"]
    assert store.verify() == []
    assert set(store.ids()) == {old.id, new.id}
