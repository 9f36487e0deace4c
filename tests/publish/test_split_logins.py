"""A login split by formatting, by invisible characters or across lines is found; other text is not."""

from __future__ import annotations

import functools
import html
import json
import time
from pathlib import Path

import nbformat.v4 as v4
import pandas as pd
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SnapshotError
from custdyn_widgets.notebook.author_cells import author_sections
from custdyn_widgets.publish.freezing import report_files
from custdyn_widgets.publish.secrets.search import refuse_secrets
from custdyn_widgets.publish.secrets.split import as_shown, has_split_password, without_invisible
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.charts.drawing import report_charts
from custdyn_widgets.render.page import render_page
from tests import mart_forms
from tests.engine.test_golden import CASES, GOLDEN
from tests.make_report import make_report
from tests.payloads import AS_OF, IN_FILES, asked_of, hostile_mart

LOGIN = "postgresql://reader:sea-and-sand@db.example/billing"
INVISIBLE = ("\u00ad", "\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u2066", "\ufffd")


def is_refused(text: str, name: str = "report.html") -> bool:
    try:
        refuse_secrets({name: text.encode()}, [])
    except SnapshotError as error:
        message = error.message
    else:
        return False
    assert message.startswith(f"Nothing was published: {name} contains an address or an entry")
    assert "sand" not in message
    return True


def of_cell(cell: object, text: str = "") -> str:
    """Return the page of a report with a cell of an author, or with one that prints text."""
    if cell is None:
        cell = v4.new_code_cell("", outputs=[v4.new_output("stream", name="stdout", text=text)])
    sections = author_sections(v4.new_notebook(cells=[cell]))
    return render_page(make_report(2), drawn(), sections).decode()


@functools.cache
def drawn() -> dict[str, str]:
    return report_charts(make_report(2))


def displayed(form: str, content: str) -> object:
    return v4.new_code_cell("", outputs=[v4.new_output("display_data", {form: content})])


@pytest.mark.parametrize("at", range(len("postgresql://"), LOGIN.index("@") + 1))
@pytest.mark.parametrize("line_break", ["\n", "  \n    ", "\r\n"])
def test_a_login_over_two_lines_is_found_wherever_it_is_broken(at: int, line_break: str) -> None:
    broken = LOGIN[:at] + line_break + LOGIN[at:]
    assert is_refused(f"Read from {broken}.")
    assert is_refused(of_cell(None, f"Read from {broken}."))


@pytest.mark.parametrize(
    "login",
    [
        "https://anna:sea-\nand-sand@host/x",
        "https://anna:\nsea@host",
        "https://\nanna:sea@host",
        "redis://:\nsea@cache",
        "postgresql://\nreader:sea\n-and-\nsand@db",
        "> mysql://reader:sea\n> -and-sand@db",
        "postgresql://reader:sea-and-sand\n@db.example",
        "https://anna:sea\n@host",
    ],
)
def test_a_login_over_lines_is_found(login: str) -> None:
    assert is_refused(login)
    assert is_refused(html.escape(login).replace("\n", "<br>\n"))
    assert is_refused(of_cell(v4.new_markdown_cell(f"```\n{login}\n```")))


@pytest.mark.parametrize("character", INVISIBLE, ids=[f"U+{ord(c):04X}" for c in INVISIBLE])
@pytest.mark.parametrize("at", range(1, len(LOGIN)))
def test_a_login_with_an_invisible_character_is_found(character: str, at: int) -> None:
    hidden = LOGIN[:at] + character + LOGIN[at:]
    assert is_refused(hidden)
    assert is_refused(hidden.encode("ascii", "xmlcharrefreplace").decode())


@pytest.mark.parametrize(
    "markup",
    [
        "https://<em>anna</em>:sea@host",
        "https:<!-- a comment -->//anna:sea@host",
        "https:<!-- a comment\nover lines -->//anna:sea@host",
        "HTTPS:<B></B>//<Em>anna</EM>:sea@host",
        "<code>https://</code><span class='a'>anna</span>:<b>sea</b>@host",
        "<p>https://anna:sea</p>\n<p>-and-sand@host</p>",
        "<tr><td>https://anna:sea</td><td>-and-sand@host</td></tr>",
        "https://<strong>anna</strong>&#58;sea<wbr>&#64;host",
        "https%3A%2F%2F<i>anna</i>%3Asea%40host",
        "<text><tspan>https://anna</tspan><tspan>:sea@host</tspan></text>",
        "&lt;b&gt;https://anna&lt;/b&gt;:sea@host",
    ],
)
def test_a_login_split_by_markup_is_found(markup: str) -> None:
    assert is_refused(markup)


def test_what_an_author_writes_prints_or_shows_is_searched() -> None:
    frame = pd.DataFrame({"address": ["https://anna:sea"], "rest": ["-and-sand@host"]})
    drawing = "<svg><text>https://anna:</text><text>sea@host</text></svg>"
    cells = [
        v4.new_markdown_cell("Read from https://**anna**:sea@host"),
        v4.new_markdown_cell("| a |\n|---|\n| https://anna:sea |\n| sand@host |"),
        displayed("text/html", frame.to_html()),
        displayed("image/svg+xml", drawing),
    ]
    for cell in cells:
        assert is_refused(of_cell(cell)), cell


@pytest.mark.parametrize(
    "text",
    [
        "See https://reports.example\nann@example.org",
        "See https://reports.example:8080\nann@example.org",
        "See https://reports.example/plan:\nann@example.org",
        "On https://reports.example:\nann@example.org",
        "See https://reports.example\nE-mail:ann@example.org",
        "https://reports.example\nE-mail:ann@example.org",
        "postgresql://reader@db.example\nContact:ann@example.org",
        "sqlite:///billing.db\nMail:ann@example.org",
        "See http://localhost:8888\nContact:ann@example.org",
        "postgresql://reader@db.example:5432\nann@example.org",
        "postgresql://db:5432\nann@example.org",
        "postgresql://reader@db.example/billing\nContact:ann@example.org",
        "https://anna:***@host\nann@example.org",
        "Files in C:/Users\nMail:ann@example.org",
        "https://anna:sea, said\nann@example.org",
        "https://",
        "https://a:b\n",
    ],
)
def test_an_email_address_below_another_address_is_not_a_login(text: str) -> None:
    assert not is_refused(text)
    assert not is_refused("".join(f"<p>{html.escape(line)}</p>\n" for line in text.split("\n")))
    assert not is_refused("".join(f"<td>{html.escape(line)}</td>" for line in text.split("\n")))


@pytest.mark.slow
@pytest.mark.parametrize("case", [path.relative_to(GOLDEN) for path in CASES[::10]], ids=str)
def test_the_pages_of_golden_reports_are_not_taken_for_logins(case: Path) -> None:
    as_of = (GOLDEN / case / "as_of").read_text().strip()
    query = ReportQuery.from_dict(json.loads((GOLDEN / case / "query.json").read_text()))
    report = run_report(query, GOLDEN / case.parent / "mart", as_of=as_of)
    refuse_secrets(report_files(report), [])


def test_hostile_names_are_not_taken_for_logins() -> None:
    report = run_report(asked_of(IN_FILES), mart_forms.frames(hostile_mart(IN_FILES)), as_of=AS_OF)
    refuse_secrets(report_files(report), [])


@pytest.mark.parametrize(
    "piece", ["a://", "a://b:", "a://b:c\n", "<b", "<b ", "<!--", "\n", " \n ", "a://b\n>", "a:// ", "\u200b"]
)
def test_a_long_text_takes_no_long_time(piece: str) -> None:
    text = piece * 50_000
    began = time.process_time()
    has_split_password(text)
    as_shown(text)
    without_invisible(text)
    assert time.process_time() - began < 20
