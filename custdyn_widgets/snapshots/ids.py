"""Snapshot ids: the lowercase base32 form of a SHA-256 hash of a version tag and the manifest."""

from __future__ import annotations

import base64
import hashlib
import re

ID_LENGTH = 52
_TAG = b"custdyn snapshot v1\n"
# 256 bits fill 51 characters and one bit of the 52nd, which can therefore only be `a` or `q`.
_ID = re.compile(r"[a-z2-7]{51}[aq]", re.ASCII)


def is_id(text: object) -> bool:
    """Return whether a value is a well-formed snapshot id."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def id_of(manifest: bytes) -> str:
    """Return the id of the snapshot that has this manifest."""
    digest = hashlib.sha256(_TAG + manifest).digest()
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()
