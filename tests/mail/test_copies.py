"""One recipient's copy: which form of the email is sent, and what is recorded of each attempt."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.headerregistry import Address
from typing import Any, cast

import pytest

from custdyn_widgets.mail.copies import Copy
from custdyn_widgets.mail.message import Letter, Picture, message_bytes
from custdyn_widgets.mail.server import MailServer
from tests.mail.test_letters import LETTER

SERVER = MailServer("mail.example.com", 587, "starttls", Address("Reports", "reports", "example.com"))
ANNA = "anna@example.com"
CHART = Picture("chart-1", "Chart", b"\x89PNG" + bytes(2_000))
WHOLE = replace(LETTER, pictures=(CHART,))
TOO_LARGE = smtplib.SMTPDataError(552, b"5.3.4 too big")


@dataclass
class Server:
    """A connection that takes messages, after it has refused the first ones with these errors."""

    size: str = ""
    errors: list[Exception] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    @property
    def esmtp_features(self) -> dict[str, str]:
        return {"size": self.size} if self.size else {}

    def sendmail(self, sender: str, recipients: list[str], data: bytes) -> None:
        assert (sender, recipients) == ("reports@example.com", [ANNA])
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(data)


def copy_of(letter: Letter = WHOLE, max_bytes: int = 10_000_000, **about: Any) -> Copy:
    return Copy(letter, SERVER, ANNA, max_bytes, **about)


def sent(copy: Copy, server: Server) -> tuple[bool, bool]:
    """Send a copy, and return whether the message has its attachment and its picture."""
    copy.begin()
    copy.send(cast("smtplib.SMTP", server))
    copy.settle("sent", "Accepted.")
    parts = list(message_from_bytes(server.taken[-1]).walk())
    has_file = any(part.get_content_disposition() == "attachment" for part in parts)
    assert copy.delivery().attached is has_file
    return has_file, any(part.get_content_type() == "image/png" for part in parts)


def size_of(copy: Copy, letter: Letter, *, attached: bool) -> int:
    return len(message_bytes(letter, copy.envelope, attached=attached))


@pytest.mark.parametrize("announced", [False, True])
def test_a_message_is_sent_with_as_much_as_fits(announced: bool) -> None:
    for letter, attached, form in (
        (WHOLE, True, (True, True)),
        (WHOLE, False, (False, True)),
    ):
        for short, expected in ((0, form), (1, (False, attached))):
            copy = copy_of(message_id="<1@x>")
            limit = size_of(copy, letter, attached=attached) - short
            server = Server(size=str(limit) if announced else "")
            copy.max_bytes = 10_000_000 if announced else limit
            assert sent(copy, server) == expected
    assert sent(copy_of(max_bytes=1), Server()) == (False, False)  # the smallest form is tried in any case


@pytest.mark.parametrize("size", ["0", "many", "9" * 30, "10000000000"])
def test_our_own_limit_holds_where_the_server_announces_none_or_a_larger_one(size: str) -> None:
    copy = copy_of(message_id="<1@x>")
    copy.max_bytes = size_of(copy, WHOLE, attached=True) - 1
    assert sent(copy, Server(size=size)) == (False, True)
    assert sent(copy_of(), Server(size=size)) == (True, True)


@pytest.mark.parametrize(
    ("letter", "forms"),
    [
        (WHOLE, [(True, True), (False, True), (False, False)]),
        (LETTER, [(True, False), (False, False)]),
        (replace(WHOLE, attachment=None), [(False, True), (False, False)]),
        (replace(LETTER, attachment=None), [(False, False)]),
    ],
)
def test_a_message_that_is_refused_for_its_size_is_sent_with_less(
    letter: Letter, forms: list[tuple[bool, bool]]
) -> None:
    for refused, form in enumerate(forms):
        assert sent(copy_of(letter), Server(errors=[TOO_LARGE] * refused)) == form
    with pytest.raises(smtplib.SMTPDataError):
        copy_of(letter).send(cast("smtplib.SMTP", Server(errors=[TOO_LARGE] * len(forms))))


def test_any_other_refusal_ends_the_attempt() -> None:
    server = Server(errors=[smtplib.SMTPDataError(554, b"5.7.1 spam")])
    with pytest.raises(smtplib.SMTPDataError, match="spam"):
        copy_of().send(cast("smtplib.SMTP", server))
    assert server.taken == []


def test_an_attempt_that_failed_is_recorded_and_has_no_attachment() -> None:
    copy = copy_of(message_id="<1@x>")
    assert (copy.delivery().outcome, copy.delivery().words, copy.delivery().tries) == (
        "given up",
        "The run ended before this copy was sent.",
        0,
    )
    copy.begin()
    assert copy.delivery().words == "The run ended while this copy was being sent, so it may have arrived."
    with pytest.raises(smtplib.SMTPDataError):
        copy.send(cast("smtplib.SMTP", Server(errors=[smtplib.SMTPDataError(451, b"later")])))
    copy.fail(smtplib.SMTPDataError(451, b"later"))
    found = copy.delivery()
    assert (found.outcome, found.tries, found.attached, copy.is_settled) == ("given up", 1, False, False)
    assert found.words == "Rejected by the mail server: 451 later"
    assert found.message_id == "<1@x>"
    copy.begin()
    copy.fail(smtplib.SMTPDataError(554, b"no"))
    found = copy.delivery()
    assert (found.outcome, found.tries, found.attached, copy.is_settled) == ("refused", 2, False, True)
    assert found.to_dict() == {
        "recipient": ANNA, "outcome": "refused", "words": "Rejected by the mail server: 554 no",
        "at": found.at, "tries": 2, "message_id": "<1@x>", "attached": False,
    }  # fmt: skip


def test_an_invalid_address_is_refused_without_an_attempt_and_message_ids_differ() -> None:
    found = Copy(LETTER, SERVER, "anna@", 1).delivery()
    assert (found.outcome, found.words, found.tries) == ("refused", "This is not a valid email address.", 0)
    first, second = copy_of().message_id, copy_of().message_id
    assert first != second
    assert first.endswith("@example.com>")
