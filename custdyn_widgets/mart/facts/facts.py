"""Facts: the compact arrays, sorted by client and time, from which every report is computed.

Each ledger row has its time in whole seconds (reports start and end on whole seconds, so nothing is lost),
the running sum of amounts in millionths, a flow class, a package code and the time of the last paid use. A
client's rows are contiguous and sorted by time. A single row therefore gives the balance and the last paid
use at any moment, and a report does not read rows before its start. The facts also include clients, packages,
companies and quotes.

Clients are sorted by currency, so that a range of them can be summed without looking up currencies, and then
by type, company and owner, so that filters mostly select contiguous clients.

Rows store a `FlowClass` instead of a kind, so that reports can classify rows without reading amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from custdyn_widgets.mart.columns import Bools, Int64s
from custdyn_widgets.mart.facts.by_client import Packages, Times
from custdyn_widgets.mart.facts.flow_class import FlowClass, Flows

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1 << 20  # limits the memory needed
NEVER = np.iinfo(np.int64).max
T = TypeVar("T")


class Names(NamedTuple):
    """The names for the codes in the arrays, the parents of companies, and the quotes.

    Attributes
    ----------
    currencies, companies, owners, tags
        Names by code.
    packages
        Id and name by code.
    parents
        The parent of each company that has one.
    quotes
        For each currency, (day since 1970, units per base as text) pairs, sorted by day.
    base
        The base currency of the quotes; empty without rates.
    """

    currencies: tuple[str, ...]
    companies: tuple[str, ...]
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]
    parents: Mapping[str, str]
    quotes: Mapping[str, tuple[tuple[int, str], ...]]
    base: str


@dataclass(frozen=True, eq=False)
class Facts:
    """The arrays of a mart: one value per ledger row, or one value per client.

    Attributes
    ----------
    offset
        int64[clients + 1]: the rows of client i are `offset[i]:offset[i + 1]`, sorted by time.
    time
        Seconds since 1970 in UTC: uint32 if all are from 1970 to 2106, else int64.
    running
        int64: the sum of the amounts of all rows up to this one, over all clients, in millionths. It may
        wrap around, but the difference between two rows of a client is exact, because a balance fits in an
        int64.
    paid_at
        Like `time`: the client's last paid use up to this row, or the minimum of the type if there was none.
    flow, package
        uint8 `FlowClass`; package code, or -1 for none, in the smallest of int8, int16 and int32 that fits.
    exists, closed, opening
        int64: the time from which the client exists; the time at which it was closed, or `NEVER`; the
        opening balance.
    client_type, currency, company, owner
        int32 codes (type: position in `CLIENT_TYPES`), -1 for none.
    tag_offset, tag
        Tags of client i: codes `tag[tag_offset[i]:tag_offset[i + 1]]`.
    id_offset, id_text, name_offset, name_text
        The id and the name of each client, in UTF-8: client i has the bytes `offset[i]:offset[i + 1]`.
    names
        The names for the codes.
    """

    offset: Int64s
    time: Times
    running: Int64s
    paid_at: Times
    flow: Flows
    package: Packages
    exists: Int64s
    closed: Int64s
    opening: Int64s
    client_type: npt.NDArray[np.int32]
    currency: npt.NDArray[np.int32]
    company: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int32]
    tag_offset: Int64s
    tag: npt.NDArray[np.int32]
    id_offset: Int64s
    id_text: npt.NDArray[np.uint8]
    name_offset: Int64s
    name_text: npt.NDArray[np.uint8]
    names: Names
    is_distributed: ClassVar[bool] = False  # whether only `each` can reach the rows

    @cached_property
    def flow_classes(self) -> Bools:
        """Whether each `FlowClass` occurs in any row; the first use may read all rows."""
        found = np.zeros(len(FlowClass), np.bool_)
        for first in range(0, len(self.flow), _ROWS_AT_ONCE):
            rows = self.flow[first : first + _ROWS_AT_ONCE]
            for missing in np.flatnonzero(~found).tolist():
                found[missing] = (rows == missing).any()
        return found

    def each(self, work: Callable[[Facts, Int64s], T], clients: Int64s) -> list[tuple[Int64s, T]]:
        """Call a function on the rows of some clients, wherever they are stored.

        Parameters
        ----------
        work
            Called with facts that contain all rows of the given clients. On a cluster, it runs once for each
            part of the ledger, so it must be picklable, and the caller has to combine the results.
        clients
            Positions of the clients, int64, ascending.

        Returns
        -------
        For each part, the clients with rows in it and the result. Each client is in one part.
        """
        return [(clients, work(self, clients))]

    def value_of_each(
        self, work: Callable[[Facts, Int64s], npt.NDArray[Any]], clients: Int64s
    ) -> npt.NDArray[Any]:
        """Return one value per client; `work` is as in `each`, and returns a value for each given client."""
        parts = self.each(work, clients)
        found = np.empty(len(clients), parts[0][1].dtype)
        for own, values in parts:
            found[np.searchsorted(clients, own)] = values
        return found

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return len(self.exists)

    def client_ids(self) -> pa.LargeStringArray:
        """Return the id of each client."""
        return _texts(self.id_offset, self.id_text)

    def client_names(self) -> pa.LargeStringArray:
        """Return the name of each client."""
        return _texts(self.name_offset, self.name_text)

    @property
    def amount(self) -> Int64s:
        """The amount of each row in millionths of the client's currency, as int64."""
        return np.diff(self.running, prepend=np.int64(0))


def _texts(offset: Int64s, text: npt.NDArray[np.uint8]) -> pa.LargeStringArray:
    import pyarrow as pa  # imported late, because reports do not need it

    buffers = (pa.py_buffer(np.ascontiguousarray(values)) for values in (offset, text))
    return pa.LargeStringArray.from_buffers(len(offset) - 1, *buffers)
