"""Errors from running template notebooks and scheduled saved queries."""

from __future__ import annotations

from custdyn_widgets.errors.kinds import CustDynError


class RunError(CustDynError):
    """A template notebook failed, was killed or did not finish; nothing was published."""

    code = "run"


class StillRunningError(RunError):
    """An earlier run of the saved query is still in progress, so this one was not started."""

    code = "still-running"


class NotDueError(RunError):
    """No run is due for a scheduled time; `failed` says whether an earlier run failed or was missed."""

    code = "not-due"

    def __init__(self, message: str, *, failed: bool = False) -> None:
        super().__init__(message)
        self.failed = failed
