from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from data_lake import maintenance
from data_lake.catalog import PRODUCT
from shared_utils.errors import ConfigurationError, DataError
from shared_utils.settings import LakeSettings, Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = Settings(env="test", lake=LakeSettings(root=tmp_path))
    for product in range(4):
        write_deltalake(PRODUCT.path(tmp_path), pa.table({"product_id": [product]}), mode="append")
    monkeypatch.setattr(maintenance, "load_settings", lambda: settings)
    return settings


def run(*words: str) -> int:
    return maintenance.main([*words, "--table", "silver.product"])


def test_optimize_joins_files_and_keeps_the_rows(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("optimize") == 0
    table = DeltaTable(PRODUCT.path(settings.lake.root))
    assert len(table.file_uris()) == 1
    assert sorted(table.to_pyarrow_table()["product_id"].to_pylist()) == [0, 1, 2, 3]
    assert "4 files compacted into 1" in capsys.readouterr().out


def test_vacuum_inside_the_retention_removes_nothing(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    run("optimize")
    assert run("vacuum") == 0
    assert "0 files removed" in capsys.readouterr().out
    assert DeltaTable(PRODUCT.path(settings.lake.root), version=3).to_pyarrow_table().num_rows == 4


@pytest.mark.usefixtures("settings")
def test_vacuum_below_the_retention_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="below the minimum of 168 h"):
        run("vacuum", "--retention-hours", "24")


@pytest.mark.usefixtures("settings")
def test_history_lists_the_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("history") == 0
    assert capsys.readouterr().out.count("WRITE") == 4


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"silver\.product does not exist"):
        maintenance.open_table(PRODUCT, Settings(env="test", lake=LakeSettings(root=tmp_path / "none")))
