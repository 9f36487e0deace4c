"""Errors that users can act on, and how their messages quote values and mask passwords."""

from custdyn_widgets.errors.kinds import (
    CustDynError,
    ExportError,
    FieldError,
    MartError,
    QueryError,
    RateError,
    SavedQueryChangedError,
    SavedQueryError,
    SavedQueryExistsError,
    SettingsError,
    SnapshotDamagedError,
    SnapshotError,
    SnapshotNewerError,
    SnapshotNotFoundError,
    SnapshotUnknownError,
    SourceError,
)
from custdyn_widgets.errors.runs import NotDueError, RunError, StillRunningError
from custdyn_widgets.errors.urls import has_password, mask_passwords
from custdyn_widgets.errors.wording import hint, nearest, shown

__all__ = [
    "CustDynError",
    "ExportError",
    "FieldError",
    "MartError",
    "NotDueError",
    "QueryError",
    "RateError",
    "RunError",
    "SavedQueryChangedError",
    "SavedQueryError",
    "SavedQueryExistsError",
    "SettingsError",
    "SnapshotDamagedError",
    "SnapshotError",
    "SnapshotNewerError",
    "SnapshotNotFoundError",
    "SnapshotUnknownError",
    "SourceError",
    "StillRunningError",
    "has_password",
    "hint",
    "mask_passwords",
    "nearest",
    "shown",
]
