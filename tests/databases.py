"""Real PostgreSQL and MariaDB servers for tests: started if none is running, and one database for each test.

Tests use the servers on 127.0.0.1:5432 (user postgres) and 127.0.0.1:3306 (user root), both without a
password. A server that a test run starts itself keeps its data in a temporary folder and ends with the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PORTS = {"postgresql": 5432, "mysql": 3306}
USERS = {"postgresql": "postgres", "mysql": "root"}
_OF_THIS_RUN = "CUSTDYN_TEST_SERVERS"  # the folder of the servers that this run starts
_STARTS_WITHIN_S = 60
_OWNERS = {"postgresql": "postgres", "mysql": "mysql"}  # users of this machine that may run the servers
_TLS = {
    "postgresql": ("-c", "ssl=on", "-c", "ssl_cert_file={}", "-c", "ssl_key_file={}"),
    "mysql": ("--ssl-cert={}", "--ssl-key={}"),
}
_READY: set[str] = set()
_STARTED: dict[int, subprocess.Popen[bytes]] = {}  # by this process


@dataclass(frozen=True)
class Database:
    """A database for one test; `kind` is `postgresql` or `mysql`."""

    kind: str
    name: str

    @property
    def url(self) -> str:
        return self.url_of(USERS[self.kind])

    def url_of(self, user: str) -> str:
        return f"{self.kind}://{user}@{HOST}:{PORTS[self.kind]}/{self.name}"

    def connect(self) -> Any:
        """Return a connection in which every statement takes effect at once."""
        return _connect(self.kind, self.name)

    def run(self, *statements: str) -> None:
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Insert rows into a table."""
        quote = '"' if self.kind == "postgresql" else "`"
        names = ", ".join(f"{quote}{column}{quote}" for column in columns)
        values = ", ".join(["%s"] * len(columns))
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", [tuple(r) for r in rows])


@contextlib.contextmanager
def new_database(kind: str, options: str = "") -> Iterator[Database]:
    """Create a database with a name of its own, and drop it at the end."""
    start(kind)
    database = Database(kind, f"custdyn_test_{secrets.token_hex(6)}")
    whole = Database(kind, "postgres" if kind == "postgresql" else "mysql")
    whole.run(f"CREATE DATABASE {database.name} {options}")
    try:
        yield database
    finally:
        whole.run(f"DROP DATABASE {database.name}{' WITH (FORCE)' if kind == 'postgresql' else ''}")


@contextlib.contextmanager
def new_user(database: Database, password: str) -> Iterator[str]:
    """Create a user without rights, whose password is asked for over TCP, and drop it at the end."""
    name = f"reader_{secrets.token_hex(4)}"
    if database.kind == "postgresql":
        database.run(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        drop = [f"DROP OWNED BY {name}", f"DROP ROLE {name}"]
    else:
        database.run(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
        drop = [f"DROP USER '{name}'@'%'"]
    try:
        yield name
    finally:
        database.run(*drop)


def _connect(kind: str, name: str, port: int | None = None, password: str = "") -> Any:
    """Return a connection to the server of this kind, or to one on another port."""
    told = {"host": HOST, "port": port or PORTS[kind], "user": USERS[kind], "password": password}
    if kind == "postgresql":
        import psycopg

        return psycopg.connect(**told, dbname=name, autocommit=True)
    import pymysql

    return pymysql.connect(**told, database=name, autocommit=True, charset="utf8mb4")


@contextlib.contextmanager
def password_server(
    password: str, kind: str = "postgresql", certificate: Path | None = None
) -> Iterator[int]:
    """Run a server of its own that asks the usual user for a password; yield its port.

    With a certificate, a PEM file that ends with its key, it offers TLS.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="custdyn-server-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        options: list[str] = []
        if certificate is not None:
            pem = folder / "server.pem"
            shutil.copy(certificate, pem)
            pem.chmod(0o600)
            if os.getuid() == 0:
                shutil.chown(pem, _OWNERS[kind])
            options = [option.format(pem) for option in _TLS[kind]]
        if kind == "postgresql":
            process = _postgresql(folder / "server", port, "scram-sha-256", password, options)
        else:
            initial = folder / "initial.sql"
            initial.write_text(f"ALTER USER root@localhost IDENTIFIED BY '{password}';\n")
            process = _mariadb(folder / "server", port, [f"--init-file={initial}", *options])
        try:
            for _ in range(_STARTS_WITHIN_S * 10):
                if _lets_in(kind, port, password):  # a server that is starting up only answers
                    break
                time.sleep(0.1)
            yield port
        finally:
            process.send_signal(signal.SIGINT if kind == "postgresql" else signal.SIGTERM)
            process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port


# Servers


def begin_run() -> None:
    """Choose a folder for the servers that this run starts; called before its workers start."""
    os.environ.setdefault(_OF_THIS_RUN, str(Path(tempfile.gettempdir()) / f"custdyn-servers-{os.getpid()}"))


def end_run() -> None:
    """Stop the servers that this run started; called in the main process."""
    folder = Path(os.environ[_OF_THIS_RUN])
    for file in folder.glob("*.pid"):
        number = int(file.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
            if number in _STARTED:
                _STARTED.pop(number).wait()
            for _ in range(100):  # workers end before the servers that they started
                os.kill(number, 0)
                time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


def start(kind: str) -> None:
    """Start a server unless one that lets tests in is running; it may get another port."""
    if kind in _READY:
        return
    if not _lets_in(kind):
        folder = Path(os.environ[_OF_THIS_RUN])
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # several workers may ask for it at once
            _start_in(folder, kind)
    _READY.add(kind)


def _start_in(folder: Path, kind: str) -> None:
    chosen = folder / f"{kind}.port"
    if chosen.exists():  # another worker started it
        PORTS[kind] = int(chosen.read_text())
        return
    if _answers(PORTS[kind]):  # it wants a password
        PORTS[kind] = free_port()
    process = _STARTS[kind](folder / kind)
    _STARTED[process.pid] = process
    (folder / f"{kind}.pid").write_text(str(process.pid))
    for _ in range(_STARTS_WITHIN_S * 10):
        if _lets_in(kind):
            chosen.write_text(str(PORTS[kind]))
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"the server {kind} did not start:\n{(folder / kind / 'log').read_text()}")


def _lets_in(kind: str, port: int | None = None, password: str = "") -> bool:
    try:
        _connect(kind, "postgres" if kind == "postgresql" else "mysql", port, password).close()
    except Exception:
        return False
    return True


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def _start_postgresql(folder: Path) -> subprocess.Popen[bytes]:
    return _postgresql(folder, PORTS["postgresql"], "trust")


def _postgresql(
    folder: Path, port: int, access: str, password: str = "", more: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]
    _own_folder(folder, "postgres")
    given = folder / "password"
    given.write_text(password)
    made = [
        *_as("postgres"),
        str(programs / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "postgres",
        "-A",
        access,
    ]
    made += ["-E", "UTF8", "--no-sync", *([f"--pwfile={given}"] if password else [])]
    subprocess.run(made, check=True, cwd="/", stdout=subprocess.DEVNULL)
    options = ("-p", str(port), "-c", f"listen_addresses={HOST}", "-k", str(folder), "-F", *more)
    return _spawn(
        [*_as("postgres"), str(programs / "postgres"), "-D", str(folder / "data"), *options], folder
    )


def _start_mariadb(folder: Path) -> subprocess.Popen[bytes]:
    return _mariadb(folder, PORTS["mysql"])


def _mariadb(folder: Path, port: int, more: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    _own_folder(folder, "mysql")
    data = f"--datadir={folder / 'data'}"
    made = ("mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal")
    subprocess.run([*_as("mysql"), *made], check=True, cwd="/", stdout=subprocess.DEVNULL)
    program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    options = (f"--port={port}", f"--bind-address={HOST}", f"--socket={folder / 'socket'}", *more)
    return _spawn([*_as("mysql"), program, "--no-defaults", data, *options], folder)


_STARTS: dict[str, Callable[[Path], subprocess.Popen[bytes]]] = {
    "postgresql": _start_postgresql,
    "mysql": _start_mariadb,
}


def _own_folder(folder: Path, user: str) -> None:
    folder.mkdir()
    if os.getuid() == 0:
        shutil.chown(folder, user)


def _as(user: str) -> tuple[str, ...]:
    """Return the beginning of a command that root runs as another user: servers refuse to run as root."""
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups") if os.getuid() == 0 else ()


def _spawn(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)
