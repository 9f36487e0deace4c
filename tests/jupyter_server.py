"""A real Jupyter Server for tests, as an installation starts it: a home of its own, loopback, a free port."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from custdyn_widgets.snapshots.store import Store
from tests.viewer.test_viewer import Reply

TOKEN = "for-tests-only"
BASE = "/deep/er/"
LAUNCHED = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: Path({listed!r}).write_text(" ".join(sys.modules)))
from jupyter_server.serverapp import launch_new_instance
launch_new_instance()
"""


@dataclass(frozen=True)
class Jupyter:
    """A running Jupyter Server: its port, its store, what it logs, and what it lists when it has ended."""

    process: subprocess.Popen[bytes]
    port: int
    store: Store
    log: Path
    listed: Path

    def ask(
        self, target: str, method: str = "GET", *, token: bool = True, body: str | None = None, **headers: str
    ) -> Reply:
        """Ask for a path below the base; with the token in a header unless told otherwise."""
        if token:
            headers["Authorization"] = f"token {TOKEN}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, f"{BASE}{target}", body, headers=sent)
            response = connection.getresponse()
            found = {k: v for k, v in response.getheaders() if k not in ("Set-Cookie", "Date")}
            return Reply(response.status, found, response.read())
        finally:
            connection.close()


@contextlib.contextmanager
def running(
    home: Path, config: str | None, *more: str, scheduler: bool = False, **variables: str
) -> Iterator[Jupyter]:
    """Run a Jupyter Server in a home of its own, with this `custdyn.toml` where it serves.

    It has jupyter-scheduler only if asked: that loads a driver of databases into the server, and gives
    the files of jobs out only if that was started in the folder that it serves. `more` are further arguments,
    `variables` further ones of its environment.
    """
    (home / "work" / "deeper").mkdir(parents=True, exist_ok=True)
    if config is not None:
        (home / "work" / "custdyn.toml").write_text(config)
    arguments = [
        *("--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", f"--ServerApp.base_url={BASE}"),
        *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home / 'work'}", "--debug"),
        *([] if scheduler else ["--ServerApp.jpserver_extensions=jupyter_scheduler=False"]),
        *more,
    ]
    listed, log = home / "modules", home / "log"
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        **variables,
    }
    code = LAUNCHED.format(listed=str(listed))
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            cwd=home / "work" if scheduler else home,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        port = _port(process, home / "runtime", log)
        yield Jupyter(process, port, Store(home / "work" / "kept" / "here"), log, listed)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _port(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> int:
    """Wait until the server answers; return the port that it took.

    The file that tells the port is there before the server listens.
    """
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        for told in runtime.glob("jpserver-*.json"):
            port: int = json.loads(told.read_text() or "{}").get("port", 0)
            with contextlib.suppress(ConnectionRefusedError):
                if port and _answers(port):
                    return port
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", f"{BASE}api")
        return connection.getresponse().status == 200
