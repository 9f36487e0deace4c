"""The set-up of a viewer in docs/operating.md, block for block: store, service, nginx with TLS."""

from __future__ import annotations

import configparser
import contextlib
import functools
import http.client
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from custdyn_widgets.snapshots.store import Store
from custdyn_widgets.viewer.headers import HEADERS

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/usr/sbin/nginx").exists(), reason="needs root and nginx"
)
ROOT = Path(__file__).parents[2]
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
SECTION = OPERATING.partition("## A viewer for everyone\n")[2].partition("\n## ")[0]
NAME = "reports.example"
MART = Path(__file__).parents[1] / "golden" / "mixed" / "mart"
CUSTDYN = [sys.executable, "-c", "from custdyn_widgets.cli import main; main()"]
ANNA, BOB, VIEWER, GROUP, READERS = 48_801, 48_802, 48_803, 48_899, 48_898


def block(language: str) -> str:
    """Return the section's first block in a language."""
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found
    return found[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@functools.cache
def can_be_others() -> bool:
    """Tell whether other accounts can reach this checkout and its interpreter at all."""
    reach = ["setpriv", f"--reuid={ANNA}", f"--regid={ANNA}", "--clear-groups", *CUSTDYN, "--version"]
    return subprocess.run(reach, cwd="/", capture_output=True).returncode == 0


def by(account: int, group: int, command: list[str], groups: str = f"{GROUP},{READERS}") -> list[str]:
    """Return a command to run as a member of the groups, or as ourselves if only we can enter this folder."""
    if not can_be_others():
        return command
    return ["setpriv", f"--reuid={account}", f"--regid={group}", f"--groups={groups}", *command]


@dataclass(frozen=True)
class Answered:
    """What came back: status, headers, body."""

    status: int
    headers: Message
    body: bytes


def asked(connection: http.client.HTTPConnection, method: str, path: str, host: str) -> Answered:
    """Ask once, and close the connection."""
    with contextlib.closing(connection):
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        return Answered(answer.status, answer.headers, answer.read())


@dataclass(frozen=True)
class Site:
    """A running viewer behind a running nginx: its store, its ports, its certificate, where logs go."""

    store: Path
    https: int
    http: int
    certificate: Path
    logs: Path

    def ask(self, path: str, *, host: str = NAME, method: str = "GET") -> Answered:
        """Ask over TLS, as a browser does that was given the name."""
        connection = http.client.HTTPConnection(NAME)
        connection.sock = self.connected()
        return asked(connection, method, path, host)

    def connected(self) -> ssl.SSLSocket:
        """Return a connection over TLS."""
        trusting = ssl.create_default_context(cafile=str(self.certificate))
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=10)
        return trusting.wrap_socket(plain, server_hostname=NAME)


@pytest.fixture(scope="module")
def store() -> Iterator[Path]:
    """The store's folder, made by the documented command; not among pytest's, where nobody else may come."""
    with tempfile.TemporaryDirectory(prefix="custdyn-srv-") as place:
        Path(place).chmod(0o711)
        [line] = [line for line in block("sh").splitlines() if line.startswith("install ")]
        here = line.replace("--group report-readers", f"--group {READERS}")
        subprocess.run(shlex.split(here.replace("/srv/reports", f"{place}/reports")), check=True)
        last = block("sh").splitlines()[-1]
        variable, command, rest = last.split(" ", 2)
        assert (variable, command) == ("CUSTDYN_SNAPSHOTS=/srv/reports/store", "/opt/custdyn/bin/custdyn")
        found = Path(place) / "reports" / "store"
        protecting = [*CUSTDYN, *rest.replace("--group reports", f"--group {GROUP}").split()]
        subprocess.run(protecting, env={**os.environ, "CUSTDYN_SNAPSHOTS": str(found)}, check=True)
        yield found


@pytest.fixture(scope="module")
def viewer(store: Path) -> Iterator[int]:
    """The service, started as its unit says; its port."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign,assignment]  # systemd tells large from small letters
    unit.read_string(block("ini"))
    start = shlex.split(unit["Service"]["ExecStart"])
    assert start == ["/opt/custdyn/bin/custdyn", "serve"]
    variables = dict(re.findall(r"^Environment=(\w+)=(.*)$", block("ini"), re.MULTILINE))
    assert variables.pop("CUSTDYN_SNAPSHOTS") == "/srv/reports/store"
    environment = {
        **variables,
        "CUSTDYN_SNAPSHOTS": str(store),
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
    }
    serving = subprocess.Popen(
        by(VIEWER, READERS, [*CUSTDYN, "serve", "--port", "0"], groups=str(READERS)),
        cwd="/", env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert serving.stderr is not None
    port = re.search(r":(\d+)/view", serving.stderr.readline())
    assert port
    yield int(port[1])
    serving.terminate()
    serving.stderr.read()
    assert serving.wait(20) == 0
    serving.stderr.close()


@pytest.fixture(scope="module")
def site(store: Path, viewer: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A real nginx with the documented configuration, on ports of its own."""
    place = tmp_path_factory.mktemp("nginx")
    certificate, key = place / "cert.pem", place / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
         "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    found = Site(store, free_port(), free_port(), certificate, place)
    _write_configuration(place / "nginx.conf", found, key, viewer)
    with _running_nginx(place):
        yield found


def _write_configuration(path: Path, site: Site, key: Path, viewer: int) -> None:
    text = block("nginx")
    for readme, here in {
        "listen 443 ssl": f"listen 127.0.0.1:{site.https} ssl",
        "listen 80": f"listen 127.0.0.1:{site.http}",
        f"/etc/ssl/certs/{NAME}.pem": str(site.certificate),
        f"/etc/ssl/private/{NAME}.key": str(key),
        "/var/log/nginx/": f"{site.logs}/",
        "http://127.0.0.1:8899": f"http://127.0.0.1:{viewer}",
    }.items():
        assert readme in text
        text = text.replace(readme, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "".join(f"{kind}_temp_path {site.logs}/{kind};\n" for kind in kinds)
    path.write_text(
        f"user root;\ndaemon off;\npid {site.logs}/pid;\nevents {{}}\nhttp {{\n{scratch}{text}}}\n"
    )


@contextlib.contextmanager
def _running_nginx(place: Path) -> Iterator[None]:
    command = [
        "/usr/sbin/nginx",
        "-p",
        str(place),
        "-c",
        str(place / "nginx.conf"),
        "-e",
        f"{place}/start.log",
    ]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    running = subprocess.Popen(command)
    try:
        while not (place / "pid").read_text():  # -t has made it already, empty
            assert running.poll() is None, (place / "start.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        running.terminate()
        running.wait(10)


def frozen(site: Site, account: int, home: Path) -> str:
    """Freeze a report as one of the group, with the documented settings; return its link."""
    home.mkdir()
    (home / "custdyn.toml").write_text(block("toml").replace("/srv/reports/store", str(site.store)))
    home.chmod(0o700)
    if can_be_others():
        for path in (home, home / "custdyn.toml"):
            os.chown(path, account, account)
        subprocess.run(["cp", "-r", str(MART), str(home / "mart")], check=True)
        subprocess.run(["chown", "-R", str(account), str(home)], check=True)
    mart = home / "mart" if can_be_others() else MART
    command = [
        *CUSTDYN, "query", "--source", str(mart), "--freeze", "--format", "csv", "--group-by", "month",
        "--interval", "last_year", "--as-of", "2022-06-01",
    ]  # fmt: skip
    environment: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "HOME": str(home)}
    done = subprocess.run(
        by(account, account, command), cwd=home, env=environment, umask=0o077, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    link = re.search(r"https://\S+", done.stderr)
    assert link
    return link[0]


@pytest.fixture(scope="module")
def link(site: Site) -> str:
    """A link of anna's, without scheme and host."""
    whole = frozen(site, ANNA, site.store.parent / "anna")
    assert whole.startswith(f"https://{NAME}/view?id=")
    return whole.removeprefix(f"https://{NAME}")


def test_the_commands_create_the_accounts(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group", "shadow", "gshadow"):
        (tmp_path / "etc" / name).touch()
    made = [
        line for line in block("sh").splitlines() if line.split()[0] in ("groupadd", "useradd", "usermod")
    ]
    anna = ["useradd --user-group anna"]
    for line in (*made[:3], *anna, *made[3:]):
        program, *rest = shlex.split(line)
        done = subprocess.run(
            [f"/usr/sbin/{program}", "--prefix", str(tmp_path), *rest], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    for group in ("reports", "report-readers"):
        assert re.search(rf"^{group}:.*:anna$", (tmp_path / "etc" / "group").read_text(), re.MULTILINE)
    assert re.search(r"^custdyn-viewer:.*nologin$", (tmp_path / "etc" / "passwd").read_text(), re.MULTILINE)


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "custdyn-viewer.service"
    unit.write_text(
        block("ini")
        .replace("/opt/custdyn/bin/custdyn", "/bin/true")
        .replace("User=custdyn-viewer", "User=root")
        .replace("Group=report-readers", "Group=root")
    )
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []
    assert done.returncode == 0, done.stderr


def test_the_service_restarts_if_its_port_is_in_use_for_a_while() -> None:
    pause = re.search(r"^RestartSec=(\d+)$", block("ini"), re.MULTILINE)
    assert "Restart=on-failure" in block("ini")
    assert pause, "by default a tenth of a second"
    assert 5 * int(pause[1]) > 10  # systemd gives up after five starts within ten seconds


def test_a_link_shows_the_report(site: Site, link: str) -> None:
    answer = site.ask(link)
    assert answer.status == 200
    assert f"https://{NAME}{link}" in answer.body.decode()
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    for kind in ("html", "csv", "xlsx", "json"):
        assert site.ask(f"{link}&format={kind}").status == 200


def test_other_addresses_get_the_viewers_404(site: Site, link: str) -> None:
    answers = [site.ask(path) for path in ("/", "/view", "/view?id=abc", "/etc/passwd", f"/x{link}")]
    told = {(answer.status, answer.body, answer.headers["Content-Security-Policy"]) for answer in answers}
    assert len(told) == 1
    assert {status for status, *_ in told} == {404}
    assert site.ask(link, method="POST").status == 405
    assert site.ask(link, host="evil.example").status == 421


def test_plain_http_redirects_to_tls(site: Site, link: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.http, timeout=10)
    answer = asked(connection, "GET", link, NAME)
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}{link}")


def test_two_people_freeze_into_one_store_and_a_withdrawn_link_is_gone(site: Site, link: str) -> None:
    others = frozen(site, BOB, site.store.parent / "bob").removeprefix(f"https://{NAME}")
    assert site.ask(others).status == 200
    home = site.store.parent / "bob"
    done = subprocess.run(
        by(BOB, BOB, [*CUSTDYN, "snapshots", "revoke", others]),
        cwd=home, env={"PATH": "/usr/bin:/bin", "HOME": str(home)}, umask=0o077,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert site.ask(others).status == 404
    assert site.ask(link).status == 200


def test_nobody_outside_the_group_reads_the_store(site: Site, link: str) -> None:
    assert link
    above = site.store.parent.stat()
    assert (above.st_mode & 0o777, above.st_gid) == (0o750, READERS)
    assert [path for path in (site.store, *site.store.rglob("*")) if path.stat().st_mode & 0o002] == []


def test_no_log_holds_an_id(site: Site, link: str) -> None:
    snapshot_id = link.partition("=")[2]
    assert site.ask(link).status == 200
    for mangled in (f"/view%3Fid={snapshot_id}", f"/{snapshot_id}", f"/view/id={snapshot_id}"):
        assert site.ask(mangled).status == 404
    logs = "".join(path.read_text() for path in site.logs.glob("*.log"))
    assert re.search(r"\] GET 200 \d+$", logs, re.MULTILINE)
    assert snapshot_id[:9] not in logs


def test_no_log_holds_an_id_when_nginx_has_no_room_for_an_answer(site: Site) -> None:
    snapshot_id = Store(site.store).publish({}, {"report.html": bytes(20_000_000)})
    (site.logs / "proxy").rmdir()
    came = 0
    try:
        with site.connected() as asking:
            asking.sendall(f"GET /view?id={snapshot_id} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            time.sleep(0.5)  # so long that nginx has to put some of it aside
            asking.settimeout(2)
            with contextlib.suppress(OSError):
                while part := asking.recv(2**20):
                    came += len(part)
    finally:
        (site.logs / "proxy").mkdir()
    assert 0 < came < 20_000_000
    assert snapshot_id[:9] not in "".join(path.read_text() for path in site.logs.glob("*.log"))
