from __future__ import annotations

import base64
import html.parser
import itertools
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from custdyn_widgets.errors import CustDynError
from custdyn_widgets.render.charts.drawing import report_charts
from custdyn_widgets.render.page import (
    Section,
    facts_at_top,
    headline_figures,
    inert_section,
    render_page,
    sections_around,
)
from custdyn_widgets.report.html import report_html
from custdyn_widgets.report.report import Column, Quote, Report, Row
from tests.make_report import INFO, make_comparison, make_report
from tests.render.test_charts import HOSTILE, one_row

VOID = {"meta", "img", "br", "hr"}
REFERENCES = {"src", "href", "srcset", "action", "data", "poster", "background", "formaction", "xlink:href"}


class Reader(html.parser.HTMLParser):
    """Collects a page's elements, and the text inside each kind of element."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open:
            self.text.append((self.open[-1], data))

    def texts(self, tag: str) -> list[str]:
        return [text for name, text in self.text if name == tag]


def read(page: bytes) -> Reader:
    reader = Reader()
    reader.feed(page.decode("utf-8"))
    assert reader.open == []
    return reader


def assert_inert(page: bytes) -> None:
    for tag, attributes in read(page).elements:
        assert tag not in {
            "script",
            "iframe",
            "object",
            "embed",
            "link",
            "base",
            "form",
            "foreignobject",
            "use",
        }
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert name not in REFERENCES or (value or "").startswith("data:image/"), (name, value)
    style = re.search(rb"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert b"url(" not in style
    assert b"@import" not in style


@pytest.fixture(scope="module")
def page() -> bytes:
    report = make_report(24)
    return render_page(report, report_charts(report))


def test_a_page_with_four_charts_and_24_rows_is_at_most_150_kb_and_inert(page):
    assert page.count(b"<svg") == 4
    assert len(page) <= 150_000
    assert page.startswith(b"<!doctype html>")
    assert_inert(page)


def test_the_same_report_gives_the_same_bytes(page):
    report = Report.from_dict(make_report(24).to_dict())
    assert render_page(report, report_charts(report)) == page


def test_the_table_has_two_headings_a_caption_every_row_and_the_total_last(page):
    reader = read(page)
    scopes = [(tag, a.get("scope"), a.get("colspan")) for tag, a in reader.elements if a.get("scope")]
    assert ("th", "colgroup", "4") in scopes
    assert sum(scope == "row" for _, scope, _ in scopes) == 25
    assert "Amounts in USD." in reader.texts("caption")[0]
    cells = re.findall("<td[^>]*>(.*)", re.sub("</?span>", "", page.decode()).replace("</td>", "\n"))
    assert len(cells) == 25 * 21
    assert cells[:4] == ["100", "123555.55", "-123654.32", "123753.08"]
    assert all(cell == "–" or Decimal(cell).is_finite() for cell in cells)
    assert reader.texts("th")[-1].strip() == "Total"


def test_negatives_nothing_and_partial_buckets_are_marked_by_more_than_colour(page):
    text = page.decode("utf-8")
    assert '<td class="n">-123<span>654.32</span></td>' in text
    assert "<td>–</td>" in text
    assert '2022-12 <i title="partial">◐</i>' in text
    assert "◐ marks a bucket cut short" in text


FROM_RIGHT_TO_LEFT = ("باقة 5GB بلس (2)", "חבילה 10GB Max!", "2GB باقة")


def test_names_from_right_to_left_are_isolated_wherever_they_stand():
    report = make_report(2, (*FROM_RIGHT_TO_LEFT, "Basic"))
    query = replace(report.query, package=FROM_RIGHT_TO_LEFT, company=("שיווק <7>",))
    info = replace(report.info, source=FROM_RIGHT_TO_LEFT[0], role=FROM_RIGHT_TO_LEFT[1])
    report = replace(report, query=query, info=info)
    page = render_page(report, report_charts(report)).decode()
    bare = re.sub("<bdi>[^<>]*</bdi>|\u2068[^<>\u2068\u2069]*\u2069", "", page)
    assert not re.search("[\u0590-\u08ff]", bare)
    assert "of <bdi>שיווק &lt;7&gt;</bdi> and resellers below" in page
    assert_inert(page.encode())
    table = re.sub("<bdi>[^<>]*</bdi>|\u2068[^<>\u2068\u2069]*\u2069", "", report_html(report))
    assert not re.search("[\u0590-\u08ff]", table)
    assert "<bdi>Basic" not in page


def test_headings_come_in_order_and_the_scrolling_table_can_be_reached_by_keyboard(page):
    reader = read(page)
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    box = next(a for tag, a in reader.elements if a.get("role") == "region")
    assert box["tabindex"] == "0"
    assert [a["id"] for _, a in reader.elements if a.get("id") == box["aria-labelledby"]]
    assert ("html", {"lang": "en"}) in reader.elements


def test_info_warnings_definitions_and_surprises_are_told(page):
    reader = read(page)
    assert {"Data Interval", "Actual Interval", "Generated by", "As of", "Quotes used"} <= set(
        reader.texts("dt")
    )
    assert INFO.warnings[0] in reader.texts("li")
    assert "A reversed charge still made its client active." in reader.texts("li")
    assert "Total / Clients - Active: Qty." in reader.texts("dd")


def test_rows_beyond_2000_are_left_to_the_csv_and_the_page_says_so():
    report = make_report(1)
    rows = tuple(Row((f"2021-{i}",), report.rows[0].values) for i in range(40_321))
    text = render_page(replace(report, rows=rows), {}).decode("utf-8")
    assert "Showing 2,000 of 40,321 rows; the CSV has them all." in text
    assert text.count('scope="row"') == 2_001


def test_a_report_without_rows_says_why_and_keeps_its_headings():
    report = replace(make_report(0, message="No chosen client existed before 2022-12-16."), total=None)
    reader = read(render_page(report, report_charts(report)))
    assert "No chosen client existed before 2022-12-16." in reader.texts("p")
    assert "Balance Pos" in reader.texts("th")
    assert reader.texts("td") == []


def test_a_report_of_one_row_has_no_total():
    text = render_page(one_row(), report_charts(one_row())).decode("utf-8")
    assert "<tfoot>" not in text
    assert text.count('scope="row"') == 1


def test_by_package_the_page_says_that_stocks_do_not_add_up():
    report = make_report(2, ("Basic", "Gold"))
    reader = read(render_page(report, {}))
    assert "overlap between packages and do not add up" in " ".join(reader.texts("p"))
    assert [a for tag, a in reader.elements if tag == "th" and a.get("class") == "l again"]


def test_hostile_names_are_text():
    report = make_report(2, HOSTILE)
    report = replace(
        report,
        info=replace(INFO, source=HOSTILE[0], warnings=HOSTILE),
        definitions=HOSTILE,
        columns=(replace(report.columns[0], definition=HOSTILE[3]), *report.columns[1:]),
        message=HOSTILE[0] + "\ud800",
    )
    page = render_page(report, report_charts(report))
    assert_inert(page)
    assert "<script>alert(1)</script>" in read(page).texts("td")


def test_the_authors_sections_stand_around_the_report_in_their_order():
    sections = (
        Section("html", "<h1>Why</h1><p>Because.</p>"),
        Section("text", "<b>plain</b>\nlines"),
        Section("report"),
        Section("note", "An output was left out."),
        Section("svg", '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        Section("png", base64.b64encode(b"\x89PNG").decode()),
    )
    page = render_page(make_report(2), {}, sections)
    text = page.decode("utf-8")
    found = [
        text.index(part)
        for part in ("<h2>Why</h2>", "&lt;b&gt;plain", "<table", "left out.", "svg+xml;base64,")
    ]
    assert found == sorted(found)
    assert "data:image/png;base64,iVBORw==" in text
    assert_inert(page)


def test_without_a_place_of_its_own_the_report_comes_after_the_sections():
    text = render_page(make_report(2), {}, [Section("text", "Before")]).decode("utf-8")
    assert text.index("Before") < text.index("<table")


def test_a_section_of_an_unknown_kind_is_refused():
    with pytest.raises(CustDynError, match="'video'"):
        render_page(make_report(2), {}, [Section("video", "x")])  # type: ignore[arg-type]


def test_many_quotes_are_listed_behind_a_summary():
    quotes = tuple(
        Quote("EUR", f"2021-{m:02}-{d:02}", "0.82", "USD") for m in range(1, 13) for d in range(1, 29)
    )
    text = render_page(make_report(2, info=replace(INFO, quotes=quotes * 2)), {}).decode("utf-8")
    assert "<summary>Every quote used</summary>" in text
    assert "And 272 more" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_on_every_ground(page, scheme):
    themes = re.findall(r":root\{([^}]*)\}", page.decode("utf-8"))
    colours = dict(re.findall(r"--(\w[\w-]*):(#[0-9a-f]{3,6})", themes[scheme == "dark"]))
    for ink in ("ink", "soft", "neg", "accent", "chart"):
        for ground in ("paper", "card", "head", "faint"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["ink"], colours["warn"]) >= 4.5


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_few_quotes_are_all_listed_in_the_page():
    quotes = tuple(Quote("EUR", "2021-01-01", f"{n}", "USD") for n in range(1, 401))
    for some in (quotes[:1], quotes):
        text = render_page(make_report(1, info=replace(INFO, quotes=some)), {}).decode()
        assert "more, in the snapshot" not in text


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("<h5 class='a'>x</h5><H1>y</H1><h6>z</h6><hr>", "<h6 class='a'>x</h6><h2>y</h2><h6>z</h6><hr>"),
        (b"<h1\n>\xff</h1><h10>", "<h2\n>\ufffd</h2><h10>"),
        ("<p>a\x00b\nc</p>", "<p>a\ufffdb\nc</p>"),
    ],
)
def test_headings_of_sections_are_one_level_lower_and_the_lowest_stays(content: str | bytes, shown: str):
    assert inert_section(Section("html", content))["content"] == shown


def test_pictures_are_the_same_as_bytes_and_as_text():
    data, svg = b"\x89PNG\xff", "<svg>é</svg>"
    for kind, content, as_bytes in (
        ("png", base64.b64encode(data).decode(), data),
        ("svg", svg, svg.encode()),
    ):
        section = inert_section(Section(kind, content))
        assert section == inert_section(Section(kind, as_bytes))
        assert base64.b64decode(section["content"].partition(",")[2]) == as_bytes


def test_a_second_place_for_the_report_is_ignored():
    first, *others = (Section("text", text) for text in "abc")
    report = Section("report")
    assert sections_around([first, report, *others, report]) == ([first], others)
    assert sections_around([report]) == ([], [])


def test_headline_figures_are_those_of_the_total_or_the_only_row():
    report = make_report(2)
    figures = headline_figures(report)
    assert [(f["group"], f["label"], f["text"], f["unit"]) for f in figures] == [
        ("Clients - Active", "Qty", "1,950", ""),
        ("Balance Refill", "Total", "6,297,580.18", "USD"),
        ("Pay As You Go", "Total", "6,297,777.71", "USD"),
        ("Packages", "Renew Total", "6,298,271.54", "USD"),
    ]
    only = headline_figures(replace(report, rows=report.rows[:1], total=None))
    assert only[0]["text"] == "100"
    assert headline_figures(replace(report, total=None)) == []


def test_the_interval_of_a_preset_is_told_at_the_top():
    report = make_report(1)
    assert "Data Interval" not in facts_at_top(report)
    assert facts_at_top(replace(report, query=replace(report.query, interval="last_month")))[:3] == (
        "Data Interval", "Counted until", "Actual Interval",
    )  # fmt: skip


def printed(
    count: int, amount: str = "123456789", *, heading: str = "Total", label: str = "2021-01",
    total: str | None = None, compared: bool = False,
) -> str:  # fmt: skip
    """Return the font size, in points, at which a table of so many columns of an amount is printed."""
    columns, values = [], []
    for n in range(count):
        columns.append(Column(f"Group {n}", heading, "money", ""))
        values.append(Decimal(amount))
        if compared:
            columns += [
                Column(f"Group {n}", "Before", "money", "", "before"),
                Column(f"Group {n}", "Change", "money", "", "change"),
                Column(f"Group {n}", "Change %", "percent", "", "change_percent"),
            ]
            values += [Decimal(0), Decimal(amount), Decimal(100)]
    report = make_report(1, columns=tuple(columns), rows=(Row((label,), tuple(values)),), total=None)
    if total:
        report = replace(report, total=Row(("Total",), (Decimal(total),) * count))
    [size] = re.findall(r"table\{font-size:([\d.]+)pt", render_page(report, {}).decode())
    return size


def test_a_table_is_printed_as_large_as_fits_a_landscape_sheet():
    # A digit is 0.56 of the font size wide, and each cell has 5 of the sheet's 770 points for padding.
    assert printed(10) == "8.6"  # (770 - 5 * 11) / (0.56 * (10 * len("123,456,789.00") + len("2021-01") + 2))
    assert printed(10, total="1234567890") == "7.6"  # 16 digits
    assert printed(10, label="x" * 24) == printed(10, label="x" * 99) == "7.7"  # long labels wrap
    assert printed(10, label="x" * 22) == "7.8"
    assert printed(10, heading="of 18 Refills12345678901") == "6.8"  # the longest word is of 18 letters
    assert printed(10, compared=True) == "5.6"  # 27 letters of a change, each 0.85 as wide
    assert printed(1) == "9.0"
    assert printed(60) == "4.0"


def test_a_page_shows_a_change_below_its_number_and_below_the_headline_figures():
    page = render_page(make_comparison(2, ("<script>alert(1)</script>",)), {})
    assert_inert(page)
    reader = read(page)
    cells = [attributes for tag, attributes in reader.elements if tag == "td" and "title" in attributes]
    assert len(cells) == 3 * 3  # two rows and the Total, with three numbers each
    assert {cell["title"] for cell in cells} == {"before: 1,200", "before: –", "before: 15.0%"}
    assert reader.texts("small").count("+34 (+2.8%)") == 3 + 1
    assert "Below each number" in page.decode()
    assert "<small>" not in render_page(make_report(2), {}).decode().partition("<table")[2]
