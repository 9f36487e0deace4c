"""The example in docs/own-mapping.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.mart.source_check import check_source
from custdyn_widgets.query.query import ReportQuery
from tests import oracle

PAGE = Path(__file__).parents[3] / "docs" / "own-mapping.md"
FILES = dict(
    re.findall(r"^`([\w./-]+)`\n\n```\w*\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
)
FACTS = {
    "clients": [
        {"client_id": "101", "client_type": "client", "tags": "gold;north", "currency": "EUR",
         "created_at": "2024-01-05T07:00:00Z"},
        {"client_id": "102", "client_type": "client", "tags": "north", "currency": "EUR",
         "created_at": "2024-01-20T08:15:00Z", "closed_at": "2024-03-15T16:00:00Z"},
    ],
    "transactions": [
        {"client_id": client, "at": at, "kind": kind, "amount": amount, "package_id": package}
        for client, at, kind, amount, package in (
            ("101", "2024-01-06T07:30:00Z", "refill", "50", None),
            ("102", "2024-01-21T08:00:00Z", "other", "5", None),
            ("102", "2024-01-22T08:00:00Z", "refill", "30", None),
            ("101", "2024-02-07T10:00:00Z", "other", "-10", None),
            ("101", "2024-01-31T21:59:58Z", "usage", "-0.75", None),
            ("101", "2024-01-31T21:59:58Z", "usage", "-0.75", None),
            ("102", "2024-01-31T22:00:05Z", "usage", "-1.2345", None),
            ("101", "2024-01-10T10:00:00Z", "package_activation", "-5", "Talk"),
            ("101", "2024-01-10T10:00:00Z", "package_renewal", "-20", "Talk"),
            ("101", "2024-02-09T22:00:00Z", "package_renewal", "-20", "Talk"),
        )
    ],
}  # fmt: skip
QUERIES = [
    {"interval": {"start": "2024-01-01", "end": "2024-03-31"}, "timezone": zone, **more}
    for zone in ("UTC", "Europe/Kyiv")
    for more in ({}, {"group_by": ["package"]}, {"client_tags": ["gold"]})
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("CUSTDYN_SOURCES", str(tmp_path / "sources.toml"))
    monkeypatch.setenv("CUSTDYN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_page_has_all_its_files() -> None:
    assert {"sources.toml", "shop.sql", "exports/customers.csv", "exports/orders.csv"} <= set(FILES)


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_its_reports_are_right(query: dict[str, object]) -> None:
    report = run_report(ReportQuery.from_dict(query), "shop", as_of="2025-01-01T00:00:00Z")
    answer = oracle.answer(FACTS, query, "2025-01-01T00:00:00Z")
    assert [(*row.labels, *map(str, row.values)) for row in report.shown_rows()] == [
        (*row.labels, *map(str, row.values)) for row in (*answer.rows, answer.total) if row
    ]


def test_its_check_tells_what_was_left_out() -> None:
    mart = check_source("shop")
    assert not mart.faults
    assert {
        "1 calls were free and were left out.",
        "1 customers are staff and were left out, with their calls.",
    } <= {str(note) for note in mart.notes}
