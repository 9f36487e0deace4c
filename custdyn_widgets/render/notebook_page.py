"""The page for a notebook that did not freeze a report: its cells as one inert HTML file."""

from __future__ import annotations

from collections.abc import Sequence

from custdyn_widgets.render.page import Section, inert_section
from custdyn_widgets.render.templates import page_template
from custdyn_widgets.text import cut_short

_MAX_TITLE = 300  # characters


def render_notebook(title: str, sections: Sequence[Section], warnings: Sequence[str] = ()) -> bytes:
    """Render a notebook's warnings and sections as an HTML page in UTF-8."""
    html: str = page_template("notebook.html.j2").render(
        title=cut_short(title, _MAX_TITLE),
        sections=[inert_section(section) for section in sections if section.kind != "report"],
        warnings=list(warnings),
    )
    return html.encode("utf-8")
