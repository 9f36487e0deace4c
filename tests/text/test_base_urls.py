"""What links may be built from."""

from __future__ import annotations

import pytest

from custdyn_widgets.text import is_base_url


@pytest.mark.parametrize(
    "text", ["https://h", "http://h:1/x", "https://[::1]:8443/a@b/~x%20y", "s3://bucket/x"]
)
def test_a_base_url_has_a_host_and_perhaps_a_port_and_a_path(text: str) -> None:
    assert is_base_url(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "https://", "https:///x", "/x", "https://h:0", "https://h:x", "https://h:65536", "https://[::1",
        "https://u@h", "https://:p@h", "https://@h", "https://h/?x", "https://h/#x", "https://h/a b",
        "https://h/\u00a0", "https://h/\x07", "https://h/\u202ex",
    ],
)  # fmt: skip
def test_what_a_link_cannot_be_built_from_is_no_base_url(text: str) -> None:
    assert is_base_url(text) is False
