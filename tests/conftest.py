"""What every test needs of its process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import prometheus_client  # noqa: F401 (decides for good how metrics are stored; it must come before Feast, see below)
import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Airflow's tests take minutes: they run when their file or one of them is named."""
    named = {Path(argument.partition("::")[0]).resolve() for argument in config.args}
    left_out = pytest.mark.skip(reason="starts Airflow's servers for minutes: `make test-airflow` runs it")
    for item in items:
        if item.get_closest_marker("airflow") and item.path not in named:
            item.add_marker(left_out)


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the processes that a test kills leave behind stays in the tests' own folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("temporary"))
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(autouse=True)
def _single_process_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast's import switches the whole process to multi-process metrics; serving never imports it, its tests may."""
    for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        monkeypatch.delenv(name, raising=False)
