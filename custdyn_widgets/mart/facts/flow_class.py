"""Classifying ledger rows by kind and by the sign of the amount."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.columns import Codes, Int64s
from custdyn_widgets.mart.schema import KINDS

Flows = npt.NDArray[np.uint8]


class FlowClass(IntEnum):
    """The class of a ledger row. Rows in the `PAID` classes keep a client active."""

    OTHER = 0
    REFILL = 1
    REFILL_NOT_COUNTED = 2
    USAGE_PAID = 3
    USAGE_NOT_PAID = 4
    ACTIVATION_PAID = 5
    ACTIVATION_FREE = 6
    ACTIVATION_REVERSED = 7
    RENEWAL_PAID = 8
    RENEWAL_FREE = 9
    RENEWAL_REVERSED = 10


_C = FlowClass
# For each kind, the classes of negative, zero and positive amounts.
_CLASS_BY_KIND = {
    "refill": (_C.REFILL_NOT_COUNTED, _C.REFILL_NOT_COUNTED, _C.REFILL),
    "usage": (_C.USAGE_PAID, _C.USAGE_NOT_PAID, _C.USAGE_NOT_PAID),
    "package_activation": (_C.ACTIVATION_PAID, _C.ACTIVATION_FREE, _C.ACTIVATION_REVERSED),
    "package_renewal": (_C.RENEWAL_PAID, _C.RENEWAL_FREE, _C.RENEWAL_REVERSED),
    "other": (_C.OTHER, _C.OTHER, _C.OTHER),
}
_CLASSES = np.array([_CLASS_BY_KIND[kind] for kind in KINDS], np.uint8).ravel()
PAID = np.zeros(len(FlowClass), np.bool_)
PAID[[_C.USAGE_PAID, _C.ACTIVATION_PAID, _C.RENEWAL_PAID]] = True
PACKAGE_FEE = np.zeros(len(FlowClass), np.bool_)
PACKAGE_FEE[_C.ACTIVATION_PAID :] = True


def flow_classes(kind: Codes, amount: Int64s) -> Flows:
    """Return the class of each row, given the position of its kind in `KINDS` and its amount."""
    place = kind.astype(np.uint8)
    place *= 3
    place += (amount >= 0).view(np.uint8)
    place += (amount > 0).view(np.uint8)
    return _CLASSES.take(place)
