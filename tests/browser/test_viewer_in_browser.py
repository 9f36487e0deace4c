"""The viewer in Chromium: the bar stands above any page, downloads work, and nothing runs or asks."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from custdyn_widgets.publish.freezing import manifest_of, report_files
from custdyn_widgets.snapshots.addresses import make_address
from custdyn_widgets.snapshots.store import Store
from tests.browser.axe import faults
from tests.browser.chromium import served
from tests.browser.lab import TOKEN, Lab
from tests.make_report import make_report
from tests.viewer.test_viewer import FILES

pytestmark = pytest.mark.browser
BAR = "#custdyn-bar"
PWNED = "window.pwned = 1; document.title = 'pwned'"
PAGES = {
    "nothing": b"",
    "no tags": b"Only text.",
    "no body": b"<!doctype html><title>T</title><p>Text.",
    "quirks": b'<!doctype html public "-//IETF//DTD HTML//EN"><body text=red leftmargin=90><p>Text.',
    "body in a comment": b"<!doctype html><!-- <body> --><p>Text.",
    "body in an attribute": b'<!doctype html><p title="<body>">Text.',
    "unclosed comment": b"<!doctype html><!-- <body><p>Text.",
    "closing tags": b"--></style></title></script></details></nav></body></html><p>Text.",
    "frames": b'<!doctype html><frameset cols="50%,50%"><frame src="ELSEWHERE/f"></frameset>',
    "second html and body": b'<html lang="xx" dir="rtl"><body class="x"><html><body><p>Text.',
    "base": b'<base href="ELSEWHERE/" target="_blank"><p>Text.',
    "byte order mark": b"\xef\xbb\xbf<!doctype html><p>Text.",
    "UTF-16": "\ufeff<!doctype html><p>Text.".encode("utf-16-le"),
    "no UTF-8": b"<!doctype html><p>\xff\xfe\x00\x80<p>Text.",
    "another charset": b'<!doctype html><meta charset="utf-7">+ADw-script+AD4-' + PWNED.encode(),
    "five megabytes": b"<!doctype html>" + (b"<p>Text." + b"x " * 524_288) * 5,
    "deep": b"<!doctype html>" + b"<div>" * 20_000,
    "rules for elements": b"<!doctype html><style>body *{color:red;font-size:60px;display:block;float:right;"
    b"padding:3em;text-transform:uppercase}nav,a,details,summary,p,code,b{display:none;visibility:hidden}"
    b"body{margin:1em;columns:3}</style><p>Text.",
    **{
        f"unclosed {tag}": f"<!doctype html><{tag}><body><p>Text.".encode()
        for tag in (
            "title", "style", "script", "textarea", "template", "select", "table", "svg", "math", "noscript",
            "iframe", "xmp", "plaintext", "noframes", "button", "dialog", "details",
            "a href='x'", "p title='",
        )
    },
}  # fmt: skip
ACTING = f"""<!doctype html><title>Hostile</title><h1>Hostile</h1>
<script>{PWNED}</script><svg onload="{PWNED}"/><img src="ELSEWHERE/x.png" onerror="{PWNED}">
<body onload="{PWNED}"><a href="javascript:{PWNED}">Click</a><iframe src="ELSEWHERE/"></iframe>
<iframe srcdoc="<script>{PWNED}</script>"></iframe><object data="ELSEWHERE/o"></object>
<embed src="ELSEWHERE/e">
<link rel="stylesheet" href="ELSEWHERE/x.css"><link rel="prefetch" href="ELSEWHERE/p">
<link rel="preconnect" href="ELSEWHERE/"><link rel="dns-prefetch" href="//evil.example/">
<style>@import url(ELSEWHERE/i.css);h1{{background:url(ELSEWHERE/y.png)}}
@font-face{{font-family:f;src:url(ELSEWHERE/f.woff)}}h1{{font-family:f}}</style>
<form action="ELSEWHERE/"><button>Send</button></form><video src="ELSEWHERE/v" autoplay></video>
<meta http-equiv="refresh" content="0;url=javascript:{PWNED}">
<meta http-equiv="refresh" content="0;url=ELSEWHERE/refreshed">
<meta http-equiv="Content-Security-Policy" content="default-src * 'unsafe-inline'">
"""


@dataclass(frozen=True)
class Viewer:
    """`custdyn serve` on a store, and a socket elsewhere that nothing should be asked of."""

    store: Store
    address: str
    elsewhere: socket.socket

    def shows(self, page: bytes) -> str:
        """Store a page with other files beside it and return its link."""
        elsewhere = f"http://127.0.0.1:{self.elsewhere.getsockname()[1]}"
        frozen = {**FILES, "report.html": page.replace(b"ELSEWHERE", elsewhere.encode())}
        return f"{self.address}view?id={self.store.publish({'role': 'analyst'}, frozen)}"

    def asked_elsewhere(self) -> bytes:
        """Return what was sent elsewhere.

        Chromium opens a connection for a frame before the policy refuses it, and then sends nothing over it.
        """
        sent = b""
        while True:
            try:
                connection, _ = self.elsewhere.accept()
            except BlockingIOError:
                return sent
            with connection:
                connection.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    sent += connection.recv(1000)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    home = tmp_path_factory.mktemp("home")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "CUSTDYN_SNAPSHOTS": str(home / "store"),
    }
    with served(environment) as address, socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        yield Viewer(Store(home / "store"), address, elsewhere)


@pytest.fixture(scope="module")
def report_link(viewer: Viewer) -> str:
    report = make_report(24)
    files = report_files(report, paper="A4")
    return f"{viewer.address}view?id={viewer.store.publish(manifest_of(report, files), files)}"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def shared_page(chromium: Browser) -> Iterator[Page]:
    """A page for tests that only go to an address, do something there and look."""
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def downloaded(page: Page, name: str) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.locator(BAR).get_by_role("link", name=name, exact=True).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_a_frozen_page_stands_under_its_bar_with_one_request_and_no_complaint(
    viewer: Viewer, report_link: str, page: Page
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(report_link)
    assert page.get_by_role("heading", name="Customer Dynamics").first.is_visible()
    bar = page.get_by_role("navigation", name="About this report")
    assert bar.get_by_text("✓ Verified").is_visible()
    assert bar.get_by_text(report_link).is_visible()
    assert page.title().startswith("Customer Dynamics: ")
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    assert (asked, complaints) == ([report_link], [])
    snapshot_id = report_link.split("=")[1]
    stored = viewer.store.path(snapshot_id)
    for kind in ("csv", "xlsx", "pdf", "json"):
        expected = (stored / f"report.{kind}").read_bytes()
        assert downloaded(page, kind.upper()) == (f"customer-dynamics-{snapshot_id[:8]}.{kind}", expected)
    assert page.url == report_link


@pytest.mark.parametrize(("width", "highest"), [(1200, 50), (375, 115)])
def test_the_bar_is_small_and_nothing_scrolls_sideways(
    report_link: str, page: Page, width: int, highest: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(report_link)
    info = page.locator(BAR).get_by_text("Info", exact=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        box = page.locator(BAR).bounding_box()
        assert box is not None
        assert (box["x"], box["y"], box["width"]) == (0, 0, width), scheme
        assert box["height"] <= highest, scheme
        info.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, scheme
        info.click()


def test_axe_finds_nothing_in_the_bar(report_link: str, page: Page) -> None:
    with urllib.request.urlopen(report_link) as answer:
        text = answer.read().decode()
    page.set_viewport_size({"width": 375, "height": 800})
    page.set_content(text)  # without the sandbox, in which axe could not run
    page.locator(BAR).get_by_text("Info", exact=True).click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page, BAR) == [], scheme


def test_it_works_by_keyboard_and_one_click_selects_the_link(report_link: str, page: Page) -> None:
    page.goto(report_link)
    for name in ("CSV", "CSV + Total", "XLSX", "PDF", "JSON", "ZIP", "Info"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == name
    answer = page.locator(BAR).get_by_text("Generated by")
    assert not answer.is_visible()
    page.keyboard.press("Enter")
    assert answer.is_visible()
    page.keyboard.press("Space")
    assert not answer.is_visible()
    page.locator(f"{BAR} code").click()
    assert page.evaluate("String(getSelection())") == report_link


def test_on_paper_only_the_link_is_left_of_it(report_link: str, page: Page) -> None:
    page.goto(report_link)
    page.emulate_media(media="print")
    assert not page.get_by_text("✓ Verified").is_visible()
    assert not page.locator(BAR).get_by_role("link").first.is_visible()
    box = page.get_by_text(report_link).bounding_box()
    assert box is not None
    assert box["height"] <= 16


@pytest.mark.parametrize("name", PAGES)
def test_no_page_swallows_or_breaks_the_bar(viewer: Viewer, shared_page: Page, name: str) -> None:
    page, link = shared_page, viewer.shows(PAGES[name])
    page.goto(link)
    bar = page.locator(BAR)
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    assert bar.get_by_text("✓ Verified").is_visible()
    box = bar.bounding_box()
    assert box is not None
    assert (box["y"] <= 100, box["height"] <= 60) == (True, True)
    assert bar.get_by_text("Text.").count() == 0
    assert bar.get_by_text(link).is_visible()
    bar.get_by_text("Info", exact=True).click()
    assert bar.get_by_text("analyst").is_visible()
    assert downloaded(page, "CSV")[1] == FILES["report.csv"]
    assert page.url == link
    assert viewer.asked_elsewhere() == b""


def test_a_page_that_tries_everything_runs_nothing_and_reaches_nobody(viewer: Viewer, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    link = viewer.shows(ACTING.encode())
    page.goto(link)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="Click").click()
    page.wait_for_timeout(500)
    assert downloaded(page, "CSV")[1] == FILES["report.csv"]
    assert (page.title(), page.url) == ("Hostile", link)
    assert page.evaluate("typeof window.pwned") == "undefined"
    assert viewer.asked_elsewhere() == b""
    assert {url for url in asked if url.startswith(viewer.address)} == {link, f"{link}&format=csv"}


def test_behind_jupyters_login_the_link_leads_through_it_to_the_page(
    lab: Lab, page: Page, request: pytest.FixtureRequest
) -> None:
    store = Store(lab.home / "snapshots")
    link = f"{lab.address}/view?id={store.publish({'role': 'analyst'}, FILES)}"
    page.goto(link)
    assert "/login" in page.url
    page.locator("input[type=password]").first.fill(TOKEN)
    page.locator("button[type=submit], #login_submit").first.click()
    page.wait_for_url(link)
    assert page.locator(BAR).get_by_text("✓ Verified").is_visible()
    assert page.locator(BAR).get_by_text(link).is_visible()
    assert downloaded(page, "CSV")[1] == FILES["report.csv"]


@pytest.mark.parametrize("listed", [True, False])
def test_a_page_shows_a_report_in_a_frame_only_if_its_origin_is_listed(
    chromium: Browser, tmp_path: Path, listed: bool
) -> None:
    store = Store(tmp_path / "store")
    instant = "2026-01-01T00:00:00Z"
    store.publish({"saved_query": "board", "as_of": instant, "generated_at": instant}, FILES)
    address = make_address(store.folder, "board", datetime(2025, 1, 1, tzinfo=UTC))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CUSTDYN_SNAPSHOTS": str(store.folder)}
    (tmp_path / "intranet").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "intranet"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as intranet:
        threading.Thread(target=intranet.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{intranet.server_port}"
        if listed:
            environment["CUSTDYN_EMBED_ORIGINS"] = origin
        with served(environment) as viewer, contextlib.closing(chromium.new_page()) as page:
            frame = f'<iframe src="{viewer}latest?q={address.token}"></iframe>'
            (tmp_path / "intranet" / "index.html").write_text(f"<!doctype html><h1>Intranet</h1>{frame}")
            page.goto(f"{origin}/")
            bar = page.frame_locator("iframe").locator(BAR)
            if listed:
                bar.wait_for()
                assert "Verified" in bar.inner_text()
            else:
                page.wait_for_timeout(500)
                assert page.frames[1].url.startswith("chrome-error://")
                assert bar.count() == 0
        intranet.shutdown()
