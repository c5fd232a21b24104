"""What every test needs of its process."""

from __future__ import annotations

import prometheus_client  # noqa: F401 (decides for good how metrics are stored; it must come before Feast, see below)
import pytest


@pytest.fixture(autouse=True)
def _single_process_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast's import switches the whole process to multi-process metrics; serving never imports it, its tests may."""
    for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        monkeypatch.delenv(name, raising=False)
