"""The viewer: `/view?id=…` answers with a snapshot's finished files, and with nothing else.

The handlers read the store and cannot compute: the process that serves links never imports a source, a
driver or pandas. Every file is compared with its manifest before it is sent; one that was changed since it
was published is answered with 500 and not shown. Whatever is not the link of a visible snapshot gets one
and the same 404, so that nobody learns from an answer what exists.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import tornado.httpserver
import tornado.iostream
import tornado.web

from custdyn_widgets.errors import (
    SettingsError,
    SnapshotDamagedError,
    SnapshotNotFoundError,
    shown,
)
from custdyn_widgets.snapshots.manifests import is_id
from custdyn_widgets.snapshots.store import Store

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; sandbox allow-downloads"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
METHODS = ("GET", "HEAD")
_HTML = "text/html; charset=UTF-8"
_FILES = {
    "html": ("report.html", _HTML),
    "csv": ("report.csv", "text/csv; charset=UTF-8"),
    "xlsx": ("report.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "json": ("report.json", "application/json"),
}
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_WORDS = {
    404: (
        "No report here",
        "The link may have been cut short on its way, or the report was withdrawn. Ask its sender.",
    ),
    405: ("Only reading", "A report can be read here, with GET or HEAD, and nothing else."),
    421: (
        "Wrong host",
        "This viewer does not answer under that name. The operator can add it to the allowed hosts.",
    ),
    500: (
        "Cannot be shown",
        "What is stored is not what was published. The operator can run custdyn snapshots verify.",
    ),
}
_ERROR_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;"
    "margin:15vh auto;padding:0 1rem}}</style><title>{0}</title><h1>{0}</h1><p>{1}</p></html>\n"
)
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
_MAX_HEADERS = 64 * 1024
_MAX_BODY = 64 * 1024
_IDLE_SECONDS = 60
_GRACE_SECONDS = 5
_log = logging.getLogger("custdyn.viewer")


@tornado.web.stream_request_body
class Answer(tornado.web.RequestHandler):
    """What all answers have in common; by itself the answer to every path that is not `/view`.

    A body is never parsed (it is streamed to nowhere), so that no method but GET and HEAD gets further
    than its 405.
    """

    def initialize(self, store: Store, allowed_hosts: frozenset[str]) -> None:
        """Take the store and the names that the viewer answers under (lower case, without ports)."""
        self.store = store
        self.allowed_hosts = allowed_hosts

    def set_default_headers(self) -> None:
        """Set the headers of every answer; tornado calls this again before an error is written."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", _HTML)

    def prepare(self) -> None:
        """Refuse unknown hosts and methods before anything is looked up."""
        host = _HOST.fullmatch(self.request.headers.get("Host", ""))
        if host is None or host[1].lower() not in self.allowed_hosts:
            raise tornado.web.HTTPError(421, reason="Misdirected Request")
        if self.request.method not in METHODS:
            raise tornado.web.HTTPError(405)

    def data_received(self, chunk: bytes) -> None:
        """Drop a body."""

    async def get(self) -> None:
        """Answer 404."""
        raise tornado.web.HTTPError(404)

    async def head(self) -> None:
        """Answer as GET does; tornado leaves the body out."""
        await self.get()

    def write_error(self, status_code: int, **_: Any) -> None:
        """Write the one page that an error has, whatever led to it."""
        if status_code == 405:
            self.set_header("Allow", ", ".join(METHODS))
        words = _WORDS.get(status_code, (self._reason, "The request cannot be answered."))
        self.finish(_ERROR_PAGE.format(*words))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what went wrong inside; never the request, which holds an id."""
        if not isinstance(value, tornado.web.HTTPError):
            _log.error("failed inside: %s", typ.__name__, exc_info=(typ, value, tb))


class ViewHandler(Answer):
    """`/view?id=…` and `&format=html|csv|xlsx|json`."""

    async def get(self) -> None:
        """Answer with the file, 304 if the asker has it, or 404."""
        asked = _asked(self.request.query_arguments)
        if asked is None:
            raise tornado.web.HTTPError(404)
        snapshot_id, kind = asked
        name, content_type = _FILES[kind]
        try:
            digest, data = await asyncio.to_thread(_read, self.store, snapshot_id, name)
        except SnapshotNotFoundError:
            raise tornado.web.HTTPError(404) from None
        except SnapshotDamagedError as error:
            _log.error("%s… is damaged: %s %s", snapshot_id[:8], error.file, error.what)
            raise tornado.web.HTTPError(500) from None
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Etag", f'"{digest}"')
        self.set_header("Content-Type", content_type)
        if kind != "html":
            file_name = f"customer-dynamics-{snapshot_id[:8]}.{kind}"
            self.set_header("Content-Disposition", f'attachment; filename="{file_name}"')
        if self.check_etag_header():
            self.set_status(304)
        else:
            self.write(data)


def _read(store: Store, snapshot_id: str, name: str) -> tuple[str, bytes]:
    data = store.read(snapshot_id, name)
    return store.listed(snapshot_id, name)["sha256"], data


def _asked(arguments: dict[str, list[bytes]]) -> tuple[str, str] | None:
    """Return (id, format) if the query string has exactly one id, at most one format and nothing else."""
    if not arguments.keys() <= {"id", "format"} or any(len(values) != 1 for values in arguments.values()):
        return None
    snapshot_id = arguments.get("id", [b""])[0].decode("latin-1")
    kind = arguments.get("format", [b"html"])[0].decode("latin-1")
    return (snapshot_id, kind) if is_id(snapshot_id) and kind in _FILES else None


def handlers(
    store: Store, *, base_url: str = "/", allowed_hosts: Iterable[str] = LOOPBACK_HOSTS
) -> list[Any]:
    """Return the viewer's routes, to be mounted in a tornado application.

    Parameters
    ----------
    store
        The snapshots.
    base_url
        The path that the routes stand below.
    allowed_hosts
        The names that the viewer answers under, without ports; an IPv6 address in brackets.
    """
    return [(re.escape(f"{_base(base_url)}view"), ViewHandler, _arguments(store, allowed_hosts))]


def make_app(
    store: Store, *, base_url: str = "/", allowed_hosts: Iterable[str] = LOOPBACK_HOSTS
) -> tornado.web.Application:
    """Return an application that serves the viewer and answers 404 to everything else."""
    hosts = tuple(allowed_hosts)
    return tornado.web.Application(
        handlers(store, base_url=base_url, allowed_hosts=hosts),
        default_handler_class=Answer,
        default_handler_args=_arguments(store, hosts),
        log_function=log_request,
    )


def _base(base_url: str) -> str:
    return f"/{base_url.strip('/')}/".replace("//", "/")


def _arguments(store: Store, allowed_hosts: Iterable[str]) -> dict[str, Any]:
    return {"store": store, "allowed_hosts": frozenset(host.lower() for host in allowed_hosts)}


def log_request(handler: tornado.web.RequestHandler) -> None:
    """Log a line for a request: method, what was asked (an id cut short), status and milliseconds."""
    request = handler.request
    asked = _asked(request.query_arguments) if isinstance(handler, ViewHandler) else None
    what = f"/view {asked[0][:8]}… {asked[1]}" if asked else "(not a link)"
    method = request.method if request.method in METHODS else "(other)"
    _log.info("%s %s %d %.1f ms", method, what, handler.get_status(), 1000 * request.request_time())


def hosts_for(host: str, extra: Iterable[str] = (), share_url: str | None = None) -> tuple[str, ...]:
    """Return the names that a viewer bound to `host` answers under: loopback's, its own, the links', more.

    Raises
    ------
    SettingsError
        If one of the names is not a host name, without scheme, port or path.
    """
    own = [] if host in ("", "0.0.0.0", "::") else [f"[{host}]" if ":" in host else host]  # noqa: S104 - compared
    linked = urlsplit(share_url).hostname if share_url else None
    if linked:
        own.append(f"[{linked}]" if ":" in linked else linked)
    names = (*LOOPBACK_HOSTS, *own, *extra)
    for name in names:
        match = _HOST.fullmatch(name)
        if match is None or match[1] != name:
            raise SettingsError(
                f"{shown(name)} is not a host name: give it without scheme, port or path.",
                field="allowed_hosts",
            )
    return names


def serve(
    store: Store,
    host: str = "127.0.0.1",
    port: int = 8899,
    *,
    base_url: str = "/",
    allowed_hosts: Iterable[str] = LOOPBACK_HOSTS,
) -> None:
    """Serve the viewer until SIGTERM or SIGINT; say on stderr when it is ready, with its address.

    Parameters
    ----------
    store
        The snapshots.
    host, port
        Where to listen; port 0 takes a free one.
    base_url, allowed_hosts
        As for `handlers`; `hosts_for` gives the names for a host.

    Raises
    ------
    SettingsError
        If the address cannot be listened on.
    """
    app = make_app(store, base_url=base_url, allowed_hosts=allowed_hosts)
    asyncio.run(_serve(app, host, port, base_url))


class _Server(tornado.httpserver.HTTPServer):
    """A server whose own answer to what is not HTTP has the headers of every answer, too."""

    def handle_stream(self, stream: tornado.iostream.IOStream, address: tuple[Any, ...]) -> None:
        """Take a connection; tornado writes its bare 400 past every handler."""
        write = stream.write

        def dressed(data: bytes | memoryview) -> Any:
            return write(_BAD_REQUEST if data == _BARE_400 else data)

        stream.write = dressed  # type: ignore[method-assign]
        super().handle_stream(stream, address)


async def _serve(app: tornado.web.Application, host: str, port: int, base_url: str) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"port {port} of {host} cannot be listened on ({why}). Choose another port or host.", field="port"
        ) from error
    listening.setblocking(False)
    server = _Server(
        app,
        max_header_size=_MAX_HEADERS,
        max_body_size=_MAX_BODY,
        idle_connection_timeout=_IDLE_SECONDS,
        body_timeout=_GRACE_SECONDS,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    server.add_socket(listening)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}{_base(base_url)}view?id=…"
    print(f"Snapshots at {address}", file=sys.stderr, flush=True)
    await stopped.wait()
    server.stop()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), _GRACE_SECONDS)
