"""Errors that users can act on.

All errors that the package raises deliberately are subclasses of `CustDynError`. Each has a message, which
names the field and the value and says what is allowed or what to do, and a stable `code` for programs to
check. There is one class for each kind of problem. Class methods create the messages, so that the wording is
the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from custdyn_widgets.errors.wording import hint, shown


class CustDynError(Exception):
    """Base class of all errors that the package raises deliberately.

    Parameters
    ----------
    message
        One or more sentences that say what is wrong, where, and what to do about it.
    field
        The query field, setting or column that the error is about, if any.
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
        """Return the error for a value that is not allowed, and suggest the nearest allowed values."""
        return cls(f"{field}: {shown(value)} is not an allowed value. {hint(value, allowed)}", field=field)

    @classmethod
    def invalid(cls, field: str, value: object, why: str) -> Self:
        """Return the error for an invalid value of the right type."""
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
        """Return the error for a tag, company, user or package that is not in the data."""
        return cls(f"{field}: the data has no {what} {shown(value)}. {hint(value, present)}", field=field)


class SourceError(CustDynError):
    """A data source cannot be found or read."""

    code = "source"

    @classmethod
    def not_found(cls, source: str, why: str) -> SourceError:
        """Return the error for a source that does not exist or is in an unsupported format."""
        return cls(
            f"Source {shown(source)} {why}. Give a folder that holds clients and transactions as CSV or "
            "Parquet files, a DuckDB file, or a dict of pandas DataFrames by those names.",
            field="source",
        )


class MartError(CustDynError):
    """A mart's data is faulty; the message lists the faults as `custdyn check --all` does."""

    code = "mart"


class RateError(CustDynError):
    """A currency conversion needs a quote that is missing from the mart."""

    code = "rate"

    @classmethod
    def missing(cls, currency: str, date: str, target: str) -> RateError:
        """Return the error for a currency without a quote on or before a date."""
        return cls(
            f"There is no quote for {currency} on or before {date}, but the report in {target} needs one. "
            f"Add one to the rates table, or choose another currency.",
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
    """Publishing failed after the snapshot became visible, so it may not have been stored durably."""

    code = "snapshot-unknown"

    def __init__(self, snapshot_id: str, why: str) -> None:
        super().__init__(
            f"The outcome is unknown: {why} after snapshot {snapshot_id} was put in place. "
            f"Run `custdyn snapshots verify {snapshot_id}` before you share its link.",
            field="id",
        )
        self.snapshot_id = snapshot_id


class SnapshotNotFoundError(SnapshotError):
    """A snapshot does not exist, has been revoked or has expired; the message is the same in each case."""

    code = "snapshot-not-found"

    def __init__(self, snapshot_id: object) -> None:
        super().__init__(
            f"There is no snapshot {shown(snapshot_id)}. An id consists of 52 lowercase letters and digits; "
            "`custdyn snapshots list` shows all ids.",
            field="id",
        )


class SnapshotDamagedError(SnapshotError):
    """A stored file differs from what was published, so the snapshot is not shown."""

    code = "snapshot-damaged"

    def __init__(self, snapshot_id: str, file: str, what: str) -> None:
        super().__init__(
            f"Snapshot {snapshot_id[:8]}… is damaged: {file} {what}. "
            "Run `custdyn snapshots verify`, and restore the snapshot's folder from a backup.",
            field="id",
        )
        self.file = file
        self.what = what


class SnapshotNewerError(SnapshotDamagedError):
    """A snapshot was stored by a newer version, in a format that this version cannot read."""

    code = "snapshot-newer"
    WHAT = "was stored by a newer version of custdyn"

    def __init__(self, snapshot_id: str) -> None:
        self.file, self.what = "manifest.json", self.WHAT
        why = f"Snapshot {snapshot_id[:8]}… {self.what}. Update custdyn to read it."
        SnapshotError.__init__(self, why, field="id")


class SavedQueryError(FieldError):
    """A saved query cannot be read, saved or found."""

    code = "saved-query"

    @classmethod
    def unknown_key(cls, key: str, allowed: Sequence[str]) -> SavedQueryError:
        """Return the error for an unknown key."""
        return cls(f"A saved query has no key {shown(key)}. {hint(key, allowed)}", field=key)

    @classmethod
    def in_file(cls, file: str, error: CustDynError) -> SavedQueryError:
        """Return the error with the name of the file added to its message."""
        inside = "query: " if isinstance(error, QueryError) else ""
        return cls(f"{shown(file)}: {inside}{error.message}", field=error.field)

    @classmethod
    def unreadable(cls, file: str, why: str) -> SavedQueryError:
        """Return the error for a file that is not a saved query."""
        return cls(f"{shown(file)} {why}.")

    @classmethod
    def bad_name(cls, name: object, present: Sequence[str]) -> SavedQueryError:
        """Return the error for a name that is not valid for a saved query."""
        return cls(
            f"{shown(name)} cannot be the name of a saved query: a name consists of at most 80 lowercase "
            f"letters and digits, which may be separated by hyphens. {hint(name, present)}",
            field="name",
        )

    @classmethod
    def not_found(cls, name: str, present: Sequence[str]) -> SavedQueryError:
        """Return the error for a saved query that does not exist."""
        return cls(f"There is no saved query {shown(name)}. {hint(name, present)}", field="name")

    @classmethod
    def folder_unusable(cls, place: str, doing: str, why: str) -> SavedQueryError:
        """Return the error for a folder of saved queries that cannot be read or written to."""
        whose, setting, other = {
            "mine": ("your saved queries", "CUSTDYN_MY_QUERIES", "save the query as a shared query"),
            "shared": ("the shared saved queries", "CUSTDYN_QUERIES", "save the query as your own"),
        }[place]
        left = "" if doing == "read" else " Nothing was changed."
        todo = f", or {other}" if doing == "written to" else " and try again"
        return cls(
            f"The folder for {whose} ({setting}) cannot be {doing}: {why}.{left} Fix that{todo}.",
            field="place",
        )


class SavedQueryExistsError(SavedQueryError):
    """A saved query with this name already exists, and overwriting it was not allowed.

    `title` and `revision` belong to the existing query.
    """

    code = "saved-query-exists"

    def __init__(self, name: str, title: str, revision: str) -> None:
        super().__init__(
            f"A saved query named {name} already exists: {shown(title)}. Overwrite it, or choose another "
            "title.",
            field="title",
        )
        self.title = title
        self.revision = revision


class SavedQueryChangedError(SavedQueryError):
    """The saved query has changed since the user last read it.

    `revision` is its current revision, or None if it was deleted.
    """

    code = "saved-query-changed"

    def __init__(self, name: str, revision: str | None) -> None:
        done = "changed" if revision else "deleted"
        super().__init__(
            f"Someone else has {done} the saved query {shown(name)}. Nothing was overwritten. "
            "Review the current version, overwrite it anyway, or choose another title.",
            field="title",
        )
        self.revision = revision


class SettingsError(CustDynError):
    """A setting in the environment or in custdyn.toml cannot be used."""

    code = "settings"


class ExportError(CustDynError):
    """A report cannot be written in the requested format."""

    code = "export"

    @classmethod
    def too_many_rows(cls, count: int, limit: int, what: str = "rows") -> ExportError:
        """Return the error for a report that has too many rows or cells for XLSX."""
        return cls(
            f"output: the report has {count:,} {what}, but XLSX allows at most {limit:,}. "
            "Choose csv, which has no limit, or a coarser grouping.",
            field="output",
        )

    @classmethod
    def too_long_for_pdf(cls, rows: int, cells: int, limit: int) -> ExportError:
        """Return the error for a report whose table has too many cells for a PDF."""
        return cls(
            f"output: the report has {rows:,} rows with {cells:,} cells, but a PDF allows at most {limit:,}. "
            "Choose xlsx or csv, a coarser grouping, or fewer columns.",
            field="output",
        )
