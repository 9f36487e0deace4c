"""What the result panel sends to the browser, and what it answers to the browser's messages."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from custdyn_widgets import render
from custdyn_widgets.errors import ExportError
from custdyn_widgets.publish import report_pdf
from custdyn_widgets.render.charts.presets import PRESETS
from custdyn_widgets.render.charts.specs import BLANK
from custdyn_widgets.render.csv import to_csv, to_excel_csv
from custdyn_widgets.render.xlsx.workbook import to_xlsx
from custdyn_widgets.report.formatting import format_value, info_rows
from custdyn_widgets.report.report import Report
from custdyn_widgets.report.table_view import MAX_ROWS
from custdyn_widgets.widgets import download
from custdyn_widgets.widgets.download import Download
from custdyn_widgets.widgets.result import ResultPanel
from custdyn_widgets.widgets.table import shown_report
from tests.make_report import make_report
from tests.payloads import PAYLOADS

Sent = list[tuple[dict[str, Any], list[bytes]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Every message to the browser that is no state: files."""
    found: Sent = []
    monkeypatch.setattr(
        Download, "send", lambda _self, told, buffers=None: found.append((told, list(buffers or [])))
    )
    return found


@pytest.fixture
def panel() -> ResultPanel:
    return ResultPanel()


def state(panel: ResultPanel, name: str) -> Any:
    """Return a part of what the browser draws from, as JSON gives it back there."""
    return json.loads(json.dumps(panel.get_state()[name], allow_nan=False))


def ask(panel: ResultPanel, message: object) -> None:
    """Let the panel get a message as the browser sends it."""
    panel._handle_custom_msg(message, [])


def test_each_cell_is_sent_as_pages_show_it_and_the_total_apart(panel: ResultPanel) -> None:
    report = make_report(5)
    panel.show(report)
    shown = state(panel, "_shown")
    for row, sent_row in zip(report.rows, shown["rows"], strict=True):
        values = zip(row.values, report.columns, strict=True)
        assert sent_row["cells"] == [format_value(v, c, report.currency) for v, c in values]
        assert sent_row["labels"] == list(row.labels)
    assert [row["partial"] for row in shown["rows"]] == [False] * 4 + [True]
    assert shown["rows"][3]["cells"][report.column("Balance Refill: Avg")] == "–"
    assert shown["rows"][0]["cells"][report.column("Clients - Active: Balance Neg")].startswith("-")
    assert shown["total"]["labels"] == ["Total"]
    assert shown["total"]["partial"] is True


def test_headings_have_two_levels_and_each_column_its_definition(panel: ResultPanel) -> None:
    report = make_report(1)
    panel.show(report)
    shown = state(panel, "_shown")
    assert sum(group["span"] for group in shown["groups"]) == len(report.columns)
    assert [group["name"] for group in shown["groups"]][:2] == [
        "Clients - Active",
        "Clients - Overall Active",
    ]
    assert shown["columns"] == [[c.label, c.definition] for c in report.columns]


def test_keys_order_amounts_exactly_where_floats_cannot_tell_them_apart(panel: ResultPanel) -> None:
    report = make_report(4)
    texts = ["90071992547409.930002", "-90071992547409.930001", f"{10**30}.000001", None]
    amounts = [text and Decimal(text) for text in texts]
    rows = [
        replace(row, values=(i, amount, *row.values[2:]))
        for i, (row, amount) in enumerate(zip(report.rows, amounts, strict=True))
    ]
    panel.show(replace(report, rows=tuple(rows)))
    keys = state(panel, "_shown")["keys"]
    whole = [90071992547409930002, -90071992547409930001, 10**36 + 1, None]
    assert [row[2] and int(row[2]) for row in keys] == whole
    assert [row[1] for row in keys] == ["0", "1", "2", "3"]


def test_names_are_ordered_by_code_point_and_the_rest_comes_last(panel: ResultPanel) -> None:
    panel.show(make_report(1, packages=("b", "B", "é", "a", "(no package)")))
    ranks = [int(row[1]) for row in state(panel, "_shown")["keys"]]
    assert ranks == [2, 0, 3, 1, 4]


def test_hostile_texts_are_sent_printable_wherever_they_stand(panel: ResultPanel) -> None:
    report = make_report(1, packages=tuple(PAYLOADS))
    info = replace(report.info, warnings=tuple(PAYLOADS), source=PAYLOADS[0])
    panel.show(replace(report, info=info, message=PAYLOADS[1], definitions=tuple(PAYLOADS)))
    for text in PAYLOADS:
        panel.set_error(text)
        panel.set_status(text)
        panel.set_link(text, text)
        texts = json.dumps([panel.get_state()[n] for n in ("_error", "_status", "_link")], ensure_ascii=False)
        assert not any(character in texts for character in ("\x00", "\u202e", "\ud800", "\u2028"))
    json.dumps(state(panel, "_shown"), ensure_ascii=False).encode()


@pytest.mark.parametrize(("rows", "hidden"), [(MAX_ROWS, 0), (MAX_ROWS + 5, 5)])
def test_of_a_long_report_the_first_rows_are_sent_and_it_says_so(
    panel: ResultPanel, rows: int, hidden: int
) -> None:
    panel.show(make_report(rows))
    shown = state(panel, "_shown")
    assert len(shown["rows"]) == len(shown["keys"]) == MAX_ROWS
    assert ("Showing 2,000 of 2,005 rows; the exports have them all." in shown["notes"]) == bool(hidden)
    assert shown["large_note"] == (
        "Ctrl+F searches only the rows in view; Find in table and Copy table cover all rows."
    )


def test_labels_are_copied_so_that_a_spreadsheet_evaluates_none_as_a_formula(panel: ResultPanel) -> None:
    panel.show(make_report(1, packages=("Basic", "=1+1", " @x")))
    rows = state(panel, "_shown")["rows"]
    assert [row.get("guarded") for row in rows] == [None, ["2021-01", "'=1+1"], ["2021-01", "' @x"]]
    assert rows[1]["labels"] == ["2021-01", "=1+1"]


def test_notes_tell_the_currency_what_is_partial_and_what_does_not_add_up(panel: ResultPanel) -> None:
    panel.show(make_report(2))
    plain = " ".join(state(panel, "_shown")["notes"])
    panel.show(make_report(2, packages=("a", "b")))
    by_package = " ".join(state(panel, "_shown")["notes"])
    first = "Amounts in USD. Only clients of type Client are counted, even in Clients - All."
    assert plain.startswith(f"{first} Partial: the figures run up to 2022-12-16 08:30:00 UTC")
    assert "◐ marks a bucket cut short" in plain
    assert "do not add up" in by_package
    assert "do not add up" not in plain


def test_info_is_the_list_that_every_place_shows(panel: ResultPanel) -> None:
    report = make_report(2)
    panel.show(report)
    shown = state(panel, "_shown")
    assert [tuple(row) for row in shown["info"]] == info_rows(report)
    assert shown["surprises"] == list(report.definitions)
    assert shown["warnings"] == list(report.info.warnings)


def test_a_report_without_rows_has_its_message_its_headings_and_no_chart(panel: ResultPanel) -> None:
    panel.show(make_report(0, total=None, message="No client existed before the end."))
    shown = state(panel, "_shown")
    assert shown["message"] == "No client existed before the end."
    assert (shown["headings"], shown["rows"], shown["total"]) == (["Month"], [], None)
    assert shown["charts"] == []


def test_the_menu_has_the_presets_and_the_blank_chart(panel: ResultPanel) -> None:
    chosen: list[str] = []
    panel.on_show_chart = chosen.append
    panel.show(make_report(2))
    assert state(panel, "_shown")["charts"] == [*PRESETS, BLANK]
    ask(panel, {"chart": BLANK})
    ask(panel, {"chart": "no such chart"})
    ask(panel, "nonsense")
    assert chosen == [BLANK]


def test_a_csv_is_the_report_on_screen_and_goes_to_the_page_that_asked(
    panel: ResultPanel, sent: Sent
) -> None:
    report = make_report(3)
    panel.show(make_report(1))
    panel.show(report)
    ask(panel, {"ask": "csv", "page": "12-34"})
    [(told, [content])] = sent
    assert content == to_csv(report)
    assert told["name"] == "customer-dynamics-2021-01-01-to-2022-12-31.csv"
    assert told["page"] == "12-34"
    assert state(panel, "_status")["words"] == f"Saved as {told['name']}."


def test_an_xlsx_is_the_report_on_screen(panel: ResultPanel, sent: Sent) -> None:
    report = make_report(3)
    panel.show(report)
    ask(panel, {"ask": "xlsx", "page": ""})
    [(told, [content])] = sent
    assert told["name"].endswith(".xlsx")
    values = [r[1] for r in openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].values]
    assert [v for v in values if isinstance(v, int)][:3] == [r.values[0] for r in report.rows]


def test_a_pdf_is_the_report_on_screen_on_the_paper_of_the_settings(
    panel: ResultPanel, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTDYN_PAPER", "letter")
    report = make_report(1)
    panel.show(report)
    ask(panel, {"ask": "pdf", "page": ""})
    [(told, [content])] = sent
    assert (told["name"][-4:], told["type"]) == (".pdf", "application/pdf")
    assert content == report_pdf(report, paper="letter")


@pytest.mark.parametrize(("total", "has_total"), [(True, True), (False, False), ("yes", False)])
def test_a_csv_has_the_total_when_asked(
    panel: ResultPanel, sent: Sent, total: object, has_total: bool
) -> None:
    report = make_report(3)
    panel.show(report)
    for kind in ("csv", "csv-excel", "xlsx"):
        ask(panel, {"ask": kind, "total": total})
    assert [content for _, [content] in sent] == [
        to_csv(report, total=has_total),
        to_excel_csv(report, total=has_total),
        to_xlsx(report),
    ]


def test_a_csv_for_excel_has_its_own_name(panel: ResultPanel, sent: Sent) -> None:
    panel.show(make_report(1))
    ask(panel, {"ask": "csv-excel"})
    assert sent[0][0]["name"] == "customer-dynamics-2021-01-01-to-2022-12-31-excel.csv"


def test_an_export_shows_its_progress(
    panel: ResultPanel, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, object]] = []
    monkeypatch.setattr("custdyn_widgets.render.xlsx.table._STEP", 2)
    panel.observe(lambda change: shown.append((change.new["words"], change.new["done"])), "_status")
    panel.show(make_report(3))
    ask(panel, {"ask": "xlsx"})
    assert shown[1] == ("Writing the workbook: 2 of 3 rows", pytest.approx(2 / 3))


def test_a_refused_export_is_said_and_nothing_is_saved(
    panel: ResultPanel, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(report: Report) -> bytes:
        raise ExportError.too_many_rows(100_001, 100_000)

    monkeypatch.setattr(render, "to_xlsx", refuse)
    panel.show(make_report(2))
    ask(panel, {"ask": "xlsx"})
    assert sent == []
    assert "Choose csv" in state(panel, "_error")
    assert state(panel, "_status")["words"] == ""
    assert len(state(panel, "_shown")["rows"]) == 2


@pytest.mark.parametrize("message", [{"ask": "csv"}, {"chart": BLANK}, {"ask": "page"}])
def test_before_a_report_nothing_is_answered(panel: ResultPanel, sent: Sent, message: object) -> None:
    ask(panel, message)
    assert sent == []


@pytest.mark.parametrize(("format", "name"), [("csv", "CSV"), ("csv-excel", "Excel CSV"), ("xlsx", "XLSX")])
def test_a_download_alone_starts_at_once_and_again_on_its_button(
    panel: ResultPanel, sent: Sent, format: str, name: str
) -> None:
    panel.set_download_only(make_report(2), format)
    shown = state(panel, "_shown")
    assert (shown["output"], shown["formats"]) == (format, {format: name})
    ask(panel, {"ask": format, "page": "12-34"})
    assert [told["page"] for told, _ in sent] == ["", "12-34"]
    assert sent[0][1] == sent[1][1]


def test_the_table_comes_back_after_a_download_alone(panel: ResultPanel, sent: Sent) -> None:
    panel.set_download_only(make_report(2), "csv")
    panel.show(make_report(2))
    shown = state(panel, "_shown")
    assert (shown["output"], list(shown["formats"])) == ("web", ["csv", "csv-excel", "xlsx", "pdf"])


@pytest.mark.parametrize(("done", "told"), [(None, None), (0, 0), (0.4, 0.4), (7, 1), (-1, 0)])
def test_progress_stays_between_nothing_and_all(panel: ResultPanel, done: float | None, told: object) -> None:
    panel.set_status("Reading", done)
    assert state(panel, "_status") == {"words": "Reading", "done": told}


def test_an_error_leaves_the_table_and_goes_away(panel: ResultPanel) -> None:
    panel.show(make_report(2))
    before = state(panel, "_shown")
    panel.set_error("The data cannot be read.")
    assert (state(panel, "_error"), state(panel, "_shown")) == ("The data cannot be read.", before)
    panel.set_error("")
    assert state(panel, "_error") == ""


def test_the_page_goes_to_whoever_asks_for_it(panel: ResultPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[tuple[object, object]] = []
    monkeypatch.setattr(panel, "send", lambda told, buffers: answered.append((told, buffers)))
    panel.show(make_report(1))
    panel.set_link("http://127.0.0.1/view?id=x")
    ask(panel, {"ask": "page", "page": "1-2"})
    panel.set_link("http://127.0.0.1/view?id=x", "Nobody answers.", b"<html>")
    ask(panel, {"ask": "page", "page": "1-2"})
    assert answered == [({"kind": "page", "page": "1-2"}, [b"<html>"])]
    assert state(panel, "_link") == {
        "link": "http://127.0.0.1/view?id=x",
        "words": "Nobody answers.",
        "page": True,
        "busy": False,
    }


@pytest.mark.parametrize(
    ("interval", "name"),
    [
        ("last_month", "customer-dynamics-last-month-2022-12-31.csv"),
        (None, "customer-dynamics-2021-01-01-to-2022-12-31.csv"),
    ],
)
def test_a_file_is_named_after_the_interval(interval: str | None, name: str) -> None:
    report = make_report(1)
    if interval:
        report = replace(report, query=replace(report.query, interval=interval))
    assert download.report_file(report, "csv").name == name


def test_a_button_that_is_not_there_saves_nothing(sent: Sent) -> None:
    asked: list[str] = []
    answer: Callable[[str], download.File | None] = lambda key: asked.append(key)  # type: ignore[func-returns-value]  # noqa: E731
    buttons = Download(answer, buttons=[["png", "Save as PNG"]])
    for message in ({"ask": "exe"}, {"ask": "png"}, None):
        buttons._handle_custom_msg(message, [])
    assert (asked, sent) == (["png"], [])


def test_two_thousand_rows_are_one_message_of_moderate_size(panel: ResultPanel) -> None:
    panel.show(make_report(MAX_ROWS))
    assert len(json.dumps(panel.get_state()["_shown"])) < 3_000_000


def test_a_name_from_right_to_left_in_the_query_is_isolated() -> None:
    report = make_report(1)
    asked = shown_report(replace(report, query=replace(report.query, company=("שיווק 7", "Acme"))))["asked"]
    assert "of \u2068שיווק 7\u2069, Acme and resellers below" in asked


SNAPSHOT = "abcdefgh" + "i" * 44


@pytest.mark.parametrize(
    ("kind", "ending"), [("csv", ".csv"), ("csv-excel", "-excel.csv"), ("xlsx", ".xlsx")]
)
def test_a_files_name_holds_the_beginning_of_the_snapshots_id_once_the_link_is_known(
    panel: ResultPanel, sent: Sent, kind: str, ending: str
) -> None:
    interval = "customer-dynamics-2021-01-01-to-2022-12-31"
    panel.show(make_report(2))
    panel.set_link("", "Creating the link …", busy=True)
    ask(panel, {"ask": kind})
    panel.set_link(f"https://reports.example/view?id={SNAPSHOT}")
    ask(panel, {"ask": kind})
    panel.show(make_report(3))  # its own snapshot does not exist yet
    ask(panel, {"ask": kind})
    names = [message["name"] for message, _ in sent]
    assert names == [f"{interval}{ending}", f"{interval}-abcdefgh{ending}", f"{interval}{ending}"]
