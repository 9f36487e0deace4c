"""What the spark engine refuses before it starts Spark, and what to do instead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from custdyn_widgets.engine.compute import run_report
from custdyn_widgets.errors import CustDynError, QueryError, SettingsError, SourceError
from custdyn_widgets.mart.sources import Source
from custdyn_widgets.mart.spark import tables
from custdyn_widgets.mart.spark.opening import open_on_spark
from custdyn_widgets.mart.spark.session import spark_session
from custdyn_widgets.query.query import ReportQuery
from tests import mart_forms, oracle
from tests.engine.test_golden import GOLDEN

pytestmark = pytest.mark.usefixtures("own_marts")
SMALL = GOLDEN / "small" / "mart"


def test_without_pyspark_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pyspark", "pyspark.errors", "pyspark.sql"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=r"pip install 'custdyn-widgets\[spark\]'"):
        spark_session()


@pytest.mark.spark
def test_without_java_it_says_what_to_install(tmp_path: Path) -> None:
    folder = mart_forms.write_parquet(oracle.read_mart(SMALL), tmp_path)
    command = [sys.executable, "-m", "custdyn_widgets", "check", "--engine", "spark", str(folder)]
    env = {**os.environ, "JAVA_HOME": str(tmp_path / "none")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "The spark engine needs Java 17 or newer, but Java did not start. Install it" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("master", ["sc://host:15002/;token=abc123", "spark://me:abc123@host:7077"])
def test_a_setting_with_a_secret_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, master: str
) -> None:
    monkeypatch.setenv("CUSTDYN_SPARK", master)
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    with pytest.raises(SettingsError, match="SPARK_REMOTE") as refused:
        spark_session()
    assert "abc123" not in refused.value.message


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (SMALL, "has clients.csv, but the spark engine reads only Parquet."),
        ("demo", "reads only Parquet"),
        (Source(SMALL, on_fault="quarantine"), "cannot leave out faulty rows"),
        (Source("hdfs://host/mart", system="astpp"), "cannot run a mapping"),
        ({"clients": None}, "not tables in memory"),
        ("no such folder", "is not a folder that exists"),
    ],
)
def test_a_source_that_spark_cannot_read_is_refused(source: object, what: str) -> None:
    with pytest.raises(SourceError, match=what):
        open_on_spark(source)  # type: ignore[arg-type]  # a dict without tables


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(CustDynError) as refused:
        open_on_spark("s3a://key:abc123@bucket/mart")
    assert "abc123" not in refused.value.message


@pytest.mark.parametrize(
    ("section", "options"),
    [
        ("", {}),
        (
            'endpoint = "https://minio.example:9000"\nregion = "eu-central-1"\n',
            {
                "fs.s3a.bucket.billing.endpoint": "https://minio.example:9000",
                "fs.s3a.bucket.billing.path.style.access": "true",
                "fs.s3a.bucket.billing.endpoint.region": "eu-central-1",
            },
        ),
    ],
)
def test_spark_reads_a_named_source_on_object_storage_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, section: str, options: dict[str, str]
) -> None:
    (tmp_path / "sources.toml").write_text(f'[shop]\npath = "s3://billing/mart"\n{section}', encoding="utf-8")
    asked: dict[str, Any] = {}

    class Reader:
        def options(self, **given: str) -> Reader:
            asked.update(given)
            return self

        def parquet(self, path: str) -> None:
            raise SourceError(path)

    monkeypatch.setattr(tables, "spark_session", lambda: SimpleNamespace(read=Reader()))
    with pytest.raises(SourceError, match=r"^s3a://billing/mart/clients\.parquet$"):
        open_on_spark("shop")
    assert asked == options


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(QueryError, match="'sparc' is not an allowed value"):
        run_report(ReportQuery("last_month"), SMALL, engine="sparc")
