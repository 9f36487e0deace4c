"""The record of one run and its conversion to and from JSON."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from types import NoneType
from typing import Any

from custdyn_widgets.scheduling.outcomes import Outcome, check_conditions, list_problems
from custdyn_widgets.text import format_instant_utc

FORMAT = 1
# JSON types by annotation; all other fields are lists.
_JSON_TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "str | None": (str, NoneType), "bool": bool}
_LATER = {
    "failure_recipients",
    "data_gaps",
    "conditions",
    "schedule",
    "resent",
    "webhook",
    "waiting",
    "failure_unsent",
}  # fields missing from records of earlier versions
SENDING = "sending the report"  # the step of a run that made all its reports
KILLED = "The run did not finish: it was killed, or the machine went down."


@dataclass(frozen=True)
class Run:
    """The record of one run.

    Attributes
    ----------
    id
        The stem of its file name: the start time and a random part.
    saved, title
        The saved query's name and title.
    began, ended
        Timestamps in UTC; `ended` is None during the run or if it was killed.
    result
        The worst result of its reports; `running`; `killed`, if its end was never recorded; or `missed`, if
        no run was started in time.
    logical_time
        The time that intervals resolve against; None if the run failed before it was known.
    asked_for
        Whether that time was given explicitly rather than taken from the schedule.
    where, problem
        The step that failed and a message about the problem; None if the run succeeded.
    reports
        The outcome of its report, or of each company's report.
    told
        The receipts for the email about the run's failure.
    failure_recipients
        The recipients of that email; the next run notifies them if it cannot read the saved query.
    data_gaps
        Signs that its reports' data ends too early, recorded even if the reports were sent.
    schedule
        The cron expression and time zone of the schedule that it was run for; empty if `asked_for`.
    waiting
        Whether some recipients were not reached because the mail server was unavailable; the next run sends
        the report to them.
    failure_unsent
        Whether the email about its failure is unsent for the same reason; the next run sends it.
    webhook
        The receipts for the webhook messages about the run.
    resent
        The times at which its reports were sent again to recipients who had not received them.
    """

    id: str
    saved: str
    title: str
    began: str
    result: str = "running"
    ended: str | None = None
    logical_time: str | None = None
    asked_for: bool = False
    where: str | None = None
    problem: str | None = None
    reports: tuple[Outcome, ...] = ()
    told: tuple[dict[str, Any], ...] = ()
    failure_recipients: tuple[str, ...] = ()
    data_gaps: tuple[str, ...] = ()
    schedule: str = ""
    resent: tuple[str, ...] = ()
    webhook: tuple[dict[str, Any], ...] = ()
    waiting: bool = False
    failure_unsent: bool = False

    @classmethod
    def begun(cls, saved: str, **about: Any) -> Run:
        """Return the record of a run that is starting now."""
        now = datetime.now(UTC)
        stamp = f"{now:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}"
        return cls(stamp, saved, about.pop("title", saved), format_instant_utc(now), **about)

    def finished(self, result: str, **about: Any) -> Run:
        """Return the record of this run with the current time as its end."""
        return replace(self, result=result, ended=format_instant_utc(datetime.now(UTC)), **about)

    def killed(self) -> Run:
        """Return this record with the run marked as killed."""
        problem = "\n".join(filter(None, (KILLED, list_problems(self.reports))))
        return replace(self, result="killed", problem=problem)

    @property
    def is_unreported(self) -> bool:
        """Whether the run was killed and the next run has not reported this yet."""
        return self.result == "killed" and self.where is None

    @property
    def was_reported(self) -> bool:
        """Whether a notification of its failure was sent or attempted."""
        return bool(self.told) or any(receipt["type"] == "run.failed" for receipt in self.webhook)

    @property
    def can_be_resent(self) -> bool:
        """Whether the run made all its reports and only has to send them to some recipients."""
        made_all = self.where == SENDING or not any(one.company for one in self.reports)
        return made_all and self.result in ("undelivered", "killed") and any(r.snapshot for r in self.reports)

    @property
    def resend_command(self) -> str:
        """The command that sends only this run's unsent emails; empty unless `can_be_resent`."""
        return f"custdyn runs resend {self.id}" if self.can_be_resent else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        record = {"format": FORMAT, **asdict(self)}
        for report in record["reports"]:
            if not report["conditions"]:
                del report["conditions"]  # records of saved queries without conditions lack the key
        return record

    @classmethod
    def from_dict(cls, data: Any) -> Run:
        """Return the record from a JSON object made by `to_dict`.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is not a record, or is in another format.
        """
        if data["format"] != FORMAT:
            raise ValueError(f"is in format {data['format']!r}, but this version reads {FORMAT}")
        given = _fields_of(cls, data)
        for name in ("began", "ended", "logical_time"):
            at = given[name] or given["began"]
            if at != format_instant_utc(datetime.fromisoformat(at)):
                raise ValueError(f"{name} is not a valid timestamp")
        reports = tuple(Outcome(**_fields_of(Outcome, one)) for one in given["reports"])
        for report in reports:
            check_conditions(report.conditions)
        return cls(**{**given, "reports": reports})


def _fields_of(kind: type[Run | Outcome], data: Any) -> dict[str, Any]:
    """Return the fields of a JSON object after checking their types."""
    given = {}
    for field in fields(kind):
        value = data.get(field.name, field.default) if field.name in _LATER else data[field.name]
        value = list(value) if isinstance(value, tuple) else value
        if not isinstance(value, _JSON_TYPES.get(str(field.type), list)):
            raise TypeError(f"{field.name} has the wrong type")
        given[field.name] = tuple(value) if isinstance(value, list) else value
    return given
