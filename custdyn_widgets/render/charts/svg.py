"""Inert SVG: drawings reduced to shapes and text, so that they are safe on a shared page.

Only allowed elements and attributes are kept: no scripts, style sheets, links, images or external references.
Removing the drawing library's own markup also makes files smaller.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET  # documents with a DOCTYPE, and thus entities, are rejected
from xml.sax.saxutils import escape, quoteattr

from custdyn_widgets.errors import CustDynError, shown
from custdyn_widgets.text import isolate, split_isolates

INK = "#737a84"  # readable on both white and near-black, for drawings outside a page
_FONTS = "Arial,Helvetica,Liberation Sans,sans-serif"  # same widths as the font used to measure the layout
_ELEMENTS = frozenset({
    "g", "path", "text", "tspan", "rect", "line", "circle", "ellipse", "polygon", "polyline", "title", "defs",
    "clipPath", "linearGradient", "radialGradient", "stop",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "d", "transform", "fill", "stroke", "opacity", "fill-opacity", "stroke-opacity", "stroke-width",
    "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "text-anchor", "dominant-baseline", "font-size",
    "font-weight", "font-style", "x", "y", "dx", "dy", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry",
    "width", "height", "points", "id", "clip-path", "offset", "stop-color", "stop-opacity", "gradientUnits",
})  # fmt: skip
_DEFAULTS = {
    ("opacity", "1"),
    ("stroke-width", "1"),
    ("y2", "0"),
    ("x2", "0"),
    ("transform", "translate(0,0)"),
}
_HIDDEN = {("display", "none"), ("visibility", "hidden")}
_SHAPES = frozenset({"path", "text", "rect", "circle", "line"})
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-\d+)?")
_OWN_URL = re.compile(r"url\(#([\w-]+)\)")
_DOT = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0Z?")
_AT = re.compile(r"translate\((-?[\d.]+),(-?[\d.]+)\)")


def inert_svg(svg: str, label: str | None = None) -> str:
    """Return a drawing reduced to shapes and text.

    Parameters
    ----------
    svg
        An SVG document.
    label
        A description of the drawing for screen readers. Defaults to the drawing's own label.

    Raises
    ------
    CustDynError
        If it is not an SVG document, or has a DOCTYPE.
    """
    if "<!DOCTYPE" in svg.upper():
        raise CustDynError("The drawing must not have a DOCTYPE; save it as plain SVG.")
    try:
        root = ET.fromstring(svg)  # noqa: S314  # no DOCTYPE, see above
    except (ET.ParseError, UnicodeEncodeError) as error:
        raise CustDynError(f"The drawing is not well-formed SVG: {error}.") from error
    if _local(root.tag) != "svg":
        raise CustDynError(f"The drawing is a {shown(_local(root.tag))} document, not SVG.")
    title = escape(label if label is not None else root.get("aria-label", "Chart"))
    prefix = hashlib.sha256(svg.encode("utf-8", "replace")).hexdigest()[:8]
    body = "".join(_markup(child, prefix) for child in root if _local(child.tag) != "title")
    size = "".join(
        f" {a}={quoteattr(root.get(a, ''))}" for a in ("width", "height", "viewBox") if root.get(a)
    )
    quoted = title.replace('"', "&quot;")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"{size} role="img" aria-label="{quoted}" '
        f'font-family="{_FONTS}" color="{INK}" fill="none"><title>{title}</title>{body}</svg>'
    )


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""  # a comment's tag is not a string


def _markup(element: ET.Element, prefix: str) -> str:
    """Return the markup of an element and its content; empty groups are left out."""
    name = "g" if _local(element.tag) in ("a", "svg") else _local(element.tag)
    if name not in _ELEMENTS or _HIDDEN & set(element.attrib.items()):
        return ""
    label = (
        element.get("aria-label", "") if name in _SHAPES and element.get("role") == "graphics-symbol" else ""
    )
    words = (element.text or "").strip("\n")
    if name in ("text", "tspan") and len(split_isolates(words)) == 1:
        words = isolate(words)
    inner = (f"<title>{escape(label)}</title>" if label else "") + escape(words)
    for child in element:
        inner += _markup(child, prefix) + escape((child.tail or "").strip("\n"))
    name, attributes = _as_dot(name, _allowed_attributes(element, prefix))
    if name == "g" and (not inner or not attributes):
        return inner
    if name == "path" and attributes.get("d", "") in ("", "M0,0h0v0h0Z"):
        return ""
    if (
        name == "path"
        and not attributes.keys() & {"fill", "stroke"}
        and "background" in element.get("class", "")
    ):
        return ""
    text = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{text}>{inner}</{name}>" if inner else f"<{name}{text}/>"


def _allowed_attributes(element: ET.Element, prefix: str) -> dict[str, str]:
    """Return the allowed attributes, with numbers rounded to hundredths of a pixel."""
    kept = {}
    for name, raw in element.attrib.items():
        value = _LONG_NUMBER.sub(lambda m: f"{float(m[0]):z.2f}".rstrip("0").rstrip("."), raw)
        value = _OWN_URL.sub(rf"url(#{prefix}-\1)", value)
        if name not in _ATTRIBUTES or (name, value) in _DEFAULTS:
            continue
        if "url" in value.casefold() and not re.fullmatch(r"url\(#[\w-]+\)", value):
            continue
        kept[name] = f"{prefix}-{value}" if name == "id" else value
    return kept


def _as_dot(name: str, attributes: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Turn a path that draws a circle into a `circle` element, which is a third as long."""
    dot = _DOT.fullmatch(attributes.get("d", "")) if name == "path" else None
    at = _AT.fullmatch(attributes.get("transform", "")) if dot else None
    if not dot or not at:
        return name, attributes
    rest = {key: value for key, value in attributes.items() if key not in ("d", "transform")}
    return "circle", {"cx": at[1], "cy": at[2], "r": dot[1], **rest}
