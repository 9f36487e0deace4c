"""Errors that users can act on, and how their messages quote values and mask passwords."""

from custdyn_widgets.errors.kinds import (
    CustDynError,
    ExportError,
    FieldError,
    MartError,
    QueryError,
    RateError,
    RunError,
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
    StillRunningError,
)
from custdyn_widgets.errors.urls import has_password, mask_passwords
from custdyn_widgets.errors.wording import nearest, shown

__all__ = [
    "CustDynError",
    "ExportError",
    "FieldError",
    "MartError",
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
    "mask_passwords",
    "nearest",
    "shown",
]
