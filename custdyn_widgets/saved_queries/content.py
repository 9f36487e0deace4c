"""The fields of a saved query, their checks, and the JSON that it is saved as."""

from __future__ import annotations

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
from custdyn_widgets.saved_queries.automation import (
    ForEach,
    Retention,
    checked_path,
    conditions_of,
    for_each_of,
    recipients_of,
    retention_of,
)
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.text import has_control_character

FORMAT = 1
OUTPUTS = ("web", "csv", "xlsx")
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_NAME = 200, 2_000, 80
MOST_BYTES = 64_000

# What only a run without a person needs: written when it is set, so that other files keep their bytes.
_AUTOMATION = (
    "source",
    "schedule",
    "recipients",
    "failure_recipients",
    "retention",
    "only_if",
    "for_each",
)
_KEYS = ("format", "title", "description", "query", "output", "chart", *_AUTOMATION)
_FILES = ("csv", "xlsx")  # outputs that a mail can carry
_REQUIRED = {
    "format": f"{FORMAT}, the version of this form",
    "title": "a few words that say what it asks",
    "query": "an object with a query's fields",
}
_CHART_KEYS = ("x", "y", "mark", "second_axis", "title")
_CHART_LISTS = ("y", "second_axis")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")  # devices in Windows, with any ending
_HASH = 10  # characters of it in a name


@dataclass(frozen=True)
class SavedQuery:
    """A query under a title.

    Attributes
    ----------
    title
        What people call it; its name comes from it (`name_for`).
    query
        The query; its interval is a preset (relative) or a period (fixed).
    description
        The person's own note on its purpose.
    output
        `web`, `csv` or `xlsx`.
    chart
        None, or `{"preset": name}`, or a composed chart: `x`, `y`, `mark`, `second_axis` and `title`,
        as for `charts.blank_spec`.
    source
        The source to read unless another is given: its name or path.
    schedule
        When it runs unattended.
    recipients, failure_recipients
        E-mail addresses: who gets the report (as CSV or XLSX), and who hears of failures.
    retention
        Which of its snapshots stay; None for all.
    only_if
        The conditions for freezing and sending: `changed`, `not_empty` or both; empty for always.
    for_each
        How to split it into one report for each reseller; None for one report.

    Raises
    ------
    SavedQueryError, QueryError
        If a field is not valid.
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
    for_each: ForEach | None = None

    def __post_init__(self) -> None:
        _check_text("title", self.title, LONGEST_TITLE)
        if not self.title.strip():
            raise SavedQueryError.missing("title", _REQUIRED["title"])
        _check_text("description", self.description, LONGEST_DESCRIPTION, lines=True)
        if not isinstance(self.query, ReportQuery):
            raise SavedQueryError.wrong_type("query", self.query, "a ReportQuery")
        _check_output(self.output)
        object.__setattr__(self, "chart", _checked_chart(self.chart))
        self._check_automation()
        self.to_bytes()

    def _check_automation(self) -> None:
        """Check the fields for unattended runs, each and together."""
        if self.source is not None:
            checked_path("source", self.source)
        if self.schedule is not None and not isinstance(self.schedule, Schedule):
            raise SavedQueryError.wrong_type("schedule", self.schedule, "a Schedule")
        for key in ("recipients", "failure_recipients"):
            object.__setattr__(self, key, recipients_of(key, getattr(self, key)))
        object.__setattr__(self, "retention", retention_of(self.retention))
        object.__setattr__(self, "only_if", conditions_of(self.only_if))
        object.__setattr__(self, "for_each", for_each_of(self.for_each))
        if self.schedule and self.source is None:
            raise SavedQueryError.missing("source", "a schedule needs to know what to ask, a name or a path")
        if self.for_each and self.recipients:
            why = "do not go with for_each, which sends to the addresses of its file"
            raise SavedQueryError.invalid("recipients", list(self.recipients), why)
        if (self.recipients or self.for_each) and self.output not in _FILES:
            why = "cannot be sent by mail: choose csv or xlsx, or leave recipients and for_each out"
            raise SavedQueryError.invalid("output", self.output, why)

    @classmethod
    def from_dict(cls, data: object) -> SavedQuery:
        """Parse a JSON object; null counts as left out.

        Raises
        ------
        SavedQueryError, QueryError
            If a key is unknown or missing, or a value has the wrong type or is not valid.
        """
        if not isinstance(data, Mapping):
            raise SavedQueryError.wrong_type("The whole", data, "an object with the keys " + ", ".join(_KEYS))
        given = {key: value for key, value in data.items() if value is not None}
        found = given.get("format", FORMAT)
        if type(found) is not int or found != FORMAT:
            why = f"is not the format that this version of custdyn reads ({FORMAT})"
            raise SavedQueryError.invalid("format", found, why)
        for key in data:
            if key not in _KEYS:
                raise SavedQueryError.unknown_key(str(key), _KEYS)
        for key, what in _REQUIRED.items():
            if key not in given:
                raise SavedQueryError.missing(key, what)
        del given["format"]
        if "schedule" in given:
            given["schedule"] = Schedule.from_dict(given["schedule"])
        return cls(**{**given, "query": ReportQuery.from_dict(given["query"])})

    @classmethod
    def from_file(cls, file: str, data: bytes) -> SavedQuery:
        """Parse the bytes of a file.

        Raises
        ------
        SavedQueryError
            If they are not a saved query; the error names the file and the key.
        """
        try:
            return cls.from_dict(strict_json(data.decode("utf-8-sig")))
        except (SavedQueryError, QueryError) as error:
            raise SavedQueryError.in_file(file, error) from error
        except RecursionError:
            raise SavedQueryError.unreadable(file, "is nested too deeply to be a saved query") from None
        except UnicodeDecodeError as error:
            raise SavedQueryError.unreadable(file, "is not UTF-8: save it as UTF-8") from error
        except ValueError as error:
            if str(error).startswith("Exceeds the limit"):  # Python's own, of a number's length
                raise SavedQueryError.unreadable(file, "has a number of thousands of digits") from error
            raise SavedQueryError.unreadable(file, f"is not valid JSON: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object, its keys always in the same order."""
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
        """Return it as the bytes of a file: always the same bytes, readable in a diff."""
        whole = self.to_dict()
        for key, value in whole.items():
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                half = error.object[error.start : error.end]
                raise SavedQueryError.invalid(key, half, "is half a character: leave it out") from None
        data = json.dumps(whole, ensure_ascii=False, indent=2).encode() + b"\n"
        if len(data) > MOST_BYTES:
            why = f"needs a file of {len(data):,} bytes, and {MOST_BYTES:,} is the most: choose fewer values"
            raise SavedQueryError.invalid("query", self.title, why)
        return data


def name_for(title: str) -> str:
    """Return the name of a saved query with this title: at most 80 lowercase ASCII letters, digits, hyphens.

    Accents are dropped. If other letters are lost, if nothing is left, or if the title is too long, the name
    ends with a short hash, so that two titles do not get the same name.
    """
    same = unicodedata.normalize("NFC", title)
    plain = unicodedata.normalize("NFKD", same.casefold())
    name = "-".join(re.findall("[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c))))
    lost = any(c > "\x7f" and unicodedata.category(c)[0] in "LN" for c in plain)
    if lost or not name or len(name) > LONGEST_NAME:
        short = hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()[:_HASH]
        return f"{name[: LONGEST_NAME - _HASH - 1].strip('-') or 'query'}-{short}"
    return f"{name}-query" if _RESERVED.fullmatch(name) else name


def is_name(name: object) -> bool:
    """Return whether a saved query can have this name: no path, no device, no character to quote."""
    plain = isinstance(name, str) and len(name) <= LONGEST_NAME and _NAME.fullmatch(name)
    return bool(plain) and not _RESERVED.fullmatch(str(name))


def _as_json(value: str | tuple[str, ...] | Schedule | Retention | ForEach) -> object:
    if isinstance(value, str):
        return value
    return list(value) if isinstance(value, tuple) else value.to_dict()


def _check_text(key: str, value: object, longest: int, *, lines: bool = False) -> None:
    if not isinstance(value, str):
        raise SavedQueryError.wrong_type(key, value, "text")
    if len(value) > longest:
        raise SavedQueryError.invalid(key, value, f"is longer than {longest:,} characters")
    if has_control_character(value, lines=lines):
        raise SavedQueryError.invalid(key, value, "has a control character: leave it out")


def _check_output(output: object) -> None:
    if output == "xls":
        why = "has at most 65,536 rows and is not an open format; choose xlsx"
        raise SavedQueryError.invalid("output", output, why)
    if not isinstance(output, str) or output not in OUTPUTS:
        raise SavedQueryError.not_allowed("output", output, OUTPUTS)


def _checked_chart(chart: object) -> dict[str, Any] | None:
    """Return a chart with its keys in order and its lists as in JSON."""
    if chart is None:
        return None
    if not isinstance(chart, Mapping):
        raise SavedQueryError.wrong_type("chart", chart, "an object, or null for none")
    allowed = ("preset",) if "preset" in chart else _CHART_KEYS
    for key in chart:
        if key not in allowed:
            raise SavedQueryError.unknown_key(f"chart.{key}", [f"chart.{name}" for name in allowed])
    for key in allowed if "preset" in chart else ("y", "mark"):
        if chart.get(key) is None:
            raise SavedQueryError.missing(f"chart.{key}", "only a preset's name, or at least y and mark")
    return {key: _chart_value(key, chart[key]) for key in allowed if key in chart}


def _chart_value(key: str, value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if key not in _CHART_LISTS:
        raise SavedQueryError.wrong_type(f"chart.{key}", value, "text")
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise SavedQueryError.wrong_type(f"chart.{key}", value, "text or a list of texts")
    return list(value)
