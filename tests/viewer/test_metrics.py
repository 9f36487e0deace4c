"""The viewer's metrics: what is counted, and who may read it."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from custdyn_widgets.errors import SettingsError
from custdyn_widgets.viewer.metrics import Access, Metrics, token_from

NAME = "custdyn_viewer_"


def lines_of(metrics: Metrics, *, store_readable: bool = True) -> dict[str, float]:
    samples = [line for line in metrics.text(store_readable=store_readable).splitlines() if line[0] != "#"]
    return {name.removeprefix(NAME): float(value) for name, value in (one.rsplit(" ", 1) for one in samples)}


def test_a_new_viewer_has_counted_nothing() -> None:
    found = lines_of(Metrics(started=12.5))
    assert list(found.values()) == [1, 0, 0, 1, 12.5]
    assert lines_of(Metrics(), store_readable=False)["store_readable"] == 0


def test_durations_are_counted_up_to_each_bound_and_added_up() -> None:
    metrics = Metrics()
    for status, seconds in ((200, 0.005), (200, 0.006), (404, 11.0)):
        metrics.count("view", status, seconds)
    metrics.count("key", 200)
    found = lines_of(metrics)
    buckets = [
        value for name, value in found.items() if name.startswith('request_seconds_bucket{target="view"')
    ]
    assert buckets == [1, *[2] * 10, 3]
    assert found['request_seconds_bucket{target="view",le="+Inf"}'] == 3
    assert found['request_seconds_count{target="view"}'] == 3
    assert found['request_seconds_sum{target="view"}'] == pytest.approx(11.011)
    assert found['request_seconds_bucket{target="key",le="0.005"}'] == 1
    requests = {name: value for name, value in found.items() if name.startswith("requests_total")}
    assert requests == {
        'requests_total{target="key",status="200"}': 1,
        'requests_total{target="view",status="200"}': 2,
        'requests_total{target="view",status="404"}': 1,
    }


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), ("", False), ("@", False), (None, False)],
)
def test_this_machine_is_told_by_the_requests_address(address: str | None, allowed: bool) -> None:
    line = RequestStartLine("GET", "/metrics", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "localhost"}))
    request.remote_ip = address
    assert Access(local=True).allows(request) is allowed
    assert Access().allows(request) is False
    assert Access("x" * 16, local=True).allows(request) is False


@pytest.mark.parametrize(
    ("token", "valid"),
    [("x" * 16, True), ("x" * 15, False), ("é" * 20, False), ("x" * 20 + "\x7f", False), ("x x" * 9, False)],
)
def test_a_token_is_long_and_can_be_sent_in_a_header(token: str, valid: bool) -> None:
    if valid:
        assert token_from({"CUSTDYN_METRICS_TOKEN": token}) == token
        return
    with pytest.raises(
        SettingsError, match="at least 16 printable ASCII characters, without spaces"
    ) as error:
        token_from({"CUSTDYN_METRICS_TOKEN": token})
    assert token not in error.value.message
