"""The errors that a person can act on.

Every error that leaves the package on purpose is a `CustDynError`: one sentence that names the field
and the value and says what is allowed or what to do, and a stable `code` for programs. The kinds
differ by who has to act. Named constructors hold the wording, so that a form, the command line and a
notebook say the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from custdyn_widgets.errors.wording import hint, shown


class CustDynError(Exception):
    """Base of every error that the package raises on purpose.

    Parameters
    ----------
    message
        One or more plain sentences: what is wrong, where, and what to do about it.
    field
        The query field, setting or column that the error is about, if one is.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class FieldError(CustDynError):
    """A field has a value that is not allowed."""

    @classmethod
    def missing(cls, field: str, what: str) -> Self:
        """Return the error for a required field that was left out."""
        return cls(f"{field} is required: {what}.", field=field)

    @classmethod
    def wrong_type(cls, field: str, value: object, expected: str) -> Self:
        """Return the error for a value of the wrong type."""
        return cls(f"{field} must be {expected}, not {shown(value)}.", field=field)

    @classmethod
    def not_allowed(cls, field: str, value: object, allowed: Sequence[str]) -> Self:
        """Return the error for a value outside a fixed choice, with the nearest valid ones."""
        return cls(f"{field}: {shown(value)} is not one of its values. {hint(value, allowed)}", field=field)

    @classmethod
    def invalid(cls, field: str, value: object, why: str) -> Self:
        """Return the error for a value that has the right type and no sensible meaning."""
        return cls(f"{field}: {shown(value)} {why}.", field=field)


class QueryError(FieldError):
    """A query has a value that is not allowed."""

    code = "query"

    @classmethod
    def unknown_field(cls, name: str, allowed: Sequence[str]) -> QueryError:
        """Return the error for an unknown query key."""
        return cls(f"A query has no field {shown(name)}. {hint(name, allowed)}", field=name)

    @classmethod
    def unknown_parameter(cls, name: str, allowed: Sequence[str]) -> QueryError:
        """Return the error for a parameter that a template notebook does not have."""
        return cls(f"The template has no parameter {shown(name)}. {hint(name, allowed)}", field=name)

    @classmethod
    def not_in_mart(cls, field: str, value: object, what: str, present: Sequence[str]) -> QueryError:
        """Return the error for a tag, company, user or package that the data does not have."""
        return cls(f"{field}: the data has no {what} {shown(value)}. {hint(value, present)}", field=field)


class SourceError(CustDynError):
    """A source of data cannot be found or read."""

    code = "source"

    @classmethod
    def not_found(cls, source: str, why: str) -> SourceError:
        """Return the error for a source that is not there or not of a known form."""
        return cls(
            f"Source {shown(source)} {why}. Give a folder that holds clients and transactions as CSV or "
            "Parquet files, a DuckDB file, or a dict of pandas DataFrames by those names.",
            field="source",
        )


class MartError(CustDynError):
    """The data of a mart has faults; the message lists them as `custdyn check --all` does."""

    code = "mart"


class RateError(CustDynError):
    """A conversion needs a quote that the mart does not have."""

    code = "rate"

    @classmethod
    def missing(cls, currency: str, date: str, target: str) -> RateError:
        """Return the error for a quote that is needed on a date and is not there."""
        return cls(
            f"There is no quote of {currency} on or before {date}, and the report in {target} needs one. "
            f"Add it to the table rates, or choose another currency.",
            field="currency",
        )


class SnapshotError(CustDynError):
    """A snapshot cannot be published, found or trusted."""

    code = "snapshot"

    @classmethod
    def not_published(cls, why: str) -> SnapshotError:
        """Return the error for a publication that failed before anything became visible."""
        return cls(
            f"Nothing was published: {why}. Fix that and freeze the report again.",
            field="snapshots",
        )


class SnapshotUnknownError(SnapshotError):
    """Publishing failed after the snapshot became visible: whether it will last is not known."""

    code = "snapshot-unknown"

    def __init__(self, snapshot_id: str, why: str) -> None:
        super().__init__(
            f"The outcome is unknown: {why} after the snapshot {snapshot_id} was put in place. "
            f"Look that id up with `custdyn snapshots verify {snapshot_id}` before its link is handed on.",
            field="id",
        )
        self.snapshot_id = snapshot_id


class SnapshotNotFoundError(SnapshotError):
    """There is no such snapshot, or it was revoked or has expired; the message is the same for all three."""

    code = "snapshot-not-found"

    def __init__(self, snapshot_id: object) -> None:
        super().__init__(
            f"There is no snapshot {shown(snapshot_id)}. An id is 52 lowercase letters and digits; "
            "`custdyn snapshots list` shows them all.",
            field="id",
        )


class SnapshotDamagedError(SnapshotError):
    """A stored file is not what was published, so it is not shown."""

    code = "snapshot-damaged"

    def __init__(self, snapshot_id: str, file: str, what: str) -> None:
        super().__init__(
            f"Snapshot {snapshot_id[:8]}… is damaged: {file} {what}. "
            "Run `custdyn snapshots verify`, and restore the snapshot's folder from a backup.",
            field="id",
        )
        self.file = file
        self.what = what


class SavedQueryError(FieldError):
    """A saved query cannot be read, saved or found."""

    code = "saved-query"

    @classmethod
    def unknown_key(cls, key: str, allowed: Sequence[str]) -> SavedQueryError:
        """Return the error for a key that no saved query has."""
        return cls(f"A saved query has no key {shown(key)}. {hint(key, allowed)}", field=key)

    @classmethod
    def in_file(cls, file: str, error: CustDynError) -> SavedQueryError:
        """Return an error of a file's content, with the file's name."""
        inside = "query: " if isinstance(error, QueryError) else ""
        return cls(f"{shown(file)}: {inside}{error.message}", field=error.field)

    @classmethod
    def unreadable(cls, file: str, why: str) -> SavedQueryError:
        """Return the error for a file that is not a saved query."""
        return cls(f"{shown(file)} {why}.")

    @classmethod
    def bad_name(cls, name: object, present: Sequence[str]) -> SavedQueryError:
        """Return the error for a name that no saved query can have."""
        return cls(
            f"{shown(name)} cannot be the name of a saved query: a name is at most 80 lowercase letters and "
            f"digits, with hyphens between. {hint(name, present)}",
            field="name",
        )

    @classmethod
    def not_found(cls, name: str, present: Sequence[str]) -> SavedQueryError:
        """Return the error for a name that no saved query has."""
        return cls(f"There is no saved query {shown(name)}. {hint(name, present)}", field="name")

    @classmethod
    def folder_unusable(cls, place: str, doing: str, why: str) -> SavedQueryError:
        """Return the error for a folder of saved queries that cannot be read or written to."""
        whose, setting, other = {
            "mine": ("your saved queries", "CUSTDYN_MY_QUERIES", "save it among the shared ones"),
            "shared": ("the shared saved queries", "CUSTDYN_QUERIES", "save it among your own"),
        }[place]
        left = "" if doing == "read" else " Nothing was changed."
        todo = f"or {other}" if doing == "written to" else "and try again"
        return cls(
            f"The folder of {whose} ({setting}) cannot be {doing}: {why}.{left} Fix that, {todo}.",
            field="place",
        )


class SavedQueryExistsError(SavedQueryError):
    """There is already a saved query with this name, and overwriting it was not allowed.

    `title` and `revision` are those of the existing one.
    """

    code = "saved-query-exists"

    def __init__(self, name: str, title: str, revision: str) -> None:
        super().__init__(
            f"There is already a saved query {shown(title)} with this name ({name}). Overwrite it, or give "
            "another title.",
            field="title",
        )
        self.title = title
        self.revision = revision


class SavedQueryChangedError(SavedQueryError):
    """The saved query has changed since the user last read it.

    `revision` is the revision of the currently stored query; None: it was deleted.
    """

    code = "saved-query-changed"

    def __init__(self, name: str, revision: str | None) -> None:
        done = "changed" if revision else "deleted"
        super().__init__(
            f"Somebody else has {done} the saved query {shown(name)}. Nothing was overwritten. "
            "Look at it again, overwrite it anyway, or give another title.",
            field="title",
        )
        self.revision = revision


class RunError(CustDynError):
    """A template notebook failed, was killed or never reached its end: nothing was published."""

    code = "run"


class StillRunningError(RunError):
    """An earlier run of the saved query is still going on, so this one was not started."""

    code = "still-running"


class SettingsError(CustDynError):
    """A setting in the environment or in custdyn.toml cannot be used."""

    code = "settings"


class ExportError(CustDynError):
    """A report cannot be written in a format."""

    code = "export"

    @classmethod
    def too_many_rows(cls, rows: int, limit: int) -> ExportError:
        """Return the error for a report that is too long for XLSX."""
        return cls(
            f"output: the report has {rows:,} rows, and XLSX can have at most {limit:,}. "
            "Choose csv, which has no limit, or a coarser grouping.",
            field="output",
        )
