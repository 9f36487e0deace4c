"""The viewer in a Jupyter Server: what it takes from the settings, and what kernels inherit."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tornado.web

from custdyn_widgets import settings
from custdyn_widgets.viewer import extension


@dataclass
class Server:
    """As much of a Jupyter Server as the extension looks at."""

    root_dir: str = ""
    base_url: str = "/user/x/"
    connection_url: str = "http://localhost:8888/user/x/"
    custom_display_url: str = ""
    web_app: tornado.web.Application = field(default_factory=tornado.web.Application)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("a-jupyter-server"))


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the extension set variables of a copy of the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CUSTDYN_")}
    monkeypatch.setattr("os.environ", kept)


@pytest.mark.usefixtures("own_environment")
def test_without_a_settings_file_that_of_a_project_in_a_subfolder_applies(tmp_path: Path) -> None:
    os.environ["CUSTDYN_ROLE"] = "billing"
    extension._load_jupyter_server_extension(Server(str(tmp_path)))
    project = tmp_path / "project"
    project.mkdir()
    (project / "custdyn.toml").write_text('queries = "q"\nrole = "another"\nsnapshots = "s"\n')
    in_a_kernel = settings.load(folder=project)
    assert (in_a_kernel.queries, in_a_kernel.role) == (project / "q", "billing")
    assert in_a_kernel.snapshots == settings.load({}, tmp_path).snapshots


@pytest.mark.usefixtures("own_environment")
def test_invalid_settings_are_logged_and_the_server_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "custdyn.toml").write_text("colour = 1")
    server = Server(str(tmp_path))
    extension._load_jupyter_server_extension(server)
    assert "custdyn.toml has an unknown key 'colour'" in caplog.text
    assert "This server will not show any reports until this is fixed." in caplog.text
    asyncio.run(extension._start_jupyter_server_extension(server))
    assert not [name for name in os.environ if name.startswith("CUSTDYN_")]


@pytest.mark.usefixtures("own_environment")
@pytest.mark.parametrize(
    ("server", "told"),
    [
        (Server(), "http://localhost:8888/user/x"),
        (Server(base_url="/", connection_url="https://host:1/"), "https://host:1"),
        (Server(custom_display_url="https://hub.example/lab?x"), "https://hub.example/user/x"),
        (Server(connection_url="http+unix://%2Ftmp%2Fsocket/"), None),
    ],
)
def test_kernels_get_the_address_that_users_see(server: Server, told: str | None) -> None:
    extension._load_jupyter_server_extension(server)
    asyncio.run(extension._start_jupyter_server_extension(server))
    assert os.environ.get("CUSTDYN_VIEWER_URL") == told


@pytest.mark.usefixtures("own_environment")
@pytest.mark.parametrize("valid", [True, False])
def test_every_link_has_a_handler_below_the_servers_address_and_its_target_is_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valid: bool
) -> None:
    routes: dict[str, type] = {}

    def add(_app: object, hosts: str, given: list[tuple[str, type, object]]) -> None:
        assert hosts == ".*$"
        routes.update({path: handler for path, handler, _ in given})

    monkeypatch.setattr(tornado.web.Application, "add_handlers", add)
    (tmp_path / "custdyn.toml").write_text('role = "billing"' if valid else "role = [")
    server = Server(str(tmp_path), base_url="/user/x.y/")
    server.web_app.settings["extra_log_scrub_param_keys"] = ["mine"]
    extension._load_jupyter_server_extension(server)
    assert list(routes) == [rf"/user/x\.y/{name}" for name in ("view", "latest", "key")]
    assert (extension.NoReportsHandler in routes.values()) is not valid
    assert server.web_app.settings["extra_log_scrub_param_keys"] == ["mine", "next"]


@pytest.mark.usefixtures("own_environment")
def test_kernels_inherit_every_setting_of_the_servers_file(tmp_path: Path) -> None:
    (tmp_path / "custdyn.toml").write_text('role = "billing"\nqueries = "q"\n')
    extension._load_jupyter_server_extension(Server(str(tmp_path)))
    elsewhere = settings.load(folder=tmp_path.parent)
    assert (elsewhere.role, elsewhere.queries) == ("billing", tmp_path / "q")


def test_the_extension_is_found_by_its_module() -> None:
    assert extension._jupyter_server_extension_points() == [{"module": extension.__name__}]
