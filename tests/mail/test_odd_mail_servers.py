"""Mail servers that break the rules: every copy has an outcome, and none hangs or breaks a run."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from email.headerregistry import Address
from typing import BinaryIO

import pytest

from custdyn_widgets.mail import smtp
from custdyn_widgets.mail.copies import Delivery
from custdyn_widgets.mail.letters import FailureLetter
from custdyn_widgets.mail.server import MailServer
from tests.mail_server import send

LETTER = FailureLetter("Board", "board", "The mart is missing.", "making the report")
ANNA, BEN = "anna@example.com", "ben@example.org"
PATIENCE_S = 20
Talk = Callable[[socket.socket, BinaryIO], None]


@contextlib.contextmanager
def server(talk: Talk, **login: str) -> Iterator[MailServer]:
    """Run a server that calls `talk` for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept_all, args=(listening, talk), daemon=True).start()
        sender = Address("Reports", "reports", "example.com")
        yield MailServer("127.0.0.1", listening.getsockname()[1], "none", sender, waits=(0.05,), **login)


def accept_all(listening: socket.socket, talk: Talk) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=answer, args=(connection, talk), daemon=True).start()


def answer(connection: socket.socket, talk: Talk) -> None:
    with connection, connection.makefile("rb") as said, contextlib.suppress(OSError):
        talk(connection, said)


def replying(**replies: bytes) -> Talk:
    """Return a server that keeps the rules except for these replies; an empty reply hangs up."""
    usual = {"EHLO": b"250 hello", "DATA": b"354 go on", "QUIT": b"221 bye", "end": b"250 taken"}

    def talk(connection: socket.socket, said: BinaryIO) -> None:
        connection.sendall(b"220 here\r\n")
        for line in said:
            word = line[:4].decode().upper()
            reply = replies.get(word, usual.get(word, b"250 OK"))
            if not reply:
                return
            connection.sendall(reply + b"\r\n")
            if reply.startswith(b"354"):
                while said.readline() not in (b".\r\n", b""):
                    pass
                connection.sendall(replies.get("end", usual["end"]) + b"\r\n")

    return talk


def endlessly(before: bytes, piece: bytes) -> Talk:
    """Return a server whose reply never ends."""

    def talk(connection: socket.socket, said: BinaryIO) -> None:
        connection.sendall(before)
        if before:
            said.readline()
        pause = threading.Event()
        for _ in itertools.count():
            connection.sendall(piece)
            pause.wait(0.02)

    return talk


def delivered(talk: Talk, max_seconds: float = PATIENCE_S / 2, **login: str) -> list[Delivery]:
    """Send an email and return the outcomes; fail if there are none in time."""
    found: list[list[Delivery]] = []
    with server(talk, **login) as at:
        sending = threading.Thread(
            target=lambda: found.append(send(LETTER, [ANNA, BEN], at, max_seconds=max_seconds)),
            daemon=True,
        )
        sending.start()
        sending.join(PATIENCE_S)
    assert found, "it hung, or ended in a traceback"
    return found[0]


@pytest.mark.parametrize(
    ("before", "piece"),
    [(b"", b"2"), (b"", b"220-Wait\r\n"), (b"220 here\r\n", b"250-Wait\r\n")],
    ids=["a greeting byte by byte", "a greeting line by line", "a reply line by line"],
)
def test_an_endless_reply_is_cut_off_when_the_time_runs_out(before: bytes, piece: bytes) -> None:
    deliveries = delivered(endlessly(before, piece), max_seconds=1.5)
    assert {d.outcome for d in deliveries} == {"given up"}
    assert all(d.words for d in deliveries)


def test_a_connection_that_closes_as_its_time_runs_out_leaves_no_traceback() -> None:
    closed = threading.Event()

    class Closing:
        """A connection that another thread closes after its socket was seen."""

        seen = 0

        @property
        def sock(self) -> socket.socket | None:
            closed.set()
            self.seen += 1
            return ours if self.seen == 1 else None

    ours, theirs = socket.socketpair()
    with ours, theirs:
        smtp._cut_off(Closing(), 0, closed)  # type: ignore[arg-type]
        assert theirs.recv(1) == b""


def test_an_absurd_size_limit_is_ignored() -> None:
    deliveries = delivered(replying(EHLO=b"250-hello\r\n250 SIZE " + b"9" * 5_000))
    assert [d.outcome for d in deliveries] == ["sent", "sent"]


@pytest.mark.parametrize(("mechanism", "challenge"), [("CRAM-MD5", b"334 abc"), ("PLAIN", b"334 zzz")])
def test_a_nonsense_answer_to_a_login_is_reported(mechanism: str, challenge: bytes) -> None:
    talk = replying(EHLO=b"250-hello\r\n250 AUTH " + mechanism.encode(), AUTH=challenge)
    deliveries = delivered(talk, user="job", password="hunter22-secret")
    assert {d.outcome for d in deliveries} == {"refused"}
    assert "its reply to the login is invalid" in deliveries[0].words
    assert "hunter22" not in repr(deliveries)


@pytest.mark.parametrize(
    ("replies", "outcome", "words"),
    [
        ({"RCPT": b"550-\x1b[2J\x07no\r\n550-\xff\xe2\x80\xae way\r\n550 x"}, "refused", "\ufffd[2J\ufffdno"),
        ({"RCPT": b"550 " + b"x" * 20_000}, "refused", "500 Line too long"),
        ({"RCPT": b"\x1b]0;mine\x07"}, "given up", "-1"),
        ({"RCPT": b"421 later"}, "given up", "421 later"),
        ({"MAIL": b"552 5.3.4 too large"}, "refused", "552 5.3.4 too large"),
        ({"DATA": b""}, "given up", "was lost"),
        ({"DATA": b"554 no"}, "refused", "554 no"),
        ({"end": b"452 disk full"}, "given up", "452 disk full"),
        ({"QUIT": b""}, "sent", "accepted it"),
    ],
)  # fmt: skip
def test_any_reply_is_reported_in_one_printable_line(
    replies: dict[str, bytes], outcome: str, words: str
) -> None:
    deliveries = delivered(replying(**replies))
    assert {d.outcome for d in deliveries} == {outcome}
    assert words in deliveries[0].words
    assert all(d.words.isprintable() and len(d.words) < 500 for d in deliveries)
