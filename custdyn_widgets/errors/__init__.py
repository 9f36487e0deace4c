"""Errors that users can act on, and how their messages quote values."""

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
    SnapshotNotFoundError,
    SnapshotUnknownError,
    SourceError,
    StillRunningError,
)
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
    "SnapshotNotFoundError",
    "SnapshotUnknownError",
    "SourceError",
    "StillRunningError",
    "nearest",
    "shown",
]
