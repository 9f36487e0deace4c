"""The two letters of a saved query's run: here is the report, and there is none.

Both say what, when and where to turn. A failure's texts are cleared of every secret of this machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from custdyn_widgets.mail.drawing import Letter, as_html, as_text
from custdyn_widgets.mail.message import Attachment
from custdyn_widgets.publish import Secret, without_secrets
from custdyn_widgets.render import headline_figures
from custdyn_widgets.report import Report, describe_query, info_rows, table_view

_HERE = ("localhost", "127.0.0.1", "::1")
_MAX_FIGURES = 6
_MAX_LINES = 30
_MAX_FAULTS = 12
_AGAIN = "When that is mended, run it again for the same time with:"
_AGAIN_TO_ALL = "This runs it again for the same time, and goes to everybody, also to those who have it:"
_FOOT = (
    "Sent by a machine for the saved query {name}, whose recipients include you. "
    "Whoever keeps it can take you off the list."
)


@dataclass(frozen=True)
class ReportLetter:
    """The letter that brings a report.

    Attributes
    ----------
    title, name
        The saved query's title and name.
    report
        What was frozen.
    link
        Where the frozen report is.
    attachment
        Its CSV or XLSX, as frozen; None: only the link.
    description
        What the saved query is for, as whoever keeps it describes it.
    notes
        What a reader must know besides the report's own warnings: that it is a later run, for instance.
    """

    title: str
    name: str
    report: Report
    link: str
    attachment: Attachment | None = None
    description: str = ""
    notes: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The title and the days that the report is about."""
        first, last = self.report.info.interval_start[:10], self.report.info.interval_end[:10]
        return f"{self.title}: {first}" if first == last else f"{self.title}: {first} to {last}"

    def texts(self, attached: bool) -> tuple[str, str]:
        """Return the letter as plain text and as HTML."""
        letter = self._letter(attached)
        return as_text(letter), as_html(letter)

    def _letter(self, attached: bool) -> Letter:
        report = self.report
        message = (report.message,) if report.message else ()
        return Letter(
            title=self.title,
            lead=" ".join(filter(None, (self.description, f"{describe_query(report)}."))),
            alerts=tuple((text,) for text in (*self.notes, *message, *report.info.warnings)),
            figures=tuple(
                (f"{f['group']}: {f['label']}", f["text"], f["unit"], f["colour"])
                for f in headline_figures(report)[:_MAX_FIGURES]
            ),
            link=self.link,
            link_note=self._describe_link(),
            attachment=self._describe_attachment(attached),
            note=table_view(report).overlap_note,
            facts=tuple(info_rows(report, warnings=False)),
            foot=_FOOT.format(name=self.name),
        )

    def _describe_link(self) -> str:
        if urlsplit(self.link).hostname in _HERE:
            return "The frozen report. This link opens only on the machine that made it."
        return (
            "The frozen report, as it stays whatever happens to the data since. It opens for whoever has it."
        )

    def _describe_attachment(self, attached: bool) -> str:
        if self.attachment is None:
            return ""
        kind = self.attachment.ending.upper()
        if attached:
            return f"The table is attached as {kind}."
        size = f"{len(self.attachment.data) / 1_000_000:,.1f} MB"
        return f"The {kind} of {size} is too large to be sent by mail: the link's page offers it to download."


@dataclass(frozen=True)
class FailureLetter:
    """The letter that says that a run failed: what, where, and what to do.

    Attributes
    ----------
    title, name
        The saved query's title and name.
    problem
        What is wrong and what to do, as the error says it.
    where
        In which step of the run.
    facts
        What else is known, as label and text: for which time it ran, when it began and ended, the notebook.
    command
        What to type to run it again.
    log
        The last lines that the run wrote.
    kept
        What no letter may hold, see `publish.Secret`.
    link
        Where the report is, if there is one and only its sending failed.
    is_sent_again
        Whether another run sends a report to those who may have got it.
    """

    title: str
    name: str
    problem: str
    where: str
    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""
    log: tuple[str, ...] = ()
    kept: Iterable[Secret] = field(default=(), repr=False)
    attachment: Attachment | None = None
    link: str = ""
    is_sent_again: bool = False

    @property
    def subject(self) -> str:
        """That it failed, and what."""
        return self._open(f"Failed: {self.title}")

    def texts(self, attached: bool) -> tuple[str, str]:  # noqa: ARG002  # no file goes with it
        """Return the letter as plain text and as HTML."""
        letter = Letter(
            title=self._open(f"{self.title}: the run failed"),
            lead=f"It stopped while {self._open(self.where)}.",
            alerts=tuple(filter(None, [self._problem()])),
            command=self.command,
            command_note=_AGAIN_TO_ALL if self.is_sent_again else _AGAIN,
            link=self.link,
            link_note="The frozen report, to be passed on to those who did not get it." if self.link else "",
            facts=tuple((label, self._open(text)) for label, text in self.facts),
            log=tuple(self._open(line) for line in self.log[-_MAX_LINES:]),
            foot=f"Sent by a machine to those who are told when the saved query {self.name} fails.",
            failed=True,
        )
        return as_text(letter), as_html(letter)

    def _problem(self) -> tuple[str, ...]:
        """Return the problem's lines; of a mart's many faults the first ones."""
        lines = [self._open(line.strip()) for line in self.problem.splitlines() if line.strip()]
        more = len(lines) - _MAX_FAULTS
        return tuple(lines) if more <= 0 else (*lines[:_MAX_FAULTS], f"And {more:,} lines more.")

    def _open(self, text: str) -> str:
        return without_secrets(text, self.kept)
