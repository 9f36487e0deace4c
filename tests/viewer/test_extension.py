"""The viewer in a Jupyter Server: switched on by the installation, behind the login, the same answers."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from custdyn_widgets import settings
from custdyn_widgets.snapshots import signatures, signing
from custdyn_widgets.viewer.headers import HEADERS
from custdyn_widgets.widgets.publishing import ask_viewer
from tests.jupyter_server import BASE, TOKEN, Jupyter, running
from tests.viewer.test_viewer import COMPUTING, EVIDENCE, FILES, set_state

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with running(tmp_path_factory.mktemp("jupyter"), 'snapshots = "kept/here"\nrole = "billing"\n') as server:
        yield server


@pytest.fixture(scope="module")
def snapshot_id(jupyter: Jupyter) -> str:
    return jupyter.store.publish({"role": "analyst"}, FILES, EVIDENCE)


def test_a_link_gives_the_page_under_its_bar_and_format_html_the_frozen_bytes(
    jupyter: Jupyter, snapshot_id: str
) -> None:
    reply = jupyter.ask(f"view?id={snapshot_id}")
    assert reply.status == 200
    assert reply.body.endswith(FILES["report.html"])
    link = f"http://127.0.0.1:{jupyter.port}{BASE}view?id={snapshot_id}"
    assert link.encode() in reply.body
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers["Cache-Control"] == "private, no-cache"
    assert jupyter.ask(f"view?id={snapshot_id}&format=html").body == FILES["report.html"]
    csv = jupyter.ask(f"view?id={snapshot_id}&format=csv")
    assert csv.body == FILES["report.csv"]
    assert csv.headers["Content-Disposition"].startswith("attachment")
    assert jupyter.ask(f"view?id={snapshot_id}", If_None_Match=reply.headers["Etag"]).status == 304


def test_an_address_may_hold_jupyters_token_and_nothing_else(jupyter: Jupyter, snapshot_id: str) -> None:
    assert jupyter.ask(f"view?id={snapshot_id}&token={TOKEN}", token=False).status == 200
    for more in ("&x=1", f"&token={TOKEN}&token={TOKEN}", "&tokens=1", "&TOKEN=1"):
        assert jupyter.ask(f"view?id={snapshot_id}{more}").status == 404, more
    shown = jupyter.ask(f"view?id={snapshot_id}&token={TOKEN}", token=False)
    assert TOKEN.encode() not in shown.body


def test_a_user_who_is_not_logged_in_is_redirected_and_learns_nothing(
    jupyter: Jupyter, snapshot_id: str
) -> None:
    for method in ("GET", "HEAD"):
        for asked in (snapshot_id, "a" * 52, f"{snapshot_id}&format=csv", "", f"{snapshot_id}&token=wrong"):
            reply = jupyter.ask(f"view?id={asked}", method, token=False)
            assert (reply.status, reply.body) == (302, b"")
            after = urllib.parse.urlencode({"next": f"{BASE}view?id={asked}"})
            assert reply.headers["Location"] == f"{BASE}login?{after}"
            assert HEADERS.items() <= reply.headers.items()
            assert reply.headers["Cache-Control"] == "no-store"


def test_everything_but_a_visible_link_gets_one_and_the_same_404(jupyter: Jupyter, snapshot_id: str) -> None:
    nothing = jupyter.ask(f"view?id={'a' * 52}")
    assert nothing.status == 404
    assert HEADERS.items() <= nothing.headers.items()
    assert nothing.headers["Cache-Control"] == "no-store"
    revoked = jupyter.store.publish({}, FILES)
    set_state(jupyter.store, revoked, '{"revoked":"2026-01-01T00:00:00Z"}')
    for target in (
        "view", "view?", f"view?id={revoked}", f"view?id={snapshot_id[:-1]}", "view?id=null",
        f"view?id={snapshot_id.upper()}", f"view?id={snapshot_id}&id={snapshot_id}",
        f"view?id={snapshot_id}&format=parquet", f"view?id={snapshot_id}&format=evidence.parquet",
    ):  # fmt: skip
        assert jupyter.ask(target).all_but_date == nothing.all_but_date, target


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(jupyter: Jupyter, snapshot_id: str, method: str) -> None:
    for token in (True, False):
        reply = jupyter.ask(f"view?id={snapshot_id}", method, token=token)
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
        assert HEADERS.items() <= reply.headers.items()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost.", ""])
def test_a_host_that_jupyter_does_not_serve_is_misdirected(
    jupyter: Jupyter, snapshot_id: str, host: str
) -> None:
    reply = jupyter.ask(f"view?id={snapshot_id}", Host=host)
    assert reply.status == 421
    assert HEADERS.items() <= reply.headers.items()


def test_the_keys_are_behind_the_login_too(jupyter: Jupyter, tmp_path: Path) -> None:
    key = signing.new_key(tmp_path / "key.pem", jupyter.store.folder)
    assert jupyter.ask("key").status == 404
    snapshot_id = jupyter.store.publish({}, FILES)
    signatures.sign(jupyter.store, snapshot_id, key)
    assert key.public.encode() in jupyter.ask("key").body
    assert key.public.encode() in jupyter.ask(f"view?id={snapshot_id}").body
    assert jupyter.ask(f"view?id={snapshot_id}&format=zip").body[:2] == b"PK"
    reply = jupyter.ask("key", token=False)
    assert (reply.status, reply.body) == (302, b"")


def test_the_log_never_has_a_whole_id(jupyter: Jupyter) -> None:
    snapshot_id = jupyter.store.publish({}, FILES)
    jupyter.ask(f"view?id={snapshot_id}&token={TOKEN}", token=False)
    jupyter.ask(f"view?id={snapshot_id}&x=1")
    jupyter.ask(f"view?id={snapshot_id}", "POST")
    login = jupyter.ask(f"view?id={snapshot_id}", token=False).headers["Location"]
    assert jupyter.ask(login.removeprefix(BASE), token=False).status == 200
    jupyter.ask(f"api/status?next={snapshot_id}")  # its line comes after all of those
    deadline = time.monotonic() + 10
    while "api/status" not in (text := jupyter.log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert re.search(rf"GET /view {snapshot_id[:8]}… page 200 \d+\.\d ms", text)
    assert snapshot_id[:9] not in text


def test_jupyters_own_pages_are_unchanged(jupyter: Jupyter) -> None:
    assert jupyter.ask("api/status").status == 200
    assert jupyter.ask("view/nowhere.txt").status == 404
    assert jupyter.ask("api/status").headers["Content-Security-Policy"] != HEADERS["Content-Security-Policy"]


def test_kernels_inherit_the_settings_and_the_address_of_the_viewer(
    jupyter: Jupyter, snapshot_id: str
) -> None:
    environment = asked_in_a_kernel(jupyter, "dict(os.environ)")
    in_force = settings.load(environment, Path("/"))
    assert in_force.snapshots == jupyter.store.folder
    assert in_force.role == "billing"
    link = in_force.link(snapshot_id)
    assert link == f"http://127.0.0.1:{jupyter.port}{BASE}view?id={snapshot_id}"
    assert ask_viewer(link) is not None


def asked_in_a_kernel(jupyter: Jupyter, expression: str) -> dict[str, str]:
    """Return the value of an expression in a kernel that the server starts in a folder further down."""
    told = jupyter.store.folder.parents[1] / "deeper" / "told"
    code = f"import json, os; open({str(told)!r} + '.new', 'w').write(json.dumps({expression}))"
    (told.parent / "probe.py").write_text(f"{code}; os.rename({str(told)!r} + '.new', {str(told)!r})\n")
    startup = jupyter.store.folder.parents[2] / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "probe.py").write_text((told.parent / "probe.py").read_text())
    body = json.dumps({"name": "python3", "path": "deeper/x.ipynb"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{jupyter.port}{BASE}api/kernels?token={TOKEN}", data=body, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        kernel = json.load(answer)["id"]
    deadline = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < deadline, jupyter.log.read_text()[-2000:]
        time.sleep(0.1)
    jupyter.ask(f"api/kernels/{kernel}", "DELETE")
    found: dict[str, str] = json.loads(told.read_text())
    return found


def test_with_invalid_settings_a_link_gets_the_404_and_is_not_logged(tmp_path: Path) -> None:
    with running(tmp_path / "home", "snapshots = [") as server:
        snapshot_id = server.store.publish({}, FILES)
        reply = server.ask(f"view?id={snapshot_id}")
        assert reply.status == 404
        assert HEADERS.items() <= reply.headers.items()
        login = server.ask(f"view?id={snapshot_id}", token=False).headers["Location"]
        assert server.ask(login.removeprefix(BASE), token=False).status == 200
        server.process.terminate()
        server.process.wait(30)
        log = server.log.read_text()
    assert "custdyn.toml is not valid TOML" in log
    assert f"GET /view {snapshot_id[:8]}… page 404" in log
    assert snapshot_id[:9] not in log


def test_the_server_imports_no_source_no_driver_and_nothing_that_computes(jupyter: Jupyter) -> None:
    """Stands last: the list is written when the server ends."""
    jupyter.process.send_signal(signal.SIGTERM)
    jupyter.process.wait(30)
    loaded = set(jupyter.listed.read_text().split())
    assert "custdyn_widgets.viewer.extension" in loaded
    assert not loaded & COMPUTING
    assert not {m for m in loaded if m.startswith(("custdyn_widgets.mart", "custdyn_widgets.engine.compute"))}
