"""The cache folders for copies of sources on object storage, one for each source."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from custdyn_widgets import settings
from custdyn_widgets.mart.objects.address import ObjectAddress


def copies_of(address: ObjectAddress) -> Path:
    """Return the folder for this user's copies of a source."""
    what = (address.path, address.endpoint, os.getuid())
    return _copies() / hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def lasting_path(path: Path) -> Path:
    """Return the resolved path or, for a path in a copy, the permanent folder for its source's copies."""
    path, copies = path.resolve(), _copies().resolve()
    return copies / path.relative_to(copies).parts[0] if path.is_relative_to(copies) else path


def _copies() -> Path:
    return settings.load().cache / "objects"
