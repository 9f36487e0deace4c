"""The base class of all request handlers: error pages and log lines."""

from __future__ import annotations

import logging
from typing import Any

import tornado.web

from custdyn_widgets.viewer.headers import HEADERS
from custdyn_widgets.viewer.links import host_name
from custdyn_widgets.viewer.logs import ACCESS

# Keys in the Tornado application's settings.
HEADERS_SETTING, METRICS_SETTING = "custdyn_headers", "custdyn_metrics"
METHODS = ("GET", "HEAD")
HTML = "text/html; charset=UTF-8"
ID_BEGINNING = 8  # characters of an id or a token that may be shown
_WORDS = {
    403: (
        "Access denied",
        "You are not allowed to read reports on this server. Ask the operator for access.",
    ),
    404: (
        "No report here",
        "The link may be incomplete, or the report may have been withdrawn. Ask the sender.",
    ),
    405: ("Read only", "This server supports only GET and HEAD."),
    421: (
        "Wrong host",
        "This viewer does not serve this host name. The operator can add it to the allowed hosts.",
    ),
    500: (
        "Cannot be shown",
        "The stored report differs from the published one. The operator can run custdyn snapshots verify.",
    ),
    501: (
        "Made by a newer version",
        "This server is too old for the report. The operator can update custdyn.",
    ),
    503: ("Not available now", "This server cannot read its reports. Try again later, or ask the operator."),
}
_ERROR_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;"
    "margin:15vh auto;padding:0 1rem}}</style><title>{0}</title><h1>{0}</h1><p>{1}</p></html>\n"
)


@tornado.web.stream_request_body
class BaseHandler(tornado.web.RequestHandler):
    """Base class of all handlers; on its own, it responds with 404 to paths that are not links.

    Request bodies are discarded without being parsed, so a request with a method other than GET or HEAD
    simply gets a 405.
    """

    log: Any = logging.getLogger("custdyn.viewer")
    kind = "other"  # the kind of request, for the metrics

    def set_default_headers(self) -> None:
        """Set the headers of every response. Tornado calls this again before it writes an error."""
        self.clear_header("Server")
        for name, value in self.application.settings.get(HEADERS_SETTING, HEADERS).items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", HTML)

    def initialize(self, allowed_hosts: frozenset[str] = frozenset()) -> None:
        """Set the host names that the viewer serves, in lowercase and without ports."""
        self.allowed_hosts = allowed_hosts

    def is_own_host(self) -> bool:
        """Return whether the viewer serves the request's host."""
        return host_name(self.request.headers.get("Host", "")) in self.allowed_hosts

    async def prepare(self) -> None:
        """Reject unknown hosts and methods before any lookup."""
        if not self.is_own_host():
            raise tornado.web.HTTPError(421, reason="Misdirected Request")
        if self.request.method not in METHODS:
            raise tornado.web.HTTPError(405)

    def data_received(self, chunk: bytes) -> None:
        """Discard the body."""

    async def get(self) -> None:
        """Respond with 404."""
        raise tornado.web.HTTPError(404)

    async def head(self) -> None:
        """Respond as `get` does; Tornado omits the body."""
        await self.get()

    def write_error(self, status_code: int, **_: Any) -> None:
        """Write the error page for a status. It does not reveal the cause."""
        if status_code == 405:
            self.set_header("Allow", ", ".join(METHODS))
        words = _WORDS.get(status_code, (self._reason, "The server cannot answer this request."))
        self.finish(_ERROR_PAGE.format(*words))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log an internal error, but not the request, which contains an id."""
        if not isinstance(value, tornado.web.HTTPError):
            self.log.error("internal error: %s", typ.__name__, exc_info=(typ, value, tb))

    def logged(self) -> tuple[str, ...]:
        """Return the request's path, id and format for the log, with only the first characters of the id."""
        return ("(not a link)",)

    def _log(self) -> None:
        """Log the method, target, status and duration of a request.

        This replaces the server's default log line, which would contain the full URL.
        """
        method = self.request.method if self.request.method in METHODS else "(other)"
        seconds, status, target = self.request.request_time(), self.get_status(), self.logged()
        milliseconds = round(1000 * seconds, 1)
        named = dict(zip(("path", "id", "format"), target, strict=False))
        fields = {"method": method, **named, "status": status, "milliseconds": milliseconds}
        line = f"{method} {' '.join(target)} {status} {milliseconds:.1f} ms"
        self.log.info("%s", line, extra={ACCESS: fields})
        if metrics := self.application.settings.get(METRICS_SETTING):
            metrics.count(self.kind, status, seconds)
