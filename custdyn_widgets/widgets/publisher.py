"""One worker in the background, for what has to be done once a table is on screen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from custdyn_widgets.report import Report
from custdyn_widgets.widgets.publishing import Published
from custdyn_widgets.widgets.publishing_process import SHARED


class Publisher:
    """Publishes reports in the order in which they come, without anybody waiting for it.

    Whoever ends the kernel waits: what was begun is finished first.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="custdyn-publisher")

    def publish(self, report: Report, tell: Callable[[Published], None]) -> Future[None]:
        """Freeze a report; `tell` is called in the worker's thread."""
        return self.do(lambda: tell(SHARED.published(report)))

    def do(self, work: Callable[[], None]) -> Future[None]:
        """Do some work behind all that waits already."""
        return self._worker.submit(work)
