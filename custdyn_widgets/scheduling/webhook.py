"""The webhook: signed JSON messages about runs, posted to a URL that the operator chooses.

Messages are signed as the Standard Webhooks specification requires: `webhook-signature` is `v1,` followed by
the base64-encoded HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`. The signature covers the
timestamp, so that a receiver can reject an old message that is posted again. All attempts share one id, so
that the receiver can ignore duplicates.

The URL may contain a token, so no message or record shows more of it than its host.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from custdyn_widgets.errors import SettingsError, shown
from custdyn_widgets.files import read_secret
from custdyn_widgets.settings import Settings
from custdyn_widgets.text import cut_short, format_instant_utc, printable

EVENTS = ("failures", "all")
MAX_SECONDS = 15.0  # for all attempts together, so that a webhook that hangs cannot block a run
_TIMEOUT_S = 5.0
_WAITS = (0.0, 0.5, 2.0)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MIN_SECRET_BYTES = 16
_BASE64 = "whsec_"  # the rest of the secret is the key in base64
_AGAIN = (408, 425, 429)
_SETTING, _SECRET, _EVENTS = "CUSTDYN_WEBHOOK_URL", "CUSTDYN_WEBHOOK_SECRET", "CUSTDYN_WEBHOOK_EVENTS"
_MAX_WORDS = 200


@dataclass(frozen=True)
class Webhook:
    """Where messages about runs are posted.

    Attributes
    ----------
    url
        The URL.
    key
        The signing key.
    events
        `failures`, or `all` to include runs that succeeded.
    """

    url: str = field(repr=False)
    key: bytes = field(repr=False)
    events: str = "failures"

    @classmethod
    def from_settings(cls, settings: Settings, environ: Mapping[str, str] | None = None) -> Webhook | None:
        """Return the webhook in the settings; None if there is none.

        Raises
        ------
        SettingsError
            If a setting is invalid. The message shows neither the URL nor the secret.
        """
        if not settings.webhook_url:
            return None
        _check_url(settings.webhook_url)
        events = settings.webhook_events or EVENTS[0]
        if events not in EVENTS:
            raise SettingsError(f'{_EVENTS} must be "failures" or "all", not {shown(events)}.', field=_EVENTS)
        return cls(settings.webhook_url, _key(os.environ if environ is None else environ), events)

    @property
    def host(self) -> str:
        """The part of the URL that may be shown."""
        return str(urlsplit(self.url).hostname)


def post(
    webhook: Webhook,
    kind: str,
    data: Mapping[str, Any],
    *,
    max_seconds: float = MAX_SECONDS,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """Post a message and return the receipt; never raise an error and never take longer than `max_seconds`.

    Parameters
    ----------
    webhook
        The webhook.
    kind
        The type of the event, such as `run.failed`.
    data
        The content of the message.
    max_seconds
        The time limit for all attempts.
    sleep
        Called for each wait, with the number of seconds.
    """
    event_id, at = f"msg_{secrets.token_hex(16)}", format_instant_utc(datetime.now(UTC))
    message = {"type": kind, "timestamp": at, "data": data}
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    receipt: dict[str, Any] = {"host": webhook.host, "type": kind, "id": event_id, "at": at}
    receipt |= {"outcome": "given up", "words": f"No reply within {max_seconds:g} s.", "tries": 0}
    end = time.monotonic() + max_seconds
    # In a thread, because a reply that arrives byte by byte can outlast any socket timeout.
    attempts = threading.Thread(
        target=_try_all, args=(webhook, event_id, body, receipt, end, sleep), daemon=True
    )
    attempts.start()
    attempts.join(max_seconds)
    return dict(receipt)


def sign(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message."""
    signed = hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def _try_all(
    webhook: Webhook,
    event_id: str,
    body: bytes,
    receipt: dict[str, Any],
    end: float,
    sleep: Callable[[float], object],
) -> None:
    """Keep trying to post a message until it is accepted or refused, or time runs out; update the receipt."""
    for wait in _WAITS:
        if wait:
            if time.monotonic() + wait > end:
                return
            sleep(wait)
        receipt["tries"] += 1
        outcome, words = _try_once(webhook, event_id, body, end - time.monotonic())
        receipt |= {"outcome": outcome, "words": words}
        if outcome != "given up":
            return


def _try_once(webhook: Webhook, event_id: str, body: bytes, seconds: float) -> tuple[str, str]:
    """Post a message once, and return the outcome and the reason."""
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "custdyn",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(webhook.key, event_id, timestamp, body),
    }
    request = urllib.request.Request(webhook.url, body, headers, method="POST")  # noqa: S310  # checked
    handlers = [_NoRedirect(), *([urllib.request.ProxyHandler({})] if webhook.host in _LOOPBACK else [])]
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=max(min(_TIMEOUT_S, seconds), 0.1)):
            return "sent", "The webhook accepted it."
    except HTTPError as error:
        error.close()
        is_final = error.code < 500 and error.code not in _AGAIN
        return ("refused" if is_final else "given up"), f"It replied with status {error.code}."
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        words = printable(words.replace(webhook.url, "***"))
        return "given up", cut_short(f"It cannot be reached: {words.rstrip('.')}.", _MAX_WORDS)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as a refusal, because it could lead to another host or to an unencrypted address."""

    def redirect_request(self, *_: object) -> None:
        """Return None, so that the redirect is an error."""


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.username is not None or parts.password is not None:
        raise _bad_url("contains a login. Remove it: messages are signed instead.")
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not host or port == 0 or parts.scheme not in ("https", "http") or not is_plain:
        raise _bad_url("must be a URL such as https://alerts.example.com/custdyn.")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise _bad_url("begins with http://, so messages would cross the network unencrypted. Use https://.")


def _bad_url(why: str) -> SettingsError:
    return SettingsError(f"{_SETTING} {why}", field=_SETTING)


def _key(environ: Mapping[str, str]) -> bytes:
    text = read_secret(_SECRET, environ)
    if text is None:
        raise SettingsError(
            f"{_SECRET} is not set. Messages to {_SETTING} are signed with it. Set it to a secret that the "
            f"receiver also knows, or set {_SECRET}_FILE to a file that contains the secret.",
            field=_SECRET,
        )
    key = text.encode()
    if text.startswith(_BASE64):
        try:
            key = base64.b64decode(text.removeprefix(_BASE64), validate=True)
        except binascii.Error:
            raise SettingsError(
                f"{_SECRET} begins with {_BASE64} but is not base64.", field=_SECRET
            ) from None
    if len(key) < _MIN_SECRET_BYTES:
        raise SettingsError(
            f"{_SECRET} is too short: use at least {_MIN_SECRET_BYTES} random bytes.", field=_SECRET
        )
    return key
