"""A JupyterLab of its own for tests: a new home, one server, which also serves Notebook 7 and Voilà."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOKEN = "for-tests-only"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, the folder that it shows, its home, the app for notebooks."""

    address: str
    folder: Path
    home: Path
    app: str = "lab"

    def page(self, notebook: str) -> str:
        """Return the address of a notebook."""
        place = {"lab": "lab/tree/", "notebook": "notebooks/", "voila": "voila/render/"}[self.app]
        return f"{self.address}/{place}{notebook}?token={TOKEN}&reset"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running_lab(folder: Path, home: Path) -> Iterator[Lab]:
    """Start JupyterLab on a folder; end it and its kernels afterwards."""
    config = home / "config" / "labconfig"
    config.mkdir(parents=True)
    announcements = {"@jupyterlab/apputils-extension:announcements": True}
    (config / "page_config.json").write_text(json.dumps({"disabledExtensions": announcements}))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(
            Path(__file__).parents[2]
        ),  # the viewer and the publishing process are this code too
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "CUSTDYN_CACHE": str(home / "cache"),
        "CUSTDYN_SNAPSHOTS": str(home / "snapshots"),
        "CUSTDYN_QUERIES": str(home / "queries"),
        "CUSTDYN_LAST_CHOICE": str(home / "lab.log" / "below-a-file"),  # no test's choice is remembered
    }
    port = _free_port()
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"),
        *("--expose-app-in-browser", "--JupyterNotebookApp.expose_app_in_browser=True"),
    ]
    with (home / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            lab = Lab(f"http://127.0.0.1:{port}", folder, home)
            _wait_until_up(lab, server, home / "lab.log")
            yield lab
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def _wait_until_up(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()[-2000:]
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{lab.address}/api?token={TOKEN}"):
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])
