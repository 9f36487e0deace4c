"""The two emails about a run of a saved query: the report and the failure notice.

In a failure notice, all of this machine's secrets are masked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from custdyn_widgets.mail.drawing import LetterContent, to_html, to_text
from custdyn_widgets.mail.message import MAX_SUBJECT_LENGTH, Attachment, Picture, header_text
from custdyn_widgets.publish import Secret, without_secrets
from custdyn_widgets.render import headline_figures
from custdyn_widgets.report import (
    Report,
    cut_note,
    describe_query,
    format_instant,
    info_rows,
    table_view,
)
from custdyn_widgets.saved_queries import fill_words

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TO_THE_MINUTE = len("2021-10-31 09:00")
_MAX_FIGURES = 6
_MAX_LINES = 30
_MAX_FAULTS = 12
_MAX_LINKS = 100
_RUN_AGAIN = "Once this is fixed, repeat the run for the same time with:"
_RUN_AGAIN_FOR_ALL = (
    "This command repeats the run for the same time and sends the report to all recipients, including "
    "those who already have it:"
)
_SEND_TO_THE_REST = (
    "Once this is fixed, use this command to send the same report to the recipients who did not get it:"
)
_SEND_AT_ONCE = "The next run sends the report to the recipients who did not get it. To send it now, use:"
_FAILURE_FOOT = "Sent automatically to the failure recipients in {whose}."
_FOOT = (
    "Sent automatically to the recipients of the saved query {name}. Its owner can remove you from the list."
)


@dataclass(frozen=True)
class ReportLetter:
    """The email that delivers a report.

    Attributes
    ----------
    title, name
        The saved query's title and name.
    report
        The frozen report.
    link
        The link to the report.
    attachment
        The CSV, XLSX or PDF file; None if the email has only the link.
    description
        The saved query's description.
    notes
        Notes in addition to the report's warnings, for example if the run was later than scheduled.
    conditions
        What the saved query's conditions found, each as a sequence of lines.
    mark
        The word that begins the subject, such as "Alert"; empty for none.
    earlier
        The subject and link of each earlier report that could not be sent.
    pictures
        The charts.
    own_subject, opening
        The saved query's own subject and opening text, with placeholders; empty for none.
    company
        The company that the report is for; empty for none.
    """

    title: str
    name: str
    report: Report
    link: str
    attachment: Attachment | None = None
    description: str = ""
    notes: tuple[str, ...] = ()
    conditions: tuple[tuple[str, ...], ...] = ()
    mark: str = ""
    earlier: tuple[tuple[str, str], ...] = ()
    own_subject: str = ""
    opening: str = ""
    company: str = ""
    pictures: tuple[Picture, ...] = ()

    def without_pictures(self) -> ReportLetter:
        """Return the email without the charts."""
        return replace(self, pictures=())

    @property
    def subject(self) -> str:
        """The mark, the title and the period, and whether the report is partial or its data ends early.

        If this is too long, the title and the period are truncated.
        """
        info = self.report.info
        until = format_instant(info.effective_end, info.timezone)[:_TO_THE_MINUTE]
        limits = [f"partial: until {until}"] if self.report.is_partial else []
        limits += ["data ends early"] if info.data_gaps else []
        words = self._filled(self.own_subject or "{title}: {interval}")
        words = f"{self.mark}: {words}" if self.mark else words
        end = f" ({', '.join(limits)})" if limits else ""
        return header_text(words, MAX_SUBJECT_LENGTH - len(end)) + end

    def _filled(self, text: str) -> str:
        """Return text from the saved query with its placeholders replaced."""
        info = self.report.info
        first, last = info.interval_start[:10], info.interval_end[:10]
        days = first if first == last else f"{first} to {last}"
        values = {"title": self.title, "name": self.name, "interval": days, "company": self.company}
        return fill_words(text, values)

    def texts(self, attached: bool) -> tuple[str, str]:
        """Return the body as plain text and as HTML."""
        report = self.report
        message = (report.message,) if report.message else ()
        letter = LetterContent(
            title=self.title,
            opening=tuple(filter(None, map(str.strip, self._filled(self.opening).splitlines()))),
            lead=" ".join(filter(None, (self.description, f"{describe_query(report)}."))),
            alerts=self.conditions
            + tuple(
                (text,) for text in (*self.notes, *message, cut_note(report), *report.info.warnings) if text
            ),
            figures=tuple(
                (f"{f['group']}: {f['label']}", f["text"], f["unit"], f["colour"], f["change"])
                for f in headline_figures(report)[:_MAX_FIGURES]
            ),
            link=self.link,
            link_note=self._describe_link(),
            more_links=self.earlier[:_MAX_LINKS],
            more_links_note=self._describe_earlier(),
            attachment=self._describe_attachment(attached),
            pictures=self.pictures,
            note=table_view(report).overlap_note,
            facts=tuple(info_rows(report, warnings=False)),
            foot=_FOOT.format(name=self.name),
        )
        return to_text(letter), to_html(letter)

    def _describe_link(self) -> str:
        if urlsplit(self.link).hostname in _LOOPBACK:
            return "The frozen report. This link works only on the machine that created it."
        return "The frozen report, which never changes. Anyone with the link can open it."

    def _describe_earlier(self) -> str:
        count = len(self.earlier)
        if not count:
            return ""
        what = "An earlier report" if count == 1 else f"{count:,} earlier reports"
        rest = f" The last {_MAX_LINKS} are:" if count > _MAX_LINKS else ""
        return f"{what} could not be sent because the mail server was not available.{rest}"

    def _describe_attachment(self, attached: bool) -> str:
        if self.attachment is None:
            return ""
        kind = self.attachment.ending.upper()
        if attached:
            what, article = "report" if kind == "PDF" else "table", "an" if kind == "XLSX" else "a"
            return f"The {what} is attached as {article} {kind} file."
        data = len(self.attachment.data)
        size = f"{data / 1_000_000:,.1f} MB" if data >= 100_000 else f"{-(-data // 1_000):,} kB"
        return f"The {kind} file ({size}) is too large to send by email. Download it from the linked page."


@dataclass(frozen=True)
class FailureLetter:
    """The email about a failed run: what failed, at which step, and what to do.

    Attributes
    ----------
    title, name
        The saved query's title and name.
    problem
        The error's message.
    where
        The step that failed, such as "making the report".
    facts
        Pairs of label and text: the time the run was for, and when it began and ended.
    command
        The command that repeats the run.
    log
        The run's log; its last lines are shown.
    secrets
        The secrets to mask.
    link
        The link to the report, if only delivery failed.
    is_for_the_rest
        Whether the command only sends the report to the recipients who did not get it.
    is_waiting
        Whether the next run also sends the report to these recipients.
    is_for_operators
        Whether the recipients come from the settings instead of the saved query.
    is_sent_again
        Whether repeating the run sends the report to recipients who may already have it.
    earlier
        The other failures that could not be reported when they happened, latest first.
    """

    title: str
    name: str
    problem: str
    where: str
    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""
    log: tuple[str, ...] = ()
    secrets: Iterable[Secret] = field(default=(), repr=False)
    attachment: Attachment | None = None
    link: str = ""
    is_for_the_rest: bool = False
    is_waiting: bool = False
    is_for_operators: bool = False
    is_sent_again: bool = False
    earlier: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def without_pictures(self) -> FailureLetter:
        """Return the email unchanged, because it has no images."""
        return self

    @property
    def subject(self) -> str:
        """The title, preceded by "Failed"."""
        return self._masked(f"Failed: {self.title}")

    def texts(self, attached: bool) -> tuple[str, str]:  # noqa: ARG002  # there is no attachment
        """Return the body as plain text and as HTML."""
        letter = LetterContent(
            title=self._masked(f"{self.title}: the run failed"),
            lead=f"It stopped while {self._masked(self.where)}.",
            alerts=tuple(filter(None, [self._problem(), self._others()])),
            command=self.command,
            command_note=self._describe_command(),
            link=self.link,
            link_note="The frozen report." if self.link else "",
            facts=tuple((label, self._masked(text)) for label, text in self.facts),
            log=tuple(self._masked(line) for line in self.log[-_MAX_LINES:]),
            foot=_FAILURE_FOOT.format(
                whose="the settings" if self.is_for_operators else f"the saved query {self.name}"
            ),
            failed=True,
        )
        return to_text(letter), to_html(letter)

    def _describe_command(self) -> str:
        if self.is_for_the_rest:
            return _SEND_AT_ONCE if self.is_waiting else _SEND_TO_THE_REST
        return _RUN_AGAIN_FOR_ALL if self.is_sent_again else _RUN_AGAIN

    def _problem(self) -> tuple[str, ...]:
        """Return the first few lines of the problem, and how many lines were left out."""
        lines = [self._masked(line.strip()) for line in self.problem.splitlines() if line.strip()]
        more = len(lines) - _MAX_FAULTS
        rest = [f"And {more:,} more line{'' if more == 1 else 's'}."] if more > 0 else []
        return (*lines[:_MAX_FAULTS], *rest)

    def _others(self) -> tuple[str, ...]:
        """Return the number of earlier failures and the first few of them."""
        count = len(self.earlier)
        if not count:
            return ()
        what = "An earlier run also failed" if count == 1 else f"{count:,} earlier runs also failed"
        more = [f"And {count - _MAX_FAULTS:,} more."] if count > _MAX_FAULTS else []
        lines = (self._masked(line) for line in self.earlier[:_MAX_FAULTS])
        return (f"{what} while the mail server was not available.", *lines, *more)

    def _masked(self, text: str) -> str:
        return without_secrets(text, self.secrets)
