"""The standalone server of `custdyn serve`."""

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
from collections.abc import Callable, Iterable
from typing import Any

import tornado.httpserver
import tornado.iostream
import tornado.web

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.settings import VIEWER_HOST, VIEWER_PORT
from custdyn_widgets.snapshots import NewestSnapshots, Store
from custdyn_widgets.viewer.base_handler import HEADERS_SETTING, METRICS_SETTING, BaseHandler
from custdyn_widgets.viewer.headers import HEADERS, headers
from custdyn_widgets.viewer.health import HealthHandler, problem_with
from custdyn_widgets.viewer.keys import KeyHandler
from custdyn_widgets.viewer.latest import LatestHandler
from custdyn_widgets.viewer.links import LOOPBACK_HOSTS, base, bracketed, check_base
from custdyn_widgets.viewer.metrics import Access, Metrics, MetricsHandler
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
_MAX_CONNECTIONS = 2048
_MAX_HEADERS = 64 * 1024
_MAX_BODY = 64 * 1024
_IDLE_SECONDS = 60
_GRACE_SECONDS = 5
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NOBODY = Access()


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make_app(
    store: Store,
    *,
    base_url: str = "/",
    allowed_hosts: Iterable[str] = LOOPBACK_HOSTS,
    share_url: str | None = None,
    embed_origins: Iterable[str] = (),
    metrics_access: Access = _NOBODY,
) -> tornado.web.Application:
    """Return a Tornado application that serves snapshots and responds with 404 to everything else.

    Parameters
    ----------
    store
        The snapshot store.
    base_url
        The base path of the links.
    allowed_hosts
        The host names that the viewer serves, without ports. IPv6 addresses are in brackets.
    share_url
        The base URL of the links shown on pages. Defaults to the request's base URL.
    embed_origins
        The origins of pages that may show reports in a frame.
    metrics_access
        Who may read the metrics.
    """
    metrics = Metrics()
    hosts = {"allowed_hosts": frozenset(host.lower() for host in allowed_hosts)}
    root = re.escape(base(base_url))
    settings: dict[str, Any] = {HEADERS_SETTING: headers(embed_origins), METRICS_SETTING: metrics}
    figures = {"store": store, "metrics": metrics, "access": metrics_access, **hosts}
    latest = {"store": store, "newest": NewestSnapshots(store), **hosts}
    return tornado.web.Application(
        [
            (f"{root}view", ViewHandler, {"site": Site(store, share_url), **hosts}),
            (f"{root}latest", LatestHandler, latest),
            (f"{root}key", KeyHandler, {"folder": store.folder, **hosts}),
            (f"{root}healthz", HealthHandler, {"store": store}),
            (f"{root}metrics", MetricsHandler, figures),
        ],
        default_handler_class=BaseHandler,
        default_handler_args=hosts,
        **settings,
    )


def serve(
    store: Store,
    host: str = VIEWER_HOST,
    port: int = VIEWER_PORT,
    *,
    base_url: str = "/",
    allowed_hosts: Iterable[str] = LOOPBACK_HOSTS,
    share_url: str | None = None,
    embed_origins: Iterable[str] = (),
    metrics_token: str | None = None,
    announce: Callable[[str], None] = _print,
) -> None:
    """Run the viewer until SIGTERM or SIGINT.

    Parameters
    ----------
    store
        The snapshot store.
    host, port
        The address to listen on. Port 0 selects a free port.
    base_url, allowed_hosts, share_url, embed_origins
        As for `make_app`. `hosts_for` returns suitable names for a host.
    metrics_token
        The token that requests for `/metrics` must include. Without one, processes on this machine may read
        the metrics if the viewer serves only this machine.
    announce
        Called with the address when the viewer is ready. By default, the address is printed to stderr.

    Raises
    ------
    SettingsError
        If the server cannot listen on the address, or `base_url` is not a path.
    """
    check_base(base_url)
    hosts = tuple(allowed_hosts)
    is_local = host in _LOOPBACK and set(hosts) <= set(LOOPBACK_HOSTS) and share_url is None
    app = make_app(
        store,
        base_url=base_url,
        allowed_hosts=hosts,
        share_url=share_url,
        embed_origins=embed_origins,
        metrics_access=Access(metrics_token, is_local),
    )
    asyncio.run(_serve(app, host, port, base_url, store, announce))


class Server(tornado.httpserver.HTTPServer):
    """HTTP server that limits connections and sends the viewer's headers even in response to invalid HTTP.

    The number of open connections is limited to `most`. Without a limit, they could use up the file
    descriptors needed to read snapshots, and Tornado would keep trying to accept new ones.
    """

    most = _MAX_CONNECTIONS
    _warned_at = float("-inf")

    def initialize(self, app: tornado.web.Application, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Set the application and its metrics. Tornado calls this after `__init__`."""
        super().initialize(app, *args, **kwargs)
        self.metrics: Metrics = app.settings[METRICS_SETTING]

    def handle_stream(self, stream: tornado.iostream.IOStream, address: tuple[Any, ...]) -> None:
        """Accept a connection, and add headers to Tornado's bare 400 response, which no handler sees."""
        if self.metrics.open_connections >= self.most:
            stream.close()
            self.metrics.refused_connections += 1
            self._warn_full()
            return
        self.metrics.open_connections += 1
        write = stream.write

        def write_with_headers(data: bytes | memoryview) -> Any:
            if data != _BARE_400:
                return write(data)
            _log.info("(not HTTP) 400")
            self.metrics.count("other", 400)
            return write(_BAD_REQUEST)

        stream.write = write_with_headers  # type: ignore[method-assign]
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """Count a closed connection."""
        self.metrics.open_connections -= 1
        super().on_close(server_conn)

    def _warn_full(self) -> None:
        now = time.monotonic()
        if now - self._warned_at >= _IDLE_SECONDS:
            self._warned_at = now
            _log.warning("(refused) %d connections are open, which is the limit", self.most)


async def _serve(
    app: tornado.web.Application,
    host: str,
    port: int,
    base_url: str,
    store: Store,
    announce: Callable[[str], None],
) -> None:
    listening = _listening(host, port)
    # tornado.general logs parts of malformed requests. `Server` logs a line for each of them instead.
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
    announce(f"Snapshots at {address}")
    _warn_if_unreadable(store)
    await stopped.wait()
    server.stop()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), _GRACE_SECONDS)


def _warn_if_unreadable(store: Store) -> None:
    """Warn if the store cannot be read, because users would only see that links do not work."""
    if problem := problem_with(store):
        _log.warning("The store %s %s. Links do not work until this is fixed.", store.folder, problem)


def _most_connections() -> int:
    """Return half of the process's limit on open files. The other half is for reading snapshots."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_CONNECTIONS if allowed == resource.RLIM_INFINITY else min(allowed // 2, _MAX_CONNECTIONS)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"Cannot listen on port {port} of {host} ({why}). Choose another port or host.", field="port"
        ) from error
    listening.setblocking(False)
    return listening
