"""A form's reports are frozen behind its back: in order, and with words for whatever goes wrong."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import ssl
import threading
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from custdyn_widgets.snapshots.evidence import Evidence
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.viewer.headers import HEADERS
from custdyn_widgets.widgets.publishing import (
    SHARED,
    Published,
    Publisher,
    PublishingProcess,
    ask_viewer,
    publish_report,
)
from tests.make_report import make_report


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "store"))
    monkeypatch.setenv("CUSTDYN_SHARE_URL", "https://reports.example")
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def process() -> Iterator[PublishingProcess]:
    """The other process, which may have published for other tests."""
    yield SHARED
    SHARED.close()


@pytest.fixture
def ended(process: PublishingProcess) -> PublishingProcess:
    """The other process, before it starts."""
    process.close()
    assert process.pid is None
    return process


@pytest.fixture
def viewer() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            login = re.fullmatch("/view[?]id=(ours|another)-([0-9]+)", self.path)
            self.send_response(int(login[2]) if login else 200 if self.path.endswith("=there") else 404)
            if login:
                self.send_header("Location", "/view?id=there")
            for name, value in HEADERS.items() if login and login[1] == "ours" else ():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_report_gets_a_link_below_the_setting(store: Store) -> None:
    done = publish_report(make_report(2))
    assert done == Published(done.link)
    address, snapshot_id = done.link.split("/view?id=")
    assert address == "https://reports.example"
    assert list(store.verify([snapshot_id])) == []


def test_without_a_viewer_it_says_how_to_start_one_and_gives_the_page(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUSTDYN_SHARE_URL")
    monkeypatch.setattr("custdyn_widgets.widgets.publishing.ask_viewer", lambda _: None)
    done = publish_report(make_report(2))
    assert "custdyn serve" in done.words
    assert done.page == (store.place(done.link.split("=")[1]) / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("address", "viewer", "words"),
    [
        ("http://127.0.0.1:8888", "open", "The link opens only on this computer"),
        ("http://localhost:8888", "login", "The link opens only on this computer"),
        ("http://[::1]:8888", "open", "The link opens only on this computer"),
        ("https://hub.example/user/ann", "login", "Only people with a login"),
        ("https://hub.example", "open", ""),
    ],
)
def test_a_link_that_others_cannot_open_says_so(
    monkeypatch: pytest.MonkeyPatch, address: str, viewer: str, words: str
) -> None:
    monkeypatch.delenv("CUSTDYN_SHARE_URL")
    monkeypatch.setenv("CUSTDYN_VIEWER_URL", address)
    monkeypatch.setattr("custdyn_widgets.widgets.publishing.ask_viewer", lambda _: viewer)
    done = publish_report(make_report(2))
    assert done.words.startswith(words)
    assert ("CUSTDYN_SHARE_URL" in done.words) == bool(words)
    assert done.page is None


def test_a_share_url_on_this_computer_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTDYN_SHARE_URL", "http://127.0.0.2:8899")
    assert publish_report(make_report(2)).words.startswith("The link opens only on this computer")


def test_a_viewer_that_knows_the_link_answers(viewer: str) -> None:
    assert ask_viewer(f"{viewer}/view?id=there") == "open"
    assert ask_viewer(f"{viewer}/view?id=elsewhere") is None


@pytest.mark.parametrize("status", [302, 403])
def test_a_viewer_behind_a_login_answers_and_another_login_does_not(viewer: str, status: int) -> None:
    assert ask_viewer(f"{viewer}/view?id=ours-{status}") == "login"
    assert ask_viewer(f"{viewer}/view?id=another-{status}") is None


def test_a_viewer_with_a_certificate_of_its_own_answers(viewer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for reason, expected in ((ssl.SSLCertVerificationError("self-signed"), "open"), (OSError("away"), None)):

        def refused(*_: object, reason: OSError = reason, **__: object) -> None:
            raise urllib.error.URLError(reason)

        monkeypatch.setattr("urllib.request.OpenerDirector.open", refused)
        assert ask_viewer("https://localhost:8888/view?id=there") == expected


def test_a_port_where_nobody_listens_does_not_answer(viewer: str) -> None:
    assert ask_viewer("http://127.0.0.1:1/view?id=there") is None


def test_a_port_where_something_else_listens_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-none\r\n")

        greeter = threading.Thread(target=greet)
        greeter.start()
        assert ask_viewer(f"http://127.0.0.1:{server.getsockname()[1]}/view?id=there") is None
        greeter.join()


def test_a_store_that_cannot_be_written_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "file"))
    done = publish_report(make_report(2))
    assert done.link == ""
    assert done.words.startswith("Nothing was published: ")


def test_a_disk_that_is_full_elsewhere_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("custdyn_widgets.widgets.publishing.publish", fail)
    told = publish_report(make_report(2)).words
    assert told == "There is no link: No space left on device. Fix that and run the query again."


def test_what_nobody_foresaw_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by surprise")

    monkeypatch.setattr("custdyn_widgets.widgets.publishing.publish", fail)
    assert "by surprise" in publish_report(make_report(2)).words


def test_reports_are_published_one_after_another_in_another_process(
    store: Store, process: PublishingProcess
) -> None:
    told: list[tuple[str, Published]] = []
    publisher = Publisher()
    evidence = Evidence("0123456789abcdef" * 2, b"digests")
    for _ in range(3):
        report = replace(make_report(1), evidence=evidence)
        publisher.publish(report, lambda done: told.append((threading.current_thread().name, done)))
    publisher.submit(lambda: None).result(60)
    links = [done.link for _, done in told]
    assert len(set(links)) == 3
    assert {name for name, _ in told} == {"custdyn-publisher_0"}
    assert sorted(store.ids()) == sorted(link.split("=")[1] for link in links)
    assert [store.evidence(own) for own in store.ids()] == [evidence] * 3


def test_a_process_started_ahead_loads_its_libraries_before_the_first_report(
    ended: PublishingProcess,
) -> None:
    ended.start()
    started = ended.pid
    end = time.monotonic() + 120
    needed = {"vl_convert", "pandas", "_parquet"}
    while needed and time.monotonic() < end:
        time.sleep(0.1)
        maps = Path(f"/proc/{started}/maps").read_text(encoding="utf-8")
        needed = {name for name in needed if f"/{name}" not in maps}
    assert needed == set()
    assert ended.publish(make_report(1)).link
    assert ended.pid == started


def test_a_process_without_a_report_does_not_delay_the_end_of_the_kernel(ended: PublishingProcess) -> None:
    ended.start()
    child = ended._process
    assert child is not None
    ended.close()
    assert child.returncode == -signal.SIGKILL
    assert ended.publish(make_report(1)).link


def test_a_process_that_cannot_start_ahead_is_tried_again_for_the_report(
    ended: PublishingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as broken:
        broken.setattr("subprocess.Popen", fail)
        ended.start()
        assert ended.pid is None
        assert "temporarily unavailable" in ended.publish(make_report(1)).words
    assert ended.publish(make_report(1)).link


def test_the_other_process_takes_the_settings_of_the_moment(
    process: PublishingProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.publish(make_report(1))
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "another"))
    monkeypatch.setenv("CUSTDYN_SHARE_URL", "https://elsewhere.example")
    done = process.publish(make_report(1))
    assert done.link.startswith("https://elsewhere.example/view?id=")
    assert Store(tmp_path / "another").verify([done.link.split("=")[1]]) == []


def test_nothing_that_the_other_process_prints_comes_into_the_notebook(process: PublishingProcess) -> None:
    process.publish(make_report(1))
    said = [Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in (0, 1, 2)]
    assert said == [Path("/dev/null")] * 3


def test_another_process_that_was_killed_meanwhile_is_started_anew(process: PublishingProcess) -> None:
    process.publish(make_report(1))
    os.kill(process.pid or 0, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid or 0, os.WEXITED | os.WNOWAIT)
    assert process.publish(make_report(1)).link


def test_when_it_is_killed_over_a_report_that_is_said_and_the_next_one_is_published(
    process: PublishingProcess,
) -> None:
    process.publish(make_report(1))
    os.kill(process.pid or 0, signal.SIGSTOP)
    told: list[Published] = []
    publisher = Publisher()
    waiting = publisher.publish(make_report(1), told.append)
    time.sleep(0.2)
    os.kill(process.pid or 0, signal.SIGKILL)
    waiting.result(60)
    assert (told[0].link, "Run the query again" in told[0].words) == ("", True)
    assert process.publish(make_report(1)).link


def test_an_own_preset_that_fails_is_told_in_words(
    process: PublishingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("by surprise")

    monkeypatch.setattr("custdyn_widgets.render.with_own_presets", fail)
    assert "by surprise" in process.publish(make_report(2)).words
