"""Which email each recipient gets of several reports, and the receipts of each. Nothing is sent here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custdyn_widgets.errors import SnapshotDamagedError, SnapshotNotFoundError
from custdyn_widgets.mail import Delivery, MailServer, ReportLetter
from custdyn_widgets.publish import Frozen
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_excel_csv
from custdyn_widgets.saved_queries.content import SavedQuery
from custdyn_widgets.saved_queries.schedule.schedule import Schedule
from custdyn_widgets.scheduling import sending
from custdyn_widgets.scheduling.making import MadeReport, Task
from custdyn_widgets.scheduling.outcomes import Outcome
from custdyn_widgets.scheduling.run_request import RunRequest
from custdyn_widgets.scheduling.sending import send_all
from custdyn_widgets.settings import Settings
from tests.make_report import make_report

ANNA, BEN, EVA = "anna@x.example", "ben@x.example", "eva@x.example"
SERVER = MailServer("localhost", 25, "none", None)  # type: ignore[arg-type]
WHOLE = make_report(months=2)
REPORT = replace(
    WHOLE,
    rows=tuple(replace(row, partial=False) for row in WHOLE.rows),
    total=replace(WHOLE.total, partial=False) if WHOLE.total else None,
)
SAVED = SavedQuery(
    "Board", ReportQuery("last_month", timezone="UTC"), "For the board.", "csv", source="shop",
    subject="{title} now", opening="Dear all,",
)  # fmt: skip
NOW = datetime(2022, 2, 14, 5, tzinfo=UTC)
A, B, C = "a" * 52, "b" * 52, "c" * 52


class Post:
    """A mail server whose deliveries are made up, and a store of files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[ReportLetter, tuple[str, ...], Mapping[str, str]]] = []
        self.outcomes: dict[str, Any] = {}
        self.files: dict[tuple[str, str], bytes] = {(one, "report.csv"): b"csv" for one in (A, B, C)}
        self.revoked = ""
        monkeypatch.setattr(sending, "deliver", self.deliver)
        monkeypatch.setattr(sending, "Store", lambda _: self)
        monkeypatch.setattr(sending, "letter_charts", lambda _, snapshot: (snapshot,))

    def manifest(self, snapshot: str) -> dict[str, Any]:
        if snapshot == self.revoked:
            raise SnapshotNotFoundError(snapshot)
        return {"files": {name: {} for one, name in self.files if one == snapshot}}

    def read(self, snapshot: str, name: str) -> bytes:
        assert name in self.manifest(snapshot)["files"]
        if self.files[snapshot, name] == b"damaged":
            raise SnapshotDamagedError(snapshot, name, "is cut off")
        return self.files[snapshot, name]

    def deliver(
        self,
        letters: Sequence[tuple[ReportLetter, Sequence[str]]],
        server: MailServer,
        *,
        progress: Callable[[str], None],
        record: Callable[[Callable[[], list[list[Delivery]]]], object],
        message_ids: Sequence[Mapping[str, str]],
    ) -> list[list[Delivery]]:
        assert server is SERVER
        progress("Sending.")
        for (letter, to), ids in zip(letters, message_ids, strict=True):
            self.sent.append((letter, tuple(to), ids))
        found = [
            [
                Delivery(
                    to, self.outcomes.get(to, "sent"), "words", "2022-02-14T05:00:01Z", 1,
                    ids.get(to, f"<new-{at}-{to}>"), True,
                )
                for to in recipients
            ]
            for at, ((_, recipients), ids) in enumerate(zip(letters, message_ids, strict=True))
        ]  # fmt: skip
        record(lambda: found)
        return found


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    return Post(monkeypatch)


def task(saved: SavedQuery = SAVED) -> Task:
    folder = Path("/nowhere")
    settings = Settings(folder, folder, folder, runs=folder)
    return Task(RunRequest("board"), saved, settings, folder, NOW, "", {})


def made(
    snapshot: str = A, recipients: tuple[str, ...] = (ANNA, BEN), company: str | None = None, **about: Any
) -> MadeReport:
    receipts = tuple(
        {"recipient": to, "outcome": outcome, "words": "451", "tries": 2, "message_id": f"<old-{to}>"}
        for to, outcome in about.pop("receipts", {}).items()
    )
    conditions = about.pop("conditions", ())
    outcome = Outcome("frozen", company, snapshot, "d", receipts, conditions=conditions)
    frozen = Frozen(snapshot, f"https://reports.example/view?id={snapshot}", None)
    return MadeReport(outcome, recipients, **{"report": REPORT, "frozen": frozen, **about})


def send(
    *reports: MadeReport, saved: SavedQuery = SAVED, server: MailServer | None = SERVER
) -> list[Outcome]:
    said: list[str] = []
    recorded: list[list[Outcome]] = []
    outcomes = send_all(task(saved), reports, server, said.append, lambda so_far: recorded.append(so_far()))
    assert (said, recorded) == (([], []) if server is None else (["Sending."], [outcomes]))
    return outcomes


def test_a_report_goes_to_its_recipients_with_its_file_and_link(post: Post) -> None:
    post.files[A, "report.csv"] = b"a,b\n"
    [outcome] = send(made())
    [(letter, recipients, ids)] = post.sent
    assert (recipients, ids) == ((ANNA, BEN), {})
    assert (letter.title, letter.name, letter.company) == ("Board", "board", "")
    assert letter.report is REPORT
    assert letter.link == f"https://reports.example/view?id={A}"
    assert letter.attachment is not None
    assert letter.attachment.data == b"a,b\n"
    assert letter.attachment.name == f"board-2021-01-01-to-2022-12-31-{A[:8]}.csv"
    assert (letter.description, letter.notes) == ("For the board.", ())
    assert (letter.own_subject, letter.opening) == ("{title} now", "Dear all,")
    assert (letter.mark, letter.conditions, letter.earlier, letter.pictures) == ("", (), (), (A,))
    assert (outcome.result, outcome.problem) == ("sent", None)
    assert [(one["recipient"], one["attached"]) for one in outcome.deliveries] == [(ANNA, True), (BEN, True)]


def test_a_company_s_report_names_the_company(post: Post) -> None:
    post.files[A, "report.csv"] = b"a,b\n"
    send(made(company="Blue & Co."))
    letter = post.sent[0][0]
    assert (letter.title, letter.company) == ("Board (Blue & Co.)", "Blue & Co.")
    assert letter.attachment is not None
    assert letter.attachment.name == f"board-blue-co-2021-01-01-to-2022-12-31-{A[:8]}.csv"


def test_the_name_of_a_partial_report_s_file_has_its_last_day(post: Post) -> None:
    post.files[A, "report.csv"] = b"a,b\n"
    send(made(report=WHOLE))
    letter = post.sent[0][0]
    assert letter.attachment is not None
    assert letter.attachment.name == f"board-2021-01-01-to-2022-12-31-until-2022-12-16-{A[:8]}.csv"


@pytest.mark.parametrize(
    ("output", "note"),
    [
        ("xlsx", "No file is attached: the report is too large for XLSX. Download it as CSV from the link."),
        ("pdf", "No file is attached: the snapshot has no PDF. Download it as CSV or XLSX from the link."),
    ],
)
def test_a_snapshot_without_the_file_says_so(post: Post, output: str, note: str) -> None:
    send(made(), saved=replace(SAVED, output=output))
    assert (post.sent[0][0].attachment, post.sent[0][0].notes) == (None, (note,))
    post.files[A, f"report.{output}"] = b"file"
    send(made(), saved=replace(SAVED, output=output))
    letter = post.sent[1][0]
    assert letter.attachment is not None
    assert (letter.attachment.data, letter.attachment.ending, letter.notes) == (b"file", output, ())


@pytest.mark.parametrize("output", ["csv", "csv-excel", "xlsx", "pdf"])
def test_a_report_that_was_revoked_after_it_was_made_is_not_sent(post: Post, output: str) -> None:
    post.revoked = A
    revoked, sent = send(made(A), made(B, (ANNA,), "Blue"), saved=replace(SAVED, output=output))
    assert (revoked.result, sent.result) == ("undelivered", "sent")
    assert "There is no snapshot" in str(revoked.problem)
    assert [letter.link[-52:] for letter, _, _ in post.sent] == [B]


def test_a_csv_for_excel_is_made_of_the_report(post: Post) -> None:
    send(made(), saved=replace(SAVED, output="csv-excel"))
    attachment = post.sent[0][0].attachment
    assert attachment is not None
    assert attachment.name.endswith(f"-{A[:8]}-excel.csv")
    assert attachment.data == to_excel_csv(REPORT)


def test_a_csv_has_its_total_if_the_saved_query_says_so(post: Post) -> None:
    with_total = replace(SAVED, total=True)
    send(made(), saved=with_total)  # a report without grouping has none
    post.files[A, "total.csv"] = b" and total"
    send(made(), saved=with_total)
    send(made())
    send(made(), saved=replace(with_total, output="csv-excel"))
    attachments = [letter.attachment for letter, _, _ in post.sent]
    assert [one.data for one in attachments if one] == [
        b"csv",
        b"csv and total",
        b"csv",
        to_excel_csv(REPORT, total=True),
    ]
    assert to_excel_csv(REPORT, total=True) != to_excel_csv(REPORT)


def test_without_a_server_only_what_would_be_sent_is_held_back(post: Post) -> None:
    nobody, unfrozen = made(recipients=()), replace(made(recipients=(ANNA,)), frozen=None)
    found = send(made(), nobody, unfrozen, server=None)
    assert [one.result for one in found] == ["held back", "frozen", "frozen"]
    assert post.sent == []


def test_what_has_no_recipients_or_no_snapshot_is_not_sent(post: Post) -> None:
    nobody, unfrozen = made(recipients=()), replace(made(recipients=(ANNA,)), frozen=None)
    assert send(nobody, unfrozen) == [nobody.outcome, unfrozen.outcome]
    assert post.sent == []


def test_a_report_that_cannot_be_read_keeps_no_other_from_its_recipients(post: Post) -> None:
    post.files |= {(A, "report.csv"): b"damaged", (B, "report.csv"): b"b"}
    broken, sent = send(made(A, (ANNA,)), made(B, (BEN,), "Blue"))
    assert (broken.result, broken.deliveries) == ("undelivered", ())
    assert "is cut off" in str(broken.problem)
    assert sent.result == "sent"
    assert [to for _, to, _ in post.sent] == [(BEN,)]


EARLIER = "2022-02-12T05:00:00Z", "2022-02-13T05:00:00Z"


def owed(snapshot: str, at: str, to: tuple[str, ...], **about: Any) -> MadeReport:
    return made(snapshot, to, made_for=at, receipts=dict.fromkeys(to, "given up"), **about)


def test_whoever_is_owed_several_reports_gets_the_last_with_links_to_the_others(post: Post) -> None:
    news = ({"state": "became true", "words": "w", "unknown": 0, "lines": []},)
    first = owed(A, EARLIER[0], (ANNA,), conditions=news)
    second = owed(B, EARLIER[1], ("anna@X.example", BEN))
    last = made(C, (ANNA, BEN, EVA))
    post.outcomes = {BEN: "given up"}
    outcomes = send(first, second, last)
    link = "https://reports.example/view?id="
    assert [(to, letter.link, letter.earlier) for letter, to, _ in post.sent] == [
        (
            (ANNA,),
            link + C,
            (("For 2022-02-13 05:00:00 UTC", link + B), ("Alert: For 2022-02-12 05:00:00 UTC", link + A)),
        ),
        ((BEN,), link + C, (("For 2022-02-13 05:00:00 UTC", link + B),)),
        ((EVA,), link + C, ()),
    ]
    assert [one.result for one in outcomes] == ["sent", "undelivered", "undelivered"]
    by_link = "The email with the next report links to it."
    assert [
        [(one["recipient"], one["words"], one["attached"]) for one in each.deliveries] for each in outcomes
    ] == [
        [(ANNA, by_link, False)],
        [(ANNA, by_link, False), (BEN, "words", False)],
        [(ANNA, "words", True), (BEN, "words", True), (EVA, "words", True)],
    ]
    # The copy that was not sent keeps the Message-ID of its earlier attempts, which are counted.
    assert [(one["message_id"], one["tries"]) for one in outcomes[1].deliveries][1] == (f"<old-{BEN}>", 3)
    assert outcomes[2].deliveries[1]["message_id"] == f"<new-1-{BEN}>"


def test_a_copy_that_is_tried_again_keeps_its_message_id_and_one_that_was_sent_does_not(post: Post) -> None:
    send(made(A, (ANNA, BEN), receipts={ANNA: "given up", BEN: "sent", EVA: "refused"}))
    assert post.sent[0][2] == {ANNA: f"<old-{ANNA}>", EVA: f"<old-{EVA}>"}


def test_reports_of_different_companies_are_different_emails(post: Post) -> None:
    send(made(A, (ANNA,), "Blue"), made(B, (ANNA,), "Red"))
    assert [(letter.company, to) for letter, to, _ in post.sent] == [("Blue", (ANNA,)), ("Red", (ANNA,))]


@pytest.mark.parametrize(
    ("saved", "time"),
    [
        (SAVED, "2022-02-12 05:00:00 UTC"),
        (
            replace(SAVED, query=ReportQuery("last_month", timezone="Asia/Tokyo")),
            "2022-02-12 14:00:00 +09:00",
        ),
        (replace(SAVED, schedule=Schedule("0 6 * * *", "Europe/Paris")), "2022-02-12 06:00:00 +01:00"),
    ],
)
def test_an_earlier_report_is_named_by_its_time_on_the_schedule_s_clock(
    post: Post, saved: SavedQuery, time: str
) -> None:
    send(owed(A, EARLIER[0], (ANNA,)), made(B, (ANNA,)), saved=saved)
    assert post.sent[0][0].earlier == ((f"For {time}", f"https://reports.example/view?id={A}"),)


def test_another_report_for_the_same_time_is_not_linked(post: Post) -> None:
    same = "2022-02-14T05:00:00Z"
    send(owed(A, same, (ANNA,)), made(B, (ANNA,)))
    send(owed(A, EARLIER[0], (ANNA,)), owed(B, EARLIER[0], (ANNA,)))
    assert [letter.earlier for letter, _, _ in post.sent] == [(), ()]


def test_an_earlier_run_s_report_is_read_from_its_snapshot(post: Post) -> None:
    post.files |= {(A, "report.csv"): b"a", (A, "report.json"): json.dumps(REPORT.to_dict()).encode()}
    send(owed(A, EARLIER[0], (ANNA,), report=None))
    assert post.sent[0][0].report == REPORT
