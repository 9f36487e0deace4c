"""Letters on their way: a real server takes, refuses, breaks off, and every recipient's end is told."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.headerregistry import Address
from types import SimpleNamespace

import pytest

from custdyn_widgets.mail.letters import ReportLetter
from custdyn_widgets.mail.message import Attachment
from custdyn_widgets.mail.server import MailServer
from custdyn_widgets.mail.smtp import deliver, deliver_all, failed_words
from tests.mail_server import PASSWORD, USER, Authority, Received, free_port, mail_server
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


def test_each_recipient_gets_a_copy_of_his_own_and_sees_nobody_else(received: Received) -> None:
    with mail_server(received) as port:
        deliveries = deliver(LETTER, [ANNA, BEN], server_at(port))
    assert received.recipients() == [ANNA, BEN]
    assert [received.message(i)["To"] for i in (0, 1)] == [ANNA, BEN]
    assert not any(BEN.encode() in data for to, data in received.mails if to == ANNA)
    assert [(d.recipient, d.outcome, d.tries, d.attached) for d in deliveries] == [
        (ANNA, "sent", 1, True),
        (BEN, "sent", 1, True),
    ]
    assert [d.message_id for d in deliveries] == [received.message(i)["Message-ID"] for i in (0, 1)]
    assert failed_words(deliveries) == ""
    assert received.names == ["example.com"] * 2


def test_a_refused_recipient_keeps_nobody_from_his_copy_and_is_not_tried_again(
    received: Received, waited: list[float]
) -> None:
    received.at_recipient = lambda _, to: "550 5.1.1 No such user" if to == BEN else None
    with mail_server(received) as port:
        deliveries = deliver(LETTER, [ANNA, BEN, EVA], server_at(port), sleep=waited.append)
    assert [(d.outcome, d.attached) for d in deliveries] == [
        ("sent", True),
        ("refused", False),
        ("sent", True),
    ]
    assert received.told.count(BEN) == 1
    assert waited == []
    assert failed_words(deliveries) == (f"{BEN}: refused. The address was refused: 550 5.1.1 No such user")


def test_what_is_refused_for_now_is_tried_again_after_longer_and_longer_waits(
    received: Received, waited: list[float]
) -> None:
    received.at_recipient = lambda own, to: "451 4.7.1 Come back later" if own.told.count(to) < 3 else None
    with mail_server(received) as port:
        [delivery] = deliver(LETTER, [ANNA], server_at(port), sleep=waited.append)
    assert (delivery.outcome, delivery.tries, waited) == ("sent", 3, [1.0, 2.0])


def test_what_is_refused_for_now_to_the_end_is_given_up_and_others_get_theirs_at_once(
    received: Received, waited: list[float]
) -> None:
    received.at_data = lambda _, to: "452 4.3.1 Disk full" if to == ANNA else None
    with mail_server(received) as port:
        first, second = deliver(LETTER, [ANNA, BEN], server_at(port), sleep=waited.append)
    assert (first.outcome, first.tries, first.words) == ("given up", 3, "It was refused: 452 4.3.1 Disk full")
    assert (second.outcome, second.tries) == ("sent", 1)


def test_a_server_that_is_down_is_waited_for(received: Received) -> None:
    port, servers = free_port(), []

    def started_meanwhile(_: float) -> None:
        servers.append(mail_server(received, port=port))
        servers[-1].__enter__()

    [delivery] = deliver(LETTER, [ANNA], server_at(port), sleep=started_meanwhile)
    servers[0].__exit__(None, None, None)
    assert (delivery.outcome, delivery.tries) == ("sent", 2)


def test_a_server_that_stays_down_is_told_with_the_setting_that_names_it(waited: list[float]) -> None:
    port = free_port()
    deliveries = deliver(LETTER, [ANNA, BEN], server_at(port), sleep=waited.append)
    assert [(d.outcome, d.tries) for d in deliveries] == [("given up", 3)] * 2
    assert f"no connection to the mail server 127.0.0.1:{port} (CUSTDYN_SMTP_URL)" in deliveries[0].words
    assert "Connection refused" in deliveries[0].words
    assert waited == [1.0, 2.0]


def test_a_connection_that_breaks_at_one_letter_costs_no_other(
    received: Received, waited: list[float]
) -> None:
    received.at_data = lambda _, to: "hang up" if to == BEN else None
    with mail_server(received) as port:
        deliveries = deliver(LETTER, [ANNA, BEN, EVA], server_at(port), sleep=waited.append)
    assert [d.outcome for d in deliveries] == ["sent", "given up", "sent"]
    assert received.recipients() == [ANNA, EVA]
    assert "was lost" in deliveries[1].words


def test_a_server_that_takes_one_letter_a_connection_gets_them_all_in_one_try(received: Received) -> None:
    received.ends_each_connection = True
    everybody = [f"reader{i}@example.com" for i in range(8)]
    with mail_server(received) as port:
        deliveries = deliver(replace(LETTER, attachment=None), everybody, server_at(port), sleep=never)
    assert received.recipients() == everybody
    assert [d.outcome for d in deliveries] == ["sent"] * 8


def test_a_server_that_breaks_every_connection_is_not_asked_for_every_letter(
    received: Received, waited: list[float]
) -> None:
    received.at_data = lambda *_: "hang up"
    with mail_server(received) as port:
        deliveries = deliver(
            LETTER, [f"r{i}@example.com" for i in range(9)], server_at(port), sleep=waited.append
        )
    assert [d.outcome for d in deliveries] == ["given up"] * 9
    assert len(received.told) == 2 * 3
    assert "broke at the letters before this one" in deliveries[-1].words


def test_a_server_that_crawls_holds_nobody_for_ever(
    received: Received, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("custdyn_widgets.mail.smtp.time", SimpleNamespace(monotonic=lambda: now[0]))
    received.at_data = lambda *_: now.append(now.pop() + 10)  # type: ignore[func-returns-value]
    with mail_server(received) as port:
        deliveries = deliver(LETTER, [ANNA, BEN, EVA], server_at(port), most_seconds=15, sleep=waited.append)
    assert [d.outcome for d in deliveries] == ["sent", "sent", "given up"]
    assert "took all the time there was" in deliveries[2].words
    assert waited == []


@pytest.mark.parametrize(("greeting", "tries"), [(b"554 Not you\r\n", 1), (b"421 Too busy\r\n", 3)])
def test_a_server_that_does_not_want_to_talk_is_told_in_its_words(
    waited: list[float], greeting: bytes, tries: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        greeter = threading.Thread(target=greet, args=(listening, greeting, tries))
        greeter.start()
        [delivery] = deliver(LETTER, [ANNA], server_at(listening.getsockname()[1]), sleep=waited.append)
        greeter.join()
    assert (delivery.outcome, delivery.tries) == ("refused" if tries == 1 else "given up", tries)
    assert delivery.words == f"It was refused: {greeting.decode().strip()}"


def greet(listening: socket.socket, greeting: bytes, times: int) -> None:
    for _ in range(times):
        connection, _ = listening.accept()
        with connection:
            connection.sendall(greeting)
            connection.recv(100)


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


def test_many_letters_to_recipients_of_their_own_share_connection_and_waits(
    received: Received, waited: list[float]
) -> None:
    received.at_recipient = lambda own, to: "451 Later" if own.told.count(to) < 2 and to != EVA else None
    posts = [(replace(LETTER, title=title), to) for title, to in (("A", [ANNA]), ("B", [BEN]), ("C", [EVA]))]
    with mail_server(received) as port:
        deliveries = deliver_all([*posts, (LETTER, [])], server_at(port), sleep=waited.append)
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
        [delivery] = deliver(LETTER, [ANNA], server_at(port), sleep=lambda _: None)
    assert delivery.tries == 2
    assert received.message()["Message-ID"] == delivery.message_id


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_travels_only_in_secret(received: Received, trusted: Authority, security: str) -> None:
    how = (
        {"tls_context": trusted.context, "auth_required": True}
        if security == "starttls"
        else {"ssl_context": trusted.context, "auth_require_tls": False}
    )
    with mail_server(received, authenticator=received.login, **how) as port:
        server = server_at(port, host="localhost", security=security, user=USER, password=PASSWORD)
        [delivery] = deliver(LETTER, [ANNA], server)
    assert (delivery.outcome, received.logins) == ("sent", [True])
    assert security == "tls" or received.secret == [True]


def test_a_wrong_login_is_refused_once_and_never_told(
    received: Received, trusted: Authority, waited: list[float]
) -> None:
    how = {"tls_context": trusted.context, "authenticator": received.login, "auth_required": True}
    with mail_server(received, **how) as port:
        server = server_at(port, host="localhost", security="starttls", user=USER, password="secret-word")
        deliveries = deliver(LETTER, [ANNA, BEN], server, sleep=waited.append)
    assert [d.outcome for d in deliveries] == ["refused"] * 2
    assert received.logins
    assert not any(received.logins)
    assert waited == []
    assert "CUSTDYN_SMTP_USER and CUSTDYN_SMTP_PASSWORD" in deliveries[0].words
    assert "secret-word" not in repr((deliveries, server))
    assert USER not in repr(deliveries)


def test_a_login_that_the_server_repeats_is_not_repeated(received: Received) -> None:
    said = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    received.at_recipient = lambda *_: f"550 {USER} may not, with {PASSWORD} or {said}"
    with mail_server(received, authenticator=received.login, auth_require_tls=False) as port:
        [delivery] = deliver(LETTER, [ANNA], server_at(port, user=USER, password=PASSWORD))
    assert received.logins == [True]
    assert delivery.words == "The address was refused: 550 *** may not, with *** or ***"


def test_nothing_is_said_to_a_server_whose_certificate_nobody_vouches_for(
    received: Received, authority: Authority, waited: list[float]
) -> None:
    with mail_server(received, tls_context=authority.context) as port:
        server = server_at(port, host="localhost", security="starttls")
        [delivery] = deliver(LETTER, [ANNA], server, sleep=waited.append)
    assert (delivery.outcome, received.told, waited) == ("refused", [], [])
    assert "is not trusted" in delivery.words
    assert "SSL_CERT_FILE" in delivery.words


def test_a_certificate_of_another_host_is_not_accepted(received: Received, trusted: Authority) -> None:
    with mail_server(received, ssl_context=trusted.context) as port:
        [delivery] = deliver(LETTER, [ANNA], server_at(port, security="tls"))
    assert (delivery.outcome, received.told) == ("refused", [])


def test_a_server_that_speaks_no_tls_is_told_with_what_to_write_instead(received: Received) -> None:
    with mail_server(received) as port:
        [delivery] = deliver(LETTER, [ANNA], server_at(port, security="tls"))
    assert (delivery.outcome, delivery.tries) == ("refused", 1)
    assert "smtp+starttls://" in delivery.words


def test_nothing_is_said_in_the_open_where_secrecy_was_asked_for(received: Received) -> None:
    with mail_server(received) as port:
        [delivery] = deliver(LETTER, [ANNA], server_at(port, security="starttls"))
    assert (delivery.outcome, received.told) == ("refused", [])
    assert "STARTTLS" in delivery.words


@pytest.mark.parametrize("limit", ["ours", "told", "refused"])
def test_over_a_size_limit_the_link_goes_alone_and_says_so(received: Received, limit: str) -> None:
    letter = replace(LETTER, attachment=Attachment("monthly.xlsx", b"x" * 90_000))
    most, how = (50_000 if limit == "ours" else 10_000_000), {}
    if limit == "told":
        how = {"data_size_limit": 60_000}
    if limit == "refused":
        taken: list[int] = []
        received.at_data = lambda *_: None if taken else taken.append(1) or "552 5.3.4 Too big"
    with mail_server(received, **how) as port:
        [delivery] = deliver(letter, [ANNA], server_at(port), most_bytes=most)
    assert (delivery.outcome, delivery.attached) == ("sent", False)
    message = received.message()
    assert not list(message.iter_attachments())
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        assert LINK in body.get_content()
        assert "0.1 MB is too large to be sent by mail" in body.get_content()


def test_what_is_attached_arrives_byte_for_byte(received: Received) -> None:
    with mail_server(received) as port:
        deliver(LETTER, [ANNA], server_at(port))
    [attached] = received.message().iter_attachments()
    assert attached.get_content_type() == "text/csv"
    assert attached.get_filename() == "monthly.csv"
    assert attached.get_payload(decode=True) == b"Month,Qty\r\n1,2\r\n"


def test_a_domain_of_other_letters_is_addressed_in_ascii_and_a_wrong_address_told(received: Received) -> None:
    wrong = [
        "no-address",
        "ä@example.com",
        "a@b@example.com",
        "a@exa mple.com",
        "x@y.com\nBcc: z@y.com",
        "@y.com",
    ]
    with mail_server(received) as port:
        deliveries = deliver(LETTER, ["anna@bücher.example", *wrong], server_at(port))
    assert received.recipients() == ["anna@xn--bcher-kva.example"]
    assert [d.outcome for d in deliveries] == ["sent", *["refused"] * len(wrong)]
    assert {d.tries for d in deliveries[1:]} == {0}


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    monkeypatch.setattr("custdyn_widgets.mail.smtp.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        [delivery] = deliver(LETTER, [ANNA], server_at(silent.getsockname()[1]), sleep=waited.append)
    assert (delivery.outcome, delivery.tries) == ("given up", 3)
    assert "timed out" in delivery.words
