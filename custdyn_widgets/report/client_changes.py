"""The clients whose contribution to a report changed, as far as a snapshot's evidence shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_CLIENT_HEADINGS = ("Client Id", "Name", "Company", "Owner User")


@dataclass(frozen=True)
class ClientChange:
    """A client whose contribution to a row changed, with the row's label for each heading."""

    labels: tuple[str, ...]
    client_id: str
    name: str
    company: str
    owner_user: str


@dataclass(frozen=True)
class ClientChanges:
    """The clients whose contribution to a report changed.

    Attributes
    ----------
    headings
        The label headings of the report.
    lines
        One line for each client and row where the client's contribution changed, ordered by row and then by
        id. Empty in a frozen difference, which does not contain client names.
    count
        The number of clients whose contribution changed.
    gone
        The number of other clients that contributed to the old report but are no longer in the data or no
        longer match the filters. Their names are unknown.
    undecided
        The number of clients whose data changed after the second of two snapshots; their contribution may
        also have changed between the snapshots.
    """

    headings: tuple[str, ...]
    lines: tuple[ClientChange, ...]
    count: int
    gone: int = 0
    undecided: int = 0

    @property
    def text(self) -> str:
        """A sentence that says how many clients changed, without their names."""
        if not (self.count or self.gone or self.undecided):
            return "No client's contribution changed."
        plural = "" if self.count == 1 else "s"
        changed = f"The contribution{plural} of {_clients(self.count)} changed"
        parts = [changed if self.count else "No client's contribution changed"]
        if self.gone:
            parts.append(
                f"{_clients(self.gone)} in the old report {'is' if self.gone == 1 else 'are'} no longer in "
                "the data or no longer selected"
            )
        if self.undecided:
            parts.append(
                f"{_clients(self.undecided)} may have changed, too; this cannot be determined, because their "
                "data changed again after the second snapshot"
            )
        return f"{'; '.join(parts)}."

    @property
    def line_headings(self) -> tuple[str, ...]:
        """The headings of `texts`."""
        return (*self.headings, *_CLIENT_HEADINGS)

    def texts(self) -> list[tuple[str, ...]]:
        """Return each line as text: the row's labels, then the client's id, name, company and owner user."""
        return [
            (*line.labels, line.client_id, line.name, line.company, line.owner_user) for line in self.lines
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Return the lines as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.texts(), columns=list(self.line_headings), dtype=object)

    def without_names(self) -> ClientChanges:
        """Return the changes without the lines, which contain client names."""
        return replace(self, lines=())

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON values."""
        return {
            "count": self.count,
            "gone": self.gone,
            "undecided": self.undecided,
            "lines": [
                {
                    "row": list(line.labels),
                    "client_id": line.client_id,
                    "name": line.name,
                    "company": line.company,
                    "owner_user": line.owner_user,
                }
                for line in self.lines
            ],
        }


def few(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """Join the first `most` items, followed by the number of remaining items."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return separator.join(items[:most]) + more


def _clients(count: int) -> str:
    return f"{count:,} client{'' if count == 1 else 's'}"
