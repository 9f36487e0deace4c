"""The spark engine gives the golden tables, the answers of the oracle, and the reports of this machine."""

from __future__ import annotations

import csv
import gc
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from py4j.protocol import Py4JError

from custdyn_widgets.engine import report as report_module
from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import SourceError
from custdyn_widgets.mart.opening import OpenedMart
from custdyn_widgets.mart.spark import ledger
from custdyn_widgets.mart.spark.facts import SparkFacts
from custdyn_widgets.mart.spark.opening import open_on_spark
from custdyn_widgets.query.query import ReportQuery
from custdyn_widgets.render.csv import to_csv
from tests import mart_forms, oracle
from tests.engine.test_golden import GOLDEN, differences, expected, question
from tests.engine.test_golden_dynamics import TABLES, name
from tests.engine.test_oracle import check
from tests.strategies import Case, cases

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("own_cache", "spark")]
PARTS = 2
_OWN: dict[str, Any] = {"duration_ms": None, "generated_at": None}


@pytest.fixture(scope="module")
def opened(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, OpenedMart]]:
    """The golden marts, each with its ledger in two parts in Spark."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for mart in sorted({case.parent.name for case in TABLES}):
            tables = oracle.read_mart(GOLDEN / mart / "mart")
            folder = mart_forms.write_parquet(tables, tmp_path_factory.mktemp(mart))
            patch.setattr(ledger, "PART_ROWS", -(-len(tables["transactions"]) // PARTS))
            found[mart] = folder, open_on_spark(folder)
    return found


def test_a_ledger_is_in_several_parts_and_no_client_is_in_two(opened: Any) -> None:
    facts = opened["mixed"][1].facts
    parts = facts.each(_clients, np.arange(facts.client_count))
    assert len(parts) == 1 + PARTS  # the first is for clients without transactions
    clients = [own for _, result in parts for own in result]
    assert sorted(clients) == list(range(facts.client_count))


def _clients(_: Any, clients: Any) -> list[int]:
    found: list[int] = clients.tolist()
    return found


@pytest.mark.parametrize("case", TABLES, ids=name)
def test_spark_gives_the_golden_table(opened: Any, case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query, as_of = question(case)
    if case.parent.name != "small":  # looking for gaps takes as long as the rest
        monkeypatch.setattr(report_module, "data_gaps", lambda *_: ())
    folder, mart = opened[case.parent.name]
    report = report_module.report_on(ReportQuery.from_dict(query), mart, as_of)
    written = to_csv(report, total=True).decode("utf-8")
    assert not differences(list(csv.reader(io.StringIO(written, newline=""))), expected(case, total=True))
    local = run_report(ReportQuery.from_dict(query), folder, as_of=as_of)
    assert report.rows == local.rows
    assert (report.total, report.triangle) == (local.total, local.triangle)
    assert vars(report.info) | _OWN == vars(local.info) | _OWN


@settings(max_examples=4)
@given(case=cases())
def test_spark_and_the_oracle_agree(case: Case) -> None:
    check(case, "spark")


def test_a_mart_opened_again_has_the_data_of_now_and_keeps_its_parts(tmp_path: Path) -> None:
    """Spark keeps one copy of what it takes for the same plan, even if the files have changed."""
    tables = oracle.read_mart(GOLDEN / "small" / "mart")
    query = ReportQuery({"start": "2021-01-01", "end": "2021-12-31"})
    before = open_on_spark(mart_forms.write_parquet(tables, tmp_path))
    more = {
        **tables,
        "transactions": [*tables["transactions"], {**tables["transactions"][0], "transaction_id": "+"}],
    }
    after = open_on_spark(mart_forms.write_parquet(more, tmp_path))
    was, now = (report_module.report_on(query, mart, "2022-01-01") for mart in (before, after))
    assert now.info.transactions == was.info.transactions + 1
    assert now.rows == run_report(query, tmp_path, as_of="2022-01-01").rows
    del before
    gc.collect()
    assert after.facts.parts.storageLevel.useMemory  # type: ignore[attr-defined]


def test_facts_whose_session_was_stopped_are_freed_without_a_complaint(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped:
        def unpersist(self) -> None:
            raise Py4JError("the session was stopped")

    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    local = opened["small"][1].facts
    SparkFacts.of(local, Stopped(), local.has_rows, "small")  # type: ignore[arg-type]
    gc.collect()
    assert not told


def test_a_mart_on_object_storage_is_read_as_s3a(spark: Any, opened: Any) -> None:
    # PySpark comes without a client for S3, so the bucket is a view of a folder here.
    folder, local = opened["moves"]
    view = {
        "fs.s3a.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
        "fs.viewfs.mounttable.billing.link./marts/moves": f"file://{folder}",
    }
    for key, value in view.items():
        spark.conf.set(key, value)
    try:
        mart = open_on_spark("s3://billing/marts/moves/")
    finally:
        for key in view:
            spark.conf.unset(key)
    assert (mart.name, mart.data_as_of) == ("moves", local.data_as_of)
    query = ReportQuery("last_12_months", group_by=("month",))
    got, want = (report_module.report_on(query, each, "2021-06-01T00:00:00Z").rows for each in (mart, local))
    assert got == want


def test_without_a_client_for_s3_it_says_what_spark_needs() -> None:
    with pytest.raises(SourceError, match=r"S3AFileSystem not found\. Add the org"):
        open_on_spark("s3://other/mart")
