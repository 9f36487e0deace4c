"""Evidence: a keyed digest of each client's contribution to each row, stored with a snapshot.

It is listed in the manifest, so that the id verifies it, but separately from the files, because it is
never served.
Only someone who has the data can tell which client and row a digest belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

EVIDENCE = "evidence.parquet"


@dataclass(frozen=True, repr=False)
class Evidence:
    """A report's evidence and the nonce used to make it (32 hexadecimal digits, also in the manifest)."""

    nonce: str
    data: bytes
