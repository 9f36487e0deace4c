"""The modules that widgets run in the browser."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def browser_module(*names: str) -> str:
    """Return a widget's module from its files, after the elements that several widgets share."""
    return "\n".join((_FOLDER / part).read_text(encoding="utf-8") for part in ("elements.js", *names))
