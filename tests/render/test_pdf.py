"""PDFs: tagged, complete, legible, harmless, and the same bytes for the same report."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custdyn_widgets.errors import ExportError, SettingsError
from custdyn_widgets.progress import report_to
from custdyn_widgets.render import to_pdf
from custdyn_widgets.render.page import Section
from custdyn_widgets.render.pdf import report_pdf, typesetting
from custdyn_widgets.render.pdf.charts import chart_html
from custdyn_widgets.render.pdf.layout import Sheet, lay_out
from custdyn_widgets.render.pdf.names import with_directions
from custdyn_widgets.report import table_view
from custdyn_widgets.report.report import Column, Report
from tests.make_report import COLUMNS, make_comparison, make_report
from tests.progress.test_parts import Recorded

NAMES = (
    "</td></tr><script>alert(1)</script>",
    "شركة الاتصالات (2024) ABC",
    "חבילת גלישה 50%",
    "Пакет «Зимний» 2025",
    "{{ 7 * 7 }}{% raw %}",
    "a\u0301bc",
    "\u202egnp.exe",
    "\U0001f9ff unknown",
    "W" * 300,
)


def opened(data: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(data))


def text_of(data: bytes, *options: str) -> str:
    if not shutil.which("pdftotext"):
        pytest.skip("poppler is not installed")
    command = ["pdftotext", *options, "-", "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()


def elements(pdf: pikepdf.Pdf) -> list[Any]:
    """Return the structure elements in reading order."""
    found = []

    def walk(element: Any) -> None:
        if isinstance(element, pikepdf.Dictionary) and "/S" in element:
            found.append(element)
            kids = element.get("/K", [])
            for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
                walk(kid)

    for kid in pdf.Root.StructTreeRoot.K:
        walk(kid)
    return found


def kinds(pdf: pikepdf.Pdf) -> list[str]:
    return [str(element.S).lstrip("/") for element in elements(pdf)]


def fonts_of(pdf: pikepdf.Pdf) -> dict[str, bool]:
    """Return for each font whether it is embedded."""
    found = {}
    for page in pdf.pages:
        for font in page.Resources.get("/Font", {}).values():
            inner = font.DescendantFonts[0] if "/DescendantFonts" in font else font
            descriptor = inner.get("/FontDescriptor", {})
            found[str(font.BaseFont)] = any(f"/FontFile{n}" in descriptor for n in ("", "2", "3"))
    return found


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(6)


@pytest.fixture(scope="module")
def data(report: Report) -> bytes:
    return to_pdf(report, identity="Content digest 0123456789abcdef")


@pytest.fixture(scope="module")
def hostile() -> Iterator[tuple[bytes, Recorded, socket.socket]]:
    """Yield the PDF of hostile names, what was reported, and a server that nothing should have called."""
    heard = Recorded()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        sections = [
            Section("html", f'<p>Before</p><img src="{address}/x" alt="none"><link rel="stylesheet" '
                    f'href="{address}/s.css"><style>@import url({address}/i.css)</style>'
                    '<img src="file:///etc/passwd" alt="none">'),
            Section("report"),
            Section("text", "Words <after>"),
            Section("svg", f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image '
                    f'href="{address}/p.png" width="9" height="9"/></svg>'),
        ]  # fmt: skip
        changed = make_report(5, NAMES)
        with report_to(heard):
            made = to_pdf(changed, sections=sections)
        yield made, heard, server


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><text x="5" y="20">שלום</text>'
    '<rect x="5" y="30" width="30" height="20" fill="#0072b2"/></svg>'
)


# A tagged document


def test_it_is_valid_and_tagged_with_title_and_language(data: bytes) -> None:
    pdf = opened(data)
    assert not pdf.check_pdf_syntax()
    assert pdf.Root.MarkInfo.Marked
    assert str(pdf.Root.Lang) == "en"
    assert pdf.Root.ViewerPreferences.DisplayDocTitle
    assert str(pdf.docinfo["/Title"]).startswith("Customer Dynamics: 2021-01-01")
    assert str(pdf.docinfo["/CreationDate"]) == "D:20221216083001Z"
    assert str(pdf.docinfo["/Author"]) == "analyst"
    assert b"<ns0:part>1</ns0:part>" in (xmp := pdf.Root.Metadata.read_bytes()) or b'part="1"' in xmp
    assert "pdfua" in xmp.decode()
    with pdf.open_outline() as outline:
        [top] = outline.root
    names = [item.title for item in top.children]
    assert (top.title, names[0], names[-1]) == ("Customer Dynamics", "Charts", "Info")
    assert names[1].startswith("Table, part 1 of ")


def test_all_fonts_are_embedded_and_nothing_in_it_acts(data: bytes, hostile: Any) -> None:
    for made in (data, hostile[0]):
        pdf = opened(made)
        fonts = fonts_of(pdf)
        assert fonts
        assert all(fonts.values()), fonts
        acting = ("/OpenAction", "/AA", "/AcroForm")
        assert not [key for key in acting if key in pdf.Root]
        assert "/EmbeddedFiles" not in pdf.Root.get("/Names", {})
        assert not [page for page in pdf.pages if "/Annots" in page]


def test_tables_say_what_their_headings_belong_to(data: bytes, report: Report) -> None:
    pdf = opened(data)
    tables = [e for e in elements(pdf) if e.S == "/Table"]
    assert len(tables) == len(lay_out(table_view(report), "A4").parts) + 1  # the last one is Info
    scopes = {"/Column": 0, "/Row": 0}
    for element in elements(pdf):
        if element.S == "/TH":
            assert "/TR" in str(element.P.S)
            scopes[str(element.A.Scope)] += 1
            heads_row = any(kid.S == "/TD" for kid in element.P.K)
            assert str(element.A.Scope) == ("/Row" if heads_row else "/Column")
        if element.S == "/TD":
            assert "/Headers" not in element.A
    parts = len(tables) - 1
    groups = sum(len(part.groups) for part in lay_out(table_view(report), "A4").parts)
    assert scopes["/Column"] == len(COLUMNS) + groups + parts
    assert scopes["/Row"] >= parts * (len(report.rows) + 1)
    assert kinds(pdf).count("TD") >= len(COLUMNS) * (len(report.rows) + 1)


def test_charts_have_alternative_text_and_the_table_follows_them(data: bytes) -> None:
    pdf = opened(data)
    order = kinds(pdf)
    figures = [e for e in elements(pdf) if e.S == "/Figure"]
    titles = [
        "Clients - Active: Qty",
        "Balance Refill: Total",
        "Pay as you Go: Total",
        "Packages: Renew Total",
    ]
    assert [str(f.Alt) for f in figures] == [
        f"Chart: {title}. Its numbers are in the table that follows the charts." for title in titles
    ]
    assert all("/BBox" in figure.A for figure in figures)
    last = max(i for i, kind in enumerate(order) if kind == "Figure")
    assert order.index("Table") > last


def test_every_figure_of_the_report_is_in_the_text(data: bytes, report: Report) -> None:
    text = text_of(data, "-layout")
    words = set(text.split())
    for row in table_view(report).all_rows():
        for cell in row.cells:
            assert cell.text in words, cell.text
    for label in ("2021-01", "Total", "Source", "demo", "Renewals."):
        assert label in text


def test_each_sheet_says_what_it_is_and_its_number(data: bytes) -> None:
    sheets = text_of(data, "-layout").split("\f")[:-1]
    for number, sheet in enumerate(sheets, start=1):
        assert f"Page {number} of {len(sheets)}" in sheet
        assert "Customer Dynamics: 2021-01-01" in sheet
        assert "Content digest 0123456789abcdef" in sheet


def test_the_same_report_gives_the_same_bytes_in_another_process(data: bytes) -> None:
    code = (
        "import hashlib\nfrom custdyn_widgets.render import to_pdf\n"
        "from tests.make_report import make_report\n"
        "data = to_pdf(make_report(6), identity='Content digest 0123456789abcdef')\n"
        "print(hashlib.sha256(data).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hashlib.sha256(data).hexdigest()
    assert done.stderr == ""


# Names from the data


def test_hostile_names_are_text(hostile: Any) -> None:
    made, _, _ = hostile
    text = " ".join(text_of(made).split())
    assert "</td></tr><script>alert(1)</script>" in text
    assert "{{ 7 * 7 }}{% raw %}" in text
    assert "Пакет «Зимний» 2025" in text
    assert "Words <after>" in text
    assert "\u202e" not in text


def test_names_from_right_to_left_keep_their_order(hostile: Any) -> None:
    made, _, _ = hostile
    plain = re.sub(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text_of(made))
    assert "50% חבילת גלישה" in plain  # from left to right, as text in a terminal
    assert "ABC (2024) شركة" in plain
    marked = with_directions("<bdi>שלום abc</bdi><bdi>abc שלום</bdi><bdi>1. &#x627;&lt;</bdi><bdi></bdi>")
    assert marked.count('<bdi dir="rtl">') == 2
    assert "<bdi>abc שלום</bdi>" in marked


def test_the_headings_are_repeated_on_each_sheet(hostile: Any) -> None:
    sheets = text_of(hostile[0], "-layout").split("\f")
    with_rows = [sheet for sheet in sheets if re.search(r"^\s*2021-0\d ", sheet, re.MULTILINE)]
    assert len(with_rows) > 3
    for sheet in with_rows:
        assert "Month" in sheet
        assert "Package Name" in sheet


def test_a_drawing_whose_text_needs_shaping_is_a_picture() -> None:
    plain = chart_html("A", SVG.replace("שלום", "Зима"))
    assert plain.startswith("<svg")
    for text in ("שלום", "سلام", "a\u0301", "&#x5e9;"):
        assert chart_html('"><b>', SVG.replace("שלום", text)).startswith('<img src="data:image/png;base64,')
    assert 'alt="Chart: &quot;&gt;&lt;b&gt;. Its' in chart_html('"><b>', SVG)


def test_nothing_is_fetched_or_read(hostile: Any) -> None:
    made, _, server = hostile
    pdf = opened(made)
    server.settimeout(0)
    with pytest.raises(BlockingIOError):
        server.accept()
    assert "root:" not in text_of(made)
    alternatives = [str(e.Alt) for e in elements(pdf) if e.S == "/Figure"]
    assert alternatives[0] == "none"
    assert any(text.startswith("Chart: Clients - Active: Qty. Its numbers") for text in alternatives)
    assert "A picture from the author's notebook" in alternatives


def test_progress_is_reported_and_characters_without_a_font(hostile: Any) -> None:
    _, heard, _ = hostile
    words = [words for words, _ in heard.steps]
    assert words[:2] == ["Drawing the charts", "Typesetting the PDF"]
    assert any(re.fullmatch(r"Laying out sheet \d+", line) for line in words)
    assert words[-1] == "Writing the PDF"
    assert len(words) < 12  # a line each in a log
    assert [done for _, done in heard.steps] == sorted(done for _, done in heard.steps)
    missing = set("".join(NAMES)) - {" "}
    for note in heard.notes:
        assert "boxes for characters that no installed font has" in note
        assert {chr(int(code, 16)) for code in re.findall(r"U\+([0-9A-F]+)", note)} <= missing


# Layout


def test_few_columns_stand_upright_and_many_are_split_on_wide_sheets() -> None:
    few = make_report(3)
    few = replace(
        few,
        columns=COLUMNS[12:15],
        rows=tuple(replace(r, values=r.values[12:15]) for r in few.rows),
        total=replace(few.total, values=few.total.values[12:15]),
    )
    upright = lay_out(table_view(few), "letter")
    assert (upright.sheet, len(upright.parts)) == (Sheet("letter", False), 1)
    assert upright.sheet.css == "letter portrait"
    wide = lay_out(table_view(make_report(3)), "A4")
    assert wide.sheet == Sheet("A4", True)
    assert len(wide.parts) > 1
    assert wide.size >= 7
    assert [len({g.name for g in part.groups}) for part in wide.parts] == [3, 3]  # whole groups


def test_a_table_stands_upright_in_9_to_8_points_and_not_in_a_smaller_size() -> None:
    def sheet_and_size(digits: int) -> tuple[bool, float]:
        made = make_report(2)
        columns = tuple(Column("Group", f"N{k}", "count", "") for k in range(5))
        rows = tuple(replace(row, values=(10**digits,) * 5) for row in (*made.rows, made.total))
        found = lay_out(table_view(replace(made, columns=columns, rows=rows[:2], total=rows[2])), "A4")
        return found.sheet.is_landscape, found.size

    found = [sheet_and_size(digits) for digits in range(5, 15)]
    upright = {size for is_landscape, size in found if not is_landscape}
    assert (max(upright), min(upright)) == (9.0, 8.0)
    assert any(is_landscape for is_landscape, _ in found)


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(["Qty", "x" * 40, "Balance Movement", "Δ"])),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 14),
    st.sampled_from(["A4", "letter"]),
)
def test_each_column_is_in_exactly_one_part_and_fits(
    groups: list[tuple[int, str]], digits: int, paper: str
) -> None:
    columns = tuple(
        Column(f"Group {n} {label}", f"{label} {k}", "count", "")
        for n, (span, label) in enumerate(groups)
        for k in range(span)
    )
    made = make_report(2)
    values = tuple(10**digits for _ in columns)
    view = table_view(
        replace(
            made,
            columns=columns,
            rows=tuple(replace(r, values=values) for r in made.rows),
            total=replace(made.total, values=values),
        )
    )
    layout = lay_out(view, paper)
    assert [p for part in layout.parts for p in part.positions] == list(range(len(columns)))
    for part in layout.parts:
        assert sum(part.labels) + sum(part.numbers) <= layout.sheet.room + 1e-6
        assert [p for group in part.groups for p in group.positions] == list(part.positions)
        assert [c for group in part.groups for c in group.columns] == [columns[p] for p in part.positions]


def test_a_change_takes_the_room_of_its_smaller_letters() -> None:
    """A change of 11 letters, "+34 (+2.8%)", is as wide as the number "10,000,000", which has 10."""
    made = make_comparison(2)

    def widths(*clients: object) -> tuple[float, ...]:
        rows = [replace(row, values=(*clients, *row.values[4:])) for row in (*made.rows, made.total)]
        [part] = lay_out(table_view(replace(made, rows=tuple(rows[:-1]), total=rows[-1])), "A4").parts
        return part.numbers

    assert widths(1234, 1200, 34, Decimal("2.833333")) == widths(10_000_000, None, None, None)


def test_a_comparison_and_a_report_without_rows_or_groupings_are_made() -> None:
    changes = text_of(to_pdf(make_comparison(2)), "-layout")
    assert "1,234" in changes
    assert "+34 (+2.8%)" in changes
    empty = to_pdf(make_report(0, message="There is nothing to show.", total=None), paper="letter")
    assert "There is nothing to show." in text_of(empty)
    with opened(empty) as pdf:
        assert {float(x) for x in pdf.pages[0].MediaBox[2:]} == {612.0, 792.0}
    whole = make_report(1)
    one = replace(
        whole,
        headings=(),
        rows=(replace(whole.rows[0], labels=()),),
        total=None,
        query=replace(whole.query, group_by=()),
    )
    assert "All" in text_of(to_pdf(one), "-layout").split()


# Errors


def test_a_report_that_is_too_long_is_refused_before_anything_is_made(monkeypatch: Any) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(report_pdf, "report_charts", fail)
    with pytest.raises(ExportError) as caught:
        to_pdf(make_report(1000))
    assert caught.value.message == (
        "output: the report has 1,000 rows with 22,000 cells, but a PDF allows at most 20,000. "
        "Choose xlsx or csv, a coarser grouping, or fewer columns."
    )


def test_paper_that_does_not_exist_is_an_error(report: Report) -> None:
    with pytest.raises(SettingsError, match="paper must be A4 or letter, not 'b5'"):
        to_pdf(report, {}, paper="b5")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ImportError('x')", r"needs the WeasyPrint package.*pip install 'custdyn-widgets\[pdf\]'"),
        ("print('advice'); raise OSError('libpango')", "needs the Pango library.*apt install libpango"),
    ],
)
def test_what_is_missing_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: Any, capsys: Any, body: str, words: str
) -> None:
    (tmp_path / "weasyprint.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    with pytest.raises(ExportError, match=words):
        typesetting.require_pdf()
    assert capsys.readouterr().out == ""


def test_a_machine_without_fonts_gets_an_error_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{tmp_path}/none</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>"
    )
    code = (
        "from custdyn_widgets.render import to_pdf; from tests.make_report import make_report\n"
        "try: to_pdf(make_report(1))\n"
        "except Exception as error: print(type(error).__name__, error.message)"
    )
    environment = {**os.environ, "FONTCONFIG_FILE": str(tmp_path / "fonts.conf")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ExportError A PDF needs fonts, but none are installed.")
