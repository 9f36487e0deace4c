"""Turning an author's notebook cells into inert sections of a page.

Anyone with the link can read a page, so notebook outputs are not shown unchanged. In Markdown, raw HTML and
links become text, and only images from the notebook itself are shown. Tables are reduced to their cells,
PNG and SVG become images, and text remains text. Any other output is replaced by a note. Code is never
shown.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from custdyn_widgets.notebook.streams import join_streams
from custdyn_widgets.render import Section
from custdyn_widgets.report import THOUSANDS
from custdyn_widgets.text import printable

if TYPE_CHECKING:
    from nbformat import NotebookNode

LEFT_OUT_TAGS = frozenset({"parameters", "injected-parameters", "remove-cell"})
REPORT_TAG = "report"

_MAX_TEXT_LENGTH = 20_000
_MAX_PICTURE_BYTES = 2_000_000
_MAX_MARKDOWN_LENGTH, _MAX_TABLE_BYTES = 20_000, 5_000_000  # longer ones could take minutes to parse
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHOWN_SCHEMES = ("https://", "http://", "mailto:")
_PNG_URI = "data:image/png;base64,"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_START_OR_END = re.compile(r"<(/?)(?!(?:br|col|hr|img)\b)([a-zA-Z]{1,20})")
_DEEPEST = 200
_TAG = re.compile(r"<[^<>]*>")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_OUR_TABLE = re.compile(r'<table\b[^<>]*\bclass="(?:custdyn|dataframe)\b')
_TABLE_TAGS = frozenset({"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "p", "div"})
_PROSE_TAGS = _TABLE_TAGS - {"div"} | {
    "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li",
    "hr", "br", "img",
}  # fmt: skip
# Without "*", `lang` and `title` would be allowed everywhere.
_PROSE_ATTRIBUTES: dict[str, set[str]] = {"*": set(), "img": {"alt", "src"}, "ol": {"start"}}
_TABLE_ATTRIBUTES: dict[str, set[str]] = {
    "*": set(),
    "th": {"colspan", "rowspan", "scope"},
    "td": {"colspan", "rowspan"},
    "span": {"class"},
}


def author_sections(notebook: NotebookNode, *, with_report: bool = True) -> list[Section]:
    """Return the sections of a page from an executed notebook, in the order of its cells.

    Parameters
    ----------
    notebook
        The notebook with its outputs. Cells tagged `parameters`, `injected-parameters` or `remove-cell` are
        left out. The report replaces the first cell tagged `report`, or comes first if there is none.
    with_report
        Whether there is a report. If there is none, cells tagged `report` are shown like any other cell.

    Returns
    -------
    list of Section
        Empty if the notebook shows only the report.
    """
    sections: list[Section] = []
    report = Section("report")
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", ()))
        if tags & LEFT_OUT_TAGS:
            continue
        if REPORT_TAG in tags and with_report:
            if report not in sections:
                sections.append(report)
        elif cell.cell_type == "markdown":
            sections.append(Section("html", prose_html(cell.source, cell.get("attachments"))))
        elif cell.cell_type == "code":
            sections.extend(_output_sections(cell.outputs))
    if not with_report:
        return [section for section in sections if section.content.strip()]
    if report not in sections:
        sections.insert(0, report)
    shown = [s for s in sections if s is report or s.content.strip()]
    return shown if len(shown) > 1 else []


def prose_html(markdown: str, attachments: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """Return Markdown as inert HTML.

    A link becomes its text, followed by the address if it is a web or email address. An image is shown if it
    is a PNG attached to the cell; otherwise its description replaces it.
    """
    import nh3

    source = "\n".join(printable(line) for line in markdown.expandtabs(4).splitlines())
    html = _renderer(attachments or {})(source)
    return nh3.clean(
        html,
        tags=_PROSE_TAGS,
        attributes=_PROSE_ATTRIBUTES,
        attribute_filter=_prose_attribute,
        url_schemes={"data"},
        link_rel=None,
    )


def table_html(html: str) -> str | None:
    """Return the table in an HTML output, reduced to its cells; None unless custdyn or pandas made it."""
    if not _OUR_TABLE.search(html):
        return None
    import nh3

    cells = "\n".join(printable(line) for line in html.splitlines())
    return nh3.clean(
        cells,
        tags=_TABLE_TAGS | {"span"},
        attributes=_TABLE_ATTRIBUTES,
        attribute_filter=lambda _, name, value: value if name != "class" or value == THOUSANDS else None,
        link_rel=None,
    )


def _renderer(attachments: Mapping[str, Mapping[str, str]]) -> Callable[[str], str]:
    import mistune  # installed with nbconvert

    class Prose(mistune.HTMLRenderer):
        """A renderer without links, raw HTML or external images."""

        def link(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002
            address = mistune.escape(url)
            is_shown = url.startswith(_SHOWN_SCHEMES) and address != text
            return f"{text} ({address})" if is_shown else text

        def image(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002
            name = unquote(url.removeprefix("attachment:"))
            data = attachments.get(name, {}).get("image/png")
            if url.startswith("attachment:") and data and _is_png(data):
                return f'<img src="{_PNG_URI}{"".join(data.split())}" alt="{_TAG.sub("", text)}">'
            return f"[image left out: {text or 'no description'}]"

        def inline_html(self, html: str) -> str:
            return mistune.escape(_COMMENT.sub("", html))

        def block_html(self, html: str) -> str:
            text = _COMMENT.sub("", html).strip()
            return f"<p>{mistune.escape(text)}</p>\n" if text else ""

    markdown = mistune.create_markdown(renderer=Prose(escape=True), plugins=["table", "strikethrough"])
    return lambda source: str(markdown(source))


def _prose_attribute(tag: str, name: str, value: str) -> str | None:
    """Return the value of an attribute; None to drop it."""
    is_kept = {"src": value.startswith(_PNG_URI), "start": value.isdecimal()}.get(name, tag == "img")
    return value if is_kept else None


def _output_sections(outputs: Sequence[NotebookNode]) -> Iterator[Section]:
    for output in join_streams(outputs):
        if output.output_type == "stream":
            yield _text(output.text) if output.name == "stdout" else _note("messages on the error stream")
        elif output.output_type == "error":
            yield _note("an error that the notebook expected")
        else:
            yield _display(output.data)


def _display(data: Mapping[str, Any]) -> Section:
    """Return the section for a display, in the best format that a page allows."""
    forms = {kind: "".join(form) if isinstance(form, list) else form for kind, form in data.items()}
    if "image/png" in forms:
        return _picture("png", forms["image/png"])
    if "image/svg+xml" in forms:
        return _picture("svg", forms["image/svg+xml"])
    if "text/markdown" in forms and len(forms["text/markdown"]) > _MAX_MARKDOWN_LENGTH:
        return _note(f"more than {_MAX_MARKDOWN_LENGTH:,} characters of Markdown")
    if "text/markdown" in forms:
        return Section("html", prose_html(forms["text/markdown"]))
    if len(forms.get("text/html", "")) > _MAX_TABLE_BYTES:
        return _note(f"more than {_MAX_TABLE_BYTES // 1_000_000} MB of HTML")
    if _is_deep(forms.get("text/html", "")):
        return _note("HTML that is nested too deeply")
    table = table_html(forms["text/html"]) if "text/html" in forms else None
    if table is not None:
        return Section("html", table)
    if set(forms) <= {"text/plain", "text/latex"} and "text/plain" in forms:
        return _text(forms["text/plain"])
    return _note("an output that is not text, a table, PNG or SVG")


def _is_deep(html: str) -> bool:
    """Return whether HTML is nested so deeply that parsing it would take minutes."""
    is_open: Counter[str] = Counter()
    depth = 0
    for end, name in _START_OR_END.findall(html):
        if not end:
            is_open[name] += 1
            depth += 1
        elif is_open[name]:
            is_open[name] -= 1
            depth -= 1
        if depth > _DEEPEST:
            return True
    return False


def _text(text: str) -> Section:
    plain = _ANSI.sub("", text)
    lines = [printable(line) for line in plain[:_MAX_TEXT_LENGTH].expandtabs().splitlines()]
    if (more := len(plain) - _MAX_TEXT_LENGTH) > 0:
        lines.append(f"… ({more:,} more character{'' if more == 1 else 's'} left out)")
    return Section("text", "\n".join(lines))


def _picture(kind: Literal["png", "svg"], content: str) -> Section:
    if len(content) > _MAX_PICTURE_BYTES:
        return _note(f"an image of more than {_MAX_PICTURE_BYTES // 1_000_000} MB")
    if kind == "png" and not _is_png(content):
        return _note("an image that is not a PNG")
    return Section(kind, content)


def _is_png(content: str) -> bool:
    try:
        return base64.b64decode("".join(content.split()), validate=True).startswith(_PNG_SIGNATURE)
    except (binascii.Error, ValueError):
        return False


def _note(what: str) -> Section:
    return Section("note", f"Not shown here: {what}.")
