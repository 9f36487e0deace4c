"""Delivery to a real server that accepts, refuses or breaks off: every copy has an outcome."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.headerregistry import Address
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from custdyn_widgets.mail.letters import ReportLetter
from custdyn_widgets.mail.message import Attachment, Picture
from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.mail.smtp import deliver
from tests.mail.test_odd_mail_servers import server as odd_server
from tests.mail_server import PASSWORD, USER, Authority, Received, free_port, mail_server, send
from tests.make_report import make_report

LINK = "https://reports.example.com/view?id=" + "a" * 52
LETTER = ReportLetter(
    "Monthly for the board",
    "monthly",
    make_report(),
    LINK,
    Attachment("monthly.csv", b"Month,Qty\r\n1,2\r\n"),
)
SENDER = Address("Reports", "reports", "example.com")
FULL = "Rejected by the mail server: 452 4.3.1 Disk full"
ANNA, BEN, EVA = "anna@example.com", "ben@example.org", "eva@example.net"


def server_at(port: int, **about: object) -> MailServer:
    server = MailServer("127.0.0.1", port, "none", SENDER, waits=(1.0, 2.0))
    return replace(server, **about)


@pytest.fixture
def received() -> Received:
    return Received()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


@pytest.fixture
def waited() -> Iterator[list[float]]:
    return []


def test_each_recipient_gets_a_separate_copy_and_sees_no_other_address(received: Received) -> None:
    with mail_server(received) as port:
        deliveries = send(LETTER, [ANNA, BEN], server_at(port))
    assert received.recipients() == [ANNA, BEN]
    assert [received.message(i)["To"] for i in (0, 1)] == [ANNA, BEN]
    assert not any(BEN.encode() in data for to, data in received.mails if to == ANNA)
    assert [(d.recipient, d.outcome, d.tries, d.attached) for d in deliveries] == [
        (ANNA, "sent", 1, True),
        (BEN, "sent", 1, True),
    ]
    assert [d.message_id for d in deliveries] == [received.message(i)["Message-ID"] for i in (0, 1)]
    assert received.names == ["example.com"] * 2


def test_a_refused_recipient_stops_no_other_and_is_not_tried_again(
    received: Received, waited: list[float]
) -> None:
    received.at_recipient = lambda _, to: "550 5.1.1 No such user" if to == BEN else None
    with mail_server(received) as port:
        deliveries = send(LETTER, [ANNA, BEN, EVA], server_at(port), sleep=waited.append)
    assert [(d.outcome, d.attached) for d in deliveries] == [
        ("sent", True),
        ("refused", False),
        ("sent", True),
    ]
    assert received.told.count(BEN) == 1
    assert waited == []
    assert deliveries[1].words == "The address was rejected: 550 5.1.1 No such user"


def test_a_temporary_refusal_is_tried_again_after_each_wait(received: Received, waited: list[float]) -> None:
    received.at_recipient = lambda own, to: "451 4.7.1 Come back later" if own.told.count(to) < 3 else None
    with mail_server(received) as port:
        [delivery] = send(LETTER, [ANNA], server_at(port), sleep=waited.append)
    assert (delivery.outcome, delivery.tries, waited) == ("sent", 3, [1.0, 2.0])


def test_a_copy_refused_at_every_try_is_given_up_and_the_others_are_sent_at_once(
    received: Received, waited: list[float]
) -> None:
    received.at_data = lambda _, to: "452 4.3.1 Disk full" if to == ANNA else None
    with mail_server(received) as port:
        first, second = send(LETTER, [ANNA, BEN], server_at(port), sleep=waited.append)
    assert (first.outcome, first.tries, first.words) == (
        "given up",
        3,
        "Rejected by the mail server: 452 4.3.1 Disk full",
    )
    assert (second.outcome, second.tries) == ("sent", 1)


def test_a_server_that_comes_up_later_gets_the_letter(received: Received) -> None:
    port, servers = free_port(), []

    def start_server(_: float) -> None:
        servers.append(mail_server(received, port=port))
        servers[-1].__enter__()

    [delivery] = send(LETTER, [ANNA], server_at(port), sleep=start_server)
    servers[0].__exit__(None, None, None)
    assert (delivery.outcome, delivery.tries) == ("sent", 2)


def test_a_server_that_stays_down_is_reported_with_its_setting(waited: list[float]) -> None:
    port = free_port()
    deliveries = send(LETTER, [ANNA, BEN], server_at(port), sleep=waited.append)
    assert [(d.outcome, d.tries) for d in deliveries] == [("given up", 3)] * 2
    assert f"Cannot connect to the mail server 127.0.0.1:{port} (CUSTDYN_SMTP_URL)" in deliveries[0].words
    assert "Connection refused" in deliveries[0].words
    assert waited == [1.0, 2.0]


def test_a_copy_that_breaks_the_connection_stops_no_other(received: Received, waited: list[float]) -> None:
    received.at_data = lambda _, to: "hang up" if to == BEN else None
    with mail_server(received) as port:
        deliveries = send(LETTER, [ANNA, BEN, EVA], server_at(port), sleep=waited.append)
    assert [d.outcome for d in deliveries] == ["sent", "given up", "sent"]
    assert received.recipients() == [ANNA, EVA]
    assert "was lost" in deliveries[1].words


def test_a_server_that_accepts_one_letter_per_connection_gets_them_all_in_one_try(received: Received) -> None:
    received.ends_each_connection = True
    everybody = [f"reader{i}@example.com" for i in range(8)]
    with mail_server(received) as port:
        deliveries = send(replace(LETTER, attachment=None), everybody, server_at(port), sleep=never)
    assert received.recipients() == everybody
    assert [d.outcome for d in deliveries] == ["sent"] * 8


def test_a_server_that_breaks_every_connection_is_given_up_early(
    received: Received, waited: list[float]
) -> None:
    received.at_data = lambda *_: "hang up"
    with mail_server(received) as port:
        deliveries = send(
            LETTER, [f"r{i}@example.com" for i in range(9)], server_at(port), sleep=waited.append
        )
    assert [d.outcome for d in deliveries] == ["given up"] * 9
    assert len(received.told) == 2 * 3
    assert "was lost before this copy" in deliveries[-1].words


def test_a_slow_server_is_given_up_when_the_time_runs_out(
    received: Received, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("custdyn_widgets.mail.smtp.time", SimpleNamespace(monotonic=lambda: now[0]))
    received.at_data = lambda *_: now.append(now.pop() + 10)  # type: ignore[func-returns-value]
    with mail_server(received) as port:
        deliveries = send(LETTER, [ANNA, BEN, EVA], server_at(port), max_seconds=15, sleep=waited.append)
    assert [d.outcome for d in deliveries] == ["sent", "sent", "given up"]
    assert "Time ran out" in deliveries[2].words
    assert waited == []


@pytest.mark.parametrize(("greeting", "tries"), [(b"554 Not you\r\n", 1), (b"421 Too busy\r\n", 3)])
def test_a_refusing_greeting_is_reported_as_the_server_says_it(
    waited: list[float], greeting: bytes, tries: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        greeter = threading.Thread(target=greet, args=(listening, greeting, tries))
        greeter.start()
        [delivery] = send(LETTER, [ANNA], server_at(listening.getsockname()[1]), sleep=waited.append)
        greeter.join()
    assert (delivery.outcome, delivery.tries) == ("refused" if tries == 1 else "given up", tries)
    assert delivery.words == f"Rejected by the mail server: {greeting.decode().strip()}"


def greet(listening: socket.socket, greeting: bytes, times: int) -> None:
    for _ in range(times):
        connection, _ = listening.accept()
        with connection:
            connection.sendall(greeting)
            connection.recv(100)


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


def test_several_letters_share_connection_and_waits(received: Received, waited: list[float]) -> None:
    received.at_recipient = lambda own, to: "451 Later" if own.told.count(to) < 2 and to != EVA else None
    posts = [(replace(LETTER, title=title), to) for title, to in (("A", [ANNA]), ("B", [BEN]), ("C", [EVA]))]
    with mail_server(received) as port:
        deliveries = deliver([*posts, (LETTER, [])], server_at(port), sleep=waited.append)
    assert [[(d.recipient, d.outcome) for d in of_letter] for of_letter in deliveries] == [
        [(ANNA, "sent")],
        [(BEN, "sent")],
        [(EVA, "sent")],
        [],
    ]
    assert {received.message(i)["To"]: received.message(i)["Subject"][0] for i in range(3)} == {
        EVA: "C",
        ANNA: "A",
        BEN: "B",
    }
    assert (len(received.connections), waited) == (2, [1.0])


def test_every_try_of_a_copy_has_the_same_message_id(received: Received) -> None:
    seen: list[int] = []
    received.at_data = lambda *_: seen.append(1) or ("451 Later" if len(seen) < 2 else None)
    with mail_server(received) as port:
        [delivery] = send(LETTER, [ANNA], server_at(port), sleep=lambda _: None)
    assert delivery.tries == 2
    assert received.message()["Message-ID"] == delivery.message_id


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_is_sent_encrypted(received: Received, trusted: Authority, security: str) -> None:
    how = (
        {"tls_context": trusted.context, "auth_required": True}
        if security == "starttls"
        else {"ssl_context": trusted.context, "auth_require_tls": False}
    )
    with mail_server(received, authenticator=received.login, **how) as port:
        server = server_at(port, host="localhost", security=security, user=USER, password=PASSWORD)
        [delivery] = send(LETTER, [ANNA], server)
    assert (delivery.outcome, received.logins) == ("sent", [True])
    assert security == "tls" or received.secret == [True]


def test_a_wrong_login_is_refused_once_and_never_shown(
    received: Received, trusted: Authority, waited: list[float]
) -> None:
    how = {"tls_context": trusted.context, "authenticator": received.login, "auth_required": True}
    with mail_server(received, **how) as port:
        server = server_at(port, host="localhost", security="starttls", user=USER, password="secret-word")
        deliveries = send(LETTER, [ANNA, BEN], server, sleep=waited.append)
    assert [d.outcome for d in deliveries] == ["refused"] * 2
    assert received.logins
    assert not any(received.logins)
    assert waited == []
    assert "CUSTDYN_SMTP_USER and CUSTDYN_SMTP_PASSWORD" in deliveries[0].words
    assert "secret-word" not in repr((deliveries, server))
    assert USER not in repr(deliveries)


def test_a_login_in_a_reply_is_masked(received: Received) -> None:
    said = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    received.at_recipient = lambda *_: f"550 {USER} may not, with {PASSWORD} or {said}"
    with mail_server(received, authenticator=received.login, auth_require_tls=False) as port:
        [delivery] = send(LETTER, [ANNA], server_at(port, user=USER, password=PASSWORD))
    assert received.logins == [True]
    assert delivery.words == "The address was rejected: 550 *** may not, with *** or ***"


def test_nothing_is_sent_to_a_server_with_an_untrusted_certificate(
    received: Received, authority: Authority, waited: list[float]
) -> None:
    with mail_server(received, tls_context=authority.context) as port:
        server = server_at(port, host="localhost", security="starttls")
        [delivery] = send(LETTER, [ANNA], server, sleep=waited.append)
    assert (delivery.outcome, received.told, waited) == ("refused", [], [])
    assert "is not trusted" in delivery.words
    assert "SSL_CERT_FILE" in delivery.words


def test_a_certificate_of_another_host_is_not_accepted(received: Received, trusted: Authority) -> None:
    with mail_server(received, ssl_context=trusted.context) as port:
        [delivery] = send(LETTER, [ANNA], server_at(port, security="tls"))
    assert (delivery.outcome, received.told) == ("refused", [])


def test_a_server_without_tls_is_reported_with_the_remedy(received: Received) -> None:
    with mail_server(received) as port:
        [delivery] = send(LETTER, [ANNA], server_at(port, security="tls"))
    assert (delivery.outcome, delivery.tries) == ("refused", 1)
    assert "smtp+starttls://" in delivery.words


def test_nothing_is_sent_unencrypted_where_starttls_was_asked_for(received: Received) -> None:
    with mail_server(received) as port:
        [delivery] = send(LETTER, [ANNA], server_at(port, security="starttls"))
    assert (delivery.outcome, received.told) == ("refused", [])
    assert "STARTTLS" in delivery.words


LARGE = Attachment("monthly.xlsx", b"x" * 90_000)
CHART = Picture("chart-1", "Chart: Active & <well>", b"\x89PNG" + b"x" * 40_000)
REFUSALS = {
    "at MAIL": {"MAIL": b"552 5.3.4 Message size exceeds fixed limit"},
    "at RCPT": {"RCPT": b"552 5.2.3 Too big for this mailbox"},
    "after DATA": {"end": b"552 5.3.4 Too big"},
    "523": {"end": b"523 Too big"},
    "554 5.3.4": {"end": b"554 5.3.4 Too big"},
}


@pytest.mark.parametrize("limit", ["ours", "announced", "refused"])
def test_over_a_size_limit_the_letter_goes_without_its_file_and_says_so(
    received: Received, limit: str
) -> None:
    letter = replace(LETTER, attachment=LARGE)
    most, how = (50_000 if limit == "ours" else 10_000_000), {}
    if limit == "announced":
        how = {"data_size_limit": 60_000}
    if limit == "refused":
        taken: list[int] = []
        received.at_data = lambda *_: None if taken else taken.append(1) or "552 5.3.4 Too big"
    with mail_server(received, **how) as port:
        [delivery] = send(letter, [ANNA], server_at(port), max_bytes=most)
    assert (delivery.outcome, delivery.attached) == ("sent", False)
    message = received.message()
    assert not list(message.iter_attachments())
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        assert LINK in body.get_content()
        assert "90 kB) is too large to send by email" in body.get_content()


@pytest.mark.parametrize("step", REFUSALS)
def test_a_refusal_for_size_at_any_step_is_answered_with_a_smaller_letter(step: str) -> None:
    refusals = [REFUSALS[step]]
    taken: list[bytes] = []

    def talk(connection: socket.socket, said: BinaryIO) -> None:
        """Refuse the first letter, and take the next one."""
        connection.sendall(b"220 here\r\n")
        for line in said:
            word = line[:4].decode().upper()
            usual = {"EHLO": b"250 hello", "DATA": b"354 go on", "QUIT": b"221 bye"}.get(word, b"250 OK")
            reply = refusals.pop()[word] if refusals and word in refusals[0] else usual
            connection.sendall(reply + b"\r\n")
            if reply.startswith(b"354"):
                taken.append(b"".join(iter(said.readline, b".\r\n")))
                end = refusals.pop()["end"] if refusals else b"250 taken"
                connection.sendall(end + b"\r\n")

    with odd_server(talk) as at:
        [delivery] = send(replace(LETTER, attachment=LARGE), [ANNA], at)
    assert (delivery.outcome, delivery.attached) == ("sent", False)
    assert len(taken[-1]) < 60_000
    assert b"too large to send by email" in taken[-1].replace(b"=\r\n", b"")


def test_a_refusal_for_another_reason_is_not_tried_again_smaller(received: Received) -> None:
    received.at_data = lambda *_: "554 5.7.1 Looks like spam"
    with mail_server(received) as port:
        [delivery] = send(replace(LETTER, attachment=LARGE), [ANNA], server_at(port))
    assert (delivery.outcome, received.told) == ("refused", [ANNA])


@pytest.mark.parametrize(("limit", "files", "pictures"), [(300_000, 1, 1), (100_000, 0, 1), (50_000, 0, 0)])
def test_charts_are_in_the_letter_with_their_words_and_go_last_where_it_is_too_large(
    received: Received, limit: int, files: int, pictures: int
) -> None:
    letter = replace(LETTER, attachment=LARGE, pictures=(CHART,))
    with mail_server(received, data_size_limit=limit) as port:
        [delivery] = send(letter, [ANNA], server_at(port))
    assert (delivery.outcome, delivery.attached) == ("sent", files == 1)
    message = received.message()
    assert len([part for part in message.walk() if part.get_content_disposition() == "attachment"]) == files
    found = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert len(found) == pictures
    html = message.get_body(("html",))
    assert html is not None
    assert LINK in html.get_content()
    if pictures:
        assert found[0].get_payload(decode=True) == CHART.data
        assert (found[0]["Content-ID"], found[0].get_content_disposition()) == ("<chart-1@custdyn>", "inline")
        assert 'src="cid:chart-1@custdyn" alt="Chart: Active &amp; &lt;well&gt;"' in html.get_content()
    assert ("cid:" in html.get_content()) == bool(pictures)


def test_an_attachment_arrives_byte_for_byte(received: Received) -> None:
    with mail_server(received) as port:
        send(LETTER, [ANNA], server_at(port))
    [attached] = received.message().iter_attachments()
    assert attached.get_content_type() == "text/csv"
    assert attached.get_filename() == "monthly.csv"
    assert attached.get_payload(decode=True) == b"Month,Qty\r\n1,2\r\n"


def test_an_international_domain_is_encoded_and_a_wrong_address_is_refused(received: Received) -> None:
    wrong = [
        "no-address",
        "ä@example.com",
        "a@b@example.com",
        "a@exa mple.com",
        "x@y.com\nBcc: z@y.com",
        "@y.com",
    ]
    with mail_server(received) as port:
        deliveries = send(LETTER, ["anna@bücher.example", *wrong], server_at(port))
    assert received.recipients() == ["anna@xn--bcher-kva.example"]
    assert [d.outcome for d in deliveries] == ["sent", *["refused"] * len(wrong)]
    assert {d.tries for d in deliveries[1:]} == {0}


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    monkeypatch.setattr("custdyn_widgets.mail.smtp.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        [delivery] = send(LETTER, [ANNA], server_at(silent.getsockname()[1]), sleep=waited.append)
    assert (delivery.outcome, delivery.tries) == ("given up", 3)
    assert "timed out" in delivery.words
