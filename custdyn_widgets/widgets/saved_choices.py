"""The saved queries offered by a form: those in either folder, valid or not."""

from __future__ import annotations

from custdyn_widgets import saved_queries
from custdyn_widgets.errors import CustDynError
from custdyn_widgets.saved_queries import ListedQuery, Place, Stored

_UNUSABLE = "(cannot be used)"
_WHOLE_PLACE = {"mine": "Your saved queries", "shared": "The shared saved queries"}


class SavedChoices:
    """The saved queries, keyed by place and name, and the revisions that the user has seen.

    Attributes
    ----------
    seen
        The revision of each saved query that the user has loaded or saved.
    latest
        The saved query last loaded or saved, or None.
    """

    def __init__(self) -> None:
        self.seen: dict[tuple[Place, str], str] = {}
        self.latest: Stored | None = None
        self._entries: dict[str, ListedQuery] = {}

    def listed(self) -> list[tuple[str, str]]:
        """Read the folders, and return the key and label of each saved query, with invalid ones last."""
        found = sorted(saved_queries.listing(), key=lambda entry: entry.error is not None)
        self._entries = {f"{entry.place}/{entry.name}": entry for entry in found}
        return [(key, _words(entry)) for key, entry in self._entries.items()]

    def load(self, key: str) -> Stored:
        """Load the saved query with this key.

        Raises
        ------
        CustDynError
            If it no longer exists or is invalid.
        """
        place, _, name = key.partition("/")
        try:
            stored = saved_queries.load(name, "shared" if place == "shared" else "mine")
        except CustDynError:
            listed = self._entries.get(key)
            if listed and listed.error:
                raise listed.error from None
            raise
        self.mark_seen(stored)
        return stored

    def mark_seen(self, stored: Stored) -> None:
        """Record a saved query that the user has loaded or saved."""
        self.seen[stored.place, stored.name] = stored.revision
        self.latest = stored


def _words(entry: ListedQuery) -> str:
    if entry.error is None:
        return entry.title
    return f"{entry.title or _WHOLE_PLACE[entry.place]} {_UNUSABLE}"
