"""Charts in a PDF: vector drawings, or images if WeasyPrint cannot shape their text."""

from __future__ import annotations

import base64
import re
import unicodedata
from html import escape, unescape

from custdyn_widgets.render.charts.svg import INK, inert_svg
from custdyn_widgets.text import printable

_TEXT = re.compile(r">([^<]+)<")
_DARK_INK = "#3f464e"
_SCALE = 3  # over 300 dots per inch on paper


def chart_html(title: str, svg: str) -> str:
    """Return a chart as an HTML element for a PDF, with its alternative text.

    WeasyPrint draws the text of a drawing letter by letter, so Arabic letters are not joined, Hebrew is
    reversed, and accents are separated from their letters. A drawing with such text is embedded as an image
    instead.
    """
    words = f"Chart: {printable(title)}. Its numbers are in the table that follows the charts."
    drawing = inert_svg(svg, words)
    if not any(map(_needs_shaping, unescape("".join(_TEXT.findall(drawing))))):
        return drawing
    import vl_convert  # imported late because it loads a JavaScript engine

    inked = drawing.replace(f'color="{INK}"', f'color="{_DARK_INK}"', 1)
    png = base64.b64encode(vl_convert.svg_to_png(inked, scale=_SCALE)).decode("ascii")
    return f'<img src="data:image/png;base64,{png}" alt="{escape(words)}">'


def _needs_shaping(character: str) -> bool:
    """Return whether a character is written from right to left, or joined to the preceding character."""
    is_joined = unicodedata.category(character)[0] == "M"
    return is_joined or unicodedata.bidirectional(character) in ("R", "AL")
