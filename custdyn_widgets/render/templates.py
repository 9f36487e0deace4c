"""Page templates, which make all values printable and escape them."""

from __future__ import annotations

import functools
from html import escape
from pathlib import Path
from typing import Any

from custdyn_widgets.report import html_text, number_html
from custdyn_widgets.text import isolate, printable


@functools.cache
def page_template(name: str) -> Any:
    """Return a page template by its file name."""
    import jinja2  # imported late because only pages need it
    from markupsafe import Markup

    def shown_text(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown_text,
    )
    environment.filters.update(
        plain=lambda text: markup(escape(printable(text, isolates=True))),  # for titles and attributes
        words=lambda text: markup(html_text(text)),
        name=lambda text: markup(html_text(isolate(text))),
        number=lambda text: markup(number_html(text)),
    )
    return environment.get_template(name)


def markup(text: str) -> Any:
    """Mark text as HTML, so that templates do not escape it."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  # only used for markup that this package or a sanitizer made inert
