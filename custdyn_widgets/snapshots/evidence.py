"""Evidence: keyed digests of each client's contribution to each row, stored next to a snapshot's files.

It is listed in the manifest, so that the id verifies it, but not among the files, and it is never served.
Only someone who has the data can tell which client and row a digest belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

EVIDENCE = "evidence.parquet"


@dataclass(frozen=True, repr=False)
class Evidence:
    """The evidence of a report, made with this nonce (32 hexadecimal digits), which the manifest contains."""

    nonce: str
    data: bytes
