"""No name does anything but be read: markup, formulas, quotes, marks and half characters in every channel."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import string
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.csv
import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError, MartError, QueryError, SourceError
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.notebook.run import run_template
from custdyn_widgets.publish.freezing import freeze
from custdyn_widgets.render.charts.drawing import report_charts
from custdyn_widgets.render.charts.points import MAX_NAME, shown_names
from custdyn_widgets.render.csv import to_csv
from custdyn_widgets.render.difference_page import render_difference
from custdyn_widgets.render.page import render_page
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.difference import report_difference
from custdyn_widgets.report.formatting import info_rows
from custdyn_widgets.report.report import Report, Row
from custdyn_widgets.report.table_view import MAX_LABEL, MAX_ROWS
from custdyn_widgets.report.terminal import report_text
from custdyn_widgets.settings import Settings
from custdyn_widgets.snapshots import listing
from custdyn_widgets.snapshots.store import Store
from tests import mart_forms
from tests.make_report import COLUMNS, make_report
from tests.payloads import (
    AS_OF,
    FOLDER,
    HOST,
    IN_FILES,
    PAYLOADS,
    ROLE,
    SURROGATES,
    as_shown,
    asked_of,
    hostile_mart,
)

pytestmark = pytest.mark.usefixtures("own_cache")
EVERY_MONTH = {"interval": "this_year", "group_by": ["month", "package"]}
CUSTDYN = [sys.executable, "-c", "from custdyn_widgets.cli import main; main()"]
FORMULA_STARTS = "=+-@\t\r"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mart of CSV files in a folder whose own name is hostile too."""
    place = tmp_path_factory.mktemp("marts") / FOLDER
    place.mkdir()
    return mart_forms.write_csv(hostile_mart(IN_FILES), place)


@pytest.fixture(scope="module")
def asked(folder: Path, own_cache: None) -> Report:
    """A report by package whose query names every payload."""
    return run_report(asked_of(IN_FILES), folder, as_of=AS_OF, role=ROLE)


@pytest.fixture(scope="module")
def monthly(own_cache: None) -> Report:
    """A report by month and package of DataFrames, which may hold half characters."""
    return run_report(EVERY_MONTH, mart_forms.frames(hostile_mart(PAYLOADS)), as_of=AS_OF, role=ROLE)


@pytest.fixture(params=["asked", "monthly"])
def report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def names_of(report: Report) -> list[str]:
    return [row.labels[-1] for row in report.rows]


# What goes in comes out


def test_there_are_a_hundred_payloads_and_no_two_are_the_same() -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) == 100


def renewals(report: Report) -> dict[str, object]:
    at = report.column("Packages: Renew Total")
    return {own_name(row.labels[-1]): row.values[at] for row in report.rows if row.values[at]}


def own_name(label: str) -> str:
    """Return a package's name: where a row of ours has the same one, the label adds the id."""
    return next((ours for ours in ("Total", "(no package)") if label.startswith(f"{ours} (")), label)


@pytest.mark.parametrize("write", [mart_forms.write_csv, mart_forms.write_parquet])
def test_every_name_in_files_comes_out_as_it_went_in_with_its_own_number(write, tmp_path: Path) -> None:
    found = renewals(run_report(EVERY_MONTH, write(hostile_mart(IN_FILES), tmp_path), as_of=AS_OF))
    assert {name: float(value) for name, value in found.items()} == {
        name: i + 2.25 for i, name in enumerate(IN_FILES)
    }


def test_half_a_character_in_a_dataframe_comes_out_as_its_escape(monthly: Report) -> None:
    expected = {name.encode("utf-8", "backslashreplace").decode() for name in PAYLOADS}
    assert set(renewals(monthly)) == expected
    assert r"\ud800 lone" in expected


def test_a_filter_by_any_name_finds_its_client(folder: Path) -> None:
    for name in IN_FILES:
        found = run_report(
            {"interval": "this_year", "group_by": [], "company": [name], "include_descendants": False},
            folder,
            as_of=AS_OF,
        )
        assert found.rows[0].values[found.column("Clients - All: Qty")] == 1, name


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    mart_forms.write_csv(hostile_mart(("a", "b")), tmp_path)
    with (tmp_path / "clients.csv").open("ab") as file:
        file.write("c,c,client,,,,USD,2021-01-01T00:00:00Z,,\ud800,\r\n".encode("utf-8", "surrogatepass"))
    with pytest.raises(SourceError, match=r"clients\.csv, line 4: byte 0xed is not UTF-8"):
        run_report(EVERY_MONTH, tmp_path, as_of=AS_OF)


def test_a_report_goes_through_json_unchanged(report: Report) -> None:
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


# Exports


def read_csv(data: bytes) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    options = pa.csv.ParseOptions(newlines_in_values=True)
    convert = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(rows[0], pa.string()), quoted_strings_can_be_null=False
    )
    again = pa.csv.read_csv(io.BytesIO(data), parse_options=options, convert_options=convert)
    assert [list(row) for row in zip(*again.to_pydict().values(), strict=True)] == rows[1:]
    return rows


def assert_csv_holds(data: bytes, names: list[str]) -> None:
    """Hold a CSV to names that two readers find in it, none a formula."""
    for cells, name in zip(read_csv(data)[1:], names, strict=True):
        cell = cells[-len(COLUMNS) - 1] if len(cells) > len(COLUMNS) else cells[0]
        assert cell.removeprefix("'") == re.sub("[\ud800-\udfff]", "\ufffd", name).removeprefix("'")
        assert cell.strip()[:1] not in [*FORMULA_STARTS]
        assert cell[:1] not in [*FORMULA_STARTS]


def as_cell(name: str) -> str:
    """Return a name as a cell of a workbook holds it, short of its being cut."""
    one_break = name.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        "\ufffd" if c in "\ufffe\uffff" or "\ud800" <= c <= "\udfff" or (c < " " and c not in "\t\n") else c
        for c in one_break
    )


def workbook(data: bytes) -> openpyxl.Workbook:
    """Read a workbook, after holding every part of it to well-formed XML without a formula or a link."""
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        for part in parts.namelist():
            root = ET.fromstring(parts.read(part))
            if part.startswith("xl/worksheets/"):
                tags = {element.tag.rpartition("}")[2] for element in root.iter()}
                assert not tags & {"f", "hyperlink", "oleObject", "legacyDrawing", "dataValidation"}
            if part.endswith(".rels"):
                assert not [e for e in root.iter() if e.get("TargetMode") == "External"]
    return openpyxl.load_workbook(io.BytesIO(data))


def labels_in(book: openpyxl.Workbook, column: int, count: int) -> list[str]:
    sheet = book["Report"]
    cells = [row[column] for row in sheet.iter_rows()]
    first = next(i for i, cell in enumerate(cells) if cell.value in ("Package Name",)) + 2
    found = cells[first : first + count]
    assert {cell.data_type for cell in found} <= {"s", "inlineStr", "n"}
    return ["" if cell.value is None else cell.value for cell in found]


def assert_xlsx_holds(data: bytes, names: list[str], column: int) -> None:
    book = workbook(data)
    for sheet in book:
        assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type in ("f", "e")]
    for cell, name in zip(labels_in(book, column, len(names)), names, strict=True):
        shown = as_cell(name)
        assert isinstance(cell, str)
        cell = re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), cell)  # as Excel does
        if len(shown) > 32_000:
            assert cell.endswith(f" … (truncated; {len(name):,} characters)")
            assert shown.startswith(cell[:32_000])
        else:
            assert cell == shown


def test_csv_holds_every_name_and_no_formula(report: Report) -> None:
    assert_csv_holds(to_csv(report), names_of(report))


def test_xlsx_holds_every_name_and_no_formula(report: Report) -> None:
    assert_xlsx_holds(to_xlsx(report), names_of(report), len(report.headings) - 1)


def drawn_strings(count: int, seed: int) -> Iterator[str]:
    """Draw texts from characters of every kind, mostly those that some format stumbles over."""
    dice = random.Random(seed)
    edges = "=+-@\t\r\n '\"`,;|<>&_x0041_{}[]()%$#\\/"
    edges += "\x00\x0b\x1b\x7f\x85\u00a0\u200b\u2028\u202e\ufeff\ufffe\uffff"
    kinds = (
        lambda: dice.choice(edges),
        lambda: dice.choice(string.printable),
        lambda: chr(dice.randrange(0x250)),
        lambda: chr(dice.randrange(0x10000)),
        lambda: chr(dice.randrange(0x110000)),
        lambda: chr(0xD800 + dice.randrange(0x800)),
        lambda: dice.choice(PAYLOADS[:-1]),
    )
    for _ in range(count):
        length = dice.choice((0, 1, 1, 2, 3, 5, 8, 20))
        yield "".join(dice.choices(kinds, (9, 5, 4, 3, 2, 1, 1))[0]() for _ in range(length))


def test_random_texts_make_no_formula_and_every_file_reloads(thorough: bool) -> None:
    base = make_report(1, ("x",), headings=("Package Name",), columns=COLUMNS[:1], total=None)
    base = replace(base, query=replace(base.query, group_by=("package",)))
    for seed in range(20 if thorough else 1):
        names = list(drawn_strings(5_000 if thorough else 3_000, seed))
        report = replace(base, rows=tuple(Row((name,), (i,)) for i, name in enumerate(names)))
        assert_csv_holds(to_csv(report), names)
        assert_xlsx_holds(to_xlsx(report), names, 0)


# Pages, notebook tables, drawings


class Markup(HTMLParser):
    """Everything that a browser would find: tags, attributes, and the text between, joined."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.cells: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)
        self.cells.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.cells[-1:] = [(self.cells or [""])[-1] + data]

    def assert_inert(self) -> None:
        assert not self.tags & {
            "script", "iframe", "img", "link", "object", "embed", "base", "form", "button", "a", "use",
            "image", "foreignobject", "math", "mtext", "body" if "head" not in self.tags else "iframe",
        }  # fmt: skip
        for name, value in self.attributes:
            assert not name.startswith("on")
            assert name not in ("href", "src", "xlink:href", "action", "srcdoc", "data")
            assert name not in ("style", "fill", "stroke", "clip-path") or HOST not in str(value)
            assert name != "http-equiv"


def test_the_page_of_a_difference_has_no_markup_of_theirs(report: Report) -> None:
    empty = replace(report, rows=(), total=None)
    difference = report_difference(empty, report)
    html = render_difference(difference).decode("utf-8")
    found = Markup(html)
    found.assert_inert()
    names = {label for cell in difference.cells[:MAX_ROWS] for label in cell.labels}
    assert len(names) > 50
    assert {in_table(name) for name in names} <= set(found.cells)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\u202a-\u202e\u2066-\u2069]", html)


def in_table(name: str) -> str:
    """Return a name as a table shows it: a very long one is cut short."""
    shown = as_shown(name)
    return shown if len(shown) <= MAX_LABEL else shown[: MAX_LABEL - 1] + "…"


def test_a_page_has_no_markup_of_theirs_and_every_name_as_text(report: Report) -> None:
    html = render_page(report, report_charts(report)).decode("utf-8")
    found = Markup(html)
    found.assert_inert()
    assert {in_table(name) for name in names_of(report)} <= set(found.cells)
    assert {as_shown(ROLE), as_shown(report.info.source)} <= set(found.cells)
    outside = re.sub("\u2068([^\u2066-\u2069<>]*)\u2069", r"\1", html)  # a drawing isolates a name whole
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\u202a-\u202e\u2066-\u2069]", outside)


def test_a_notebook_table_has_no_markup_of_theirs_and_every_name_as_text(report: Report) -> None:
    html = report._repr_html_()
    assert "mathjax_ignore" in html  # or JupyterLab typesets what stands between two dollar signs
    found = Markup(re.sub("<style>.*?</style>", "", html, count=1, flags=re.DOTALL))
    found.assert_inert()
    assert {in_table(name) for name in names_of(report)} <= set(found.cells)
    html.encode("utf-8")


def test_drawings_hold_shapes_and_text_alone_and_name_every_bar(asked: Report) -> None:
    told = set()
    for svg in report_charts(asked).values():
        root = ET.fromstring(svg.encode("utf-8"))
        for element in root.iter():
            assert element.tag.rpartition("}")[2] in {
                "svg", "g", "path", "text", "tspan", "rect", "line", "circle", "title", "defs", "clipPath"
            }  # fmt: skip
            assert not [a for a in element.attrib if "href" in a or a.startswith("on") or a == "style"]
            told.add((element.text or "").rpartition(" · ")[0])
    drawn = {name for name in shown_names(asked).values() if name in told}
    assert len(drawn) >= 24  # as many places as a chart has
    assert any(name.endswith("…") for name in drawn)


def test_names_that_look_alike_or_are_long_stay_apart_in_charts() -> None:
    names = ("a\x00", "a\x01", "a\ufffd", "a\ufffd (2)", "b" * 500, "b" * 501, "b" * MAX_NAME, "Plain")
    shown = list(shown_names(make_report(1, names)).values())[1:]
    assert shown[0] == "a\ufffd"
    assert shown[4].strip("b") == shown[5].strip("b") == "…"
    assert shown[6:] == ["b" * MAX_NAME, "Plain"]
    assert len({*shown}) == len(names)
    assert max(map(len, shown)) <= MAX_NAME + len(" (2)")


# Terminal, Info, messages


def assert_harmless(text: str, longest_line: int) -> None:
    for line in text.split("\n"):
        assert as_shown(line) == line
        assert len(line) <= longest_line


def test_a_terminal_gets_one_line_for_each_row_and_no_control_character(report: Report) -> None:
    text = report_text(report)
    assert_harmless(text, 2_500)
    for name in names_of(report):
        shown = as_shown(name)
        assert f"{shown if len(shown) <= 60 else shown[:59] + '…'}" in text
    assert len(text.splitlines()) <= len(report.rows) + 12


def test_info_tells_role_and_source_on_one_line_each(report: Report) -> None:
    told = dict(info_rows(report))
    assert told["Generated by"] == as_shown(ROLE)
    assert told["Source"] == as_shown(report.info.source)
    assert report.info.source in (FOLDER, "DataFrames")


def assert_said(error: CustDynError, *, lines: int = 1) -> None:
    assert len(error.message.split("\n")) <= lines
    assert_harmless(error.message, 1_600)
    error.message.encode("utf-8")


@pytest.mark.parametrize(
    "field",
    ["client_tags", "company", "owner_user", "package", "group_by", "client_type", "tags_match", "timezone",
     "currency", "interval", "start", "end", "active_duration", "include_descendants", "unknown"],
)  # fmt: skip
def test_an_error_repeats_a_hostile_value_on_one_line_and_cut_short(field: str, folder: Path) -> None:
    listed = field in ("client_tags", "company", "owner_user", "package", "group_by")
    for name in (*PAYLOADS, *SURROGATES):
        given: object = [name + "!"] if listed else name
        query = {"interval": "this_year", field: given}
        if field in ("start", "end"):
            query = {"interval": {"start": "2021-01-01", "end": "2021-02-01", field: name}}
        if field == "unknown":
            query = {"interval": "this_year", name: 1}
        with pytest.raises(QueryError) as raised:
            run_report(query, folder, as_of=AS_OF)
        assert_said(raised.value)


@pytest.mark.parametrize("field", ["kind", "amount", "at", "client_id", "package_id"])
def test_faults_repeat_hostile_values_on_one_line_each(field: str) -> None:
    for names in (IN_FILES, SURROGATES):
        mart = hostile_mart(names)
        numbers = ("-2", "1e5", "007", "+1+1", "2021-10")  # some are what the column takes
        for row, name in zip(mart["transactions"], names, strict=False):
            row[field] = name + "!" if name not in numbers else name + "!!"
        checked = check_source(mart_forms.frames(mart))
        assert len(checked.faults) >= len(names)
        for fault in checked.faults:
            assert_harmless(str(fault), 400)
        with pytest.raises(MartError) as raised:
            checked.reject_faults()
        assert_said(raised.value, lines=30)


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_source_that_is_not_there_is_named_on_one_line(name: str) -> None:
    with pytest.raises(SourceError) as raised:
        run_report(EVERY_MONTH, f"no-such/{name}", as_of=AS_OF)
    assert_said(raised.value)


def test_a_value_of_any_type_is_shown_on_one_line() -> None:
    import pandas as pd

    with pytest.raises(QueryError) as raised:
        run_report({"interval": pd.DataFrame({"a\n\x1b": [1, 2]})}, {}, as_of=AS_OF)
    assert_said(raised.value)


# The command line, snapshots, the template


def custdyn(*arguments: str, folder: Path, home: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "CUSTDYN_CACHE": str(home / "cache"),
        "CUSTDYN_SNAPSHOTS": str(home / "snapshots"),
        "CUSTDYN_ROLE": ROLE.encode("utf-8", "replace").decode().replace("\x00", ""),
    }
    command = [*CUSTDYN, *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, check=False)


@pytest.mark.slow
def test_the_command_line_prints_nothing_that_moves_a_cursor(folder: Path, tmp_path: Path) -> None:
    queries = tmp_path / "query.json"
    queries.write_text(json.dumps(asked_of(IN_FILES)))
    table = custdyn("query", "-s", str(folder), "--query", str(queries), "--as-of", AS_OF, "--freeze",
                    folder=folder, home=tmp_path)  # fmt: skip
    checked = custdyn("check", str(folder), folder=folder, home=tmp_path)
    listed = custdyn("snapshots", "list", folder=folder, home=tmp_path)
    unknown = custdyn("query", "-s", str(folder), "--interval", "this_year", "--company", "\x1b[2J\u202e!",
                      folder=folder, home=tmp_path)  # fmt: skip
    assert [c.returncode for c in (table, checked, listed, unknown)] == [0, 0, 0, 2]
    for done in (table, checked, unknown):
        assert_harmless(done.stdout.decode(), 2_500)
        assert_harmless(done.stderr.decode(), 2_500)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", listed.stdout.decode())
    assert not [*tmp_path.glob("pwned*")]


def test_a_snapshot_of_hostile_names_is_whole_and_told_on_plain_lines(report: Report, tmp_path: Path) -> None:
    store = Store(tmp_path)
    frozen = freeze(report, store=store)
    assert store.verify() == []
    assert Report.from_dict(json.loads(store.read(str(frozen.id), "report.json"))) == report
    told = listing.manifest_text(str(frozen.id), store.manifest(str(frozen.id)))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", told)


@pytest.mark.slow
def test_the_template_runs_with_hostile_parameters_and_they_stay_text(
    folder: Path, asked: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PWNED", raising=False)
    settings = Settings(tmp_path / "store", tmp_path / "queries", tmp_path / "cache", role="analyst")
    given = {**asked_of(IN_FILES), "source": str(folder), "as_of": AS_OF}
    frozen = run_template(None, given, settings=settings)
    store = Store(settings.snapshots)
    assert store.read(str(frozen.id), "report.csv") == to_csv(asked)
    found = Markup(store.read(str(frozen.id), "report.html").decode())
    found.assert_inert()
    assert {in_table(name) for name in IN_FILES} <= {own_name(cell) for cell in found.cells}
    assert "PWNED" not in os.environ


# LibreOffice


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory):
    program = shutil.which("soffice")
    if not program:
        pytest.skip("LibreOffice is not installed")
    profile = tmp_path_factory.mktemp("profile")

    def convert(path: Path, form: str) -> Path:
        command = [program, f"-env:UserInstallation=file://{profile}", "--headless", "--convert-to", form,
                   "--outdir", str(path.parent / "out"), str(path)]  # fmt: skip
        subprocess.run(command, check=True, timeout=180, capture_output=True)
        return path.parent / "out" / f"{path.stem}.{form.partition(':')[0]}"

    return convert


@pytest.mark.office
@pytest.mark.slow
def test_libreoffice_reads_every_name_in_the_workbook_as_text(office, asked: Report, tmp_path: Path) -> None:
    (tmp_path / "report.xlsx").write_bytes(to_xlsx(asked))
    written = office(
        tmp_path / "report.xlsx", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false"
    )
    rows = list(csv.reader(io.StringIO(written.read_text("utf-8"), newline="")))
    labels = [row[0] for row in rows if row and row[0]]
    for name in names_of(asked):
        shown = as_cell(name)
        assert any(label.rstrip(" *").startswith(shown.rstrip()[:30_000].rstrip(" *")) for label in labels), (
            name
        )


@pytest.mark.office
@pytest.mark.slow
def test_libreoffice_finds_no_formula_in_the_csv(office, asked: Report, tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_bytes(to_csv(asked))
    with zipfile.ZipFile(office(tmp_path / "report.csv", "xlsx")) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml")
    assert b"<f" not in sheet.replace(b"<family", b"")
    assert sheet.count(b"<row ") >= len(asked.rows)
