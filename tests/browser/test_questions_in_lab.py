"""An analyst's seven questions in JupyterLab: at most four clicks from a fresh form to the answer.

The answers are compared with those of the Python API on the same data.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, expect

from custdyn_widgets import clients_behind, cohort_triangle, run_report
from custdyn_widgets.engine import compare_snapshots
from custdyn_widgets.mart.demo.folder import demo_folder
from custdyn_widgets.report.difference import ReportDifference
from custdyn_widgets.report.formatting import format_value
from custdyn_widgets.report.report import Report
from custdyn_widgets.snapshots.store import Store
from tests.browser.lab import Lab
from tests.browser.lab_notebook import LabNotebook
from tests.browser.test_clients_in_lab import expect_no_faults

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MOST_CLICKS = 4
Api = Callable[[Report, Path], object]


class Person:
    """Somebody at a fresh form, whose clicks are counted."""

    def __init__(self, notebook: LabNotebook, source: Path) -> None:
        self.notebook, self.page, self.source = notebook, notebook.page, source
        self.clicks = 0
        notebook.run_cell(0)
        notebook.button("Query").wait_for()
        self.panel = self.page.locator(".custdyn-behind:not([hidden])")

    def click(self, place: Locator) -> None:
        """Click, and count it."""
        self.clicks += 1
        place.click()

    def ask(self, words: str) -> None:
        """Choose a question from the menu."""
        self.click(self.notebook.button("Questions"))
        self.click(self.page.get_by_role("menuitem", name=words))

    def split_by(self, group: str) -> None:
        """Split the row by a grouping."""
        self.click(self.panel.get_by_role("group", name="Split by").get_by_role("button", name=group))
        self.panel.locator("tfoot").wait_for()

    def report(self) -> Report:
        """The report on screen, as the kernel has it."""
        self.page.locator(".custdyn-result table[aria-busy]").first.wait_for()
        said = self.notebook.ask("import json; print(json.dumps(dynamics.report.to_dict()))")
        return Report.from_dict(json.loads(said))

    def table(self) -> list[list[str]]:
        """The lines of the panel below the report, once they are there."""
        self.panel.locator("tbody tr").first.wait_for()
        return _texts(self.panel.locator("tbody tr"))

    def ids(self) -> list[str]:
        """The clients of the panel."""
        return [line[0] for line in self.table()]


def _texts(rows: Locator) -> list[list[str]]:
    texts: list[list[str]] = rows.evaluate_all(
        "rows => rows.map(row => [...row.cells].map(c => c.textContent))"
    )
    return texts


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo mart, to be re-rated."""
    return Path(shutil.copytree(demo_folder(), tmp_path_factory.mktemp("questions") / "operator"))


@pytest.fixture
def session(open_notebook: Callable[..., LabNotebook], source: Path) -> LabNotebook:
    """A notebook with the form on that copy."""
    made = f"dynamics = CustomerDynamics({str(source)!r})"
    return open_notebook([f"from custdyn_widgets import CustomerDynamics\n{made}\ndynamics"])


@pytest.fixture
def person(session: LabNotebook, source: Path) -> Iterator[Person]:
    somebody = Person(session, source)
    yield somebody
    assert 0 < somebody.clicks <= MOST_CLICKS
    assert (session.elsewhere, session.errors) == ([], [])


@pytest.mark.parametrize(
    ("question", "movements"),
    [("Who became active last month?", ["new", "reactivated"]), ("Who lapsed last month?", ["lapsed"])],
)
def test_who_became_active_and_who_lapsed(person: Person, question: str, movements: list[str]) -> None:
    person.ask(question)
    shown, report = person.ids(), person.report()
    behind = clients_behind(report, None, person.source)
    assert report.query.interval == "last_month"
    assert shown == behind[behind["Movement"].isin(movements)]["Client Id"].tolist()
    assert len(shown) > 10
    assert person.clicks == 2


def test_why_pay_as_you_go_fell_in_june_by_client_and_by_company(person: Person) -> None:
    person.ask("Why did pay as you go change?")
    report = person.report()
    [june] = [row for row in report.rows if row.labels[0].endswith("-06")]
    column = report.column("Pay As You Go: Total Change")
    values = [c.name for c in report.columns if c.part == "value"]
    cell = person.notebook.rows().filter(has_text=june.labels[0]).locator("td")
    person.click(cell.nth(values.index("Pay As You Go: Total")).locator(".custdyn-change"))
    changes = clients_behind(report, june.labels, person.source, change=True)
    of_client = dict(zip(changes["Client Id"], changes["Pay As You Go Total Change"], strict=True))
    sizes = [abs(of_client[client]) for client in person.ids()]
    assert sizes == sorted(map(abs, of_client.values()), reverse=True)[: len(sizes)]
    person.split_by("Company")
    asked = replace(report.query, group_by=("month", "company"))
    companies = run_report(asked, person.source, as_of=report.info.as_of)
    of_company = {
        row.labels[1]: row.values[column] for row in companies.rows if row.labels[0] == june.labels[0]
    }
    sizes_shown = [abs(Decimal(line[3].replace(",", ""))) for line in person.table()]
    assert {line[0] for line in person.table()} == {*of_company}
    assert sizes_shown == sorted(sizes_shown, reverse=True)
    total = june.values[column]
    assert total is not None
    assert sum(value for value in of_company.values() if value is not None) == pytest.approx(total)
    whole = person.panel.locator("tfoot td").nth(2).text_content() or ""
    assert whole == format_value(total, report.columns[column], report.currency).replace(",", "")
    assert person.clicks == 4
    expect_no_faults(person.notebook)


def test_this_month_against_the_same_days_of_last(person: Person) -> None:
    person.ask("How does this month compare with the same days of last month?")
    report = person.report()
    again = run_report(report.query, person.source, as_of=report.info.as_of)
    assert (report.query.interval, report.query.compare) == ("this_month", "previous_month")
    place = report.column("Clients - Active: Qty")
    qty, before, change, percent = again.rows[0].values[place : place + 4]
    first = person.notebook.rows().locator("td").first
    expect(first).to_have_text(re.compile(rf"^{qty}.*\{change:+}"))
    expect(first.locator(".custdyn-change")).to_have_attribute("title", f"Before: {before:,}")
    assert percent is not None
    assert person.clicks == 2


def test_who_makes_up_the_negative_balance(person: Person) -> None:
    person.ask("Who makes up the negative balance?")
    shown, report = person.ids(), person.report()
    behind = clients_behind(report, None, person.source)
    alive = behind[behind["Alive"] == 1]
    owing = alive[[balance < 0 for balance in alive["Balance Converted"]]]
    worst = sorted(zip(owing["Balance Converted"], owing["Client Id"], strict=True), key=lambda pair: pair[0])
    assert shown == [client for _, client in worst][: len(shown)]
    expect(person.panel.get_by_role("status")).to_contain_text(f"{len(owing):,} of {len(behind):,} clients")
    whole = report.rows[0].values[report.column("Clients - All: Balance Neg")]
    assert sum(owing["Balance Converted"]) == pytest.approx(whole)
    assert person.clicks == 2


def test_how_many_of_januarys_new_clients_are_still_active(person: Person) -> None:
    person.ask("How many of each month's new clients are still active?")
    report = person.report()
    january = next(row.labels[0] for row in reversed(report.rows) if row.labels[0].endswith("-01"))
    row = person.page.locator(".custdyn-openable tbody tr", has_text=january)
    behind = clients_behind(replace(report.query, group_by=()), None, person.source, as_of=report.info.as_of)
    cohort = behind[behind["First Use"].str.startswith(january, na=False)]
    expect(row.locator("td").first).to_have_text(str(sum(cohort["Active"])))
    triangle = cohort_triangle(report.query, person.source, as_of=report.info.as_of)
    of_january = triangle[triangle["Cohort"] == january].iloc[0].dropna().tolist()
    drawn = person.page.locator(".custdyn-result table:not(.custdyn-openable) tr", has_text=january)
    assert [text for text in _texts(drawn)[0] if text] == list(map(str, of_january))
    assert person.clicks == 2
    person.page.set_viewport_size({"width": 430, "height": 1000})
    # The triangle scrolls, not the notes below it; Lab takes a moment to narrow.
    person.page.wait_for_function(
        """() => {
          const [scale, app] = [".custdyn-cohorts-scale", ".custdyn-app"].map(
            one => document.querySelector(one).getBoundingClientRect().right);
          return innerWidth === 430 && scale <= app; }"""
    )
    person.page.set_viewport_size(person.notebook.size)


def test_what_differs_from_the_report_sent_before_rerating(person: Person, lab: Lab) -> None:
    store = Store(lab.home / "snapshots")
    sent = json.loads(
        person.notebook.ask(
            "from custdyn_widgets import ReportQuery, freeze, run_report\n"
            f"frozen = freeze(run_report(ReportQuery(interval='last_month'), {str(person.source)!r}))\n"
            "import json; print(json.dumps(frozen.id))"
        )
    )
    rerate(person.source)
    person.ask("What has changed since a report was sent?")
    person.click(person.panel.get_by_role("button", name="Last month (UTC), clients, by month"))
    expect(person.panel.locator("p[role=status]")).to_contain_text("differ from the current data")
    difference = compare_snapshots(sent, source=person.source, store=store)
    assert person.table() == [[text.replace(",", "") for text in line] for line in difference.texts()[1:]]
    assert "Pay As You Go: Total" in {line[1] for line in person.table()}
    assert person.clicks == 3
    expect_no_faults(person.notebook)
    expect_the_clients_that_changed(person, difference)
    expect_a_link_to_the_changes(person, store)


def expect_the_clients_that_changed(person: Person, difference: ReportDifference) -> None:
    """Open the list by keyboard, look at it on a phone, and go back."""
    assert difference.clients
    title = f"Clients whose contribution changed ({difference.clients.count:,})"
    opener, listed = (
        person.panel.get_by_role("button", name=title),
        person.page.locator(".custdyn-changed-clients"),
    )
    opener.press("Enter")
    expect(listed.get_by_role("heading", name=title)).to_be_focused()
    expect(listed.get_by_text("By:")).to_be_hidden()
    lines = [list(line) for line in difference.clients.texts()]
    shown = _texts(listed.locator("tbody tr"))
    assert shown == lines[: len(shown)]
    assert len(shown) == min(len(lines), 200)
    person.notebook.resize(width=430)
    expect_no_faults(person.notebook)
    wide = listed.evaluate("panel => panel.scrollWidth > panel.clientWidth")
    assert not wide
    person.notebook.resize()
    person.page.keyboard.press("Escape")
    expect(listed).to_be_hidden()
    expect(opener).to_be_focused()


def expect_a_link_to_the_changes(person: Person, store: Store) -> None:
    """Create a link by keyboard, and find the frozen page behind it."""
    create, link = person.panel.get_by_role("button", name="Create link"), person.panel.locator("a")
    create.press("Enter")
    expect(link).to_be_focused()
    expect(create).to_be_hidden()
    expect(person.panel.locator("span.custdyn-unseen").last).to_contain_text("The link is ready.")
    manifest = store.manifest((link.get_attribute("href") or "").split("id=")[1])
    assert manifest["kind"] == "difference"
    expect_no_faults(person.notebook)


def rerate(source: Path) -> None:
    """Raise each call of last month by 0.01."""
    file = source / "transactions.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    last = (pd.Timestamp.now("UTC").tz_localize(None).to_period("M") - 1).strftime("%Y-%m")
    raised = (table["kind"] == "usage") & table["at"].str.startswith(last)
    table.loc[raised, "amount"] = [
        str(Decimal(amount) - Decimal("0.01")) for amount in table.loc[raised, "amount"]
    ]
    table.to_csv(file, index=False)


def test_a_question_is_chosen_by_keyboard_alone(session: LabNotebook, source: Path) -> None:
    person = Person(session, source)
    keyboard, opener = person.page.keyboard, session.button("Questions")
    opener.focus()
    expect(opener).to_have_attribute("aria-expanded", "false")
    keyboard.press("ArrowDown")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(person.page.locator(".custdyn-question-menu [role=menuitem]").first).to_be_focused()
    keyboard.press("Escape")
    expect(opener).to_be_focused()
    for key in ("Enter", "End", "ArrowDown", "ArrowDown", "Enter"):
        keyboard.press(key)
    expect(person.panel.get_by_role("heading")).to_be_focused()
    assert session.field("Interval").input_value() == "last_month"
    keyboard.press("Escape")
    expect(person.panel).to_have_count(0)
    expect(session.rows().locator("td").first).to_be_focused()
