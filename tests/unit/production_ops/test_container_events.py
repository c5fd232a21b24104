"""The time of a start is read from the engine's events."""

from __future__ import annotations

import json

from tests.fakes.container_events import start_seconds, start_table


def event(second: float, service: str, action: str) -> str:
    actor = {"Attributes": {"com.docker.compose.service": service}}
    return json.dumps({"Action": action, "Actor": actor, "timeNano": int(second * 1e9)})


def test_a_server_has_started_when_it_is_first_healthy_and_a_one_shot_when_it_ends() -> None:
    took = start_seconds(
        [
            event(1, "redis", "start"),
            event(2, "topics", "start"),
            event(3, "redis", "health_status: unhealthy"),
            event(4.5, "redis", "health_status: healthy"),
            event(9, "topics", "die"),
            event(11, "redis", "start"),
            event(19, "redis", "health_status: healthy"),
        ]
    )

    assert took == {"redis": 3.5, "topics": 7}
    assert [line.split() for line in start_table(took).splitlines()[1:]] == [["topics", "7.0"], ["redis", "3.5"]]


def test_what_never_became_healthy_has_no_time() -> None:
    assert start_seconds([event(1, "kafka", "start")]) == {}
