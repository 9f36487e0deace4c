"""How much the tests draw: `pytest --examples 5000` makes every property test draw so many examples."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

QUICK = 250


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--examples",
        type=int,
        default=None,
        metavar="N",
        help="draw N examples in each property test, anew each time, and sweep every zone's clock changes "
        f"(default: {QUICK}, always the same, and a sample of the zones)",
    )


def pytest_configure(config: pytest.Config) -> None:
    examples = config.getoption("--examples")
    slow_is_fine = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    settings.register_profile(
        "quick", max_examples=QUICK, deadline=None, derandomize=True, suppress_health_check=slow_is_fine
    )
    settings.register_profile(
        "long",
        max_examples=examples or QUICK,
        deadline=None,
        print_blob=True,
        suppress_health_check=slow_is_fine,
    )
    settings.load_profile("long" if examples else "quick")


@pytest.fixture
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether a sweep takes everything and not a sample."""
    return pytestconfig.getoption("--examples") is not None
