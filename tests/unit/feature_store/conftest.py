from __future__ import annotations

from pathlib import Path

import pytest

from feature_store.snapshots import Snapshots, take_snapshots
from tests.fakes.gold_tables import write_gold


@pytest.fixture(scope="session")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lake")
    write_gold(root)
    return root


@pytest.fixture(scope="session")
def snapshots(gold: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshots:
    return take_snapshots(gold, tmp_path_factory.mktemp("run"))
