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
from custdyn_widgets.errors.urls import ADDRESS, has_password, is_address, mask_passwords
from custdyn_widgets.errors.whole_values import mask_given, mask_value
from custdyn_widgets.errors.wording import hint, nearest, shown

__all__ = [
    "ADDRESS",
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
    "is_address",
    "mask_given",
    "mask_passwords",
    "mask_value",
    "nearest",
    "shown",
]
