"""Rendering emails as plain text and as HTML with light and dark themes.

Mail clients turn anything that looks like an address into a link. To keep names in the data from becoming
links, an invisible break is inserted into such text, except in the email's own link and commands.
"""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custdyn_widgets.mail.message import Picture
from custdyn_widgets.text import cut_short, printable

_TEMPLATE = Path(__file__).with_name("letter.html.j2")
_WIDTH = 76
_MAX_TITLE, _MAX_TEXT = 200, 1_000
_MAX_FONT_PX = 20  # the largest font size of a figure, in pixels
_HALF, _WHOLE = 138, 290  # width of a figure on a phone, in pixels, with two figures per row or one
_DIGIT_WIDTH = 0.62  # as a fraction of the font size
_FITS_HALF = 16  # characters
_BREAK = "\N{WORD JOINER}"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SHORT_WORD = 30  # how many characters of a command fit on one line on a phone
_LINK_LIKE = re.compile(r"(?<=\w)(?=\.[^\W\d_])|(?=://)|(?=@)|(?<=\bmailto)(?=:)")


@dataclass(frozen=True)
class LetterContent:
    """The parts of an email in order of appearance. Empty parts are left out.

    Attributes
    ----------
    title, lead
        The heading and the sentences below it.
    opening
        Paragraphs between the title and the lead, with the saved query's own text.
    alerts
        Important messages, shown above the figures, each as a sequence of lines.
    figures
        The headline figures: heading, number, unit, colour and change (empty if there is no comparison).
    link, link_note
        The email's link and the sentence below it.
    more_links, more_links_note
        The text and the link for each of the other reports, and the sentence above them.
    attachment
        A sentence about the attached file, or about why no file is attached.
    pictures
        The charts.
    note
        The note on the report's table.
    command, command_note
        A command to run, and the sentence that introduces it.
    facts
        Pairs of label and text, shown at the end.
    log
        The last lines of a run's log.
    foot
        A sentence that says why the reader received the email.
    failed
        Whether the email reports a failure.
    """

    title: str
    lead: str
    foot: str
    opening: tuple[str, ...] = ()
    alerts: tuple[tuple[str, ...], ...] = ()
    figures: tuple[tuple[str, str, str, str, str], ...] = ()
    link: str = ""
    link_note: str = ""
    more_links: tuple[tuple[str, str], ...] = ()
    more_links_note: str = ""
    attachment: str = ""
    pictures: tuple[Picture, ...] = ()
    note: str = ""
    command: str = ""
    command_note: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    log: tuple[str, ...] = ()
    failed: bool = False


def without_links(text: str) -> str:
    """Return text on one line, truncated, with nothing that mail clients would turn into a link."""
    return _LINK_LIKE.sub(_BREAK, cut_short(printable(text, isolates=True), _MAX_TEXT))


def to_text(letter: LetterContent) -> str:
    """Return an email as plain text in short lines, without breaking the link or the command."""
    return "\n\n".join(filter(None, _text_parts(letter))) + "\n"


def to_html(letter: LetterContent) -> str:
    """Return an email as HTML without scripts or external content."""
    longest = max((len(number) for _, number, *_ in letter.figures), default=1)
    per_row, width = (2, _HALF) if longest <= _FITS_HALF else (1, _WHOLE)
    html: str = _template().render(
        letter=letter,
        title=cut_short(letter.title, _MAX_TITLE),
        rows=[letter.figures[i : i + per_row] for i in range(0, len(letter.figures), per_row)],
        size=min(_MAX_FONT_PX, int(width / (longest * _DIGIT_WIDTH))),
    )
    return html


def _text_parts(letter: LetterContent) -> Iterator[str]:
    title = _wrap(cut_short(letter.title, _MAX_TITLE))
    longest = max(map(len, title.splitlines()), default=0)
    yield f"{title}\n{'=' * min(longest, _WIDTH)}"
    yield "\n\n".join(map(_wrap, letter.opening))
    yield _wrap(letter.lead)
    for first, *rest in letter.alerts:
        yield "\n".join([_wrap(f"! {first}", "  "), *(_wrap(f"  - {line}", "    ") for line in rest)])
    yield _align(
        [
            (heading, " ".join(filter(None, (number, unit, change and f"[{change}]"))))
            for heading, number, unit, _, change in letter.figures
        ]
    )
    if letter.link:
        yield f"{letter.link}\n{_wrap(letter.link_note)}"
    if letter.more_links:
        links = (f"{_wrap(text)}\n{link}" for text, link in letter.more_links)
        yield "\n\n".join([_wrap(letter.more_links_note), *links])
    yield _wrap(letter.attachment)
    yield _wrap(letter.note)
    if letter.command:
        yield f"{_wrap(letter.command_note)}\n\n    {letter.command}"
    yield _align(letter.facts)
    yield "\n".join(f"    {without_links(line)}" for line in letter.log)
    yield f"-- \n{_wrap(letter.foot)}"


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(
        without_links(text), _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _align(rows: Sequence[tuple[str, str]]) -> str:
    """Return labels and text in two columns, with long text wrapped."""
    width = max((len(label) for label, _ in rows), default=0) + 2
    return "\n".join(_wrap(f"{label:{width}}{text}", " " * width) for label, text in rows)


def _escape(text: str) -> Any:
    """Return text as HTML in which dates do not wrap."""
    from markupsafe import Markup, escape

    escaped = str(escape(without_links(text)))
    return Markup(_DATE.sub(lambda date: _keep_together(date[0]), escaped))  # noqa: S704  # escaped just before


def _format_command(command: str) -> Any:
    """Return a command as HTML in which options do not wrap at their hyphens."""
    from markupsafe import Markup, escape

    parts = (
        _keep_together(str(escape(w))) if len(w) <= _SHORT_WORD else str(escape(w)) for w in command.split()
    )
    return Markup(" ".join(parts))  # noqa: S704  # escaped just before


def _keep_together(html: str) -> str:
    return f'<span style="white-space:nowrap">{html}</span>'


@functools.cache
def _template() -> Any:
    import jinja2  # imported late: only emails and pages need it

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(escaped=_escape, command=_format_command, plain=without_links)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
