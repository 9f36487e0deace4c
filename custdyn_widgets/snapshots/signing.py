"""The operator's private key: creating its file and signing with it, using the `cryptography` package."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custdyn_widgets.errors import SettingsError, shown
from custdyn_widgets.files import error_text, make_folder, write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MAX_BYTES = 10_000
_FIELD = "signing_key"


class SigningKey:
    """A private key that is ready to sign."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._private = private
        self.public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self._private.sign(message)


def new_key(path: Path, store: Path) -> SigningKey:
    """Create a private key and write it to a new file that only its owner can read.

    Raises
    ------
    SettingsError
        If the file already exists, is in the store or in a Git checkout, or cannot be written.
    """
    ed25519, serialization = _cryptography()
    _check_place(path, store)
    private = ed25519.Ed25519PrivateKey.generate()
    data = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        make_folder(path.parent)
        write_whole(path, data, new=True, private=True)
    except FileExistsError:
        raise SettingsError(
            f"The file {path} already exists and was not changed. Choose another name for the new key, and "
            "keep the old key for as long as it may be needed.",
            field=_FIELD,
        ) from None
    except OSError as error:
        raise SettingsError(
            f"The key {path} cannot be written: {error_text(error)}.", field=_FIELD
        ) from error
    return SigningKey(private)


def load_key(path: Path, store: Path) -> SigningKey:
    """Read a private key.

    Raises
    ------
    SettingsError
        If it cannot be read, is not an Ed25519 key, can be read by other users, or is in the store or in a
        Git checkout.
    """
    modules = _cryptography()
    _check_place(path, store)
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(_MAX_BYTES)
    except OSError as error:
        raise SettingsError(
            f"The signing key {path} cannot be read: {error_text(error)}. Correct CUSTDYN_SIGNING_KEY, or "
            "make a key with `custdyn snapshots key new`.",
            field=_FIELD,
        ) from error
    if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
        raise SettingsError(
            f"The signing key {path} must be a file that no other user can read: run chmod 600 on it. If "
            "others may have read it, make a new key.",
            field=_FIELD,
        )
    return SigningKey(_parsed(path, data, *modules))


def _parsed(path: Path, data: bytes, ed25519: Any, serialization: Any) -> Any:
    try:
        private: Any = serialization.load_pem_private_key(data, password=None)
    except Exception:  # the error's type depends on the file's content, and its message may quote the key
        private = None
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise SettingsError(
            f"The signing key {path} is not an unencrypted Ed25519 private key in PEM. Make one with "
            "`custdyn snapshots key new`.",
            field=_FIELD,
        ) from None
    return private


def _check_place(path: Path, store: Path) -> None:
    """Raise an error if the key would be copied along with the store or a checkout."""
    real = path.resolve()
    if real.is_relative_to(store.resolve()):
        raise SettingsError(
            f"The signing key {path} is in the snapshot store, which others can read. Choose another folder.",
            field=_FIELD,
        )
    for folder in real.parents:
        if (folder / ".git").exists():
            raise SettingsError(
                f"The signing key {path} is in the Git checkout {shown(str(folder))}, from which it may be "
                "published. Choose another folder.",
                field=_FIELD,
            )


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise SettingsError(
            "Signing needs the cryptography package: pip install 'custdyn-widgets[sign]'.", field=_FIELD
        ) from error
    return ed25519, serialization
