"""The bounds on what a notebook prints and displays, so that endless output cannot exhaust memory.

One bound applies to the outputs that are kept. Another applies to everything that the kernel sends, because a
display that is updated, a cell that clears its output, or a widget can send data endlessly without any of it
being kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient
    from jupyter_client.session import Session
    from zmq import Frame

MAX_KEPT_MB = 64
MAX_SENT_MB = 1024
OVERHEAD = 256  # added to the size of an output, because an empty one takes memory too
_MAX_WAITING = 4  # messages received but not yet read; each may be as large as the bound on kept outputs
_SHOWN_FORMS = frozenset(
    {"image/png", "image/svg+xml", "text/html", "text/latex", "text/markdown", "text/plain"}
)
_DISPLAYS = frozenset({"display_data", "execute_result", "update_display_data"})


class OutputRefused(Exception):  # noqa: N818 - the caller turns it into an error
    """The notebook was stopped because of its outputs. The text completes "The notebook …"."""


@dataclass
class _Display:
    """The size of a display with an id, and how many times each cell shows it."""

    size: int = 0
    shown: Counter[str] = field(default_factory=Counter)


class OutputSize:
    """The size of the outputs that a run keeps.

    An updated display changes everywhere it is shown. When a cell clears its output, the output's size is
    reset at once or, with `wait`, when the next output arrives.
    """

    def __init__(self) -> None:
        self.total = 0
        self._cells: Counter[str] = Counter()
        self._displays: dict[str, _Display] = {}
        self._clearing = ""

    def add(self, message: Mapping[str, Any], size: int) -> None:
        """Count a message of the given size that the kernel sent while a cell was running."""
        cell = str(message["parent_header"].get("msg_id"))
        content, kind = message["content"], message["msg_type"]
        size += OVERHEAD
        display = (content.get("transient") or {}).get("display_id") if kind in _DISPLAYS else None
        if display in self._displays:
            self._resize(self._displays[display], size)
        if kind == "clear_output":
            if content.get("wait"):
                self._clearing = cell
            else:
                self._clear(cell)
        elif kind in _KEPT:
            if self._clearing == cell:
                self._clear(cell)
            self._clearing = ""
            if display:
                shown = self._displays.setdefault(display, _Display(size))
                shown.shown[cell] += 1
            else:
                self._cells[cell] += size
            self.total += size

    def _resize(self, display: _Display, size: int) -> None:
        self.total += (size - display.size) * display.shown.total()
        display.size = size

    def _clear(self, cell: str) -> None:
        self.total -= self._cells.pop(cell, 0)
        for name, display in list(self._displays.items()):
            self.total -= display.size * display.shown.pop(cell, 0)
            if not display.shown:
                del self._displays[name]


_KEPT = frozenset({"stream", "display_data", "execute_result", "error"})


class CapturedOutputs:
    """The outputs captured by Output widgets, which pages do not show."""

    def __init__(self) -> None:
        self._cells: dict[str, str] = {}

    def drops(self, message: Mapping[str, Any]) -> bool:
        """Return whether a message is left out because it is for a widget or was captured by one."""
        if not message["msg_type"].startswith("comm_"):
            return message["parent_header"].get("msg_id") in self._cells.values() and (
                message["msg_type"] in _KEPT or message["msg_type"] == "clear_output"
            )
        content = message["content"]
        state = (content.get("data") or {}).get("state") or {}
        if state.get("msg_id"):
            self._cells[content["comm_id"]] = state["msg_id"]
        elif "msg_id" in state:
            self._cells.pop(content["comm_id"], None)
        return True


class Bounds:
    """The bounds on one run's outputs."""

    def __init__(self) -> None:
        self._kept, self._captured = OutputSize(), CapturedOutputs()
        self._sent = 0

    def read(self, session: Session, frames: Sequence[Frame]) -> dict[str, Any] | None:
        """Parse a message from its frames and reduce it to what a page shows; return None if it is left out.

        Raises
        ------
        OutputRefused
            If the outputs exceed a bound, or the message cannot be read.
        """
        size = sum(map(len, frames))
        self._sent += size
        if size > MAX_KEPT_MB << 20:  # do not copy or parse it: that could take ten times its size in memory
            raise OutputRefused(_TOO_LARGE)
        if self._sent > MAX_SENT_MB << 20:
            raise OutputRefused(_TOO_MUCH)
        try:
            parts = session.feed_identities([frame.bytes for frame in frames])[1]
            message: dict[str, Any] = session.deserialize(parts)
            if self._captured.drops(message):
                return None
            self._kept.add(message, _reduce(message))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise OutputRefused("sent an output that cannot be read") from None
        if self._kept.total > MAX_KEPT_MB << 20:
            raise OutputRefused(_TOO_LARGE)
        return message


def bound_outputs(client: AsyncKernelClient, stop: Callable[[str], None]) -> None:
    """Make a client refuse outputs that exceed the bounds or are unreadable; `stop` receives the reason."""
    from queue import Empty

    from jupyter_client.channels import AsyncZMQSocketChannel

    bounds = Bounds()

    class BoundedChannel(AsyncZMQSocketChannel):
        """The channel for outputs, with bounds on what it accepts."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.socket.rcvhwm = _MAX_WAITING

        async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # type: ignore[override]  # async like its base
            while True:
                if not await self.socket.poll(None if timeout is None else int(timeout * 1000)):
                    raise Empty
                try:
                    message = bounds.read(self.session, await self.socket.recv_multipart(copy=False))
                except OutputRefused as refused:
                    stop(str(refused))
                    raise
                if message is not None:
                    return message

    client.iopub_channel_class = BoundedChannel


_TOO_LARGE = f"printed or displayed more than {MAX_KEPT_MB} MB"
_TOO_MUCH = f"sent more than {MAX_SENT_MB:,} MB of outputs and updates"


def _reduce(message: Mapping[str, Any]) -> int:
    """Reduce an output to what a page can show, and return the reduced size.

    Other formats of a display are kept as empty text, so that the page can say what was left out.
    """
    content = message["content"]
    if message["msg_type"] in _DISPLAYS:
        content["metadata"] = {}
        data = content["data"]
        content["data"] = {form: _text(data[form]) if form in _SHOWN_FORMS else "" for form in data}
        return sum(len(form) + len(text) for form, text in content["data"].items())
    if message["msg_type"] == "stream":
        content["text"] = _text(content["text"])
        return len(content["text"])
    return len(str(content))


def _text(value: object) -> str:
    """Return the text of a display, which may be given as a list of lines."""
    lines = value if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))
