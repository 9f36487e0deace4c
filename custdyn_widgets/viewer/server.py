"""`custdyn serve`: a small standalone server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterable
from typing import Any

import tornado.httpserver
import tornado.iostream
import tornado.web

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.files import folder_below, reason
from custdyn_widgets.settings import VIEWER_HOST, VIEWER_PORT
from custdyn_widgets.snapshots import Store
from custdyn_widgets.viewer.answers import HEADERS, Answer
from custdyn_widgets.viewer.links import LOOPBACK_HOSTS, base, bracketed
from custdyn_widgets.viewer.view import Site, ViewHandler

_log = logging.getLogger("custdyn.viewer")
_BARE_400 = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_BAD_REQUEST = "\r\n".join(
    (
        "HTTP/1.1 400 Bad Request",
        *(f"{name}: {value}" for name, value in HEADERS.items()),
        "Cache-Control: no-store",
        "Content-Length: 0",
        "Connection: close",
        "\r\n",
    )
).encode("ascii")
_BACKLOG = 256
_MOST = 2048  # connections, where the system would allow more
_MAX_HEADERS = 64 * 1024
_MAX_BODY = 64 * 1024
_IDLE_SECONDS = 60
_GRACE_SECONDS = 5


def handlers(
    store: Store,
    *,
    base_url: str = "/",
    allowed_hosts: Iterable[str] = LOOPBACK_HOSTS,
    share_url: str | None = None,
) -> list[Any]:
    """Return the viewer's routes, to be mounted in a tornado application.

    Parameters
    ----------
    store
        The snapshots.
    base_url
        The path prefix of the routes.
    allowed_hosts
        The names that the viewer answers under, without ports; an IPv6 address in brackets.
    share_url
        The beginning of the links on pages; None for the address of the request.
    """
    arguments = {"site": Site(store, share_url), "allowed_hosts": _names(allowed_hosts)}
    return [(re.escape(f"{base(base_url)}view"), ViewHandler, arguments)]


def make_app(
    store: Store,
    *,
    base_url: str = "/",
    allowed_hosts: Iterable[str] = LOOPBACK_HOSTS,
    share_url: str | None = None,
) -> tornado.web.Application:
    """Return an application that serves the viewer and answers 404 to everything else."""
    hosts = _names(allowed_hosts)
    return tornado.web.Application(
        handlers(store, base_url=base_url, allowed_hosts=hosts, share_url=share_url),
        default_handler_class=Answer,
        default_handler_args={"allowed_hosts": hosts},
    )


def _names(hosts: Iterable[str]) -> frozenset[str]:
    return frozenset(host.lower() for host in hosts)


def serve(
    store: Store,
    host: str = VIEWER_HOST,
    port: int = VIEWER_PORT,
    *,
    base_url: str = "/",
    allowed_hosts: Iterable[str] = LOOPBACK_HOSTS,
    share_url: str | None = None,
) -> None:
    """Serve the viewer until SIGTERM or SIGINT; say on stderr when it is ready, with its address.

    Parameters
    ----------
    store
        The snapshots.
    host, port
        Where to listen; port 0 for any free port.
    base_url, allowed_hosts, share_url
        As for `handlers`; `hosts_for` gives the names for a host.

    Raises
    ------
    SettingsError
        If the address cannot be listened on.
    """
    app = make_app(store, base_url=base_url, allowed_hosts=allowed_hosts, share_url=share_url)
    asyncio.run(_serve(app, host, port, base_url, store))


class Server(tornado.httpserver.HTTPServer):
    """A server whose own answer to what is not HTTP has the headers of every answer, too.

    `most` connections may be open at once; more are closed. Without a bound they would take the descriptors
    that reading a snapshot needs, and tornado would try for ever to accept one more.
    """

    most = _MOST
    _open = 0
    _told_at = float("-inf")

    def handle_stream(self, stream: tornado.iostream.IOStream, address: tuple[Any, ...]) -> None:
        """Take a connection; tornado writes its bare 400 past every handler."""
        if self._open >= self.most:
            stream.close()
            self._tell_full()
            return
        self._open += 1
        write = stream.write

        def dressed(data: bytes | memoryview) -> Any:
            if data != _BARE_400:
                return write(data)
            _log.info("(not HTTP) 400")
            return write(_BAD_REQUEST)

        stream.write = dressed  # type: ignore[method-assign]
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """Make room for another connection."""
        self._open -= 1
        super().on_close(server_conn)

    def _tell_full(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= _IDLE_SECONDS:
            self._told_at = now
            _log.warning("(no room) closed: %d connections are open, and as many may be", self._open)


async def _serve(app: tornado.web.Application, host: str, port: int, base_url: str, store: Store) -> None:
    listening = _listening(host, port)
    # What it says of malformed requests repeats parts of them; `Server` has a line for each.
    logging.getLogger("tornado.general").setLevel(logging.WARNING)
    server = Server(
        app,
        max_header_size=_MAX_HEADERS,
        max_body_size=_MAX_BODY,
        idle_connection_timeout=_IDLE_SECONDS,
        body_timeout=_GRACE_SECONDS,
    )
    server.most = _most_connections()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    server.add_socket(listening)
    address = f"http://{bracketed(host)}:{listening.getsockname()[1]}{base(base_url)}view?id=…"
    print(f"Snapshots at {address}", file=sys.stderr, flush=True)
    _tell_of_store(store)
    await stopped.wait()
    server.stop()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), _GRACE_SECONDS)


def _tell_of_store(store: Store) -> None:
    """Warn of a store that cannot be read: to recipients its links look like any that leads nowhere."""
    try:
        with folder_below(store.folder):
            pass
    except OSError as error:
        words = "The store %s %s: until that is mended no link shows anything."
        _log.warning(words, store.folder, reason(error))


def _most_connections() -> int:
    """Return half of the files that this process may open; the other half is for reading snapshots."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if allowed == resource.RLIM_INFINITY else min(allowed // 2, _MOST)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"port {port} of {host} cannot be listened on ({why}). Choose another port or host.", field="port"
        ) from error
    listening.setblocking(False)
    return listening
