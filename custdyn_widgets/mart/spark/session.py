"""Starting a Spark session, and converting Spark's errors to ones that users can act on."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from custdyn_widgets import settings
from custdyn_widgets.errors import SettingsError, SourceError, mask_passwords, shown
from custdyn_widgets.mart.database_url import has_secret

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ON_THIS_MACHINE = "local[*]"


def spark_session() -> SparkSession:
    """Return the active Spark session, or start one on the cluster named in the settings.

    If the settings name no cluster, use the one given by `SPARK_REMOTE` or `spark-submit`, or else this
    machine.

    Raises
    ------
    SettingsError
        If pyspark or Java is missing, the `spark` setting contains a secret, or the cluster cannot be
        reached.
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SettingsError(
            "The spark engine needs the pyspark package, which is not installed. Run: "
            "pip install 'custdyn-widgets[spark]'",
            field="engine",
        ) from error
    if active := SparkSession.getActiveSession():
        return active
    master = settings.load().spark
    if master and has_secret(master):
        raise SettingsError(
            "The spark setting contains a secret, but other users may be able to read it. Remove the secret, "
            "and set the environment variable SPARK_REMOTE to the address, including its token.",
            field="spark",
        )
    if master is None and not {"SPARK_REMOTE", "PYSPARK_GATEWAY_PORT"} & set(os.environ):
        master = _ON_THIS_MACHINE
    try:
        return _session(SparkSession.builder.appName("custdyn"), master)
    except (PySparkException, OSError) as error:
        raise _not_started(error, master) from error


def _session(builder: SparkSession.Builder, master: str | None) -> SparkSession:
    if master is None:
        return builder.getOrCreate()
    if master.startswith("sc://"):
        return builder.remote(master).getOrCreate()
    if master.startswith("local"):
        # Workers are local processes: they use the same Python and accept only local connections.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        for name in ("spark.driver.host", "spark.driver.bindAddress"):
            builder = builder.config(name, "127.0.0.1")
        builder = builder.config("spark.ui.enabled", "false")
    session = builder.master(master).config("spark.ui.showConsoleProgress", "false").getOrCreate()
    session.sparkContext.setLogLevel("OFF")  # Spark's errors are raised as exceptions
    return session


def _not_started(error: Exception, master: str | None) -> SettingsError:
    if "JAVA_GATEWAY_EXITED" in str(error) or isinstance(error, FileNotFoundError):
        return SettingsError(
            "The spark engine needs Java 17 or newer, but Java did not start. Install it, and set JAVA_HOME "
            "to its folder. To use a Spark Connect server instead, set SPARK_REMOTE to its address.",
            field="engine",
        )
    where = f" at {shown(master)}" if master else ""
    return SettingsError(f"Spark could not be started{where}: {_reason(error)}", field="spark")


@contextmanager
def spark_errors(name: str) -> Iterator[None]:
    """Convert Spark's errors to errors about the source with this name.

    Raises
    ------
    SourceError
        If Spark fails to read the source or to compute with it.
    """
    from py4j.protocol import Py4JError  # imported late: slow to load
    from pyspark.errors import PySparkException

    try:
        with warnings.catch_warnings():
            # PySpark warns about pandas, which is not used here: rows are exchanged as Arrow tables.
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
            yield
    except (PySparkException, Py4JError) as error:
        text = str(error)
        remedy = ""
        if "No module named" in text:
            remedy = " Install this version of custdyn-widgets in the workers' Python environment."
        elif "S3AFileSystem not found" in text:
            remedy = (
                " Add the org.apache.hadoop:hadoop-aws package, matching Spark's Hadoop version, to "
                "spark.jars.packages, or use the local engine."
            )
        elif "Illegal Parquet type" in text and "NANOS" in text:
            remedy = " Write times in microseconds: Spark does not support nanoseconds."
        reason = _reason(error)
        end = "." if remedy and not reason.endswith(".") else ""
        raise SourceError(
            f"Spark could not read source {shown(name)}: {reason}{end}{remedy}", field="source"
        ) from error


def _reason(error: Exception) -> str:
    """Return the reason for an error on one line, without the cluster's traceback."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip(" :")]
    named = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception"))]
    return mask_passwords((named or lines or [type(error).__name__])[0])
