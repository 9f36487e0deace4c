"""Kinds of transaction whose amounts mostly have the wrong sign, and refills that are stored as other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from custdyn_widgets.mart.checking.likely_mistakes.evidence import Evidence, row_number
from custdyn_widgets.mart.checking.notes import Note
from custdyn_widgets.mart.schema import KINDS

_USAGE, _REFILL, _OTHER = KINDS.index("usage"), KINDS.index("refill"), KINDS.index("other")
_FEW = 10  # amounts, in which most signs may be wrong by chance
_FEES = {
    "package_activation": "An activation's fee lowers a balance, so it is negative unless it is reversed.",
    "package_renewal": "A renewal's fee lowers a balance, so it is negative unless it is reversed.",
}


def positive_usage(evidence: Evidence) -> Iterator[Note]:
    """Note that most usage is positive, so that it adds to balances."""
    ledger = evidence.ledger
    if "kind" not in ledger.codes:
        return
    usage = ledger.columns["amount"][(ledger.codes["kind"] == _USAGE) & ~ledger.blank["amount"]]
    positive, count = int((usage > 0).sum()), int(np.count_nonzero(usage))
    if positive > count - positive:
        yield Note(
            f"{ledger.stored.origin}: most usage is positive: {positive:,} of {count:,} "
            f"({100 * positive // count}%). Usage lowers a balance, so it is negative unless it is reversed.",
            "positive_usage",
            count=positive,
            of=count,
            share=round(positive / count, 4),
        )


def turned_signs(evidence: Evidence) -> Iterator[Note]:
    """Note that most refills are negative, or most fees of packages positive."""
    for name, why in _FEES.items():
        yield from _turned(evidence, name, "positive", 1, why)
    why = "A refill adds to a balance, and negative ones are not counted. A payment that bounced is `other`."
    yield from _turned(evidence, "refill", "negative", -1, why)


def _turned(evidence: Evidence, name: str, wrong: str, sign: int, why: str) -> Iterator[Note]:
    rows = evidence.rows
    of_kind = rows.kind == KINDS.index(name)
    signs = np.sign(rows.amount[of_kind]) * sign
    turned, count = int((signs > 0).sum()), int(np.count_nonzero(signs))
    if count < _FEW or 2 * turned <= count:
        return
    ledger = evidence.ledger
    first = row_number(ledger, rows.position[of_kind][np.argmax(signs > 0)])
    yield Note(
        f"{ledger.stored.origin}, amount: most rows of kind {name} are {wrong}: {turned:,} of {count:,} "
        f"({100 * turned // count}%), the first in row {first}. {why}",
        f"{wrong}_{name}",
        count=turned,
        of=count,
        share=round(turned / count, 4),
        first=first,
    )


def refills_as_other(evidence: Evidence) -> Iterator[Note]:
    """Note that most money arrives as `other`, which no column of a report shows."""
    rows = evidence.rows
    other, refills = (rows.amount > 0) & (rows.kind == _OTHER), int((rows.kind == _REFILL).sum())
    count = int(other.sum())
    clients = len(np.unique(rows.client[other]))
    if count < 2 * _FEW or count <= 2 * refills or 4 * clients < len(np.unique(rows.client)):
        return
    ledger = evidence.ledger
    first = row_number(ledger, rows.position[np.argmax(other)])
    yield Note(
        f"{ledger.stored.origin}, kind: {count:,} positive amounts are of kind other and only {refills:,} "
        f"are refills, the first in row {first}. Payments and vouchers that clients redeem are refills; only "
        "bonuses and corrections are other.",
        "refills_as_other",
        count=count,
        refills=refills,
        first=first,
    )
