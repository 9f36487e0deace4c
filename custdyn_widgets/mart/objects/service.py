"""Connecting to storage services, and converting their errors to ones that users can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from custdyn_widgets.errors import SourceError, mask_passwords, shown
from custdyn_widgets.mart.objects.address import ObjectAddress

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

_TIMEOUTS = {
    "connect_timeout": 5.0,
    "request_timeout": 20.0,
}  # seconds; a request is tried up to three times
_FROM_ENVIRONMENT = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
# Patterns in Arrow's errors, and their meanings.
_MEANINGS = (
    (
        r"NETWORK_CONNECTION|REQUEST_TIMEOUT|curlCode",
        "the storage service cannot be reached{details}. Check the network connection, and the endpoint if "
        "the storage is not Amazon's",
    ),
    (
        r"NO_SUCH_BUCKET|Bucket '.*' not found",
        "there is no such bucket. Check its name, and the endpoint if the storage is not Amazon's",
    ),
    (
        r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN_ID|ExpiredToken|InvalidToken",
        "the credentials were rejected, or have expired. Renew them in the environment "
        f"({_FROM_ENVIRONMENT})",
    ),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|HTTP status 301",
        "the bucket is in another region. Set its region in sources.toml, or in AWS_REGION",
    ),
    (
        r"Failed to flush response stream",
        "the storage service refused to send an object. The user needs the s3:GetObject permission and, for "
        "encrypted objects, permission to use the encryption key",
    ),
    (
        r"REQUEST_TIME_TOO_SKEWED",
        "the storage service rejected the request because this machine's clock is wrong. Correct it",
    ),
    (
        r"ACCESS_DENIED|HTTP status 403",
        "access was denied. The user needs the s3:ListBucket permission on the bucket and s3:GetObject on "
        f"its objects. Credentials come from the environment ({_FROM_ENVIRONMENT})",
    ),
)


def open_service(address: ObjectAddress) -> S3FileSystem:
    """Return Arrow's file system for an address; it finds credentials in the same places as other S3 clients.

    Raises
    ------
    SourceError
        If the region of the bucket cannot be looked up.
    """
    from pyarrow import fs  # imported late: takes a tenth of a second to load

    options: dict[str, Any] = {**_TIMEOUTS, "region": address.region}
    if address.endpoint:
        parts = urlsplit(address.endpoint)
        options |= {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    elif not (address.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")):
        with service_errors(address):
            options["region"] = fs.resolve_s3_region(address.bucket)
    return fs.S3FileSystem(**options)


@contextmanager
def service_errors(address: ObjectAddress) -> Iterator[None]:
    """Convert errors from the storage service to errors about the source at an address.

    Raises
    ------
    SourceError
        If the service cannot be reached, or refuses a request.
    OSError
        If there is no such object, or a local file cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # a local error, or an object that does not exist
            raise
        text = str(error)
        what = next((words for found, words in _MEANINGS if re.search(found, text)), None)
        details = text.rpartition("Details: ")[2] if "Details: " in text else ""
        if what is None:
            what, details = "{details}", f"the storage service responded: {text}"
        else:
            details = f" ({details})" if details else ""
        words = what.format(details=mask_passwords(details))
        raise SourceError(f"Source {shown(address.url)}: {words}.", field="source") from error
