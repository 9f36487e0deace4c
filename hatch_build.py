"""The description on PyPI: the README without pictures of the checkout and links into it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)
_PICTURE = re.compile(r"!\[[^]]*\]\((?!https?:)[^)]*\)\n*")
_LINK = re.compile(r"\[([^]]*)\]\((?!https?:|#)([^)]*)\)")


def description(readme: str) -> str:
    """Return a README for readers who do not have its folder: links become the names of files."""

    def named(link: re.Match[str]) -> str:
        text, file = link.groups()
        return text if text == file else f"{text} (`{file}`)"

    return _LINK.sub(named, _PICTURE.sub("", _COMMENT.sub("", readme)))


class DescriptionHook(MetadataHookInterface):
    """Set the description in the metadata of distributions."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the README to the metadata."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": description(readme)}
