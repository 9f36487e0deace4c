"""The viewer's metrics for Prometheus, served at `/metrics` in its text format.

The metrics contain no snapshot ids; even so, only operators may read them. If a token is set, requests must
include it. Without a token, only processes on this machine may read the metrics, and only if the viewer
serves no other machine, because behind a proxy, all requests seem to come from this machine.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import tornado.web
from tornado.httputil import HTTPServerRequest

from custdyn_widgets import __version__
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.files import read_secret
from custdyn_widgets.snapshots import Store
from custdyn_widgets.viewer.base_handler import BaseHandler
from custdyn_widgets.viewer.health import problem_within_seconds

TOKEN_VARIABLE = "CUSTDYN_METRICS_TOKEN"  # noqa: S105  # the name of the variable
_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
_MIN_TOKEN = 16
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_FORWARDED = ("Forwarded", "Via", "X-Real-Ip")


@dataclass
class Metrics:
    """Counts of the viewer's responses and connections since it started."""

    started: float = field(default_factory=time.time)
    open_connections: int = 0
    refused_connections: int = 0
    _requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    _buckets: defaultdict[str, list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0] * (len(_BUCKETS) + 1))
    )
    _seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def count(self, target: str, status: int, seconds: float = 0.0) -> None:
        """Count a response: what was requested (`view`, `latest`, …), its status and its duration."""
        self._requests[target, status] += 1
        self._buckets[target][bisect_left(_BUCKETS, seconds)] += 1
        self._seconds[target] += seconds

    def text(self, *, store_readable: bool) -> str:
        """Return the metrics in the Prometheus text format."""
        single: dict[str, tuple[str, str, float]] = {
            "connections": ("gauge", "Open connections.", self.open_connections),
            "refused_connections_total": (
                "counter",
                "Connections refused because too many were open.",
                self.refused_connections,
            ),
            "store_readable": ("gauge", "Whether the snapshot store can be read.", int(store_readable)),
            "start_time_seconds": ("gauge", "When the viewer started, in Unix time.", self.started),
        }
        lines = [
            *_family("info", "gauge", "The version of custdyn.", [({"version": __version__}, 1)]),
            *(
                line
                for name, (kind, text, value) in single.items()
                for line in _family(name, kind, text, [({}, value)])
            ),
            *_family(
                "requests_total",
                "counter",
                "Responses by target and status.",
                [({"target": t, "status": str(s)}, n) for (t, s), n in sorted(self._requests.items())],
            ),
            *self._durations(),
        ]
        return "".join(f"{line}\n" for line in lines)

    def _durations(self) -> Iterator[str]:
        yield from _family("request_seconds", "histogram", "Response durations by target.", ())
        for target, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, number in zip([*map(str, _BUCKETS), "+Inf"], buckets, strict=True):
                total += number
                yield _sample("request_seconds_bucket", {"target": target, "le": bound}, total)
            yield _sample("request_seconds_sum", {"target": target}, self._seconds[target])
            yield _sample("request_seconds_count", {"target": target}, total)


@dataclass(frozen=True)
class Access:
    """Who may read the metrics.

    Attributes
    ----------
    token
        The token that requests must include as `Authorization: Bearer …`; None if there is none.
    local
        Whether processes on this machine may read the metrics if there is no token.
    """

    token: str | None = None
    local: bool = False

    def has_token(self, request: HTTPServerRequest) -> bool:
        """Return whether a request has the token."""
        given = request.headers.get("Authorization", "")
        return self.token is not None and hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode())

    def allows(self, request: HTTPServerRequest) -> bool:
        """Return whether a request may read the metrics."""
        if self.token is not None:
            return self.has_token(request)
        forwarded = any(n in _FORWARDED or n.startswith("X-Forwarded-") for n in request.headers)
        # By default, nginx forwards requests as HTTP/1.0 without any of these headers.
        forwarded |= request.version == "HTTP/1.0"
        return self.local and not forwarded and _is_loopback(request.remote_ip)


def token_from(environ: Mapping[str, str]) -> str | None:
    """Return the token in the environment, or in the file named there; None if there is none.

    Raises
    ------
    SettingsError
        As for `read_secret`, or if the token is invalid; the error does not show the token.
    """
    token = read_secret(TOKEN_VARIABLE, environ)
    if token is None:
        return None
    if len(token) < _MIN_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise SettingsError(
            f"{TOKEN_VARIABLE} must have at least {_MIN_TOKEN} printable ASCII characters, without spaces. "
            "Create one with: openssl rand -hex 32",
            field=TOKEN_VARIABLE,
        )
    return token


class MetricsHandler(BaseHandler):
    """Handler for `/metrics`."""

    kind = "metrics"

    def initialize(  # type: ignore[override]
        self, store: Store, metrics: Metrics, access: Access, allowed_hosts: frozenset[str] = frozenset()
    ) -> None:
        """Set the store, the metrics, who may read them, and the host names to serve."""
        super().initialize(allowed_hosts)
        self.store, self.metrics, self.access = store, metrics, access

    def is_own_host(self) -> bool:
        """Return whether the request has the token or the viewer serves its host."""
        return self.access.has_token(self.request) or super().is_own_host()

    async def get(self) -> None:
        """Respond with the metrics, or with 404 if the request may not read them."""
        if not self.access.allows(self.request):
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", _TEXT_FORMAT)
        problem = await problem_within_seconds(self.store)
        self.write(self.metrics.text(store_readable=not problem))

    def logged(self) -> tuple[str, ...]:
        """Return the path."""
        return ("/metrics",)


def environment_token() -> str | None:
    """Return the token from this process's environment; see `token_from`."""
    return token_from(os.environ)


def _is_loopback(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _family(
    name: str, kind: str, text: str, samples: Iterable[tuple[dict[str, str], float]]
) -> Iterator[str]:
    full = f"custdyn_viewer_{name}"
    yield f"# HELP {full} {text}"
    yield f"# TYPE {full} {kind}"
    for labels, value in samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    # Labels need no escaping: they are targets, statuses, bounds and versions.
    listed = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"custdyn_viewer_{name}{f'{{{listed}}}' if listed else ''} {value}"
