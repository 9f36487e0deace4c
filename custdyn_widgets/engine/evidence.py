"""The evidence in a snapshot: a keyed digest of each client's exact contribution to each row.

A contribution is whatever the client adds to the row's cells, and to those of the period that the row is
compared with. The key is a nonce that is stored only in the snapshot's manifest, which is never served.
Clients and rows are likewise identified by keyed digests, so the evidence reveals nothing without the data.
Contributions have digests of only 32 bits. Many amounts share a digest and therefore cannot be found by brute
force, but about one change in four billion is missed.
"""

from __future__ import annotations

import io
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from custdyn_widgets.engine.cells.by_client import Contributions, client_contributions
from custdyn_widgets.engine.plan import Plan
from custdyn_widgets.engine.rows import row_labels

if TYPE_CHECKING:
    import pandas as pd

    from custdyn_widgets.snapshots import Evidence

MAX_CONTRIBUTIONS = 5_000_000  # about 25 MB; a report with more has no evidence
_TAG_BYTES, _DIGEST_BYTES = 8, 4
Labels = tuple[str, ...]
UInt64s = npt.NDArray[np.uint64]


class EvidenceMaker:
    """Computes a report's evidence when the report is published, from the data that it is based on.

    It keeps that data in memory while the report exists. Pickling the maker replaces it with the finished
    evidence.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self) -> Evidence | None:
        """Return evidence with a new nonce; None if the report is too large."""
        from custdyn_widgets.snapshots import Evidence  # imported late: only needed for publishing

        nonce = secrets.token_hex(16)
        found = digests(self._plan, nonce)
        return None if found is None else Evidence(nonce, _to_parquet(found))

    def __deepcopy__(self, memo: object) -> EvidenceMaker:
        return self

    def __reduce__(self) -> tuple[object, tuple[Evidence | None]]:
        return _finished, (self(),)


def _finished(evidence: Evidence | None) -> Evidence | None:
    return evidence


class _Keyed(NamedTuple):
    """Digests keyed by the nonce of a snapshot."""

    key: bytes

    def tags(self, kind: bytes, texts: Iterable[str]) -> list[int]:
        """Return a tag for each string. Without the string, a tag reveals nothing."""
        key = blake2b(key=self.key, digest_size=_TAG_BYTES, person=kind)
        found = []
        for text in texts:
            own = key.copy()
            own.update(text.encode("utf-8", "surrogatepass"))
            found.append(int.from_bytes(own.digest(), "little"))
        return found

    def digests(self, records: UInt64s) -> npt.NDArray[np.uint32]:
        """Return the digest of each row of an array."""
        key = blake2b(key=self.key, digest_size=_DIGEST_BYTES, person=b"custdyn part")
        view, size = memoryview(np.ascontiguousarray(records).tobytes()), records.shape[1] * 8
        found = bytearray()
        for at in range(0, len(view), size):
            own = key.copy()
            own.update(view[at : at + size])
            found += own.digest()
        return np.frombuffer(bytes(found), "<u4")


def digests(plan: Plan, nonce: str) -> pd.DataFrame | None:
    """Return the digest of each client's contribution to each row, or None if there are too many.

    Returns
    -------
    DataFrame
        One line for each contribution, sorted by the uint64 tags `client` and `row`. `digest` is a uint32,
        and `at` is the client's position in the facts.
    """
    clients, rows = plan.selection.clients, len(plan.buckets) + sum(b is not None for b in plan.befores)
    if len(clients) * rows > MAX_CONTRIBUTIONS:
        return None
    import pandas as pd  # imported late: only needed for publishing

    keyed = _Keyed(bytes.fromhex(nonce))
    ids = plan.facts.client_ids().to_pylist() if len(clients) else []
    client_tags = np.zeros(len(ids), np.uint64)
    client_tags[clients] = keyed.tags(b"custdyn client", (ids[i] for i in clients.tolist()))
    frames, count = [], 0
    for some, row_tags in _contributions(plan, keyed):
        own = client_tags[some.client]
        records = np.column_stack([own, row_tags, some.values.astype(np.uint64)]).astype("<u8")
        frames.append(
            pd.DataFrame(
                {"client": own, "row": row_tags, "digest": keyed.digests(records), "at": some.client}
            )
        )
        count += len(own)
        if count > MAX_CONTRIBUTIONS:
            return None
    none = pd.DataFrame({"client": [], "row": [], "digest": [], "at": []})
    found = pd.concat(frames) if frames else none
    types = {"client": np.uint64, "row": np.uint64, "digest": np.uint32, "at": np.int64}
    return found.astype(types).sort_values(["client", "row"], ignore_index=True)


def row_tags(labels: Sequence[Labels], nonce: str) -> dict[int, Labels]:
    """Return row labels by tag, including the tags of the periods that the rows are compared with."""
    keyed = _Keyed(bytes.fromhex(nonce))
    found: dict[int, Labels] = {}
    for period in ("", "before"):
        found |= dict(zip(_row_tags(keyed, labels, period), labels, strict=True))
    return found


def _row_tags(keyed: _Keyed, labels: Sequence[Labels], period: str) -> list[int]:
    """Return the tag of each row; rows with equal labels are distinguished by their order."""
    seen: Counter[Labels] = Counter()
    texts = []
    for own in labels:
        texts.append(json.dumps([period, seen[own], *own]))
        seen[own] += 1
    return keyed.tags(b"custdyn row", texts)


def _contributions(plan: Plan, keyed: _Keyed) -> Iterator[tuple[Contributions, UInt64s]]:
    """Yield the clients' contributions, each with its row's tag."""
    if not plan.buckets:
        return
    labels, groups = row_labels(plan), plan.groups
    periods = [("", 0, plan.buckets)]
    periods += [("before", k, [before]) for k, before in enumerate(plan.befores) if before]

    def factor(currency: int, on: date) -> tuple[int, int]:
        return plan.rates.factor(plan.facts.names.currencies[currency], on)

    tags = {period: np.array(_row_tags(keyed, labels, period), np.uint64) for period in ("", "before")}
    for period, first, buckets in periods:
        grid = plan.grid(buckets, groups)
        for some in client_contributions(plan.facts, plan.selection.clients, grid, factor):
            group = some.package_group if groups.of_client is None else groups.of_client[some.client]
            yield some, tags[period][(some.bucket + first) * len(groups.labels) + group]


def _to_parquet(found: pd.DataFrame) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: found[name].to_numpy() for name in ("client", "row", "digest")})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=["client", "row"])
    return sink.getvalue()


def from_parquet(data: bytes) -> pd.DataFrame:
    """Return the digests of a snapshot's evidence: `client`, `row` and `digest`."""
    import pyarrow.parquet as pq

    found: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
    return found
