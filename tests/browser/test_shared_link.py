"""What the colleague sees: a link from the command line, opened in Chromium with the network cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser

from custdyn_widgets.cli import main
from tests.browser.chromium import served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
CDNOW = ROOT.parent / "shared" / "data" / "cdnow"


MART = ROOT / "tests" / "golden" / "mixed" / "mart"
COMMANDS = {
    "demo": ["demo"],
    "run": ["run", "--source", str(MART), "--interval", "2021-01-01/2021-12-31"],
}
if CDNOW.is_dir():
    COMMANDS["cdnow"] = ["run", "--source", str(CDNOW), "--query", str(CDNOW / "query-month.json")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("settings")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "CUSTDYN_SNAPSHOTS": str(folder / "snapshots"),
        "CUSTDYN_CACHE": str(folder / "cache"),
    }


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> Iterator[str]:
    with served(environment) as address:
        yield address


@pytest.mark.parametrize("name", COMMANDS)
def test_a_link_opens_with_one_request_and_no_error(
    name: str, environment: dict[str, str], address: str, chromium: Browser
) -> None:
    done = CliRunner().invoke(main, COMMANDS[name], env=environment, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    link = address + done.stdout.strip().split("/", 3)[3]
    page = chromium.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(link)
    assert answer is not None
    assert answer.status == 200
    assert page.title().startswith("Customer Dynamics")
    assert page.locator("table").first.is_visible()
    assert page.locator("svg").count() >= 4
    assert (said, asked) == ([], [link])
    page.close()
