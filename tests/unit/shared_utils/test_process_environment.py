"""What a command that the platform starts finds in its environment."""

from __future__ import annotations

import pytest

from shared_utils.settings import process_environment


def test_a_session_of_spark_connect_leaves_no_mark_on_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    monkeypatch.setenv("SHOP_LOG_LEVEL", "INFO")
    environment = process_environment()
    assert "SPARK_CONNECT_MODE_ENABLED" not in environment
    assert environment["SHOP_LOG_LEVEL"] == "INFO"


def test_threads_that_wait_sleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert process_environment()["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert process_environment()["OMP_WAIT_POLICY"] == "active"
