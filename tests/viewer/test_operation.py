"""What operators see of the viewer: health, metrics, the log; and frames on pages that may have them."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tornado.httputil import HTTPServerRequest

from custdyn_widgets import __version__
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.viewer import health, logs
from custdyn_widgets.viewer.links import origins_in
from custdyn_widgets.viewer.metrics import Access, token_from
from tests.passwords import ELSEWHERE, IN_URLS, PASSWORD
from tests.readme_columns import README
from tests.viewer.test_viewer import COMMAND, FILES, HEADERS, Running, served, serving

TOKEN = "0123456789abcdef-secret"
LOCAL = Access(local=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    found.publish({}, FILES)
    return found


def figures(running: Running, **headers: str) -> dict[str, float]:
    """Return every sample of /metrics by its name and labels, as Prometheus reads it."""
    reply = running.ask("/metrics", **headers)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        f"{sample.name}{sorted(sample.labels.values()) if sample.labels else ''}": sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


def test_health_is_whether_the_store_can_be_read(store: Store) -> None:
    with served(store) as running:
        for method in ("GET", "HEAD"):
            reply = running.ask("/healthz", method, Host="10.0.0.7:8899")
            assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
            assert HEADERS.items() <= reply.headers.items()
        assert running.ask("/healthz").body == b"ok\n"
        moved = store.folder.rename(store.folder.with_name("moved"))
        unhealthy = running.ask("/healthz")
        assert (unhealthy.status, unhealthy.body) == (503, b"The store cannot be read.\n")
        moved.rename(store.folder)
        (store.folder / "v1").rename(store.folder / "away")
        assert running.ask("/healthz").status == 200  # nothing published yet
        (store.folder / "v1").write_text("not a folder")
        assert running.ask("/healthz").status == 503
        assert running.ask("/healthz", "POST").status == 405


def test_a_store_that_does_not_answer_in_time_is_unhealthy(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "_SECONDS", 0.05)
    monkeypatch.setattr(health, "names_in", lambda _: time.sleep(0.5))
    with served(store) as running:
        assert running.ask("/healthz").status == 503
    assert "the store cannot be read within 0.05 seconds" in caplog.text


def test_prometheus_reads_the_metrics(store: Store) -> None:
    [snapshot_id] = store.ids()
    with served(store, metrics_access=LOCAL) as running:
        for _ in range(3):
            running.view(snapshot_id)
        running.view("a" * 52)
        running.ask("/nowhere")
        running.ask("/latest?q=x")
        running.ask("/healthz")
        first = figures(running)
        assert first["custdyn_viewer_requests_total['200', 'view']"] == 3
        assert first["custdyn_viewer_requests_total['404', 'view']"] == 1
        assert first["custdyn_viewer_requests_total['404', 'other']"] == 1
        assert first["custdyn_viewer_requests_total['404', 'latest']"] == 1
        assert first["custdyn_viewer_requests_total['200', 'healthz']"] == 1
        assert first["custdyn_viewer_request_seconds_count['view']"] == 4
        assert first["custdyn_viewer_request_seconds_bucket['+Inf', 'view']"] == 4
        buckets = [value for name, value in first.items() if re.search(r"bucket\[.*'view'", name)]
        assert buckets == sorted(buckets)
        assert first["custdyn_viewer_request_seconds_sum['view']"] > 0
        assert first[f"custdyn_viewer_info['{__version__}']"] == 1
        assert first["custdyn_viewer_store_readable"] == 1
        assert first["custdyn_viewer_start_time_seconds"] <= time.time()
        store.folder.rename(store.folder.with_name("moved"))
        second = figures(running)
        assert second["custdyn_viewer_store_readable"] == 0
        assert second["custdyn_viewer_requests_total['200', 'metrics']"] == 1
        text = running.ask("/metrics").body.decode()
        assert snapshot_id[:8] not in text


def test_without_a_token_only_this_machine_may_read_them(store: Store) -> None:
    with served(store, metrics_access=LOCAL) as running:
        nothing = running.ask("/nowhere")
        assert figures(running)
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "x-real-ip", "Forwarded", "Via"):
            reply = running.ask("/metrics", **{name.replace("-", "_"): "127.0.0.1"})
            assert reply.all_but_date == nothing.all_but_date, name
        assert running.ask("/metrics", Host="evil.example").status == 421
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")  # as nginx forwards it
            assert b" 404 " in connection.recv(100).splitlines()[0]
    with served(store) as running:  # a viewer that serves more than this machine
        assert running.ask("/metrics").all_but_date == nothing.all_but_date


def test_with_a_token_whoever_sends_it_may_and_nobody_else(store: Store) -> None:
    with served(store, metrics_access=Access(TOKEN, local=True)) as running:
        assert figures(running, Authorization=f"Bearer {TOKEN}", Host="10.0.0.7", Via="1.1 proxy")
        for given in ("", TOKEN, f"Bearer {TOKEN}x", f"bearer {TOKEN}", "Bearer ", "Bearer \xe9"):
            assert running.ask("/metrics", Authorization=given).status == 404
        assert running.ask("/metrics").status == 404


def test_the_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert token_from({}) is None
    assert token_from({"CUSTDYN_METRICS_TOKEN": TOKEN}) == TOKEN
    assert token_from({"CUSTDYN_METRICS_TOKEN_FILE": str(file)}) == TOKEN
    (tmp_path / "link").symlink_to(file)  # as in a volume of secrets
    assert token_from({"CUSTDYN_METRICS_TOKEN_FILE": str(tmp_path / "link")}) == TOKEN
    file.write_text("")
    for environ, message in (
        ({"CUSTDYN_METRICS_TOKEN": "short"}, "CUSTDYN_METRICS_TOKEN must have at least 16"),
        ({"CUSTDYN_METRICS_TOKEN": "with spaces in it is bad"}, "without spaces"),
        ({"CUSTDYN_METRICS_TOKEN_FILE": str(file)}, "CUSTDYN_METRICS_TOKEN_FILE is empty"),
        ({"CUSTDYN_METRICS_TOKEN_FILE": str(tmp_path / "none")}, "cannot be read: No such file"),
        ({"CUSTDYN_METRICS_TOKEN_FILE": str(tmp_path)}, "cannot be read: Is a directory"),
        ({"CUSTDYN_METRICS_TOKEN": TOKEN, "CUSTDYN_METRICS_TOKEN_FILE": str(file)}, "are both set"),
    ):
        with pytest.raises(SettingsError, match=message) as error:
            token_from(environ)
        assert TOKEN not in error.value.message


SHARED = {"CUSTDYN_SHARE_URL": "https://reports.example"}


@pytest.mark.parametrize(
    ("options", "environment", "status"),
    [
        ([], {}, 200),
        (["--allow-host", "inner.example"], {}, 404),
        ([], SHARED, 404),
        (["--host", "0.0.0.0"], {}, 404),
        (["--host", "0.0.0.0"], {"CUSTDYN_METRICS_TOKEN": TOKEN, **SHARED}, 200),
    ],
)
def test_custdyn_serve_gives_metrics_without_a_token_only_if_it_serves_nothing_but_this_machine(
    store: Store, tmp_path: Path, options: list[str], environment: dict[str, str], status: int
) -> None:
    command = (COMMAND, "serve", "--port", "0", *options, str(tmp_path / "modules"))
    own = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CUSTDYN_SNAPSHOTS": str(store.folder)}
    with serving(store, *command, environment={**own, **environment}) as (process, _, there):
        assert there.ask("/metrics", Authorization=f"Bearer {TOKEN}").status == status
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    assert TOKEN not in log


@contextlib.contextmanager
def logged_as(form: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Write the log of this process as the viewer does, in the zone of Nepal; yield what is written."""
    kept, level, written = logging.root.handlers[:], logging.root.level, io.StringIO()
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        patch.setattr(sys, "stderr", written)
        logging.root.handlers[:] = []
        logs.start_logging(form)
        yield written
    logging.root.handlers[:] = kept
    logging.root.setLevel(level)
    time.tzset()


def requests_and_an_error(store: Store, snapshot_id: str) -> None:
    with served(store) as running:
        running.view(snapshot_id)
        running.ask("/a%0d%0a2026-01-01%20forged")
        running.ask("/healthz")
    try:
        raise ValueError("one\r\n2026-01-01 00:00:00.000+00:00 GET /forged 200\x1b[31m")
    except ValueError:
        logging.getLogger("custdyn.viewer").exception("odd\n2026-01-01 forged")


def test_each_line_of_the_log_has_its_time_zone_and_cannot_be_forged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [snapshot_id] = store.ids()
    with logged_as("text", monkeypatch) as log:
        requests_and_an_error(store, snapshot_id)
    lines = log.getvalue().split("\n")
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+05:45 "
    own = [line for line in lines if re.match(stamp, line)]
    assert [re.sub(stamp + r"|[\d.]+ ms$", "", line) for line in own] == [
        f"GET /view {snapshot_id[:8]}… page 200 ",
        "GET (not a link) 404 ",
        "GET /healthz 200 ",
        "odd\N{REPLACEMENT CHARACTER}2026-01-01 forged",
    ]
    assert all(line == "" or line.startswith("    ") for line in lines if line not in own)
    assert "\x1b" not in log.getvalue()


def test_as_json_each_line_is_an_object(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    [snapshot_id] = store.ids()
    monkeypatch.setattr(HTTPServerRequest, "request_time", lambda _: 0.01234)
    with logged_as("json", monkeypatch) as log:
        requests_and_an_error(store, snapshot_id)
    view, other, healthy, error = map(json.loads, log.getvalue().splitlines())
    assert view.pop("milliseconds") == 12.3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:45", view.pop("time"))
    assert view == {
        "level": "info", "method": "GET", "path": "/view", "id": f"{snapshot_id[:8]}…", "format": "page",
        "status": 200,
    }  # fmt: skip
    assert (other["path"], other["status"], healthy["path"]) == ("(not a link)", 404, "/healthz")
    assert error["level"] == "error"
    assert error["message"] == "odd\n2026-01-01 forged"
    assert "ValueError: one" in error["traceback"]


def test_custdyn_serve_writes_nothing_but_json_if_asked(store: Store, tmp_path: Path) -> None:
    own = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CUSTDYN_SNAPSHOTS": str(store.folder)}
    command = (COMMAND, "serve", "--port", "0", "--log-format", "json", str(tmp_path / "modules"))
    with serving(store, *command, environment=own) as (process, _, there):
        there.ask("/nowhere")
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=10)
    assert [json.loads(line)["status"] for line in rest.splitlines()] == [404]


@pytest.mark.parametrize(
    "text",
    ["*", "https://*.example", "https://a.example/", "https://A.example", "a.example", "https://a.example;x",
     "'self'", "https://a.example:99999999", "data:"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is not an origin"):
        origins_in(f"https://wiki.example {text}")


@pytest.mark.parametrize("value", [*IN_URLS, *ELSEWHERE])
def test_no_password_in_an_origin_is_shown(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        origins_in(f"https://wiki.example {value}")
    assert PASSWORD not in str(refused.value)


def test_only_listed_origins_may_embed_reports_and_nothing_else_changes(store: Store) -> None:
    [snapshot_id] = store.ids()
    assert origins_in(None) == origins_in("  ") == ()
    origins = origins_in("https://wiki.example  https://intranet.example:8443 http://[::1]:80")
    policy = "Content-Security-Policy"
    allowed = HEADERS[policy].replace(
        "frame-ancestors 'none'",
        "frame-ancestors https://wiki.example https://intranet.example:8443 http://[::1]:80",
    )
    with served(store, embed_origins=origins) as running:
        for reply in (running.view(snapshot_id), running.view("a" * 52)):
            assert {name: reply.headers[name] for name in HEADERS} == {**HEADERS, policy: allowed}


def test_open_connections_are_counted(store: Store) -> None:
    with served(store, metrics_access=LOCAL) as running:
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
            assert figures(running)["custdyn_viewer_connections"] == 2
        deadline = time.monotonic() + 5
        while figures(running)["custdyn_viewer_connections"] > 1:
            assert time.monotonic() < deadline


def in_dockerfile(instruction: str) -> str:
    """Return the arguments of an instruction's last occurrence in the Dockerfile, as one line."""
    text = (README.parent / "Dockerfile").read_text().replace("\\\n", "")
    return re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE)[-1]


def test_the_containers_health_check_is_what_healthz_says(store: Store) -> None:
    python, dash_c, code = json.loads(in_dockerfile("HEALTHCHECK").partition("CMD ")[2])
    assert (python, dash_c) == ("/opt/custdyn/bin/python", "-c")
    with served(store) as running:
        command = [sys.executable, "-c", code.replace("127.0.0.1:8899", f"127.0.0.1:{running.port}")]
        assert command[2] != code
        assert subprocess.run(command, capture_output=True).returncode == 0
        store.folder.rename(store.folder.with_name("moved"))
        assert subprocess.run(command, capture_output=True).returncode != 0


def test_the_container_runs_the_viewer_as_nobody_in_particular(store: Store, tmp_path: Path) -> None:
    assert re.fullmatch(r"[1-9][0-9]*", in_dockerfile("USER"))
    program, *arguments = json.loads(in_dockerfile("ENTRYPOINT")) + json.loads(in_dockerfile("CMD"))
    assert program == "/opt/custdyn/bin/custdyn"
    variables = dict(pair.split("=") for pair in in_dockerfile("ENV").split())
    environment = {"PATH": "/usr/bin:/bin", **variables, "CUSTDYN_SNAPSHOTS": str(store.folder)}
    command = (COMMAND, *arguments, "--port", "0", str(tmp_path / "modules"))
    with serving(store, *command, environment=environment) as (_, _, there):
        assert there.ask("/healthz").status == 200
    copied = re.findall(r"^COPY (dist/.*) /build/$", (README.parent / "Dockerfile").read_text(), re.MULTILINE)
    assert all((README.parent / name).is_file() for name in copied[0].split()[1:])
