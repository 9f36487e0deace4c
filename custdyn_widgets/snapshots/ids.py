"""The ids of snapshots: the lowercase base32 form of a SHA-256 hash over a version tag and the manifest."""

from __future__ import annotations

import base64
import hashlib
import re

ID_LENGTH = 52
_TAG = b"custdyn snapshot v1\n"
# 256 bits fill 51 characters and one bit of the last, which is therefore `a` or `q`.
_ID = re.compile(r"[a-z2-7]{51}[aq]", re.ASCII)


def is_id(text: object) -> bool:
    """Return whether a value has the one form of a snapshot's id."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def id_of(manifest: bytes) -> str:
    """Return the id of a snapshot from its manifest's bytes."""
    digest = hashlib.sha256(_TAG + manifest).digest()
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()
