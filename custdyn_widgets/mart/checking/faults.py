"""Faults in a mart, and kinds of fault, which say what is wrong and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from custdyn_widgets.errors import shown

EXAMPLES = 3


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault.

    Attributes
    ----------
    code
        The name of the kind in JSON.
    reason
        What is wrong, as a phrase that follows the value: "is not a number".
    remedy
        How to fix the fault, as a sentence.
    of_column
        Whether faults in different columns are counted separately.
    """

    code: str
    reason: str
    remedy: str
    of_column: bool = True


@dataclass(frozen=True, order=True)
class Fault:
    """A faulty value or row: its location, the value as stored, the reason, and the kind of fault."""

    file: str
    row: int
    column: str
    value: str
    why: str
    kind: FaultKind = field(repr=False, compare=False)

    def __str__(self) -> str:
        place = f"{self.file}, row {self.row}" + (f", {self.column}" if self.column else "")
        return f"{place}: {shown(self.value)} {self.why}"


@dataclass
class FaultGroup:
    """The faults of one kind in one column of a file: their number, and the first ones as examples."""

    kind: FaultKind
    file: str
    column: str
    count: int = 0
    examples: list[Fault] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The file, and the column if there is one."""
        return f"{self.file}, {self.column}" if self.column else self.file

    @property
    def first(self) -> str:
        """The row and value of the first fault, and its reason if it differs from the kind's."""
        fault = self.examples[0]
        if not fault.value and fault.row == 1 and self.kind.code == "no_column":
            return "the headings"
        more = f" {fault.why}" if fault.why != self.kind.reason else ""
        return f"row {fault.row}: {shown(fault.value)}{more}"


def group_faults(faults: Iterable[Fault], examples: int | None = EXAMPLES) -> list[FaultGroup]:
    """Group faults by file, column and kind; groups are ordered by their first faults.

    Parameters
    ----------
    faults
        The faults.
    examples
        The maximum number of faults to keep as examples in each group, or None to keep all.
    """
    groups: dict[tuple[str, str, FaultKind], FaultGroup] = {}
    for fault in faults:
        key = (fault.file, fault.column if fault.kind.of_column else "", fault.kind)
        group = groups.get(key)
        if group is None:
            file, column, kind = key
            group = groups[key] = FaultGroup(kind, file, column)
        group.count += 1
        if examples is None or len(group.examples) < examples:
            group.examples.append(fault)
    return list(groups.values())
