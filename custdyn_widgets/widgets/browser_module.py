"""The modules that widgets run in the browser."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def browser_module(name: str) -> str:
    """Return a widget's module by its file name, with the elements that several widgets share."""
    return "\n".join((_FOLDER / part).read_text(encoding="utf-8") for part in ("elements.js", name))
