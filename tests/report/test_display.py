"""What a report shows of itself: in a notebook, a terminal, a PDF and with `print`."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbconvert import HTMLExporter, LatexExporter
from nbformat import v4

from custdyn_widgets.report.latex import latex_text, report_latex
from custdyn_widgets.report.report import Report
from tests.make_report import INFO, make_report

FORMATS = {"text/html", "text/latex", "text/plain"}
HOSTILE = r"[5pt] \x{y} % & $x_1^2$ #~* --"
# A row: cells of escaped text that no control word but those of the escapes can be in.
CELL = (
    r"(?:[^\\$&#%_^~{}]|\\[#$%&_{}]|\\text(?:backslash|asciicircum|asciitilde)\{\}|"
    r"\{[-<>`',\"!?\[\]*]\}|\$-\$)*"
)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def shown(report: Report, **kinds: list[str]) -> dict[str, str]:
    return InteractiveShell.instance().display_formatter.format(report, **kinds)[0]


def test_a_report_shows_itself_in_every_format_and_only_in_those_asked_for() -> None:
    report = make_report(3)
    assert set(shown(report)) == FORMATS
    assert set(report._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(report._repr_mimebundle_(exclude={"text/plain"})) == FORMATS - {"text/plain"}


def test_a_terminal_shows_the_table_with_its_total_and_notes() -> None:
    report = make_report(3, info=replace(INFO, warnings=("One quote is old.",)))
    text = shown(report)["text/plain"]
    assert text == str(report).rstrip("\n")
    assert "2021-02" in text
    assert "\nTotal*" in text
    assert text.endswith("\nNote: One quote is old.")
    assert all(len(line) <= 80 for line in text.splitlines() if line.startswith(("20", "Total", "---")))


def test_the_prompt_of_plain_python_shows_the_table() -> None:
    report = make_report(3)
    assert repr(report) == shown(report)["text/plain"]
    assert "\nTotal*" in repr(report)


@pytest.mark.parametrize("kind", ["text/plain", "text/latex"])
def test_what_is_shown_has_bounds_and_tells_what_is_left_out(kind: str) -> None:
    text = shown(make_report(100))[kind]
    assert "2025-12" in text.replace("{-}", "-")
    assert "2026-01" not in text.replace("{-}", "-")
    assert "report.table has 40 more" in text.replace(r"\_", "_")
    assert "Total" in text


def test_a_report_without_rows_shows_why() -> None:
    report = make_report(0, total=None, message="No client before the end.")
    assert all("No client before the end." in text for text in shown(report).values())


def exported(exporter: HTMLExporter | LatexExporter, report: Report) -> str:
    output = v4.new_output("execute_result", shown(report), execution_count=1)
    notebook = v4.new_notebook(cells=[v4.new_code_cell("report", outputs=[output])])
    nbformat.validate(notebook)
    return str(exporter.from_notebook_node(notebook)[0])


def test_nbconvert_puts_tables_into_a_pdf_and_a_page() -> None:
    report = make_report(3)
    assert report_latex(report) in exported(LatexExporter(), report)
    assert '<table class="custdyn">' in exported(HTMLExporter(), report)


def rows_of(latex: str) -> list[list[str]]:
    return [
        line.removesuffix(r" \tabularnewline").split(" & ") for line in latex.splitlines() if " & " in line
    ]


def test_latex_has_every_figure_once_and_as_many_cells_as_columns() -> None:
    report = make_report(3, ("Voice", "Data"))
    latex = report_latex(report)
    tables = re.findall(r"\\begin\{longtable\}\{(l*)(r*)\}(.*?)\\end\{longtable\}", latex, re.DOTALL)
    assert sum(len(numbers) for _, numbers, _ in tables) == len(report.columns)
    for labels, numbers, body in tables:
        upper, *rows = rows_of(body)
        spans = sum(int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", " & ".join(upper)))
        assert len(labels) == 2
        assert spans == len(numbers)
        assert {len(row) for row in rows} == {len(labels + numbers)}
        assert len(rows) == 1 + len(report.rows) + 1
        assert r"\endhead" in body


def test_latex_escapes_every_name_and_negative_numbers() -> None:
    report = make_report(1, (HOSTILE,))
    latex = report_latex(report)
    named = [cell for row in rows_of(latex) for cell in row]
    assert all(re.fullmatch(CELL, cell) or cell.startswith(r"\multicolumn") for cell in named)
    assert latex_text(HOSTILE) in named
    assert r"$-$" in latex
    assert latex.count("{") - latex.count(r"\{") == latex.count("}") - latex.count(r"\}")


def test_a_table_of_floats_can_be_multiplied_and_one_of_decimals_only_by_decimals() -> None:
    report = make_report(4)
    refills = ("Balance Refill", "Total")
    with pytest.raises(TypeError):
        report.table[refills] * 1.2
    exact = report.table[refills] * Decimal("1.2")
    floats = report.to_pandas(floats=True)
    assert (floats[refills] * 1.2).tolist() == pytest.approx([float(value) for value in exact])
    money = [(c.group, c.label) for c in report.columns if c.unit == "money"]
    assert set(map(str, floats[money].dtypes)) == {"float64"}
    assert str(floats["Clients - Active", "Qty"].dtype) == "Int64"
    assert floats["Balance Refill", "Avg"].isna().tolist() == [False, False, False, True]
    assert report.to_pandas().equals(report.table)
    assert floats.index.equals(report.table.index)
    assert report.to_pandas(floats=True).shape == make_report(4).table.shape
