"""The system's Chromium as tests start it: headless, quiet, and cut off from all other machines."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping

from playwright.sync_api import Browser, Playwright

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--renderer-process-limit=1",  # not one process for each page that the viewer isolates
)  # fmt: skip
CUSTDYN = [sys.executable, "-c", "from custdyn_widgets.cli import main; main()"]


def launched(playwright: Playwright) -> Browser:
    """Return a browser; the caller closes it.

    Chromium's headless shell, if there is one, is the same engine without windows, and takes about 60 % of
    the processor time.
    """
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=program, args=ARGUMENTS)


@contextlib.contextmanager
def served(environment: Mapping[str, str]) -> Iterator[str]:
    """Run `custdyn serve` on a free port in this environment; give its address."""
    command = [*CUSTDYN, "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            ready = re.search(r"http://127\.0\.0\.1:\d+/", server.stderr.readline())
            assert ready
            yield ready[0]
        finally:
            server.terminate()
