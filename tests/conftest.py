"""What every test needs of its process."""

from __future__ import annotations

import prometheus_client  # noqa: F401 (decides for good how metrics are stored; it must come before Feast, see below)
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--airflow", action="store_true", help="run the tests that start Airflow's servers")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Airflow's tests take minutes: they run when they are asked for."""
    if not config.getoption("--airflow"):
        left_out = pytest.mark.skip(reason="starts Airflow's servers for minutes: `make test-airflow` runs it")
        for item in items:
            if item.get_closest_marker("airflow"):
                item.add_marker(left_out)


@pytest.fixture(autouse=True)
def _single_process_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast's import switches the whole process to multi-process metrics; serving never imports it, its tests may."""
    for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        monkeypatch.delenv(name, raising=False)
