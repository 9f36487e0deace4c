"""A failure is posted to the webhook, signed, and a webhook that hangs or lies never breaks a run."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets import settings as settings_module
from custdyn_widgets.errors import SettingsError
from custdyn_widgets.publish.secrets.known import known_secrets
from custdyn_widgets.publish.secrets.search import without_secrets
from custdyn_widgets.scheduling import webhook as webhook_module
from custdyn_widgets.scheduling.job import dispatch
from custdyn_widgets.scheduling.records import Runs
from custdyn_widgets.scheduling.run_record import Run
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.webhook import Webhook, post
from custdyn_widgets.settings import Settings
from custdyn_widgets.settings import load as load_settings
from tests.mail_server import Received
from tests.scheduling.test_job import ANNA, BEN, BOARD, EVA, NOW, Ask, ask, received, settings, text_of

__all__ = ["ask", "received", "settings"]  # fixtures

SECRET = "a secret of the receiver too"
TOKEN = "T0KENT0KENT0KENT0KEN"
BROKEN = replace(BOARD, source="none-such")
SILENT = replace(BROKEN, failure_recipients=())


@dataclass
class Receiver:
    """What was posted, and the status of each reply: the last one is repeated."""

    port: int = 0
    replies: list[int] = field(default_factory=lambda: [204])
    posted: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/{TOKEN}"

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.posted]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posted.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            code = found.replies.pop(0) if len(found.replies) > 1 else found.replies[0]
            self.send_response(code)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def hooked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """A receiver that the settings name."""
    monkeypatch.setenv("CUSTDYN_WEBHOOK_URL", receiver.url)
    monkeypatch.setenv("CUSTDYN_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(webhook_module, "_WAITS", (0.0, 0.01))
    return receiver


def expected_signature(headers: dict[str, str], body: bytes, key: bytes = SECRET.encode()) -> str:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_a_failure_is_posted_signed_even_if_nobody_gets_an_email(
    ask: Ask, hooked: Receiver, received: Received
) -> None:
    run = ask(SILENT)
    [(path, headers, body)] = hooked.posted
    assert path == f"/hooks/{TOKEN}"
    assert headers["webhook-signature"] == expected_signature(headers, body)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    [message] = hooked.messages()
    assert message["type"] == "run.failed"
    about = message["data"]
    assert (about["saved"], about["title"], about["result"], about["run"]) == (
        "board",
        "Board",
        "failed",
        run.id,
    )
    assert (about["problem"], about["where"]) == (run.problem, "making the report")
    assert "run --saved board --as-of 2022-02-01T05:00:00Z" in about["command"]
    assert received.mails == []
    [receipt] = run.webhook
    assert (receipt["outcome"], receipt["host"], receipt["tries"]) == ("sent", "127.0.0.1", 1)
    assert Runs(load_settings().runs or Path()).listing() == [run]


def test_the_documented_check_of_a_signature_takes_a_message_and_refuses_old_and_changed_ones(
    ask: Ask, hooked: Receiver
) -> None:
    document = (Path(__file__).parents[2] / "docs" / "scheduling.md").read_text(encoding="utf-8")
    [code] = [part for part in document.split("```python\n")[1:] if "def is_genuine" in part]
    found: dict[str, Any] = {}
    exec(code.split("```")[0], found)  # our own document
    ask(SILENT)
    [(_, headers, body)] = hooked.posted
    is_genuine = found["is_genuine"]
    assert is_genuine(headers, body, SECRET)
    assert not is_genuine(headers, body + b" ", SECRET)
    assert not is_genuine(headers, body, SECRET + "x")
    earlier = str(int(headers["webhook-timestamp"]) - 600)
    assert not is_genuine({**headers, "webhook-timestamp": earlier}, body, SECRET)
    old = {**headers, "webhook-timestamp": earlier}
    old["webhook-signature"] = expected_signature(old, body)
    assert not is_genuine(old, body, SECRET)


def test_the_documented_message_has_the_fields_of_a_real_one(ask: Ask, hooked: Receiver) -> None:
    document = (Path(__file__).parents[2] / "docs" / "scheduling.md").read_text(encoding="utf-8")
    [text] = [part.split("```")[0] for part in document.split("```json\n")[1:] if '"run.failed"' in part]
    ask(SILENT)
    [message] = hooked.messages()
    documented = json.loads(text)
    assert (list(documented), list(documented["data"])) == (list(message), list(message["data"]))


def test_a_signature_is_made_anew_for_each_attempt_of_one_message(ask: Ask, hooked: Receiver) -> None:
    hooked.replies = [500, 204]
    run = ask(SILENT)
    assert (run.webhook[0]["outcome"], run.webhook[0]["tries"]) == ("sent", 2)
    assert len({headers["webhook-id"] for _, headers, _ in hooked.posted}) == 1
    for _, headers, body in hooked.posted:
        assert headers["webhook-signature"] == expected_signature(headers, body)


@pytest.mark.parametrize(("code", "tries"), [(404, 1), (302, 1), (503, 2), (429, 2)])
def test_what_the_webhook_refuses_is_recorded_and_a_redirect_is_not_followed(
    ask: Ask, hooked: Receiver, code: int, tries: int
) -> None:
    hooked.replies = [code]
    run = ask(SILENT)
    [receipt] = run.webhook
    assert receipt["words"] == f"It replied with status {code}."
    assert receipt["outcome"] == ("refused" if tries == 1 else "given up")
    assert (len(hooked.posted), run.result) == (tries, "failed")


def test_a_run_that_succeeds_is_posted_only_on_demand(
    ask: Ask, hooked: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask().result == "sent"
    assert hooked.posted == []
    monkeypatch.setenv("CUSTDYN_WEBHOOK_EVENTS", "all")
    run = ask()
    [message] = hooked.messages()
    assert (message["type"], message["data"]["result"]) == ("run.succeeded", "sent")
    assert "view?id=" not in str(message)
    assert run.webhook[0]["type"] == "run.succeeded"


def test_nothing_is_posted_or_told_of_a_run_that_sends_nothing(
    ask: Ask, hooked: Receiver, monkeypatch: pytest.MonkeyPatch, received: Received
) -> None:
    monkeypatch.setenv("CUSTDYN_FAILURE_RECIPIENTS", EVA)
    assert ask(SILENT, send=False).result == "failed"
    assert (hooked.posted, received.mails) == ([], [])


@contextlib.contextmanager
def hanging(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that accepts connections and then replies as a test wants."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/{TOKEN}"


def silent(connection: socket.socket) -> None:
    threading.Event().wait(20)
    connection.close()


def byte_by_byte(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"H")
            time.sleep(0.05)


@pytest.mark.parametrize("talk", [silent, byte_by_byte])
def test_a_webhook_that_hangs_holds_up_no_run_beyond_its_bound(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None], received: Received
) -> None:
    monkeypatch.setenv("CUSTDYN_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(webhook_module.post, "__kwdefaults__", {"max_seconds": 0.6, "sleep": time.sleep})
    with hanging(talk) as url:
        monkeypatch.setenv("CUSTDYN_WEBHOOK_URL", url)
        began = time.monotonic()
        run = ask(BROKEN)
        assert time.monotonic() - began < 10
    [receipt] = run.webhook
    assert receipt["outcome"] == "given up"
    assert receipt["words"] in ("No reply within 0.6 s.", "It cannot be reached: timed out.")
    assert received.recipients() == [EVA]


def test_no_part_of_the_url_but_its_host_and_no_secret_is_recorded_or_printed(
    ask: Ask,
    hooked: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    received: Received,
) -> None:
    hooked.replies = [500]
    run = ask(replace(BROKEN, source=f"/srv/{TOKEN}"))
    assert "was not notified of this run. It replied with status 500." in capsys.readouterr().out
    monkeypatch.setenv("CUSTDYN_WEBHOOK_URL", f"http://127.0.0.1:9/hooks/{TOKEN}")
    other = ask(BROKEN)
    everything = repr((run, other, load_settings(), received.mails)) + capsys.readouterr().out
    everything += "".join(file.read_text() for file in (settings.runs or Path()).rglob("*.json"))
    assert f"hooks/{TOKEN}" not in everything
    assert SECRET not in everything
    assert "It cannot be reached: Connection refused." in everything
    secrets = known_secrets(load_settings())
    for text in (f"{hooked.url}?x=1", f"POST /hooks/{TOKEN}", SECRET):
        assert TOKEN not in without_secrets(text, secrets)
        assert SECRET not in without_secrets(text, secrets)


def configured(tmp_path: Path, **env: str) -> Webhook | None:
    return Webhook.from_settings(settings_module.load(env, tmp_path), env)


def test_a_url_is_https_unless_it_is_on_this_machine_and_messages_are_always_signed(tmp_path: Path) -> None:
    secret = {"CUSTDYN_WEBHOOK_SECRET": SECRET}
    for url in ("https://a.example/x?token=1", "http://localhost:80/x", "http://[::1]/", "http://127.0.0.1"):
        assert configured(tmp_path, CUSTDYN_WEBHOOK_URL=url, **secret)
    assert configured(tmp_path) is None
    wrong = {
        "http://a.example/s3cret": "unencrypted", "ftp://a.example/s3cret": "must be a URL",
        "https://u:s3cret@a.example": "contains a login", "https://s3cret@a.example": "contains a login",
        "https:///s3cret": "must be a URL", "https://a.example:0/s3cret": "must be a URL",
        "https://a.example:s3cret/": "must be a URL", "https://a.example/s3cret\r\nX: y": "must be a URL",
        "https://a.example/s3cret x": "must be a URL", "http://127.0.0.1.evil.example/s3cret": "unencrypted",
    }  # fmt: skip
    for url, words in wrong.items():
        with pytest.raises(SettingsError, match=words) as refused:
            configured(tmp_path, CUSTDYN_WEBHOOK_URL=url, **secret)
        assert "s3cret" not in refused.value.message
    url = {"CUSTDYN_WEBHOOK_URL": "https://a.example/x"}
    with pytest.raises(SettingsError, match="CUSTDYN_WEBHOOK_SECRET is not set"):
        configured(tmp_path, **url)
    with pytest.raises(SettingsError, match="too short"):
        configured(tmp_path, **url, CUSTDYN_WEBHOOK_SECRET="short")
    with pytest.raises(SettingsError, match='"failures" or "all"'):
        configured(tmp_path, **url, **secret, CUSTDYN_WEBHOOK_EVENTS="none")


def test_the_secret_comes_from_a_file_too_and_may_be_base64_as_in_standard_webhooks(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    url = {"CUSTDYN_WEBHOOK_URL": "https://a.example/x", "CUSTDYN_WEBHOOK_SECRET_FILE": str(file)}
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        configured(tmp_path, **url)
    file.write_text("")
    with pytest.raises(SettingsError, match="is empty"):
        configured(tmp_path, **url)
    file.write_text("whsec_" + base64.b64encode(b"k" * 24).decode() + "\n")
    found = configured(tmp_path, **url)
    assert found is not None
    assert found.key == b"k" * 24
    # The example of the Standard Webhooks specification's reference libraries.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signature = webhook_module.sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    with pytest.raises(SettingsError, match="both set"):
        configured(tmp_path, **url, CUSTDYN_WEBHOOK_SECRET=SECRET)
    file.write_text("whsec_not base64!")
    with pytest.raises(SettingsError, match="is not base64"):
        configured(tmp_path, **url)


def configured_with(tmp_path: Path, secret: str, **env: str) -> Webhook | None:
    url = "https://a.example/x"
    return configured(tmp_path, CUSTDYN_WEBHOOK_URL=url, CUSTDYN_WEBHOOK_SECRET=secret, **env)


def test_a_secret_of_sixteen_bytes_is_long_enough(tmp_path: Path) -> None:
    found = configured_with(tmp_path, "k" * 16)
    assert found is not None
    assert (found.key, found.events, found.host) == (b"k" * 16, "failures", "a.example")
    assert "a.example" not in repr(found)
    assert "kkkk" not in repr(found)
    every = configured_with(tmp_path, "k" * 16, CUSTDYN_WEBHOOK_EVENTS="all")
    assert every is not None
    assert every.events == "all"
    for short in ("k" * 15, "whsec_" + base64.b64encode(b"k" * 15).decode()):
        with pytest.raises(SettingsError, match="is too short: use at least 16 random bytes") as refused:
            configured_with(tmp_path, short)
        assert refused.value.field == "CUSTDYN_WEBHOOK_SECRET"


def posted(receiver: Receiver, data: dict[str, Any] | None = None, **how: Any) -> dict[str, Any]:
    return post(Webhook(receiver.url, SECRET.encode()), "run.failed", data or {}, **how)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (200, "sent"), (400, "refused"), (408, "given up"), (425, "given up"), (429, "given up"),
        (499, "refused"), (500, "given up"), (503, "given up"),
    ],
)  # fmt: skip
def test_only_a_reply_that_may_change_is_asked_for_again(
    receiver: Receiver, code: int, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_module, "_WAITS", (0.0, 0.5, 2.0))
    receiver.replies = [code]
    slept: list[float] = []
    receipt = posted(receiver, sleep=slept.append)
    tries = 3 if outcome == "given up" else 1
    words = "The webhook accepted it." if outcome == "sent" else f"It replied with status {code}."
    assert (receipt["outcome"], receipt["words"], receipt["tries"]) == (outcome, words, tries)
    assert (len(receiver.posted), slept) == (tries, [0.5, 2.0][: tries - 1])
    assert (receipt["host"], receipt["type"]) == ("127.0.0.1", "run.failed")
    [event] = {headers["webhook-id"] for _, headers, _ in receiver.posted}
    assert receipt["id"] == event


def test_a_wait_that_would_outlast_the_time_limit_is_not_begun(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_module, "_WAITS", (0.0, 0.1, 60.0))
    receiver.replies = [500]
    slept: list[float] = []
    receipt = posted(receiver, max_seconds=30, sleep=slept.append)
    assert (slept, receipt["tries"], receipt["words"]) == ([0.1], 2, "It replied with status 500.")


def test_a_message_has_its_text_as_it_is_and_a_question_mark_for_half_a_character(receiver: Receiver) -> None:
    posted(receiver, {"title": "Zürich \udcff"})
    [(_, headers, body)] = receiver.posted
    assert "Zürich ?".encode() in body
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["webhook-signature"] == expected_signature(headers, body)


def nonsense(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"nonsense\r\n\r\n")
    connection.close()


def test_a_reply_that_is_none_is_told_without_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "_WAITS", (0.0,))
    with hanging(nonsense) as url:
        receipt = post(Webhook(url, b"k" * 16), "run.failed", {})
    assert (receipt["outcome"], receipt["tries"]) == ("given up", 1)
    assert receipt["words"].startswith("It cannot be reached: nonsense")
    assert TOKEN not in str(receipt)


def test_no_name_and_no_reply_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "_WAITS", (0.0,))
    receipt = post(Webhook("https://nowhere.invalid/x", b"k" * 16), "run.failed", {})
    assert receipt["words"].startswith("It cannot be reached: ")
    assert len(receipt["words"]) > len("It cannot be reached: .")
    assert receipt["words"].endswith(".")
    with hanging(silent) as url:
        receipt = post(Webhook(url, b"k" * 16), "run.failed", {}, max_seconds=0.3)
    assert (receipt["outcome"], receipt["tries"] <= 1) == ("given up", True)
    assert receipt["words"] in ("No reply within 0.3 s.", "It cannot be reached: timed out.")


def test_a_post_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = post(
        Webhook("https://nowhere.invalid/x", b"k" * 16), "run.failed", {"bad": "\ud800"}, max_seconds=5
    )
    assert (receipt["outcome"], receipt["tries"] > 0) == ("given up", True)


# Failure recipients of the settings


def run_board(**order: Any) -> Run:
    return dispatch(RunRequest("board", **order), settings=load_settings(), progress=print, now=NOW)


def test_a_saved_query_that_cannot_be_read_is_told_to_those_of_the_settings(
    settings: Settings, received: Received, monkeypatch: pytest.MonkeyPatch, hooked: Receiver
) -> None:
    monkeypatch.setenv("CUSTDYN_FAILURE_RECIPIENTS", f" {ANNA}, {BEN},")
    settings.queries.mkdir()
    (settings.queries / "board.json").write_text("{")
    run = run_board()
    assert (run.result, received.recipients()) == ("failed", [ANNA, BEN])
    assert "is not valid JSON" in text_of(received)
    assert run.failure_recipients == ()  # those of the saved query are unknown
    assert [message["type"] for message in hooked.messages()] == ["run.failed"]
    (settings.queries / "board.json").write_text('{"failure_recipients": ["eva@example.net"]')
    run_board()
    assert received.recipients()[2:] == [EVA]


def test_a_saved_query_without_failure_recipients_is_told_to_those_of_the_settings(
    ask: Ask, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_FAILURE_RECIPIENTS", EVA)
    run = ask(replace(SILENT, recipients=()))
    assert (run.result, received.recipients()) == ("failed", [EVA])
    assert "Sent automatically to the failure recipients in the settings." in text_of(received)


@pytest.mark.parametrize("wrong", ["eva", f"{EVA},{EVA}", "eva@example.net\nBcc: x@example.net"])
def test_settings_that_can_tell_nobody_are_said_and_break_no_run(
    ask: Ask,
    received: Received,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CUSTDYN_FAILURE_RECIPIENTS", wrong)
    monkeypatch.setenv("CUSTDYN_WEBHOOK_URL", "https://a.example")
    assert ask().result == "sent"
    said = capsys.readouterr().out
    assert "The failure recipients in the settings cannot be notified. CUSTDYN_FAILURE_RECIPIENTS" in said
    assert "The webhook cannot be used. CUSTDYN_WEBHOOK_SECRET is not set." in said


def test_a_killed_run_is_posted_by_the_next_one(ask: Ask, settings: Settings, hooked: Receiver) -> None:
    killed = replace(Run.begun("board", title="Board"), logical_time="2022-01-01T05:00:00Z")
    Runs(settings.runs or Path()).write(killed)
    assert ask(replace(BOARD, failure_recipients=())).result == "sent"
    [message] = hooked.messages()
    assert (message["data"]["result"], message["data"]["run"]) == ("killed", killed.id)
    assert [run.webhook[0]["outcome"] for run in Runs(settings.runs or Path()).listing() if run.webhook] == [
        "sent"
    ]
