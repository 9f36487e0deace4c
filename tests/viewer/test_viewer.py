"""The viewer: one file for one link, and the same nothing for everything else."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import logging
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.snapshots.evidence import Evidence
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.viewer import server, view
from custdyn_widgets.viewer.links import LOOPBACK_HOSTS, base, hosts_for
from custdyn_widgets.viewer.server import Server, make_app, serve
from custdyn_widgets.viewer.view import Site
from tests.hostile_links import hostile_targets

FILES = {
    "report.html": b"<!doctype html><title>Customer Dynamics</title><h1>A page</h1>\n",
    "report.csv": b"Month\r\n2026-10\r\n",
    "report.json": b'{"format":1}',
    "data.parquet": b"PAR1",
}
EVIDENCE = Evidence("0123456789abcdef" * 2, b"only digests")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox allow-downloads",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def all_but_date(self) -> tuple[int, dict[str, str], bytes]:
        return self.status, {name: value for name, value in self.headers.items() if name != "Date"}, self.body


@dataclass(frozen=True)
class Running:
    store: Store
    port: int

    def ask(self, target: str, method: str = "GET", **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, headers=sent)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def asked_or_closed(self, snapshot_id: str) -> int:
        """Return the status of an answer; 0 if the connection is closed without one."""
        try:
            return self.ask(f"/view?id={snapshot_id}&format=csv").status
        except ConnectionError:
            return 0

    def view(self, snapshot_id: str, method: str = "GET", **headers: str) -> Reply:
        return self.ask(f"/view?id={snapshot_id}", method, **headers)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with served(Store(tmp_path_factory.mktemp("viewer") / "store")) as found:
        yield found


@contextlib.contextmanager
def served(store: Store, **options: Any) -> Iterator[Running]:
    """Serve a store in a thread, with the options of `make_app`."""
    ready, port = threading.Event(), []
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def serve() -> None:
        server = Server(make_app(store, **options))
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        server.add_socket(listening)
        port.append(listening.getsockname()[1])
        ready.set()
        await stopped.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield Running(store, port[0])
    finally:  # after a failed test too: Python would wait for the thread before it exits
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.fixture(scope="module")
def snapshot_id(running: Running) -> str:
    return running.store.publish({"role": "analyst"}, FILES)


@pytest.fixture(scope="module")
def nothing(running: Running) -> Reply:
    return running.view("a" * 52)


def set_state(store: Store, snapshot_id: str, text: str) -> None:
    folder = store.folder / "state" / snapshot_id[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{snapshot_id}.json").write_text(text)


def test_a_link_gives_the_page_with_the_headers_of_every_answer(running: Running, snapshot_id: str) -> None:
    reply = running.view(snapshot_id)
    assert reply.status == 200
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert reply.headers["Cache-Control"] == "private, no-cache"
    assert not {"Server", "Set-Cookie", "Content-Disposition"} & reply.headers.keys()
    assert reply.body.endswith(FILES["report.html"])
    assert running.view(snapshot_id).all_but_date == reply.all_but_date


def test_the_frozen_page_is_sent_byte_for_byte(running: Running, snapshot_id: str) -> None:
    reply = running.ask(f"/view?id={snapshot_id}&format=html")
    assert (reply.status, reply.body) == (200, FILES["report.html"])
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert reply.headers["Etag"] == f'"{hashlib.sha256(FILES["report.html"]).hexdigest()}"'
    assert "Content-Disposition" not in reply.headers


@pytest.mark.parametrize(
    ("kind", "content_type"), [("csv", "text/csv; charset=UTF-8"), ("json", "application/json")]
)
def test_other_formats_are_attachments_with_a_safe_name(
    running: Running, snapshot_id: str, kind: str, content_type: str
) -> None:
    reply = running.ask(f"/view?id={snapshot_id}&format={kind}")
    assert (reply.status, reply.body) == (200, FILES[f"report.{kind}"])
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers["Content-Type"] == content_type
    assert (
        reply.headers["Content-Disposition"]
        == f'attachment; filename="customer-dynamics-{snapshot_id[:8]}.{kind}"'
    )


def test_the_csv_comes_with_its_total_where_the_snapshot_has_one(
    running: Running, snapshot_id: str, nothing: Reply
) -> None:
    with_total = running.store.publish({}, {**FILES, "total.csv": b"Total\r\n"})
    reply = running.ask(f"/view?id={with_total}&format=csv-total")
    assert (reply.status, reply.body) == (200, FILES["report.csv"] + b"Total\r\n")
    assert reply.headers["Content-Type"] == "text/csv; charset=UTF-8"
    name = f"customer-dynamics-{with_total[:8]}-total.csv"
    assert reply.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    plain = running.ask(f"/view?id={with_total}&format=csv")
    assert plain.body == FILES["report.csv"]
    assert plain.headers["Etag"] != reply.headers["Etag"]
    same = {"If_None_Match": reply.headers["Etag"]}
    assert running.ask(f"/view?id={with_total}&format=csv-total", **same).status == 304
    assert running.ask(f"/view?id={snapshot_id}&format=csv-total").all_but_date == nothing.all_but_date


@pytest.mark.parametrize("kind", ["parquet", "evidence", "evidence.parquet", "html/../evidence.parquet"])
def test_evidence_is_never_served(running: Running, nothing: Reply, kind: str) -> None:
    snapshot_id = running.store.publish({}, FILES, EVIDENCE)
    assert running.ask(f"/view?id={snapshot_id}&format={kind}").all_but_date == nothing.all_but_date
    for target in ("", "&format=html", "&format=json"):
        body = running.ask(f"/view?id={snapshot_id}{target}").body
        assert not any(text in body for text in (b"evidence", EVIDENCE.data, EVIDENCE.nonce.encode()))


def test_head_answers_like_get_without_the_body(running: Running, snapshot_id: str, nothing: Reply) -> None:
    for target, of_get in ((snapshot_id, running.view(snapshot_id)), ("a" * 52, nothing)):
        reply = running.view(target, "HEAD")
        assert reply.body == b""
        assert reply.all_but_date[:2] == of_get.all_but_date[:2]
        assert reply.headers["Content-Length"] == str(len(of_get.body))


def test_a_client_that_has_the_page_gets_304_until_it_is_revoked(running: Running, nothing: Reply) -> None:
    snapshot_id = running.store.publish({}, FILES)
    etag = running.view(snapshot_id).headers["Etag"]
    for known in (etag, f'"x", {etag}', f"W/{etag}"):
        reply = running.view(snapshot_id, If_None_Match=known)
        assert (reply.status, reply.body) == (304, b"")
        assert HEADERS.items() <= reply.headers.items()
        assert reply.headers["Etag"] == etag
    assert running.view(snapshot_id, If_None_Match='"other"').status == 200
    set_state(running.store, snapshot_id, '{"revoked":"2026-01-01T00:00:00Z"}')
    assert running.view(snapshot_id, If_None_Match=etag).all_but_date == nothing.all_but_date


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_everything_but_a_link_gets_one_and_the_same_404_byte_for_byte(
    running: Running, snapshot_id: str, nothing: Reply, count: int
) -> None:
    assert nothing.status == 404
    assert HEADERS.items() <= nothing.headers.items()
    assert nothing.headers["Cache-Control"] == "no-store"
    address = ("127.0.0.1", running.port)
    with socket.create_connection(address, timeout=10) as connection, connection.makefile("rb") as answers:
        expected = answered(connection, answers, f"/view?id={'a' * 52}")
        assert expected.endswith(nothing.body)
        for kind, target in hostile_targets(snapshot_id, count):
            assert answered(connection, answers, target) == expected, (kind, target[:200])
        assert answered(connection, answers, f"/view?id={snapshot_id}").startswith(b"HTTP/1.1 200 ")


def answered(connection: socket.socket, answers: BinaryIO, target: str) -> bytes:
    """Return every byte of an answer except its date, over a connection that stays open."""
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("latin-1"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = answers.readline()
        assert line, "the connection was closed"
        head += b"" if line.startswith(b"Date: ") else line
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
    assert length
    return head + answers.read(int(length[1]))


@pytest.mark.parametrize("target", ["/view", "/view?", "/", "/favicon.ico", "/robots.txt", "*"])
def test_other_addresses_get_the_same_404(running: Running, nothing: Reply, target: str) -> None:
    assert running.ask(target).all_but_date == nothing.all_but_date


@pytest.mark.parametrize(
    "state", ['{"revoked":"2026-01-01T00:00:00Z"}', '{"expires":"2026-01-01T00:00:00Z"}']
)
def test_revoked_and_expired_links_get_the_same_404_from_the_next_request_on(
    running: Running, nothing: Reply, state: str
) -> None:
    snapshot_id = running.store.publish({}, FILES)
    assert running.view(snapshot_id).status == 200
    set_state(running.store, snapshot_id, state)
    for kind in ("html", "csv", "json", "xlsx", "pdf"):
        assert running.ask(f"/view?id={snapshot_id}&format={kind}").all_but_date == nothing.all_but_date


def test_a_pdf_is_served_only_where_the_snapshot_has_one(
    running: Running, snapshot_id: str, nothing: Reply
) -> None:
    assert running.ask(f"/view?id={snapshot_id}&format=pdf").all_but_date == nothing.all_but_date
    with_pdf = running.store.publish({}, {**FILES, "report.pdf": b"%PDF-1.7 \0"})
    reply = running.ask(f"/view?id={with_pdf}&format=pdf")
    assert (reply.status, reply.body) == (200, b"%PDF-1.7 \0")
    assert reply.headers["Content-Type"] == "application/pdf"
    assert reply.headers["Content-Disposition"].endswith('.pdf"')
    assert HEADERS.items() <= reply.headers.items()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "LINK"])
@pytest.mark.parametrize("target", ["/view?id={}", "/", "/nowhere"])
def test_other_methods_are_not_allowed_anywhere(
    running: Running, snapshot_id: str, method: str, target: str
) -> None:
    reply = running.ask(target.format(snapshot_id), method)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_broken_body_is_ignored(running: Running, snapshot_id: str) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(
            f"POST /view?id={snapshot_id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
            "Content-Type: multipart/form-data\r\n\r\nabc".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:8899", 200), ("[::1]:8899", 200),
        ("evil.example", 421), ("localhost.evil.example", 421), ("localhost.", 421), ("", 421),
        ("127.1", 421),
    ],
)  # fmt: skip
def test_only_allowed_hosts_are_served(running: Running, snapshot_id: str, host: str, status: int) -> None:
    reply = running.view(snapshot_id, Host=host)
    assert reply.status == status
    assert HEADERS.items() <= reply.headers.items()
    assert (FILES["report.html"] in reply.body) == (status == 200)


@pytest.mark.parametrize(
    "request_line",
    [
        "GARBAGE",
        "GET /view?id=\0 HTTP/1.1\r\nHost: localhost",
        "GET / HTTP/1.1\r\nHost: a@b",
        "GET / HTTP/1.1",
    ],
)
def test_invalid_http_gets_the_headers_too(running: Running, request_line: str) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(request_line.encode() + b"\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 400
        assert HEADERS.items() <= dict(response.getheaders()).items()
        assert response.read() == b""
        response.close()


def test_the_connection_of_a_client_that_reads_nothing_is_closed(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(view, "_SEND_SECONDS", 0.2)
    monkeypatch.setattr(view, "_SLOWEST", 10**9)
    snapshot_id = running.store.publish({}, {"report.html": bytes(8_000_000)})
    came = 0
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(f"GET /view?id={snapshot_id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(1)
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(2**20):
                came += len(part)
    assert 0 < came < 8_000_000
    assert len(running.view(snapshot_id).body) > 8_000_000
    assert "internal error" not in caplog.text


def test_a_request_without_a_host_is_misdirected(running: Running, snapshot_id: str) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(f"GET /view?id={snapshot_id} HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 421 ")


CRAMPED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from custdyn_widgets.cli import main
main(["serve", "--port", "0"])
"""


@contextlib.contextmanager
def serving(
    store: Store, code: str, *arguments: str, environment: Mapping[str, str] = os.environ
) -> Iterator[tuple[subprocess.Popen[str], str, Running]]:
    """Run code that serves a store; yield its process, its base path, and its address as a `Running`."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            ready = re.search(r"Snapshots at http://[\d.]+:(\d+)(/.*)view\?id=(?:…|\\u2026)", line)
            assert ready
            yield process, ready[2], Running(store, int(ready[1]))
        finally:
            process.kill()


@contextlib.contextmanager
def cramped(store: Store, log: list[str]) -> Iterator[tuple[str, int]]:
    """Serve in a process that may open few files; yield its address, and collect its log at the end."""
    environment = {**os.environ, "CUSTDYN_SNAPSHOTS": str(store.folder)}
    with serving(store, CRAMPED, environment=environment) as (process, _, there):
        yield "127.0.0.1", there.port
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        log += process.stderr.read().splitlines()  # communicate would skip the lines that are buffered


def test_connections_beyond_the_limit_are_closed_and_the_others_are_served(
    running: Running, snapshot_id: str
) -> None:
    log: list[str] = []
    request = f"GET /view?id={snapshot_id}&format=csv HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with cramped(running.store, log) as address:
        with contextlib.ExitStack() as kept:
            waiting = [kept.enter_context(socket.create_connection(address, 10)) for _ in range(100)]
            assert waiting[-1].recv(1) == b""
            for connection in waiting[:5]:
                connection.sendall(request)
                assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        deadline = time.monotonic() + 5  # until it has seen that they are gone
        while Running(running.store, address[1]).asked_or_closed(snapshot_id) != 200:
            assert time.monotonic() < deadline
    told = [line.split(" ", 2)[2] for line in log]
    assert told[0] == "(refused) 32 connections are open, which is the limit"
    assert [line.partition(" 200 ")[0] for line in told[1:]] == [f"GET /view {snapshot_id[:8]}… csv"] * 6


@pytest.mark.parametrize(
    ("allowed", "most"), [(64, 32), (1024, 512), (2**20, 2048), (resource.RLIM_INFINITY, 2048)]
)
def test_connections_are_limited_by_open_files_and_memory(
    monkeypatch: pytest.MonkeyPatch, allowed: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert server._most_connections() == most


def test_the_log_line_of_invalid_http_repeats_nothing_of_it(running: Running, snapshot_id: str) -> None:
    heads = (
        "GET /view?id={0} HTTP/1.1\r\nHost: localhost/view?id={0}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: {0}\r\n\r\n",
        "GET {0}\r\nHost: localhost\r\n\r\n",
    )
    log: list[str] = []
    with cramped(running.store, log) as address:
        for head in heads:
            with socket.create_connection(address, 10) as connection:
                connection.sendall(head.format(snapshot_id).encode())
                assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert [line.split(" ", 2)[2] for line in log] == ["(not HTTP) 400"] * len(heads)


@pytest.mark.parametrize("same_length", [True, False])
def test_a_page_changed_in_the_store_is_not_shown(running: Running, same_length: bool) -> None:
    snapshot_id = running.store.publish({}, FILES)
    page = running.store.path(snapshot_id) / "report.html"
    assert running.view(snapshot_id).status == 200
    seen = page.stat()
    forged = FILES["report.html"].replace(b"A page", b"A fake" if same_length else b"Forged page")
    page.write_bytes(forged)
    os.utime(page, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    reply = running.view(snapshot_id)
    assert reply.status == 500
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers["Cache-Control"] == "no-store"
    assert b"fake" not in reply.body
    assert b"Forged" not in reply.body
    assert running.ask(f"/view?id={snapshot_id}&format=csv").status == 200


def test_what_a_newer_version_stored_is_said_to_be_newer(running: Running) -> None:
    snapshot_id = running.store.publish({}, FILES)
    (running.store.path(snapshot_id) / "manifest.json").write_text('{"format": 2}')
    newer = running.store.folder / "v2" / "aa" / ("a" * 52)
    newer.mkdir(parents=True)
    try:
        for given in (snapshot_id, "a" * 52):
            reply = running.view(given)
            assert reply.status == 501
            assert HEADERS.items() <= reply.headers.items()
            assert b"Made by a newer version" in reply.body
    finally:
        shutil.rmtree(running.store.folder / "v2")


def test_a_link_in_the_store_is_not_followed(running: Running, tmp_path: Path) -> None:
    snapshot_id = running.store.publish({}, FILES)
    page = running.store.path(snapshot_id) / "report.html"
    page.rename(tmp_path / "elsewhere.html")
    page.symlink_to(tmp_path / "elsewhere.html")
    assert running.view(snapshot_id).status == 500


def test_an_internal_error_reveals_nothing_and_has_the_headers(
    running: Running, snapshot_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(Site, "page", broken)
    reply = running.view(snapshot_id)
    assert reply.status == 500
    assert HEADERS.items() <= reply.headers.items()
    assert b"secret" not in reply.body
    assert snapshot_id not in caplog.text
    assert "internal error: RuntimeError" in caplog.text


def test_the_log_has_a_line_for_each_request_with_a_shortened_id(
    running: Running, snapshot_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        running.view(snapshot_id)
        running.view(snapshot_id + "&x=1")
        running.ask(f"/nowhere/{snapshot_id}")
        running.view(snapshot_id, "PURGE")
        deadline = time.monotonic() + 5  # a line is written after its answer was sent
        while not caplog.records or not caplog.records[-1].getMessage().startswith("(other) /view "):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    *_, first, second, third, _ = [r.getMessage() for r in caplog.records if r.name == "custdyn.viewer"]
    assert re.fullmatch(rf"GET /view {snapshot_id[:8]}… page 200 \d+\.\d ms", first)
    assert second.startswith("GET (not a link) 404 ")
    assert third.startswith("GET (not a link) 404 ")
    assert snapshot_id not in caplog.text
    assert snapshot_id[:9] not in caplog.text


def test_a_base_path_begins_and_ends_with_a_slash() -> None:
    assert {base(url) for url in ("/reports", "reports/", "/reports/")} == {"/reports/"}
    assert base("/") == base("") == "/"


def test_the_hosts_of_a_viewer_are_loopback_its_own_and_the_given_ones() -> None:
    assert hosts_for("127.0.0.1") == (*LOOPBACK_HOSTS, "127.0.0.1")
    assert hosts_for("0.0.0.0", ["a.example"]) == (*LOOPBACK_HOSTS, "a.example")
    assert hosts_for("fd00::1", share_url="http://[fd00::2]:80/x") == (
        *LOOPBACK_HOSTS,
        "[fd00::1]",
        "[fd00::2]",
    )
    assert "reports.example" in hosts_for("::", share_url="https://reports.example:8443/x")
    for wrong in ("https://a.example", "a.example:80", "*", "a/b", ""):
        with pytest.raises(SettingsError, match="host name"):
            hosts_for("127.0.0.1", [wrong])


COMPUTING = {"pandas", "numpy", "pyarrow", "altair", "sqlalchemy", "duckdb", "papermill", "openpyxl"}
SERVE = """
import sys
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.viewer import serve
serve(Store(sys.argv[1]), port=int(sys.argv[2]))
known = sorted({name.split(".")[0] for name in sys.modules})
print(" ".join(known), " ".join(name for name in sys.modules if name.startswith("custdyn_widgets.")))
"""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_its_address_stops_at_a_signal_and_imports_nothing_that_computes(
    running: Running, snapshot_id: str, stop: signal.Signals
) -> None:
    with serving(running.store, SERVE, str(running.store.folder), "0") as (process, path, there):
        assert path == "/"
        assert there.view(snapshot_id).body.endswith(FILES["report.html"])
        assert there.ask(f"/view?id={snapshot_id}&format=csv").body == FILES["report.csv"]
        assert there.view("b" * 52).status == 404
        with socket.create_connection(("127.0.0.1", there.port)):  # an idle asker does not hold it up
            process.send_signal(stop)
            out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    loaded = set(out.split())
    assert "tornado" in loaded
    assert not loaded & {*COMPUTING, "IPython", "jupyter_server"}
    rooms = {name.split(".")[1] for name in loaded if name.startswith("custdyn_widgets.")}
    assert rooms <= {"errors", "text", "settings", "files", "snapshots", "viewer"}


COMMAND = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: Path(sys.argv[-1]).write_text(" ".join(sys.modules)))
from custdyn_widgets.cli import main
main(sys.argv[1:-1])
"""


def test_custdyn_serve_takes_a_base_url_hosts_and_the_share_url_and_imports_nothing_that_computes(
    running: Running, snapshot_id: str, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(running.store.folder),
        "CUSTDYN_SNAPSHOTS": str(running.store.folder),
        "CUSTDYN_SHARE_URL": "https://reports.example/base",
    }
    options = ["serve", "--port", "0", "--base-url", "base/", "--allow-host", "inner.example"]
    command = (COMMAND, *options, str(tmp_path / "modules"))
    with serving(running.store, *command, environment=environment) as (process, path, there):
        assert path == "/base/"
        for host in ("inner.example", "reports.example:8443", f"127.0.0.1:{there.port}"):
            reply = there.ask(f"/base/view?id={snapshot_id}", Host=host)
            assert f"https://reports.example/base/view?id={snapshot_id}".encode() in reply.body
        assert there.ask(f"/base/view?id={snapshot_id}", Host="evil.example").status == 421
        assert there.view(snapshot_id).status == 404
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    lines = [re.sub(r"^\S+ \S+ |\d+\.\d ms$", "", line) for line in log.splitlines()]
    seen = f"GET /view {snapshot_id[:8]}… page"
    assert lines == [f"{seen} 200 "] * 3 + [f"{seen} 421 ", "GET (not a link) 404 "]
    loaded = set((tmp_path / "modules").read_text().split())
    assert "custdyn_widgets.viewer.server" in loaded
    assert not loaded & COMPUTING
    assert not {m for m in loaded if m.startswith(("custdyn_widgets.mart", "custdyn_widgets.engine.compute"))}


@pytest.mark.parametrize("there", [True, False])
def test_a_missing_store_is_logged(tmp_path: Path, there: bool) -> None:
    store, log = Store(tmp_path / "repotrs"), list[str]()
    if there:
        store.folder.mkdir()
    with cramped(store, log) as address:
        assert Running(store, address[1]).view("a" * 52).status == 404
    told = [line.split(" ", 2)[2] for line in log if "404" not in line]
    words = f"The store {store.folder} is missing. Links do not work until this is fixed."
    assert told == ([] if there else [words])


def test_a_port_in_use_is_an_error(running: Running) -> None:
    taken = rf"port {running.port} of 127\.0\.0\.1 \(Address already in use.*\)\. Choose another"
    with pytest.raises(SettingsError, match=taken):
        serve(running.store, port=running.port)


def test_a_port_that_is_none_is_an_error(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OverflowError("port must be 0-65535")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(SettingsError, match=r"port 65536 of 127\.0\.0\.1 \(port must be 0-65535\)"):
        serve(running.store, port=65_536)
