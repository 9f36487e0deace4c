"""The bar above a frozen page: its downloads, its facts and its warnings."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from custdyn_widgets.errors import SnapshotDamagedError
from custdyn_widgets.publish.freezing import manifest_of, report_files
from custdyn_widgets.snapshots.actions import Action
from custdyn_widgets.snapshots.notes import Notes
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.viewer.bar import bar
from custdyn_widgets.viewer.view import Site
from tests.make_report import make_report
from tests.payloads import PAYLOADS
from tests.viewer.test_viewer import FILES

ADDRESS = "http://127.0.0.1:8899/view"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(Store(tmp_path / "store"))


def shown(site: Site, snapshot_id: str, address: str = ADDRESS) -> str:
    """Return the bar of a snapshot's page, after checking that the page follows it unchanged."""
    above, page = site.page(snapshot_id, address).parts
    assert page == (site.store.place(snapshot_id) / "report.html").read_bytes()
    return above.decode()


def text_of(markup: str) -> str:
    """Return the text that people see, as one line."""
    without_style = re.sub("<style>.*?</style>", "", markup, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]*>", " ", without_style)).split())


def links_of(markup: str) -> dict[str, str]:
    found = re.findall(r'<a [^>]*href="([^"]*)">([^<]*)</a>', markup)
    return {text: unescape(address) for address, text in found}


def test_it_offers_the_files_of_the_snapshot(site: Site) -> None:
    without = site.store.publish({}, FILES)
    assert links_of(shown(site, without)) == {
        "CSV": f"?id={without}&format=csv",
        "JSON": f"?id={without}&format=json",
        "ZIP": f"?id={without}&format=zip",
    }
    with_workbook = site.store.publish({}, {**FILES, "report.xlsx": b"PK"})
    assert list(links_of(shown(site, with_workbook))) == ["CSV", "XLSX", "JSON", "ZIP"]
    with_total = site.store.publish({}, {**FILES, "total.csv": b"Total"})
    assert links_of(shown(site, with_total))["CSV + Total"] == f"?id={with_total}&format=csv-total"
    (site.store.place(with_total) / "total.csv").write_bytes(b"total")
    damaged = shown(site, with_total)
    assert "CSV" in links_of(damaged)
    assert "<s>CSV + Total</s>" in damaged
    with_pdf = site.store.publish({}, {**FILES, "report.pdf": b"%PDF-1.7"})
    assert links_of(shown(site, with_pdf))["PDF"] == f"?id={with_pdf}&format=pdf"


@pytest.mark.parametrize("harm", ["changed", "missing", "cut", "linked"])
@pytest.mark.parametrize("name", ["report.csv", "data.parquet"])
def test_it_names_a_file_that_is_not_as_published_and_does_not_offer_it(
    site: Site, name: str, harm: str
) -> None:
    snapshot_id = site.store.publish({}, FILES)
    assert "✓ Verified" in text_of(shown(site, snapshot_id))
    path = site.store.path(snapshot_id) / name
    if harm == "changed":
        path.write_bytes(b"x" * path.stat().st_size)
    elif harm == "cut":
        path.write_bytes(b"")
    else:
        aside = site.store.folder / "aside"
        path.rename(aside)
        if harm == "linked":
            path.symlink_to(aside)
    told = shown(site, snapshot_id)
    assert f"⚠ Not as published: {name}" in text_of(told)
    assert "Verified" not in text_of(told)
    assert f"{name} (not as published)" in text_of(told)
    assert set(links_of(told)) == ({"JSON"} if name == "report.csv" else {"CSV", "JSON"})


@pytest.mark.parametrize(("damaged", "more"), [(3, " "), (4, " and 1 more "), (9, " and 6 more ")])
def test_it_names_three_of_many_damaged_files(site: Site, damaged: int, more: str) -> None:
    files = {**FILES, **{f"chart-{n}-x.svg": b"<svg/>" for n in range(9)}}
    snapshot_id = site.store.publish({}, files)
    for n in range(damaged):
        (site.store.path(snapshot_id) / f"chart-{n}-x.svg").unlink()
    told = text_of(shown(site, snapshot_id))
    assert f"Not as published: chart-0-x.svg, chart-1-x.svg, chart-2-x.svg{more}CSV" in told


@pytest.mark.parametrize("name", ["report.html", "manifest.json"])
def test_a_damaged_page_or_manifest_is_not_shown_at_all(site: Site, name: str) -> None:
    snapshot_id = site.store.publish({}, FILES)
    shown(site, snapshot_id)
    path = site.store.path(snapshot_id) / name
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))
    with pytest.raises(SnapshotDamagedError) as caught:
        site.page(snapshot_id, ADDRESS)
    assert caught.value.file == name


def test_the_link_begins_with_the_address_of_the_request_or_the_share_url(site: Site) -> None:
    snapshot_id = site.store.publish({}, FILES)
    assert f"{ADDRESS}?id={snapshot_id}" in text_of(shown(site, snapshot_id))
    shared = Site(site.store, "https://reports.example/x")
    assert f"https://reports.example/x/view?id={snapshot_id}" in text_of(shown(shared, snapshot_id))
    assert "127.0.0.1" not in shown(shared, snapshot_id)


def test_the_same_link_gives_the_same_bytes_and_digest_until_a_file_is_damaged(site: Site) -> None:
    snapshot_id = site.store.publish({}, FILES)
    first = site.page(snapshot_id, ADDRESS)
    assert Site(site.store).page(snapshot_id, ADDRESS) == first
    elsewhere = site.page(snapshot_id, "http://localhost/view")
    (site.store.path(snapshot_id) / "report.csv").unlink()
    damaged = site.page(snapshot_id, ADDRESS)
    assert len({first.digest, elsewhere.digest, damaged.digest}) == 3
    assert len({first.parts, elsewhere.parts, damaged.parts}) == 3


def test_info_shows_the_facts_of_the_manifest(site: Site) -> None:
    report = make_report(3)
    files = report_files(report)
    told = text_of(shown(site, site.store.publish(manifest_of(report, files), files)))
    for words in (
        "Query 2021-01-01 00:00:00 to 2022-12-31 23:59:59 (UTC), clients, by month, in USD",
        "Interval 2021-01-01 00:00:00 to 2022-12-31 23:59:59 (UTC)",
        "As of 2022-12-16 08:30:00 UTC",
        "Data as of 2022-12-16 06:00:00 UTC",
        "Generated by analyst, 2022-12-16 08:30:01 UTC",
        "Currency USD",
        "Warnings The data was last changed at",
        f"report.csv {len(files['report.csv']):,}",
    ):
        assert words in told


@pytest.mark.parametrize(("count", "more"), [(20, False), (21, True)])
def test_twenty_warnings_are_all_shown(count: int, more: bool) -> None:
    manifest = {"warnings": [f"warning {n}" for n in range(count)], "files": {}}
    told = text_of(bar("a" * 52, manifest, ADDRESS, ()).decode())
    assert "warning 19" in told
    assert "warning 20" not in told
    assert ("and 1 more" in told) == ("more" in told) == more


@pytest.mark.parametrize(("count", "more"), [(40, False), (41, True)])
def test_forty_files_are_all_listed(count: int, more: bool) -> None:
    files = {f"f{n:02}.svg": {"size": n} for n in range(count)}
    told = text_of(bar("a" * 52, {"files": files}, ADDRESS, ()).decode())
    assert "f39.svg" in told
    assert "f40.svg" not in told
    assert ("and 1 more" in told) == ("more" in told) == more


def a_note(text: str, role: str) -> Action:
    return Action("note", "2026-01-02T03:04:05Z", "anna", role, text, "key", 0)


def full_of(text: str) -> str:
    """Return the bar of a manifest that has this text in every field."""
    told = ("query_words", "role", "currency", "as_of", "data_as_of", "generated_at")
    interval = dict.fromkeys(("first", "last", "timezone"), text)
    manifest = {**dict.fromkeys(told, text), "warnings": [text] * 500, "interval": interval, "files": {}}
    return bar("a" * 52, manifest, "http://127.0.0.1/view?id=x", ()).decode()


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_text_of_a_manifest_becomes_markup_or_takes_much_space(payload: str) -> None:
    hostile = full_of(payload)
    tags = re.compile("<[^>]*>")
    assert tags.findall(hostile) == tags.findall(full_of("x"))
    assert len(hostile) < 100_000
    assert "and 480 more" in text_of(hostile)


@pytest.mark.parametrize("value", [None, 1, True, [], ["x"], {}, {"a": 1}, "", "x"])
def test_a_manifest_with_invalid_fields_still_has_a_bar(value: object) -> None:
    told = ("query_words", "role", "currency", "as_of", "data_as_of", "generated_at", "warnings", "interval")
    manifest = {**dict.fromkeys(told, value), "files": {}}
    assert "✓ Verified" in text_of(bar("a" * 52, manifest, "x", ()).decode())


def test_it_has_no_script_no_request_and_one_labelled_landmark() -> None:
    markup = bar("a" * 52, {"files": {"report.csv": {"size": 1, "sha256": ""}}}, "x", ()).decode()
    assert not re.search(r"<script|<img|<link|<iframe|\bon\w+=|src=|url\(|@import", markup)
    assert re.findall(r"<(?:nav|header|main|aside)[^>]*>", markup) == [
        '<nav id="custdyn-bar" aria-label="About this report">'
    ]
    style = re.search("<style>(.*?)</style>", markup, re.DOTALL)
    assert style
    selectors = re.findall(r"(?:^|[}{\n])\s*([^{}@]+){", style[1])
    assert selectors
    assert all(part.startswith("#custdyn-bar") for one in selectors for part in one.split(","))


def test_the_number_of_cached_bars_is_limited(site: Site) -> None:
    snapshot_id = site.store.publish({}, FILES)
    numbers = []
    for n in range(600):
        site.page(snapshot_id, f"http://127.0.0.1:{n}/view")
        numbers.append(len(site._bars))
    assert max(numbers) == 256


@pytest.mark.parametrize("length", [300, 301])
def test_a_text_of_the_manifest_is_shown_up_to_its_limit_and_on_one_line(length: int) -> None:
    manifest = {"query_words": "a\nb" + "x" * (length - 3), "files": {}}
    told = text_of(bar("a" * 52, manifest, "x", ()).decode())
    shown = "a�b" + "x" * 297
    assert f"Query {shown if length == 300 else shown[:-1] + '…'}" in told.split(" Files")[0]


@pytest.mark.parametrize(("count", "more"), [(10, ""), (11, "and 1 earlier")])
def test_ten_notes_are_all_shown_with_their_roles_if_they_have_any(count: int, more: str) -> None:
    noted = Notes(tuple(a_note(f"note {n}", "controller" if n else "") for n in range(count)))
    told = text_of(bar("a" * 52, {"files": {}}, "x", (), noted=noted).decode())
    assert ("note 0" in told) == (not more)
    assert told.endswith(more or "2026-01-02: note 0")
    assert "2026-01-02, controller: note 9" in told
    assert "cannot be read" not in told


def test_a_note_is_shown_on_one_line_and_one_that_cannot_be_read_is_told() -> None:
    noted = Notes((a_note("two\nlines", ""),), incomplete=True)
    told = text_of(bar("a" * 52, {"files": {}}, "x", (), noted=noted).decode())
    assert told.endswith("⚠ A note on this report cannot be read 2026-01-02: two�lines")
