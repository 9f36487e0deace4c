"""No secrets in a snapshot: what is published is searched for what only this machine may know.

A snapshot stays for ever and anyone who holds its link can read it. A password that got into a package's
name, or a path into a note, is therefore found before anything is stored, and nothing is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.publish.secrets.readings import texts
from custdyn_widgets.publish.secrets.watched import Watched, watched

__all__ = ["Watched", "refuse_secrets", "watched", "without_secrets"]


def refuse_secrets(files: Mapping[str, bytes], kept: Iterable[Watched]) -> None:
    """Raise an error if a file contains a secret, in any form that a reader could decode.

    Parameters
    ----------
    files
        Content by file name; compressed files and pictures within pages are looked into.
    kept
        The secrets, see `watched`.

    Raises
    ------
    SnapshotError
        If one does; the error names the file and the kind of secret, and never the secret.
    """
    kept = list(kept)
    named = _first(
        kept, (name for name in files if name.startswith("chart-"))
    )  # the others are our own words
    if named:
        raise SnapshotError.not_published(f"a chart's title, which names a file, contains {named.kind}")
    for name, data in files.items():
        try:
            found = _first(kept, texts(name, data))
        except ValueError as error:
            raise SnapshotError.not_published(f"{name} cannot be searched for secrets ({error})") from None
        if found:
            raise SnapshotError.not_published(f"{name} contains {found.kind}")


def without_secrets(text: str, kept: Iterable[Watched]) -> str:
    """Return a text with each secret replaced by a description of it."""
    for watch in sorted(kept, key=lambda watch: -len(watch.text)):
        text = watch.replaced_in(text)
    return text


def _first(kept: list[Watched], searched: Iterable[str]) -> Watched | None:
    return next((watch for text in searched for watch in kept if watch.found_in(text)), None)
