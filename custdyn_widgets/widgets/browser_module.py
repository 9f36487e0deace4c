"""The JavaScript modules of the widgets."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def browser_module(*names: str) -> str:
    """Return a widget's module: the elements that several widgets share, then the widget's own files."""
    return "\n".join((_FOLDER / part).read_text(encoding="utf-8") for part in ("elements.js", *names))
