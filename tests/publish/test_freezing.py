"""Freezing: a report's files, manifest and link; the same report gives the same files."""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from custdyn_widgets import render
from custdyn_widgets.errors import ExportError, SnapshotError
from custdyn_widgets.files.canonical_json import parse_canonical
from custdyn_widgets.progress import report_to
from custdyn_widgets.publish.freezing import Frozen, freeze, manifest_of
from custdyn_widgets.publish.report_files import content_digest, report_files, report_json, table_parquet
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render import to_csv
from custdyn_widgets.render.page import Section
from custdyn_widgets.report.report import Report
from custdyn_widgets.snapshots.store import Store
from tests.make_report import INFO, make_report

HOSTILE = (
    "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "</svg>", 'a"b\'c', "line\nbreak", "bell\x07",
    "\ufffe", "\ud800", "\ud83d\ude00",
)  # fmt: skip

BARS = {"data": {"values": []}, "mark": {"type": "bar", "opacity": 0.7}, "encoding": {}}


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(3)


@pytest.fixture(scope="module")
def files(report: Report) -> dict[str, bytes]:
    return report_files(report)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with a store for one test."""
    monkeypatch.setenv("CUSTDYN_SNAPSHOTS", str(tmp_path / "store"))
    monkeypatch.setenv("CUSTDYN_SHARE_URL", "https://reports.example/dynamics/")
    for name in ("CUSTDYN_CONFIG", "CUSTDYN_STAGING", "CUSTDYN_STAGING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "store"


def changed_value(report: Report) -> Report:
    first = report.rows[0]
    values = (first.values[0] + 1, *first.values[1:])  # type: ignore[operator]
    return replace(report, rows=(replace(first, values=values), *report.rows[1:]))


def test_a_report_freezes_into_its_value_table_page_exports_and_charts(
    report: Report, files: dict[str, bytes]
) -> None:
    charts = sorted(name for name in files if name.startswith("chart-"))
    whole = {"report.json", "data.parquet", "report.html", "report.csv", "total.csv", "report.xlsx", *charts}
    assert set(files) == whole
    assert files["report.csv"] == to_csv(report)
    assert files["report.csv"] + files["total.csv"] == to_csv(report, total=True)
    assert "chart-1-clients-active-qty.svg" in charts
    assert all(re.fullmatch(r"chart-\d+-[a-z0-9-]+\.svg", name) for name in charts)
    assert all(files[name].startswith(b"<svg") for name in charts)
    assert files["report.csv"] == to_csv(report)
    assert Report.from_dict(parse_canonical(files["report.json"])) == report
    assert b"Customer Dynamics" in files["report.html"]


def test_the_authors_sections_are_on_the_page_and_in_no_other_file(
    report: Report, files: dict[str, bytes]
) -> None:
    with_words = report_files(report, [Section("text", "The author's words."), Section("report", "")])
    assert {name for name in files if files[name] != with_words[name]} == {"report.html"}
    assert b"author" in with_words["report.html"]


def test_the_parquet_table_is_exact_and_without_the_total(report: Report) -> None:
    table = pq.read_table(io.BytesIO(table_parquet(report)))
    numbers = [column.name for column in report.columns]
    assert table.column_names == [*report.headings, *numbers, "start", "end", "partial"]
    assert table.num_rows == len(report.rows)
    assert table.column("Month").to_pylist() == ["2021-01", "2021-02", "2021-03"]
    for i, column in enumerate(report.columns):
        field = table.schema.field(column.name)
        assert field.type == (pa.int64() if column.unit == "count" else pa.decimal128(38, 6))
        assert field.metadata[b"unit"] == (b"USD" if column.unit == "money" else b"count")
        assert table.column(column.name).to_pylist() == [row.values[i] for row in report.rows]
    assert table.column("start").to_pylist()[0] == datetime(2021, 1, 1, tzinfo=UTC)
    assert table.column("partial").to_pylist() == [False, False, True]


def test_the_parquet_table_keeps_every_digit_of_large_amounts_and_nulls() -> None:
    large = Decimal("99999999999999999999999999999999.999999")
    report = make_report(4)
    row = replace(
        report.rows[0], values=tuple(large if isinstance(v, Decimal) else v for v in report.rows[0].values)
    )
    table = pq.read_table(io.BytesIO(table_parquet(replace(report, rows=(row, *report.rows[1:])))))
    assert table.column("Balance Refill: Total").to_pylist()[0] == large
    assert table.column("Balance Refill: Avg").to_pylist()[3] is None


def test_a_report_without_rows_or_grouping_freezes_too() -> None:
    empty = make_report(0, total=None, message="No client before the end.")
    one_row = make_report(1, headings=(), total=None)
    one_row = replace(
        one_row,
        query=replace(one_row.query, group_by=()),
        rows=(replace(one_row.rows[0], labels=(), start="", end=""),),
    )
    for report in (empty, one_row):
        table = pq.read_table(io.BytesIO(table_parquet(report)))
        assert table.num_rows == len(report.rows)
        assert {"report.json", "report.html", "report.csv", "report.xlsx"} <= report_files(report).keys()
        assert len(content_digest(report)) == 64


def test_report_json_holds_floats_only_in_chart_specs(report: Report) -> None:
    with_chart = replace(report, charts={"Mine": {"mark": {"opacity": 0.7}}})
    assert Report.from_dict(json.loads(report_json(with_chart))).charts == with_chart.charts
    with pytest.raises(SnapshotError, match="float"):
        report_json(replace(report, info=replace(INFO, duration_ms=1.5)))  # type: ignore[arg-type]
    with pytest.raises(SnapshotError):
        report_json(replace(report, charts={"Mine": {"opacity": float("nan")}}))


def test_hostile_names_freeze_and_read_back_unchanged(tmp_path: Path) -> None:
    report = make_report(2, packages=HOSTILE)
    query = ReportQuery.from_dict({"interval": "last_month", "client_tags": list(HOSTILE)})
    report = replace(report, query=query, message=HOSTILE[0], charts=dict.fromkeys(HOSTILE[:3], BARS))
    files = report_files(report)
    store = Store(tmp_path / "store")
    snapshot_id = store.publish(manifest_of(report, files), files)
    assert store.verify() == []
    back = Report.from_dict(json.loads(store.read(snapshot_id, "report.json")))
    joined = [label.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") for label in HOSTILE]
    assert [row.labels[1] for row in back.rows[: len(HOSTILE)]] == joined
    assert b"<script>alert" not in files["report.html"]
    names = pq.read_table(io.BytesIO(files["data.parquet"])).column("Package Name").to_pylist()
    assert names[:2] == list(HOSTILE[:2])


def test_the_manifest_describes_the_whole_report(
    report: Report, files: dict[str, bytes], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    manifest = store.manifest(store.publish(manifest_of(report, files), files))
    assert manifest["title"] == "Customer Dynamics"
    assert ReportQuery.from_dict(manifest["query"]) == report.query
    assert manifest["query_words"] == report.query.describe()
    assert manifest["interval"] == {
        "timezone": "UTC",
        "first": "2021-01-01 00:00:00",
        "last": "2022-12-31 23:59:59",
        "start": "2021-01-01T00:00:00Z",
        "effective_end": "2022-12-16T08:30:00Z",
        "actual_start": "2021-01-03T10:00:00Z",
        "actual_end": "2022-12-15T21:10:02Z",
    }
    instants = ("generated_at", "duration_ms", "as_of", "data_as_of", "time_zone_data")
    for name in ("role", *instants, "source", "currency"):
        assert manifest[name] == getattr(INFO, name)
    assert manifest["quotes"] == [
        {"currency": "EUR", "date": "2021-01-01", "units_per_base": "0.82", "base": "USD"}
    ]
    assert (manifest["versions"], manifest["warnings"]) == (INFO.versions, list(INFO.warnings))
    assert manifest["content_digest"] == content_digest(report)
    assert manifest["files"].keys() == files.keys()
    for name, entry in manifest["files"].items():
        assert entry == {"size": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}


def test_no_file_names_this_machine_its_account_or_its_folders(
    report: Report, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = freeze(report)
    assert frozen.page is not None
    folders = [str(elsewhere), f"{Path.home()}/", str(Path.cwd())]
    secrets = [*folders, socket.gethostname(), "reports.example"]
    if getpass.getuser() not in ("root", "analyst"):  # words that may occur for other reasons
        secrets.append(getpass.getuser())
    for file in frozen.page.parent.iterdir():
        data = file.read_bytes()
        assert [secret for secret in secrets if len(secret) > 3 and secret.encode() in data] == [], file.name


def test_a_report_too_long_for_a_workbook_freezes_without_one_and_says_so(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(report: Report) -> bytes:
        raise ExportError.too_many_rows(100_001, 100_000)

    monkeypatch.setattr(render, "to_xlsx", refuse)
    files = report_files(report)
    assert "report.xlsx" not in files
    assert [w for w in manifest_of(report, files)["warnings"] if "XLSX" in w]
    assert not [w for w in manifest_of(report)["warnings"] if "XLSX" in w]


CHANGES: dict[str, tuple[Callable[[Report], Report], bool]] = {
    "when and how long": (
        lambda r: replace(r, info=replace(INFO, generated_at="2030-01-01T00:00:00Z", duration_ms=9)),
        True,
    ),
    "the role": (lambda r: replace(r, info=replace(INFO, role="auditor")), True),
    "a definition": (
        lambda r: replace(r, columns=tuple(replace(c, definition="x") for c in r.columns)),
        True,
    ),
    "warnings": (lambda r: replace(r, info=replace(INFO, warnings=())), True),
    "a value": (changed_value, False),
    "a row": (lambda r: replace(r, rows=r.rows[:-1]), False),
    "the order of rows": (lambda r: replace(r, rows=r.rows[::-1]), False),
    "the total": (lambda r: replace(r, total=None), False),
    "a label": (lambda r: replace(r, rows=(replace(r.rows[0], labels=("2020-12",)), *r.rows[1:])), False),
    "the query": (lambda r: replace(r, query=replace(r.query, active_duration=4)), False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_content_digest_depends_only_on_the_result(report: Report, change: str) -> None:
    make, same = CHANGES[change]
    assert (content_digest(make(report)) == content_digest(report)) == same


def test_two_freezes_of_one_report_have_different_links_and_the_same_content(
    report: Report, elsewhere: Path
) -> None:
    one, two = freeze(report), freeze(report)
    store = Store(elsewhere)
    assert one.id != two.id
    assert one.id is not None
    assert two.id is not None
    assert {store.manifest(i)["content_digest"] for i in (one.id, two.id)} == {content_digest(report)}
    assert one.link == f"https://reports.example/dynamics/view?id={one.id}"
    assert one.page is not None
    assert one.page.read_bytes() == store.read(one.id, "report.html")
    assert store.verify() == []


def test_freeze_accepts_another_store(report: Report, elsewhere: Path, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    frozen = freeze(report, store=other)
    assert other.ids() == [frozen.id]
    assert not elsewhere.exists()


def test_within_a_run_freeze_leaves_the_report_and_publishes_nothing(
    report: Report, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    monkeypatch.setenv("CUSTDYN_STAGING", str(staging))
    monkeypatch.setenv("CUSTDYN_STAGING_TOKEN", "a-token")
    assert freeze(report) == Frozen(None, None, None)
    assert not elsewhere.exists()
    assert [file.name for file in staging.iterdir()] == ["a-token.json"]


def test_a_notebook_shows_the_link_and_inside_custdyn_run_nothing() -> None:
    link = "https://reports.example/a&b/view?id=x"
    shown = Frozen("x", link, None)._repr_html_()
    assert shown == (
        '<p>The report was frozen: <a href="https://reports.example/a&amp;b/view?id=x">'
        "https://reports.example/a&amp;b/view?id=x</a></p>"
    )
    assert Frozen(None, None, None)._repr_html_() is None


def test_freezing_reports_its_steps() -> None:
    steps: list[object] = []
    listener = SimpleNamespace(step=lambda *step: steps.append(step), note=steps.append)
    with report_to(listener):
        report_files(make_report(1), drawn={})
    assert steps == [("Drawing the charts", 0), ("Writing the files", 0.5)]
