"""Rejecting addresses that are not sources, without showing any passwords in them."""

from __future__ import annotations

import os
from pathlib import Path

from custdyn_widgets.errors import ADDRESS, SourceError, mask_passwords, shown
from custdyn_widgets.mart.database_url import has_secret

_FILES = ("http://", "https://", "ftp://", "sftp://", "gs://", "az://", "abfs://", "file://")
_OBJECTS = ("s3://", "s3a://")


def reject_url(data: object) -> None:
    """Reject a URL or the address of a database, with an error that shows at most its scheme."""
    text = str(data) if isinstance(data, str | Path) else ""
    scheme = ADDRESS.match(text)
    if scheme or (_has_login(text) and not os.path.lexists(text)):
        begin = _scheme(scheme[0]) if scheme else ""
        what = f"a URL ({shown(begin)}…)" if scheme else "the address of a database with a login"
        if begin.lower() in _OBJECTS:
            remedy = "Give it as a string of the form s3://bucket/folder"
        elif begin.lower() in _FILES:
            remedy = "Download its tables as CSV or Parquet to a folder, and use that folder"
        else:
            remedy = (
                "To report on a database, run custdyn mapping new NAME URL (without the password), and then "
                "custdyn sync NAME"
            )
        raise SourceError(
            f"A source is a folder, a file or a name, not {what}. {remedy}. If others may have seen a "
            "password in it, change the password.",
            field="source",
        )


def _scheme(begin: str) -> str:
    """Return the scheme of an address, without anything that may be a user name or a password."""
    parts = "".join(begin.split()).strip("\ufeff").split(":")
    return ":".join(parts[: 2 if parts[0].lower() == "jdbc" else 1]) + "://"


def _has_login(text: str) -> bool:
    """Return whether text looks like `user:password@host`, `user/password@//host` or `…password=…`."""
    return has_secret(f" {text}") or "@/" in text or mask_passwords(text) != text
