"""The check of signatures agrees with OpenSSL's, and rejects what only a forger would write."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from custdyn_widgets.snapshots.proof.ed25519 import _ORDER, grouped, is_signed, keys_in, pem

# The first three of RFC 8032, section 7.1: private key, message, signature.
RFC_8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0"
        "595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eae"
        "b4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9"
        "716ed28dc027beceea1ec40a",
    ),
)
ONE = (1).to_bytes(32, "little").hex()  # the neutral point, of order 1
SMALL_ORDER = (
    ONE,
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)


def openssl_says(message: bytes, signature: bytes, key: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


@pytest.mark.parametrize(("private", "message", "signature"), RFC_8032)
def test_the_published_examples_are_signed(private: str, message: str, signature: str) -> None:
    key = public(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)))
    assert is_signed(bytes.fromhex(message), bytes.fromhex(signature), key)
    assert not is_signed(bytes.fromhex(message) + b"x", bytes.fromhex(signature), key)


@settings(max_examples=25)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=300), at=st.integers(0, 511))
def test_it_agrees_with_openssl_on_signatures_and_on_one_changed_bit(
    seed: bytes, message: bytes, at: int
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    signature = private.sign(message)
    assert is_signed(message, signature, public(private))
    changed = bytearray(signature)
    changed[at // 8] ^= 1 << at % 8
    assert is_signed(message, bytes(changed), public(private)) is False
    assert openssl_says(message, bytes(changed), public(private)) is False


@settings(max_examples=25)
@given(key=st.binary(min_size=32, max_size=32), signature=st.binary(min_size=64, max_size=64))
def test_no_other_bytes_are_a_signature_or_raise_an_error(key: bytes, signature: bytes) -> None:
    assert not is_signed(b"x", signature, key.hex())


@pytest.mark.parametrize("length", [0, 1, 63, 65])
def test_a_signature_of_another_length_is_none(length: int) -> None:
    private = Ed25519PrivateKey.generate()
    signature = (private.sign(b"x") + b"\0")[:length]
    assert not is_signed(b"x", signature, public(private))


def test_the_same_signature_in_another_form_is_none() -> None:
    private = Ed25519PrivateKey.generate()
    signature = private.sign(b"x")
    scalar = int.from_bytes(signature[32:], "little") + _ORDER
    assert not is_signed(b"x", signature[:32] + scalar.to_bytes(32, "little"), public(private))


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_a_key_that_fits_every_message_is_rejected(key: str) -> None:
    """With such a key, anyone can forge a signature that OpenSSL accepts for many messages."""
    forged = bytes.fromhex(ONE) + bytes(32)
    assert any(openssl_says(bytes([n]), forged, key) for n in range(32))
    assert not any(is_signed(bytes([n]), forged, key) for n in range(32))


@pytest.mark.parametrize("y", [2**255 - 19, 2**255 - 18, 2**255 - 1, 2**256 - 1, 2])
def test_a_key_that_is_no_point_in_its_only_form_is_rejected(y: int) -> None:
    assert not is_signed(b"x", bytes(64), y.to_bytes(32, "little").hex())


def test_keys_are_read_in_hexadecimal_and_in_pem() -> None:
    keys = [public(Ed25519PrivateKey.generate()) for _ in range(2)]
    assert keys_in(keys[0].upper().encode() + b"\n") == keys[:1]
    both = b"the operator's keys:\n" + pem(keys[0]) + b"\n" + pem(keys[1])
    assert keys_in(both) == keys
    assert grouped("0123456789abcdef" * 4) == "0123 4567 89ab cdef …"
    assert grouped("") == ""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0123",
        hashlib.sha256(b"x").hexdigest().encode() + b"0",
        pem("00" * 32).replace(b"MCowBQYDK2Vw", b"MCowBQYDK2Vx"),
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----\n",
        b"\xff\xfe\x00",
        pem("00" * 32) + b"\0",
    ],
)
def test_what_has_no_ed25519_key_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"public key|padding|base64"):
        keys_in(data)
