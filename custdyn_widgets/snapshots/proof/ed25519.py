"""Ed25519 public keys and signature checks (RFC 8032), using only the standard library.

Only public values are handled here, so the time taken reveals nothing secret. Signing, which needs the
private key, uses the `cryptography` package (see `snapshots.signing`).
"""

from __future__ import annotations

import base64
import hashlib
import re

KEY_BYTES, SIGNATURE_BYTES = 32, 64
_PRIME = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _PRIME) % _PRIME
_ROOT = pow(2, (_PRIME - 1) // 4, _PRIME)  # a square root of -1
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]{1,200})-----END PUBLIC KEY-----")
_PREFIX = bytes.fromhex("302a300506032b6570032100")  # the start of every Ed25519 public key in DER
# A point (x, y) as (X, Y, Z, T) with x = X/Z, y = Y/Z and xy = T/Z.
_Point = tuple[int, int, int, int]
_ZERO: _Point = (0, 1, 1, 0)


def is_signed(message: bytes, signature: bytes, key: str) -> bool:
    """Return whether a signature of a message was made with this key.

    The result is the same as OpenSSL's, except that keys of small order are rejected: with such a key, anyone
    can forge a signature that OpenSSL accepts for many messages.
    """
    if not is_key(key) or len(signature) != SIGNATURE_BYTES:
        return False
    raw = bytes.fromhex(key)
    point = _point(raw)
    scalar = int.from_bytes(signature[32:], "little")
    if point is None or scalar >= _ORDER or _same(_double(_double(_double(point))), _ZERO):
        return False
    hashed = hashlib.sha512(signature[:32] + raw + message).digest()
    factor = int.from_bytes(hashed, "little") % _ORDER
    x, y, z, t = point
    return _bytes(_sum_of_products(scalar, _BASE, factor, (_PRIME - x, y, z, _PRIME - t))) == signature[:32]


def is_key(text: str) -> bool:
    """Return whether text is a public key in hexadecimal."""
    return _HEX.fullmatch(text) is not None


def keys_in(data: bytes) -> list[str]:
    """Return, in hexadecimal, the public keys in a file: one key in hexadecimal, or any number in PEM.

    Raises
    ------
    ValueError
        If the file contains no public key, or contains one that is not an Ed25519 key.
    """
    if b"\0" in data:  # for example, the ZIP itself, which contains the sender's key
        raise ValueError("is not a text file with public keys")
    text = data.decode("ascii", "replace").strip().lower()
    if is_key(text):
        return [text]
    found = []
    for match in _PEM.finditer(data):
        der = base64.b64decode(match[1])
        if not der.startswith(_PREFIX) or len(der) != len(_PREFIX) + KEY_BYTES:
            raise ValueError("contains a public key that is not an Ed25519 key")
        found.append(der[len(_PREFIX) :].hex())
    if not found:
        raise ValueError("contains no public key (64 hexadecimal digits, or PEM with BEGIN PUBLIC KEY)")
    return found


def pem(key: str) -> bytes:
    """Return a public key in PEM, as OpenSSL writes it."""
    body = base64.b64encode(_PREFIX + bytes.fromhex(key)).decode("ascii")
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode("ascii")


def grouped(key: str) -> str:
    """Return the first 16 digits of a key in groups of four, for display only."""
    return " ".join(key[at : at + 4] for at in range(0, 16, 4)) + " …" if key else ""


def _point(data: bytes) -> _Point | None:
    """Return the point that 32 bytes encode; None if they are not the canonical form of a point."""
    number = int.from_bytes(data, "little")
    is_odd, y = number >> 255, number & (2**255 - 1)
    if y >= _PRIME:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _PRIME) % _PRIME
    x = pow(square, (_PRIME + 3) // 8, _PRIME)
    if (x * x - square) % _PRIME:
        x = x * _ROOT % _PRIME
    if (x * x - square) % _PRIME or (x == 0 and is_odd):
        return None
    if x & 1 != is_odd:
        x = _PRIME - x
    return x, y, 1, x * y % _PRIME


def _bytes(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _PRIME)
    return (y * inverse % _PRIME | (x * inverse % _PRIME & 1) << 255).to_bytes(32, "little")


def _add(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _PRIME
    b = (one[1] + one[0]) * (other[1] + other[0]) % _PRIME
    c = 2 * _D * one[3] * other[3] % _PRIME
    d = 2 * one[2] * other[2] % _PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _PRIME, g * h % _PRIME, f * g % _PRIME, e * h % _PRIME


def _double(point: _Point) -> _Point:
    return _add(point, point)


def _same(one: _Point, other: _Point) -> bool:
    return (
        (one[0] * other[2] - other[0] * one[2]) % _PRIME
        == 0
        == (one[1] * other[2] - other[1] * one[2]) % _PRIME
    )


def _sum_of_products(first: int, one: _Point, second: int, other: _Point) -> _Point:
    """Return `first` times `one` plus `second` times `other`."""
    added = {1: one, 2: other, 3: _add(one, other)}
    found = _ZERO
    for bit in range(max(first.bit_length(), second.bit_length()) - 1, -1, -1):
        found = _double(found)
        chosen = (first >> bit & 1) | (second >> bit & 1) << 1
        if chosen:
            found = _add(found, added[chosen])
    return found


_base = _point((4 * pow(5, -1, _PRIME) % _PRIME).to_bytes(32, "little"))
assert _base is not None
_BASE = _base
