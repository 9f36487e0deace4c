"""The search for secrets in files before they are published.

A snapshot is permanent, and anyone with the link can read it. If a package name contains a password, or a
note contains a path, the search finds it and nothing is published. An address with a password, or an entry
such as `{'password': '…'}`, is rejected even if it is not a known secret.

A login is found even if it is split by formatting, by invisible characters or across lines. However, an
address that looks complete is not joined with an email address on the next line, because together they would
look like a login.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from custdyn_widgets.errors import SnapshotError, has_password, mask_passwords
from custdyn_widgets.publish.secrets.known import STORE_PATH, Secret
from custdyn_widgets.publish.secrets.readings import texts
from custdyn_widgets.publish.secrets.split import has_split_password


def refuse_secrets(files: Mapping[str, bytes], secrets: Sequence[Secret]) -> None:
    """Raise an error if a file contains a secret in any form that a reader could decode.

    Parameters
    ----------
    files
        Contents by file name; compressed files are decompressed, and images embedded in pages are decoded.
    secrets
        The secrets; see `known_secrets`.

    Raises
    ------
    SnapshotError
        If a file contains one; the error names the file and the kind of secret, but never the secret.
    """
    # Only the names of charts come from users.
    in_name = _first(secrets, (name for name in files if name.startswith("chart-")))
    if in_name:
        raise SnapshotError.not_published(f"the title of a chart, used as a file name, contains {in_name}")
    for name, data in files.items():
        try:
            found = secret_in(name, data, secrets)
        except ValueError as error:
            raise SnapshotError.not_published(f"{name} cannot be searched for secrets ({error})") from None
        if found:
            raise SnapshotError.not_published(f"{name} contains {found}")


def secret_in(name: str, data: bytes, secrets: Sequence[Secret]) -> str | None:
    """Return the kind of the first secret found in a file, encoded or not; None if there is none.

    Raises
    ------
    ValueError
        If the file cannot be read as the type that its name indicates.
    """
    return _first(secrets, texts(name, data))


def without_secrets(text: str, secrets: Iterable[Secret]) -> str:
    """Return text with secrets replaced by their kind and passwords in URLs masked."""
    for secret in sorted(secrets, key=lambda secret: -len(secret.text)):
        text = secret.redact(text)
    text = text.replace(f"the snapshot store [{STORE_PATH}]", "the snapshot store")
    return mask_passwords(text)


def _first(secrets: Sequence[Secret], texts: Iterable[str]) -> str | None:
    """Return the kind of the first secret found."""
    for text in texts:
        for secret in secrets:
            if secret.is_in(text):
                return secret.kind
        # Compressed bytes could match by chance.
        if "\0" not in text and (has_password(text) or has_split_password(text)):
            return "an address or an entry with a password"
    return None
