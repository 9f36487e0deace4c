"""Plain email addresses, their domains in ASCII, and no domain that only looks the same."""

from __future__ import annotations

import pytest

from custdyn_widgets.text import ascii_address, mailbox

LONGEST = "a" * 64 + "@" + ".".join(["b" * 63, "c" * 63, "d" * 61])  # 254 characters


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a@example.com", "a@example.com"),
        ("a.b+c_d@EXAMPLE.com", "a.b+c_d@EXAMPLE.com"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@Bücher.example", "a@xn--bcher-kva.example"),
        (LONGEST, LONGEST),
    ],
)
def test_an_address_keeps_its_local_part_and_has_its_domain_in_ascii(text: str, address: str) -> None:
    assert ascii_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@",
        "@b.c",
        "a b@c.d",
        "a..b@c.d",
        "ä@c.d",
        "a@b..c",
        "a@-b.c",
        "a@b_c.d",
        "a@b.c>",
        "a" * 65 + "@b.c",
        LONGEST + "d",
        "a" * 64 + "@" + ".".join(["ü" + "b" * 44] * 4),  # in ASCII, it is longer than 254 characters
        "a@" + "b" * 64 + ".c",
        "a@faß.example",  # another domain under the current rules
        "a@fa\u200dss.example",
        "a@bücher。example",
    ],
)
def test_what_is_no_plain_address_is_none(text: str) -> None:
    assert ascii_address(text) is None


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("A.B@Example.COM", "A.B@example.com"),
        ("a@Bücher.example", "a@xn--bcher-kva.example"),
        ("ä@B.c", "ä@b.c"),
    ],
)
def test_addresses_are_compared_without_regard_to_the_case_of_their_domains(text: str, compared: str) -> None:
    assert mailbox(text) == compared
