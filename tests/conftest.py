"""How much the tests draw: `pytest --examples 5000` makes every property test draw so many examples."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from custdyn_widgets.files import load_jsonschema
from tests import databases

load_jsonschema()  # before a test imports it through nbformat or jupyter_events, which takes a second longer
USUAL, FEW = 100, 25
_LONG_MODULES = Path(__file__).with_name("long_modules.txt")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--examples",
        type=int,
        default=None,
        metavar="N",
        help="draw N examples in each property test, anew each time, and sweep every zone's clock changes "
        f"(default: {USUAL}, always the same, and a sample of the zones)",
    )
    parser.addoption(
        "--few-examples",
        action="store_true",
        help=f"draw {FEW} examples in each property test, for a quick answer",
    )


def pytest_configure(config: pytest.Config) -> None:
    databases.begin_run()
    examples = config.getoption("--examples")
    common: dict[str, Any] = {
        "deadline": None,
        "phases": [phase for phase in Phase if phase is not Phase.explain],
        "suppress_health_check": [
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    }
    usual = FEW if config.getoption("--few-examples") else USUAL
    settings.register_profile("usual", max_examples=usual, derandomize=True, **common)
    settings.register_profile("long", max_examples=examples or USUAL, print_blob=True, **common)
    settings.load_profile("long" if examples else "usual")


@pytest.hookimpl(tryfirst=True)  # before tests are selected by marker
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of modules that together take longer than all others, and put those of Spark first.

    Neighbouring tests usually run in the same process, so that only one process starts a Spark session.
    """
    items.sort(key=lambda item: item.get_closest_marker("spark") is None)
    modules = {config.rootpath / line for line in _LONG_MODULES.read_text(encoding="utf-8").splitlines()}
    for item in items:
        if item.path in modules:
            item.add_marker("long")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the main process ends last
        databases.end_run()


@pytest.fixture
def postgresql() -> Iterator[databases.Database]:
    """A new database in a real PostgreSQL."""
    with databases.new_database("postgresql") as database:
        yield database


@pytest.fixture
def mariadb() -> Iterator[databases.Database]:
    """A new database in a real MariaDB."""
    with databases.new_database("mysql") as database:
        yield database


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> databases.Database:
    """A new database in each of the real servers."""
    found: databases.Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def own_marts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work with a sources.toml, marts and a cache of the test's own, and a home without passwords."""
    for name in ("sources.toml", "marts", "cache"):
        monkeypatch.setenv(f"CUSTDYN_{name.partition('.')[0].upper()}", str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CUSTDYN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Spark session on two cores of this machine, for all tests that need one."""
    from custdyn_widgets.mart.spark.session import spark_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTDYN_SPARK", "local[2]")
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # starts fast
        patch.chdir(tmp_path_factory.mktemp("spark"))  # where Spark may put a warehouse
        session = spark_session()
    session.conf.set("spark.sql.shuffle.partitions", "2")  # 200 by default, which takes a second
    yield session
    session.stop()


@pytest.fixture
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether a sweep takes everything and not a sample."""
    return pytestconfig.getoption("--examples") is not None


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what a module's reports cache out of the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTDYN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where tests decide what lands, one that would be skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("CUSTDYN_TESTS_MAY_NOT_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and no test may be: {report.longrepr}"
    return report
