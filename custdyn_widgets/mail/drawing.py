"""How a letter looks: its content as plain text and as HTML that mail readers draw in light and dark.

Names come with the data, and mail readers make links of whatever looks like an address: in every text but
the letter's own link and commands, such places get an invisible break, so that no client's name can become
something to click on.
"""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custdyn_widgets.text import cut_short, printable

_TEMPLATE = Path(__file__).with_name("letter.html.j2")
_WIDTH = 76
_MAX_TITLE, _MAX_TEXT = 200, 1_000
_LARGEST = 20  # pixels: the letters of a figure
_HALF, _WHOLE = 138, 290  # pixels that a telephone gives a figure, beside another or by itself
_DIGIT = 0.62  # the width of a digit, in parts of the size of the letters
_FITS_HALF = 16  # characters
_BREAK = "\N{WORD JOINER}"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SHORT_WORD = 30  # fits a telephone's width in the letters of a command
_LINK_LIKE = re.compile(r"(?<=\w)(?=\.[^\W\d_])|(?=://)|(?=@)|(?<=\bmailto)(?=:)")


@dataclass(frozen=True)
class Letter:
    """The content of a letter, in the order in which it is drawn; an empty part is left out.

    Attributes
    ----------
    title, lead
        Its heading, and the sentences under it.
    alerts
        What a reader must know before anything else, each as its lines.
    figures
        Headline figures: heading, number, unit, colour.
    link, link_note
        The letter's one link, and the sentence under it.
    attachment
        The sentence about the file that goes with it, or why none does.
    note
        The note on the report's table.
    command, command_note
        What to type, and why.
    facts
        The facts at the end, as label and text.
    log
        The last lines that a run wrote.
    foot
        Why the reader got it.
    failed
        Whether it reports a failure.
    """

    title: str
    lead: str
    foot: str
    alerts: tuple[tuple[str, ...], ...] = ()
    figures: tuple[tuple[str, str, str, str], ...] = ()
    link: str = ""
    link_note: str = ""
    attachment: str = ""
    note: str = ""
    command: str = ""
    command_note: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    log: tuple[str, ...] = ()
    failed: bool = False


def unlinked(text: str) -> str:
    """Return a text on one line, not too long, in which a mail reader finds nothing to make a link of."""
    return _LINK_LIKE.sub(_BREAK, cut_short(printable(text), _MAX_TEXT))


def as_text(letter: Letter) -> str:
    """Return a letter as plain text: short lines, except that a link and a command are never broken."""
    return "\n\n".join(part for part in _parts(letter) if part) + "\n"


def as_html(letter: Letter) -> str:
    """Return a letter as HTML: no script, no picture, nothing to be fetched."""
    longest = max((len(number) for _, number, _, _ in letter.figures), default=1)
    beside, room = (2, _HALF) if longest <= _FITS_HALF else (1, _WHOLE)
    html: str = _template().render(
        letter=letter,
        title=cut_short(letter.title, _MAX_TITLE),
        rows=[letter.figures[i : i + beside] for i in range(0, len(letter.figures), beside)],
        size=min(_LARGEST, int(room / (longest * _DIGIT))),
    )
    return html


def _parts(letter: Letter) -> Iterator[str]:
    title = _wrapped(cut_short(letter.title, _MAX_TITLE))
    longest = max(map(len, title.splitlines()), default=0)
    yield f"{title}\n{'=' * min(longest, _WIDTH)}"
    yield _wrapped(letter.lead)
    for first, *rest in letter.alerts:
        yield "\n".join([_wrapped(f"! {first}", "  "), *(_wrapped(f"  - {line}", "    ") for line in rest)])
    yield _aligned([(heading, f"{number} {unit}".strip()) for heading, number, unit, _ in letter.figures])
    if letter.link:
        yield f"{letter.link}\n{_wrapped(letter.link_note)}"
    yield _wrapped(letter.attachment)
    yield _wrapped(letter.note)
    if letter.command:
        yield f"{_wrapped(letter.command_note)}\n\n    {letter.command}"
    yield _aligned(letter.facts)
    yield "\n".join(f"    {unlinked(line)}" for line in letter.log)
    yield f"-- \n{_wrapped(letter.foot)}"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        unlinked(text), _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _aligned(rows: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> str:
    """Return labels and texts side by side, a long text on lines of its own below its first."""
    width = max((len(label) for label, _ in rows), default=0) + 2
    return "\n".join(_wrapped(f"{label:{width}}{text}", " " * width) for label, text in rows)


def _escape(text: str) -> Any:
    """Return a text as HTML whose dates stay on one line."""
    from markupsafe import Markup, escape

    escaped = str(escape(unlinked(text)))
    return Markup(_DATE.sub(lambda date: _unbroken(date[0]), escaped))  # noqa: S704  # escaped just before


def _format_command(command: str) -> Any:
    """Return a command as HTML whose options are not broken at their hyphens."""
    from markupsafe import Markup, escape

    parts = (_unbroken(str(escape(w))) if len(w) <= _SHORT_WORD else str(escape(w)) for w in command.split())
    return Markup(" ".join(parts))  # noqa: S704  # escaped just before


def _unbroken(html: str) -> str:
    return f'<span style="white-space:nowrap">{html}</span>'


@functools.cache
def _template() -> Any:
    import jinja2  # late: only letters and pages need it

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(escaped=_escape, command=_format_command, plain=unlinked)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
