"""The bound on what a notebook prints and displays, so that an endless output does not fill the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient

MOST_OUTPUT_MB = 64


class OutputTooLarge(Exception):  # noqa: N818 - the caller turns it into an error
    """The notebook was stopped because its outputs are larger than the bound."""


class OutputSize:
    """The number of characters in the outputs that a run keeps.

    A display that is updated replaces its content, and a cell that clears its output starts from nothing.
    """

    def __init__(self) -> None:
        self._earlier = 0
        self._cell: object = None
        self._in_cell = 0
        self._displays: dict[str, int] = {}

    @property
    def total(self) -> int:
        """The characters of all cells."""
        return self._earlier + self._in_cell

    def add(self, message: Mapping[str, Any]) -> None:
        """Count a message that the kernel sent while a cell ran."""
        cell = message["parent_header"].get("msg_id")
        if cell != self._cell:
            self._earlier, self._in_cell, self._cell = self.total, 0, cell
        content, kind = message["content"], message["msg_type"]
        if kind == "clear_output":
            self._in_cell = 0
            self._displays.clear()
        elif kind in _KEPT:
            size = sum(map(len, _texts(content)))
            display = (content.get("transient") or {}).get("display_id", "")
            before = self._displays.get(display, size) if kind == "update_display_data" else 0
            self._in_cell += size - before
            if display:
                self._displays[display] = size


_KEPT = ("stream", "display_data", "execute_result", "update_display_data", "error", "comm_open")


def stop_above_bound(client: AsyncKernelClient, stop: Callable[[], None]) -> None:
    """Make a client call `stop` and raise OutputTooLarge once the outputs are larger than the bound."""
    from jupyter_client.channels import AsyncZMQSocketChannel

    size = OutputSize()

    class BoundedChannel(AsyncZMQSocketChannel):
        """The channel of outputs."""

        async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # type: ignore[override]  # async like its base
            message = await super().get_msg(timeout)
            size.add(message)
            if size.total > MOST_OUTPUT_MB << 20:
                stop()
                raise OutputTooLarge
            return message

    client.iopub_channel_class = BoundedChannel


def _texts(value: object) -> Iterator[str]:
    """Yield all strings in a message's content."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
