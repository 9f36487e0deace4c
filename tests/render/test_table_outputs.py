"""What every output says of a table: page, notebook, browser, terminal, mail and XLSX draw one TableView."""

from __future__ import annotations

import io
from collections.abc import Callable
from html import unescape

import openpyxl
import pytest

from custdyn_widgets.mail.letters import ReportLetter
from custdyn_widgets.render.page import render_page
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.html import report_html
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.terminal import report_text
from custdyn_widgets.widgets.table import shown_report
from tests.make_report import make_report


def page(report: Report) -> str:
    return unescape(render_page(report, {}).decode())


def notebook(report: Report) -> str:
    return unescape(report_html(report))


def browser(report: Report) -> str:
    return "\n".join(shown_report(report)["notes"])


def workbook(report: Report) -> str:
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(report)))["Report"]
    return "\n".join(cell.value for cell in sheet["A"] if isinstance(cell.value, str))


def letter(form: int) -> Callable[[Report], str]:
    def texts(report: Report) -> str:
        made = ReportLetter("Board", "board", report, "https://example.com/view?id=a")
        return " ".join(unescape(made.texts(attached=False)[form]).split())

    return texts


OUTPUTS = {
    "page": page,
    "notebook": notebook,
    "browser": browser,
    "terminal": report_text,
    "mail, text": letter(0),
    "mail, HTML": letter(1),
    "xlsx": workbook,
}


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_stocks_of_packages_are_said_to_overlap_wherever_they_are_shown(
    output: Callable[[Report], str],
) -> None:
    note = "Clients and balances overlap between packages and do not add up"
    assert output(make_report(2, packages=("a", "b"))).count(note) == 1
    assert note not in output(make_report(2))
