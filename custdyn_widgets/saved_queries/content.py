"""A saved query: its fields, their validation, and its JSON file."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.errors import QueryError, SavedQueryError
from custdyn_widgets.files import strict_json
from custdyn_widgets.query import ReportQuery
from custdyn_widgets.saved_queries.alerts.condition import Condition, check_against_query, parse_alert_if
from custdyn_widgets.saved_queries.automation import (
    ForEach,
    Retention,
    parse_for_each,
    parse_only_if,
    parse_recipients,
    parse_retention,
)
from custdyn_widgets.saved_queries.chart import parse_chart
from custdyn_widgets.saved_queries.checks import check_path, check_text
from custdyn_widgets.saved_queries.letter_words import check_opening, check_subject
from custdyn_widgets.saved_queries.schedule.schedule import Schedule

FORMAT = 1
OUTPUTS = ("web", "csv", "csv-excel", "xlsx", "pdf")
MAX_TITLE_LENGTH, MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH = 200, 2_000, 80
MAX_BYTES = 64_000

# Keys that only unattended runs need. They are written only if set, so that files without them do not change.
_AUTOMATION = (
    "source",
    "schedule",
    "recipients",
    "failure_recipients",
    "retention",
    "only_if",
    "alert_if",
    "for_each",
    "sync",
    "catch_up",
    "subject",
    "opening",
    "total",
)
KEYS = ("format", "title", "description", "query", "output", "chart", *_AUTOMATION)
_FILES = OUTPUTS[1:]  # outputs that can be attached to an email
WITHOUT_TOTAL = ("csv", "csv-excel")  # outputs that leave out the Total unless `total` is set
_REQUIRED = {
    "format": f"{FORMAT}, the version of the file format",
    "title": "a few words that describe the query",
    "query": "an object with the fields of a query",
}
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")  # Windows device names, even with an extension
_HASH_LENGTH = 10


@dataclass(frozen=True)
class SavedQuery:
    """A query with a title, and what to do with its report.

    Attributes
    ----------
    title
        The title to display; `name_for` derives the name from it.
    query
        The query; its interval is a preset (relative) or a fixed period.
    description
        What the query is for.
    output
        `web`, `csv`, `csv-excel`, `xlsx` or `pdf`.
    chart
        None, `{"preset": name}`, or a custom chart: `x`, `y`, `mark`, `second_axis`, `title` as in
        `charts.blank_spec`.
    source
        The default source: a name or a path.
    schedule
        When the query runs unattended.
    recipients, failure_recipients
        The email addresses that receive the report (as a file), and those notified if a run fails.
    retention
        Which snapshots to keep; None keeps all.
    only_if
        The conditions for freezing and sending the report: any of `changed`, `not_empty` and `fresh`.
    alert_if
        Conditions on the numbers; the report is sent only when one of them becomes true or stops being true.
    for_each
        The groups of clients that get separate reports; None makes one report on all clients.
    sync
        Whether to read the source's database first, as `custdyn sync` does.
    catch_up
        Whether to make up for the most recent scheduled run if it could not take place on time.
    subject, opening
        The subject and opening words of the report's email, in which `fill_words` replaces placeholders;
        empty for the usual subject and no opening words.
    total
        Whether a CSV that a run sends, or `custdyn queries run` prints, has the Total as its last row.

    Raises
    ------
    SavedQueryError, QueryError
        If a value is invalid.
    """

    title: str
    query: ReportQuery
    description: str = ""
    output: str = "web"
    chart: dict[str, Any] | None = None
    source: str | None = None
    schedule: Schedule | None = None
    recipients: tuple[str, ...] = ()
    failure_recipients: tuple[str, ...] = ()
    retention: Retention | None = None
    only_if: tuple[str, ...] = ()
    alert_if: tuple[Condition, ...] = ()
    for_each: ForEach | None = None
    sync: bool = False
    catch_up: bool = False
    subject: str = ""
    opening: str = ""
    total: bool = False

    def __post_init__(self) -> None:
        check_text("title", self.title, MAX_TITLE_LENGTH)
        if not self.title.strip():
            raise SavedQueryError.missing("title", _REQUIRED["title"])
        check_text("description", self.description, MAX_DESCRIPTION_LENGTH, lines=True)
        if not isinstance(self.query, ReportQuery):
            raise SavedQueryError.wrong_type("query", self.query, "a ReportQuery")
        _check_output(self.output)
        object.__setattr__(self, "chart", parse_chart(self.chart))
        self._check_automation()
        self.to_bytes()

    @property
    def sends_mail(self) -> bool:
        """Whether a run may send an email."""
        return bool(self.recipients or self.failure_recipients or self.for_each)

    def _check_automation(self) -> None:
        """Check the keys for unattended runs, individually and in combination."""
        if self.source is not None:
            check_path("source", self.source)
        if self.schedule is not None and not isinstance(self.schedule, Schedule):
            raise SavedQueryError.wrong_type("schedule", self.schedule, "a Schedule")
        for key in ("recipients", "failure_recipients"):
            object.__setattr__(self, key, parse_recipients(key, getattr(self, key)))
        object.__setattr__(self, "retention", parse_retention(self.retention))
        object.__setattr__(self, "only_if", parse_only_if(self.only_if))
        object.__setattr__(self, "alert_if", parse_alert_if(self.alert_if))
        check_against_query(self.alert_if, self.query)
        object.__setattr__(self, "for_each", parse_for_each(self.for_each))
        for key in ("sync", "catch_up", "total"):
            if type(getattr(self, key)) is not bool:
                raise SavedQueryError.wrong_type(key, getattr(self, key), "true or false")
        check_subject(self.subject)
        check_opening(self.opening)
        if self.total and self.output not in WITHOUT_TOTAL:
            why = "is allowed only with the csv and csv-excel outputs: remove it; others always have a Total"
            raise SavedQueryError.invalid("total", self.total, why)
        if self.catch_up and self.schedule is None:
            raise SavedQueryError.missing("schedule", "catch_up requires a schedule")
        if self.schedule and self.source is None:
            raise SavedQueryError.missing("source", "a schedule requires the name or path of a source")
        if self.for_each and self.recipients:
            why = "cannot be combined with for_each, which reads the addresses from a file"
            raise SavedQueryError.invalid("recipients", list(self.recipients), why)
        if (self.recipients or self.for_each) and self.output not in _FILES:
            why = "cannot be sent by email: choose csv, csv-excel, xlsx or pdf, or remove the addresses"
            raise SavedQueryError.invalid("output", self.output, why)

    @classmethod
    def from_dict(cls, data: object) -> SavedQuery:
        """Return the saved query described by a JSON object; null counts as absent.

        Raises
        ------
        SavedQueryError, QueryError
            If a key is unknown or missing, or a value is invalid.
        """
        if not isinstance(data, Mapping):
            raise SavedQueryError.wrong_type("The file", data, "an object with the keys " + ", ".join(KEYS))
        given = {key: value for key, value in data.items() if value is not None}
        found = given.get("format", FORMAT)
        if type(found) is not int or found != FORMAT:
            why = f"is not the format that this version of custdyn reads ({FORMAT})"
            raise SavedQueryError.invalid("format", found, why)
        for key in data:
            if key not in KEYS:
                raise SavedQueryError.unknown_key(str(key), KEYS)
        for key, what in _REQUIRED.items():
            if key not in given:
                raise SavedQueryError.missing(key, what)
        del given["format"]
        if "schedule" in given:
            given["schedule"] = Schedule.from_dict(given["schedule"])
        return cls(**{**given, "query": ReportQuery.from_dict(given["query"])})

    @classmethod
    def from_file(cls, file: str, data: bytes) -> SavedQuery:
        """Return the saved query in a file.

        Raises
        ------
        SavedQueryError
            If its content is invalid; the error names the file and the key.
        """
        if not data.removeprefix(codecs.BOM_UTF8).strip():
            raise SavedQueryError.unreadable(file, "is empty: restore it from a backup, or delete it")
        try:
            return cls.from_dict(strict_json(data.decode("utf-8-sig")))
        except (SavedQueryError, QueryError) as error:
            raise SavedQueryError.in_file(file, error) from error
        except RecursionError:
            raise SavedQueryError.unreadable(file, "is nested too deeply to be a saved query") from None
        except UnicodeDecodeError as error:
            raise SavedQueryError.unreadable(file, "is not encoded in UTF-8: save it as UTF-8") from error
        except ValueError as error:
            if str(error).startswith("Exceeds the limit"):  # Python's limit on the length of a number
                raise SavedQueryError.unreadable(
                    file, "contains a number with thousands of digits"
                ) from error
            raise SavedQueryError.unreadable(file, f"is not valid JSON: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the saved query as a JSON object for `from_dict`, with keys in a fixed order."""
        return {
            "format": FORMAT,
            "title": self.title,
            "description": self.description,
            "query": self.query.to_dict(),
            "output": self.output,
            "chart": self.chart,
            **{key: _as_json(value) for key in _AUTOMATION if (value := getattr(self, key))},
        }

    def to_bytes(self) -> bytes:
        """Return the content of the saved query's file: the same bytes every time, and readable in a diff."""
        whole = self.to_dict()
        for key, value in whole.items():
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                half = error.object[error.start : error.end]
                raise SavedQueryError.invalid(key, half, "is an incomplete character: remove it") from None
        data = json.dumps(whole, ensure_ascii=False, indent=2).encode() + b"\n"
        if len(data) > MAX_BYTES:
            why = f"needs a file of {len(data):,} bytes, but the limit is {MAX_BYTES:,}: choose fewer values"
            raise SavedQueryError.invalid("query", self.title, why)
        return data


def name_for(title: str) -> str:
    """Return the name for a title: at most 80 lowercase ASCII letters, digits and hyphens.

    Accents are dropped. If other letters or digits are lost, if nothing is left, or if the title is too long,
    the name ends with a short hash of the title, so that different titles get different names.
    """
    same = unicodedata.normalize("NFC", title)
    plain = unicodedata.normalize("NFKD", same.casefold())
    name = "-".join(re.findall("[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c))))
    lost = any(c > "\x7f" and unicodedata.category(c)[0] in "LN" for c in plain)
    if lost or not name or len(name) > MAX_NAME_LENGTH:
        short = hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()[:_HASH_LENGTH]
        return f"{name[: MAX_NAME_LENGTH - _HASH_LENGTH - 1].strip('-') or 'query'}-{short}"
    return f"{name}-query" if _RESERVED.fullmatch(name) else name


def is_name(name: object) -> bool:
    """Return whether a name is valid for a saved query, and thus a safe file name on every system."""
    plain = isinstance(name, str) and len(name) <= MAX_NAME_LENGTH and _NAME.fullmatch(name)
    return bool(plain) and not _RESERVED.fullmatch(str(name))


def _as_json(value: str | bool | tuple[Any, ...] | Schedule | Retention | ForEach | Condition) -> object:
    if isinstance(value, str | bool):
        return value
    return [_as_json(one) for one in value] if isinstance(value, tuple) else value.to_dict()


def _check_output(output: object) -> None:
    if output == "xls":
        why = "is limited to 65,536 rows and is not an open format: choose xlsx"
        raise SavedQueryError.invalid("output", output, why)
    if not isinstance(output, str) or output not in OUTPUTS:
        raise SavedQueryError.not_allowed("output", output, OUTPUTS)
