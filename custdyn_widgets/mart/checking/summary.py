"""The summary of a check, as text or JSON: the kinds of fault, the notes and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custdyn_widgets.mart.checking.faults import Fault, FaultGroup
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.schema import size_words
from custdyn_widgets.text import printable


@dataclass(frozen=True)
class CheckSummary:
    """The result of a check.

    Attributes
    ----------
    name
        The name of the source.
    sizes
        The number of rows in each table.
    kinds
        The faults by file, column and kind.
    notes
        Sentences about data that is allowed but probably a mistake, or that is ignored or left out.
    """

    name: str
    sizes: Mapping[str, int]
    kinds: Sequence[FaultGroup]
    notes: Sequence[Note]

    @property
    def fault_count(self) -> int:
        """The number of faults."""
        return sum(group.count for group in self.kinds)

    @property
    def verdict(self) -> str:
        """The number of faults and the number of kinds, as a phrase."""
        if not self.kinds:
            return "No faults"
        return f"{_counted(self.fault_count, 'fault')} of {_counted(len(self.kinds), 'kind')}"

    @property
    def closing(self) -> str:
        """The last line: the sizes of the tables, and the verdict."""
        return printable(f"{self.name}: {size_words(self.sizes)}. {self.verdict}.")

    def text(self, faults: Sequence[Fault] | None = None) -> str:
        """Return the summary for a terminal; if `faults` are given, list them instead of their kinds."""
        found = map(_group_text, self.kinds) if faults is None else map(str, faults)
        return "\n".join([*found, *(f"Note: {printable(note)}" for note in self.notes), self.closing])

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return {
            "source": self.name,
            "verdict": self.verdict,
            "faults": self.fault_count,
            "kinds": [_group_dict(group) for group in self.kinds],
            "notes": [{"kind": note.kind, "text": str(note), **note.figures} for note in self.notes],
            "rows": dict(self.sizes),
        }


def _group_text(group: FaultGroup) -> str:
    return "\n".join(
        (
            f"{group.place}: {group.kind.reason} ({_counted(group.count, 'fault')})",
            f"  First: {group.first}",
            f"  Remedy: {group.kind.remedy}",
        )
    )


def _group_dict(group: FaultGroup) -> dict[str, Any]:
    return {
        "kind": group.kind.code,
        "file": group.file,
        "column": group.column,
        "reason": group.kind.reason,
        "remedy": group.kind.remedy,
        "count": group.count,
        "examples": [
            {"row": fault.row, "column": fault.column, "value": fault.value, "why": fault.why}
            for fault in group.examples
        ],
    }


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
