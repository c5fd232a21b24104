"""Which stack `make trace` asks: the environment's, the one that was left running, or the one that is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from production_ops import running_stack
from shared_utils.errors import ConfigurationError, DataError
from shared_utils.local_stack import procfs
from shared_utils.settings import KafkaSettings, Settings


@pytest.fixture(autouse=True)
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("SHOP_KAFKA__BOOTSTRAP_SERVERS", raising=False)
    settings = Settings(run_dir=tmp_path / "run", kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    monkeypatch.setattr(running_stack, "load_settings", lambda: settings)
    return settings


def leave_running(folder: Path, port: int, *, ticks: int | None = None) -> Path:
    """A stack's record; the process that still runs is this test."""
    folder.mkdir(parents=True)
    start = procfs.start_ticks(os.getpid()) if ticks is None else ticks
    process = {"name": "kafka", "pid": os.getpid(), "ticks": start, "address": f"127.0.0.1:{port}"}
    env = {"SHOP_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{port}", "SHOP_RUN_DIR": str(folder)}
    (folder / "stack.json").write_text(json.dumps({"processes": [process], "env": env}), encoding="utf-8")
    return folder


def test_the_stack_that_was_left_running_is_found(tmp_path: Path) -> None:
    demo = leave_running(tmp_path / "demo", 2)
    leave_running(tmp_path / "gone", 3, ticks=1)
    settings, source = running_stack.stack_settings(None)
    assert (settings.kafka.bootstrap_servers, settings.run_dir, source) == ("127.0.0.1:2", demo, str(demo))


def test_without_one_the_settings_stand(usual: Settings) -> None:
    assert running_stack.stack_settings(None) == (usual, "127.0.0.1:1")


def test_a_broker_in_the_environment_comes_first(
    tmp_path: Path, usual: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_running(tmp_path / "demo", 2)
    monkeypatch.setenv("SHOP_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert running_stack.stack_settings(None) == (usual, "127.0.0.1:1")


def test_of_several_one_must_be_named(tmp_path: Path) -> None:
    leave_running(tmp_path / "demo", 2)
    run = leave_running(tmp_path / "other", 3)
    with pytest.raises(ConfigurationError, match="Name one"):
        running_stack.stack_settings(None)
    assert running_stack.stack_settings(run)[0].kafka.bootstrap_servers == "127.0.0.1:3"


def test_a_named_one_that_does_not_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="KEEP=1"):
        running_stack.stack_settings(tmp_path / "none")


def test_a_damaged_record_is_said_to_be_damaged(tmp_path: Path) -> None:
    folder = leave_running(tmp_path / "demo", 2)
    (folder / "stack.json").write_text('{"processes": []', encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        running_stack.stack_settings(None)
