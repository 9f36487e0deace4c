"""Messages of a kernel: what is kept of each, and when a run is stopped because of them."""

from __future__ import annotations

from typing import Any

import pytest
import zmq
from jupyter_client.session import Session

from custdyn_widgets.notebook import output_bound
from custdyn_widgets.notebook.output_bound import OVERHEAD, Bounds, OutputRefused

SESSION = Session(key=b"any")
KEPT, SENT = "printed or displayed more than 64 MB", "sent more than 1,024 MB"


def frames(kind: str, content: dict[str, Any], cell: str = "cell") -> list[zmq.Frame]:
    message = SESSION.msg(kind, content, parent={"header": {"msg_id": cell}})
    message["parent_header"] = {"msg_id": cell}
    return [zmq.Frame(part) for part in SESSION.serialize(message, ident=b"from")]


def stream(length: int) -> list[zmq.Frame]:
    return frames("stream", {"name": "stdout", "text": "x" * length})


def read(bounds: Bounds, kind: str, content: dict[str, Any]) -> Any:
    found = bounds.read(SESSION, frames(kind, content))
    return None if found is None else found["content"]


def test_of_a_display_only_the_forms_that_a_page_shows_are_kept() -> None:
    data = {"text/plain": ["a", "b", 5], "text/html": "<b>", "application/json": {"c": "d"}, "image/png": 7}
    for kind in ("display_data", "execute_result", "update_display_data"):
        found = read(Bounds(), kind, {"data": data, "metadata": {"large": "x"}})
        assert found["metadata"] == {}
        assert found["data"] == {
            "text/plain": "ab",
            "text/html": "<b>",
            "application/json": "",
            "image/png": "",
        }


def test_printed_text_errors_and_status_are_kept() -> None:
    bounds = Bounds()
    assert read(bounds, "stream", {"name": "stdout", "text": ["a", "b"]}) == {"name": "stdout", "text": "ab"}
    assert read(bounds, "error", {"ename": "ValueError"}) == {"ename": "ValueError"}
    assert read(bounds, "status", {"execution_state": "idle"}) == {"execution_state": "idle"}
    assert bounds._kept.total == 2 * OVERHEAD + 2 + len("{'ename': 'ValueError'}")


def test_outputs_are_refused_once_all_that_are_kept_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_bound, "MAX_KEPT_MB", 1)
    bounds = Bounds()
    bounds.read(SESSION, stream(2**19))
    bounds.read(SESSION, stream(2**19 - 2 * OVERHEAD))  # exactly as much as allowed
    with pytest.raises(OutputRefused, match=KEPT):
        bounds.read(SESSION, stream(1))


def test_one_message_that_is_too_large_is_refused_even_if_nothing_of_it_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output_bound, "MAX_KEPT_MB", 1)
    large = {"data": {"application/json": "x" * 2**20}, "metadata": {}}
    with pytest.raises(OutputRefused, match=KEPT):
        read(Bounds(), "display_data", large)


def test_messages_of_which_nothing_is_kept_are_refused_once_too_much_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output_bound, "MAX_SENT_MB", 1)
    bounds = Bounds()
    value = {"comm_id": "widget", "data": {"state": {"value": "x" * 600_000}}}
    assert read(bounds, "comm_msg", value) is None
    assert bounds._kept.total == 0
    with pytest.raises(OutputRefused, match=SENT):
        read(bounds, "comm_msg", value)


def test_what_a_widget_captures_is_left_out_until_it_captures_no_more() -> None:
    bounds, captured = Bounds(), []
    printed = {"name": "stdout", "text": "x"}
    for cell in ("cell", "another", "", "cell"):
        assert read(bounds, "comm_msg", {"comm_id": "a", "data": {"state": {"msg_id": cell}}}) is None
        captured.append((read(bounds, "stream", printed) is None, read(bounds, "clear_output", {}) is None))
        assert read(bounds, "status", {}) == {}
    assert read(bounds, "comm_msg", {"comm_id": "a", "data": {"state": {"other": 1}}}) is None
    assert read(bounds, "comm_close", {"comm_id": "a"}) is None
    assert captured == [(True, True), (False, False), (False, False), (True, True)]
    assert read(bounds, "stream", printed) is None


@pytest.mark.parametrize(
    "broken",
    [
        [zmq.Frame(b"no message")],
        [zmq.Frame(part) for part in (b"<IDS|MSG>", b"signature", b"{", b"{", b"{", b"{")],
        frames("display_data", {"data": ["text/plain"], "metadata": {}}),
        frames("display_data", {}),
        frames("stream", {"name": "stdout"}),
    ],
    ids=["short", "no JSON", "data that are none", "no data", "no text"],
)
def test_a_message_that_cannot_be_read_stops_the_run(broken: list[zmq.Frame]) -> None:
    with pytest.raises(OutputRefused, match="sent an output that cannot be read"):
        Bounds().read(SESSION, broken)


def test_the_forms_of_a_display_count_with_their_names() -> None:
    bounds = Bounds()
    read(bounds, "display_data", {"data": {"text/plain": "abc"}, "metadata": {}})
    assert bounds._kept.total == OVERHEAD + len("text/plain") + len("abc")
