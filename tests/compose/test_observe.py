"""The profile `observe`: every target answers, and whoever is to be told of an alert is told."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.compose_stack import ComposeStack
from tests.fakes.serving_process import wait_until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

JOBS = {"serving", "feature-writer", "flink", "redis", "postgres", "prometheus", "alertmanager"}


def targets(stack: ComposeStack) -> dict[str, str]:
    """Each job of Prometheus with its target's health."""
    answer = httpx.get(f"{stack.prometheus_url}/api/v1/targets?state=active", timeout=5.0, trust_env=False)
    return {one["labels"]["job"]: one["health"] for one in answer.raise_for_status().json()["data"]["activeTargets"]}


def test_every_target_is_up(stack: ComposeStack) -> None:
    wait_until(lambda: targets(stack) == dict.fromkeys(JOBS, "up"), "every target", 90)


def told_of(stack: ComposeStack, target: str) -> list[str]:
    """What the receiver was sent about a target that is down."""
    lines = stack.compose("logs", "alert-stub").splitlines()
    return [line for line in lines if '"alertname":"TargetDown"' in line and target in line]


def test_a_planted_alert_reaches_its_receiver(stack: ComposeStack) -> None:
    stack.compose("pause", "feature-writer")
    try:
        wait_until(lambda: told_of(stack, "feature-writer"), "the alert", 180)
    finally:
        stack.compose("unpause", "feature-writer")
    assert "runbooks/target_down.md" in told_of(stack, "feature-writer")[0]
    wait_until(lambda: targets(stack)["feature-writer"] == "up", "the feature writer", 60)
