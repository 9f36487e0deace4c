"""Addresses of data on object storage: `s3://bucket/folder`, without credentials."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from custdyn_widgets.errors import SourceError, shown
from custdyn_widgets.mart.database_url import has_secret

_SCHEME = re.compile(r"s3a?://", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_LONGEST = 255  # bytes, as in most file systems


class ObjectAddress(NamedTuple):
    """The address of a folder, or of a single object, on object storage.

    Attributes
    ----------
    bucket, key
        The name of the bucket, and the path in it, without leading or trailing slashes; the path is empty for
        the whole bucket.
    endpoint
        The URL of a storage service other than Amazon's, such as `https://minio.example:9000`.
    region
        The region of the bucket; None to look it up.
    """

    bucket: str
    key: str
    endpoint: str | None = None
    region: str | None = None

    @property
    def path(self) -> str:
        """The path in the form that Arrow uses."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def url(self) -> str:
        """The address as shown to users."""
        return f"s3://{self.path}"

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rpartition("/")[2]


def is_object_address(data: object) -> bool:
    """Return whether a source's data is an address on object storage."""
    return isinstance(data, str) and bool(_SCHEME.match(data))


def object_address(url: str, endpoint: str | None = None, region: str | None = None) -> ObjectAddress:
    """Parse an address; the endpoint defaults to the one in the environment (`AWS_ENDPOINT_URL`).

    Raises
    ------
    SourceError
        If the address is not valid or contains a login; the message does not show the login.
    """
    rest = url.partition("://")[2]
    bucket, _, key = rest.partition("/")
    if "@" in bucket or ":" in bucket or has_secret(url):
        raise SourceError(
            "The address 's3://…' contains a login, but other users may be able to read it. Remove the "
            "login, and change it if others may have seen it. Credentials come from the environment "
            "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE).",
            field="source",
        )
    if "?" in rest or "#" in rest:
        raise SourceError(
            "The address 's3://…' has options after a ? or #. Write s3://bucket/folder, and set endpoint "
            "and region in sources.toml.",
            field="source",
        )
    if not _BUCKET.fullmatch(bucket):
        raise SourceError(
            f"The address {shown(url)} has no valid bucket name. Write s3://bucket/folder.", field="source"
        )
    key = key.rstrip("/")
    if key and not all(map(is_plain_name, key.split("/"))):
        raise SourceError(
            f"The address {shown(url)} has a component that is not a valid folder name. Write "
            "s3://bucket/folder.",
            field="source",
        )
    if region is not None and not _REGION.fullmatch(region):
        raise SourceError(
            f"region must be the name of a region, such as 'eu-central-1', not {shown(region)}.",
            field="region",
        )
    if endpoint is not None:
        _check_endpoint("endpoint", endpoint)
        return ObjectAddress(bucket, key, endpoint, region)
    for name in _ENDPOINTS:
        if usual := os.environ.get(name):
            _check_endpoint(name, usual)
            return ObjectAddress(bucket, key, usual, region)
    return ObjectAddress(bucket, key, None, region)


def is_plain_name(name: str) -> bool:
    """Return whether a component of an object's path is a valid name for a local file."""
    return (
        name not in ("", ".", "..")
        and name.isprintable()
        and "\\" not in name
        and "/" not in name
        and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST
    )


def _check_endpoint(name: str, endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    else:
        is_valid = is_valid and "@" not in parts.netloc and not (parts.path.strip("/") or parts.query)
    if not is_valid:  # it may contain a password, so it is not shown
        raise SourceError(
            f"{name} must be the URL of a storage service, such as 'https://minio.example:9000', without a "
            "login.",
            field="endpoint",
        )
