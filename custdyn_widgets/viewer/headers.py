"""The headers of every response, such as the Content-Security-Policy, which blocks all scripts."""

from __future__ import annotations

from collections.abc import Iterable

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; sandbox allow-downloads"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


def headers(embed_origins: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers for all responses; only pages from these origins may show a response in a frame."""
    policy = "Content-Security-Policy"
    ancestors = " ".join(embed_origins) or "'none'"
    allowed = HEADERS[policy].replace("frame-ancestors 'none'", f"frame-ancestors {ancestors}")
    return {**HEADERS, policy: allowed}
