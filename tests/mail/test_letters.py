"""The content of letters; names in them stay plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.mail.drawing import without_links
from custdyn_widgets.mail.letters import FailureLetter, ReportLetter
from custdyn_widgets.mail.message import (
    MAX_SUBJECT_LENGTH,
    Attachment,
    Envelope,
    Letter,
    Picture,
    message_bytes,
)
from custdyn_widgets.publish.secrets.known import Secret
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.saved_queries.letter_words import MAX_SUBJECT_LENGTH as LONGEST_OWN
from tests.make_report import INFO, make_comparison, make_report
from tests.payloads import HOST, PAYLOADS

LINK = "https://reports.example.com/view?id=" + "a" * 52
CSV = Attachment("monthly.csv", b"Month,Qty\r\n1,2\r\n")
LETTER = ReportLetter("Monthly for the board", "monthly", make_report(), LINK, CSV, "What moved.")
FAILURE = FailureLetter(
    "Monthly for the board",
    "monthly",
    "There is no quote for EUR on or before 2021-10-01. Add it to the rates table.",
    "running the notebook",
    (("For", "2022-12-01 06:00:00 UTC"),),
    "custdyn run --saved monthly --as-of 2022-12-01T06:00:00Z",
    ("the last line",),
)
ENVELOPE = Envelope(
    Address("Reports", "reports", "example.com"),
    "anna@example.com",
    "<0123@example.com>",
    datetime(2022, 12, 1, 6, tzinfo=UTC),
)
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
]  # fmt: skip
ENCODED = "=?utf-8?q?a=0D=0ABcc:_eve=40example.org=0D=0A=0D=0Abody?="
TAGS = {
    "html", "head", "meta", "title", "style", "body", "div", "table", "tr", "th", "td", "h1", "p", "a",
    "strong", "span", "br", "pre",
}  # fmt: skip


class Parsed(HTMLParser):
    """Collects a page's tags, its links, what else it refers to, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.handlers: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "background")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words += data


@dataclass(frozen=True)
class Short:
    """A letter with nothing but a subject."""

    subject: str
    attachment: Attachment | None = None

    pictures: tuple[Picture, ...] = ()

    def without_pictures(self) -> Short:
        return self

    def texts(self, attached: bool) -> tuple[str, str]:  # noqa: ARG002  # the same with and without
        return "x", "<p>x</p>"


def sent(letter: Letter, *, attached: bool = True) -> tuple[bytes, EmailMessage]:
    data = message_bytes(letter, ENVELOPE, attached=attached)
    message = message_from_bytes(data, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return data, message


def bodies(message: EmailMessage) -> tuple[str, str]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def hostile(name: str) -> ReportLetter:
    """Return an email with this text wherever data or people can put one."""
    query = ReportQuery.from_dict({"interval": "last_month", "client_tags": [name or "x"], "company": [name]})
    info = replace(INFO, role=name, source=name, warnings=(name,))
    report = make_report(2, query=query, info=info, message=name)
    return ReportLetter(name, "monthly", report, LINK, CSV, name, (name,))


def assert_harmless(letter: Letter) -> None:
    data, message = sent(letter)
    data.decode("ascii")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert sorted(message.keys()) == sorted(HEADERS)
    assert len(str(message["Subject"])) <= MAX_SUBJECT_LENGTH
    text, html = bodies(message)
    page = Parsed(html)
    assert page.tags <= TAGS
    assert set(page.links) <= {LINK}
    assert page.handlers == []
    for words in (text, page.words):
        rest = words.replace(LINK, "")
        assert not re.search(r"\w://|www\.\w|\bmailto:|\w@\w", rest)
        assert HOST not in rest


def test_names_from_right_to_left_in_what_was_asked_are_isolated() -> None:
    query = replace(LETTER.report.query, company=("שיווק 7", "a\u2068b"))
    letter = replace(LETTER, report=replace(LETTER.report, query=query))
    for words in letter.texts(attached=False):
        assert "of \u2068שיווק 7\u2069, a\ufffdb and resellers below" in " ".join(words.split())


def test_a_letter_has_title_link_figures_info_and_warnings_in_text_and_html() -> None:
    _, message = sent(replace(LETTER, notes=("This is a later run.",)))
    until = "partial: until 2022-12-16 08:30"
    assert message["Subject"] == f"Monthly for the board: 2021-01-01 to 2022-12-31 ({until})"
    assert message.get_content_type() == "multipart/mixed"
    text, html = bodies(message)
    for words in (text, Parsed(html).words):
        told = " ".join(words.split())
        for expected in (
            "Monthly for the board",
            "What moved.",
            "This is a later run.",
            "Partial: the figures run up to 2022-12-16 08:30:00 UTC, the time of the report; "
            "the interval ends at 2022-12-31 23:59:59.",
            "Counted until",
            "The data was last changed at 2022-12-16T06:00:00Z, before the effective end of the report.",
            "6,297,580.18 USD",
            LINK,
            "attached as a CSV file",
            "EUR per USD: 0.82 as of 2021-01-01",
            "saved query monthly",
        ):
            assert expected in told
    assert Parsed(html).links == [LINK, LINK]


def test_a_letter_of_a_comparison_has_the_change_of_each_figure() -> None:
    text, html = bodies(sent(replace(LETTER, report=make_comparison()))[1])
    for words in (text, Parsed(html).words):
        assert "+34 (+2.8%)" in " ".join(words.split())


def test_plain_text_has_short_lines_and_never_breaks_the_link_or_the_command() -> None:
    text, _ = bodies(sent(LETTER)[1])
    assert LINK in text.splitlines()
    assert all(len(line) <= 76 for line in text.splitlines() if line != LINK)
    text, _ = bodies(sent(replace(FAILURE, command=FAILURE.command + " --no-send" * 9))[1])
    assert f"    {FAILURE.command}{' --no-send' * 9}" in text.splitlines()


def test_a_long_title_is_wrapped_and_underlined_at_its_longest_line() -> None:
    text, _ = bodies(sent(replace(LETTER, title="Customers of all resellers " * 5))[1])
    first, second, line = text.splitlines()[:3]
    assert (first + " " + second).startswith("Customers of all resellers Customers")
    assert line == "=" * max(len(first), len(second))
    assert len(line) <= 76


def test_each_figure_ends_its_line_for_mail_readers_without_tables() -> None:
    class Lines(Parsed):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            super().handle_starttag(tag, attrs)
            self.words += "\n" * (tag in ("br", "tr"))

    told = [" ".join(line.split()) for line in Lines(bodies(sent(LETTER)[1])[1]).words.splitlines()]
    at = told.index("Balance Refill: Total")
    assert told[at + 1] == "6,297,580.18 USD"


def test_a_report_without_rows_says_why() -> None:
    empty = make_report(0, rows=(), total=None, message="No clients existed before the end.")
    text, html = bodies(sent(replace(LETTER, report=empty))[1])
    assert "No clients existed before the end." in text
    assert "No clients existed before the end." in html


def test_a_link_that_opens_only_on_this_machine_says_so() -> None:
    local = replace(LETTER, link=LINK.replace("https://reports.example.com", "http://127.0.0.1:8899"))
    assert "works only on the machine that created it" in bodies(sent(local)[1])[0]
    assert "opens only on the machine" not in bodies(sent(LETTER)[1])[0]


def test_a_letter_without_an_attachment_does_not_mention_one() -> None:
    _, message = sent(replace(LETTER, attachment=None))
    assert not list(message.iter_attachments())
    assert "attached" not in bodies(message)[0]


def test_a_failure_says_what_failed_where_and_what_to_type() -> None:
    _, message = sent(FAILURE)
    assert message["Subject"] == "Failed: Monthly for the board"
    for words in bodies(message):
        told = " ".join((Parsed(words).words if "<td" in words else words).split())
        for expected in (
            "the run failed",
            "It stopped while running the notebook.",
            "There is no quote for EUR on or before 2021-10-01. Add it to the rates table.",
            "custdyn run --saved monthly --as-of 2022-12-01T06:00:00Z",
            "2022-12-01 06:00:00 UTC",
            "the last line",
        ):
            assert expected in told


@pytest.mark.parametrize(
    ("letter", "whose"),
    [(FAILURE, "the saved query monthly"), (replace(FAILURE, is_for_operators=True), "the settings")],
)
def test_a_failure_says_where_its_recipients_are_listed(letter: FailureLetter, whose: str) -> None:
    for words in bodies(sent(letter)[1]):
        assert f"Sent automatically to the failure recipients in {whose}." in " ".join(words.split())


def test_a_failure_with_many_faults_lists_the_first_and_counts_the_rest() -> None:
    faults = "\n".join(f"  transactions.csv, row {row}, at: 'z' is no time" for row in range(2, 202))
    letter = replace(FAILURE, problem=f"Source 'shop' has 200 faults:\n{faults}")
    text, html = bodies(sent(letter)[1])
    assert "! Source 'shop' has 200 faults:" in text.splitlines()
    for words in (text, Parsed(html).words):
        assert words.count("is no time") == 11
        assert "And 189 more lines." in words


def test_a_failure_without_any_details_still_says_that_it_failed() -> None:
    text, html = bodies(sent(replace(FAILURE, problem=" \n", facts=(), command="", log=()))[1])
    assert "the run failed" in text
    assert "the run failed" in html


def test_a_failure_shows_no_secret() -> None:
    kept = [
        Secret("the password for source SHOP", "hunter22"),
        Secret("the address for source SHOP", "postgresql://anna:hunter22@db/shop"),
    ]
    said = "No connection to postgresql://anna:hunter22@db/shop with hunter22"
    letter = replace(
        FAILURE, title=said, problem=said, where=said, facts=(("Log", said),), log=(said,), secrets=kept
    )
    assert "hunter22" not in repr(replace(FAILURE, secrets=kept))
    data, message = sent(letter)
    assert "hunter22" not in str(message["Subject"])
    for body in bodies(message):
        assert "hunter22" not in body
        assert "[the address for source SHOP]" in " ".join(body.split())
    assert b"hunter22" not in data


@pytest.mark.parametrize(
    "name", [*PAYLOADS, ENCODED, f"x\r\nBcc: eve@{HOST}\r\n\r\nbody", f"mailto:eve@{HOST}"]
)
def test_no_name_adds_a_header_a_tag_or_a_link(name: str) -> None:
    assert_harmless(hostile(name))
    assert_harmless(
        replace(FAILURE, title=name, problem=name, where=name, facts=((name, name),), log=(name,))
    )


@given(st.text(min_size=1))
def test_no_title_adds_a_header(name: str) -> None:
    data, message = sent(Short(name))
    assert sorted(message.keys()) == sorted(HEADERS)
    head = data.partition(b"\r\n\r\n")[0]
    assert sum(not line.startswith((b" ", b"\t")) for line in head.split(b"\r\n")) == len(HEADERS)


@given(st.text(st.sampled_from("=?uUtTfF-8qQbB_0DA4:\r\n xé."), min_size=8))
def test_no_encoded_word_in_a_title_is_decoded(name: str) -> None:
    data, message = sent(Short(f"=?utf-8?q?{name}?="))
    head = data.partition(b"\r\n\r\n")[0]
    assert sum(not line.startswith((b" ", b"\t")) for line in head.split(b"\r\n")) == len(HEADERS)
    assert str(message["Subject"]).replace("\N{WORD JOINER}", "").startswith("=?utf-8?q?")


def told(letter: Letter, *, attached: bool = True) -> str:
    """Return the words of an email on one line, the same as text and as HTML."""
    text, html = letter.texts(attached)
    words = " ".join(text.split())
    assert words
    return " ".join((words, *Parsed(html).words.split())).replace("\N{WORD JOINER}", "")


def test_a_failure_has_a_colour_of_its_own() -> None:
    pages = [letter.texts(attached=False)[1] for letter in (LETTER, FAILURE)]
    colours = {colour for page in pages for colour in re.findall(r"border-top:4px solid (#\w+)", page)}
    assert len(colours) == 2


def test_each_warning_and_note_is_told_once() -> None:
    found = told(replace(LETTER, notes=("This is a later run.",)))
    assert found.count("The data was last changed at 2022-12-16T06:00:00Z") == 2
    assert found.count("This is a later run.") == 2


def test_the_subject_has_the_days_of_the_interval_and_says_until_when_it_counts() -> None:
    whole = replace(LETTER.report, total=replace(LETTER.report.rows[0], partial=False))
    assert replace(LETTER, report=whole).subject == "Monthly for the board: 2021-01-01 to 2022-12-31"
    day = replace(INFO, interval_start="2022-12-16 00:00:00", interval_end="2022-12-16 23:59:59")
    today = replace(LETTER, report=replace(LETTER.report, info=day))
    assert today.subject == "Monthly for the board: 2022-12-16 (partial: until 2022-12-16 08:30)"
    assert replace(today, report=replace(whole, info=day), mark="Alert", own_subject="{name}").subject == (
        "Alert: monthly"
    )


@pytest.mark.parametrize(
    ("is_partial", "gaps", "end"),
    [
        (False, (), "2022-12-31"),
        (False, ("It ends early.",), "2022-12-31 (data ends early)"),
        (True, ("It ends early.", "Usage too."), "(partial: until 2022-12-16 08:30, data ends early)"),
    ],
)
@pytest.mark.parametrize("own", ["", "{title}: {interval}"])
def test_the_subject_says_that_the_data_ends_early(
    is_partial: bool, gaps: tuple[str, ...], end: str, own: str
) -> None:
    info = replace(INFO, data_gaps=gaps)
    report = replace(LETTER.report, info=info, total=replace(LETTER.report.rows[0], partial=is_partial))
    subject = replace(LETTER, report=report, own_subject=own).subject
    assert subject.startswith("Monthly for the board: 2021-01-01 to 2022-12-31")
    assert subject.endswith(end)


@pytest.mark.parametrize("gaps", [(), ("It ends early.",)])
@pytest.mark.parametrize(
    "own", ["x" * (LONGEST_OWN - len("{interval}")) + "{interval}", "=?" * (LONGEST_OWN // 2), ""]
)
def test_a_long_subject_is_cut_before_the_words_on_what_is_missing(own: str, gaps: tuple[str, ...]) -> None:
    total = replace(LETTER.report.rows[0], partial=True)
    report = replace(LETTER.report, info=replace(INFO, data_gaps=gaps), total=total)
    letter = replace(LETTER, report=report, mark="Alert", own_subject=own, title="y" * 200)
    subject = str(sent(letter)[1]["Subject"])
    words, _, end = subject.partition("… (partial: until 2022-12-16 08:30")
    assert end == (", data ends early)" if gaps else ")")
    assert words.startswith(f"Alert: {own[:1] or 'y'}")
    assert len(subject) == MAX_SUBJECT_LENGTH


@pytest.mark.parametrize(
    ("name", "size", "attached", "words"),
    [
        ("a.csv", 1, True, "The table is attached as a CSV file."),
        ("a.xlsx", 1, True, "The table is attached as an XLSX file."),
        ("a.pdf", 1, True, "The report is attached as a PDF file."),
        ("a.csv", 1_000, False, "The CSV file (1 kB) is too large to send by email."),
        ("a.csv", 99_001, False, "The CSV file (100 kB) is too large"),
        ("a.pdf", 100_000, False, "The PDF file (0.1 MB) is too large"),
        ("a.xlsx", 2_345_678_901, False, "The XLSX file (2,345.7 MB) is too large"),
    ],
)
def test_a_letter_says_what_is_attached_or_how_large_it_is(
    name: str, size: int, attached: bool, words: str
) -> None:
    class Data(bytes):
        def __len__(self) -> int:
            return size

    letter = replace(LETTER, attachment=Attachment(name, Data()))
    assert told(letter, attached=attached).count(words) == 2


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "An earlier report could not be sent because the mail server was not available."),
        (2, "2 earlier reports could not be sent because the mail server was not available."),
        (100, "100 earlier reports could not be sent because the mail server was not available."),
        (101, "not available. The last 100 are:"),
    ],
)
def test_a_letter_links_to_up_to_a_hundred_earlier_reports(count: int, words: str) -> None:
    earlier = tuple((f"For day {n}", f"{LINK}{n:03}") for n in range(count))
    found = told(replace(LETTER, earlier=earlier))
    assert found.count(words) == 2
    assert found.count("The last 100 are:") == (2 if count > 100 else 0)
    assert found.count("For day ") == 2 * min(count, 100)
    assert f"{LINK}{count - 1:03}" in found or count > 100
    assert "could not be sent" not in told(LETTER)


@pytest.mark.parametrize(("count", "more"), [(12, None), (13, "And 1 more line."), (14, "And 2 more lines.")])
def test_twelve_lines_of_a_problem_are_told(count: int, more: str | None) -> None:
    problem = "\n\n".join(f"  fault {n}. " for n in range(count))
    found = told(replace(FAILURE, problem=problem))
    assert found.count("fault ") == 24
    assert ("more line" in found) is bool(more)
    assert not more or found.count(more) == 2


@pytest.mark.parametrize(
    ("count", "what", "more"),
    [
        (1, "An earlier run also failed while the mail server was not available.", None),
        (2, "2 earlier runs also failed while the mail server was not available.", None),
        (12, "12 earlier runs also failed", None),
        (13, "13 earlier runs also failed", "And 1 more."),
    ],
)
def test_twelve_earlier_failures_are_told(count: int, what: str, more: str | None) -> None:
    found = told(replace(FAILURE, earlier=tuple(f"lost {n}." for n in range(count))))
    assert found.count(what) == 2
    assert found.count("lost ") == 2 * min(count, 12)
    assert (more is None and "And " not in found) or found.count(str(more)) == 2
    assert "also failed" not in told(FAILURE)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, "Once this is fixed, repeat the run for the same time with:"),
        ({"is_waiting": True}, "Once this is fixed, repeat the run for the same time with:"),
        ({"is_sent_again": True}, "sends the report to all recipients, including those who already have it:"),
        ({"is_for_the_rest": True}, "send the same report to the recipients who did not get it:"),
        (
            {"is_for_the_rest": True, "is_waiting": True, "is_sent_again": True},
            "The next run sends the report to the recipients who did not get it. To send it now, use:",
        ),
    ],
)
def test_a_failure_says_what_its_command_does(about: dict[str, bool], words: str) -> None:
    found = told(replace(FAILURE, **about))  # type: ignore[arg-type]
    assert found.count(words) == 2


def test_a_failure_shows_its_last_thirty_lines_and_its_link() -> None:
    found = told(replace(FAILURE, log=tuple(f"line {n}." for n in range(40))))
    assert found.count("line ") == 60
    assert "line 9." not in found
    assert "line 10." in found
    assert "line 39." in found
    assert "The frozen report." not in found
    assert told(replace(FAILURE, link=LINK)).count("The frozen report.") == 2
    assert FAILURE.without_pictures() is FAILURE


def test_a_link_to_this_machine_says_so_whatever_its_name() -> None:
    for host in ("localhost", "127.0.0.1:8899", "[::1]"):
        words = told(replace(LETTER, link=f"http://{host}/view?id=a"))
        assert words.count("This link works only on the machine that created it.") == 2
    assert told(LETTER).count("Anyone with the link can open it.") == 2


def test_an_attachments_name_is_made_plain() -> None:
    odd = Attachment('../../"Évil\r\nname".csv', b"x")
    [attached] = sent(replace(LETTER, attachment=odd))[1].iter_attachments()
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*\.csv", attached.get_filename() or "")


@pytest.mark.parametrize(("name", "charset"), [("a.csv", "utf-8"), ("a.xlsx", None), ("a.pdf", None)])
def test_an_attached_text_names_its_encoding(name: str, charset: str | None) -> None:
    [attached] = sent(replace(LETTER, attachment=Attachment(name, b"x")))[1].iter_attachments()
    assert attached.get_param("charset") == charset


def test_amounts_times_and_sentences_stay_as_they_are() -> None:
    for plain in ("0.82 as of 2021-01-01", "12:30:00", "Two sentences. The second.", "2026a", "Europe/Paris"):
        assert without_links(plain) == plain
