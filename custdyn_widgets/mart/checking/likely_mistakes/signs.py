"""Find kinds of transaction whose amounts mostly have the wrong sign, and refills stored as `other`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.schema import KINDS

_USAGE, _REFILL, _OTHER = KINDS.index("usage"), KINDS.index("refill"), KINDS.index("other")
_FEW = 10  # with fewer amounts, most may have the wrong sign by chance
_FEES = {
    "package_activation": "An activation fee lowers a balance: it must be negative unless it is a reversal.",
    "package_renewal": "A renewal fee lowers a balance: it must be negative unless it is a reversal.",
}


def positive_usage(evidence: Evidence) -> Iterator[Note]:
    """Yield a note if most usage is positive, and therefore adds to balances."""
    negative, _, positive = evidence.signs[_USAGE].tolist()
    count = negative + positive
    if positive > count - positive:
        yield Note(
            f"{evidence.file}: most usage is positive ({positive:,} of {count:,} amounts, "
            f"{100 * positive // count}%). Usage lowers a balance: it must be negative unless it is a "
            "reversal.",
            "positive_usage",
            count=positive,
            of=count,
            share=round(positive / count, 4),
        )


def reversed_signs(evidence: Evidence) -> Iterator[Note]:
    """Yield notes if most refills are negative, or most package fees are positive."""
    for name, why in _FEES.items():
        yield from _reversed(evidence, name, "positive", 1, why)
    why = (
        "A refill adds to a balance, and negative refills are not counted. Store bounced payments as `other`."
    )
    yield from _reversed(evidence, "refill", "negative", -1, why)


def _reversed(evidence: Evidence, name: str, wrong: str, sign: int, why: str) -> Iterator[Note]:
    kind, rows = KINDS.index(name), evidence.rows
    turned, count = int(evidence.signs[kind, sign + 1]), int(evidence.signs[kind, [0, 2]].sum())
    if count < _FEW or 2 * turned <= count:
        return
    first = evidence.number(int(np.argmax((rows.kind == kind) & (rows.amount * sign > 0))))
    yield Note(
        f"{evidence.file}, amount: most rows of kind {name} are {wrong} ({turned:,} of {count:,}, "
        f"{100 * turned // count}%); the first is row {first}. {why}",
        f"{wrong}_{name}",
        count=turned,
        of=count,
        share=round(turned / count, 4),
        first=first,
    )


def refills_as_other(evidence: Evidence) -> Iterator[Note]:
    """Yield a note if most incoming money is stored as `other`, which no column of a report shows."""
    rows = evidence.rows
    count, refills = int(evidence.signs[_OTHER, 2]), int(evidence.signs[_REFILL].sum())
    if count < 2 * _FEW or count <= 2 * refills:
        return
    other = (rows.amount > 0) & (rows.kind == _OTHER)
    if 4 * len(np.unique(rows.client[other])) < len(np.unique(rows.client)):
        return
    first = evidence.number(int(np.argmax(other)))
    yield Note(
        f"{evidence.file}, kind: {count:,} positive amounts, the first in row {first}, are of kind other, "
        f"and only {refills:,} amounts are refills. Payments and redeemed vouchers are refills; only bonuses "
        "and corrections are other.",
        "refills_as_other",
        count=count,
        refills=refills,
        first=first,
    )
