"""S14, S17, S19 on Compose: every service of the resolved stack keeps the rules; each rule sees its planted fault."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from production_ops.first_page.services import PARTS
from production_ops.security import compose_policy
from tests.fakes.compose_files import ComposeFiles

GENERATED = "generated-password"
SERVER: dict[str, Any] = {
    "image": "shop-platform/server:0.1.0",
    "user": "10001:10001",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "mem_limit": "1024",
    "pids_limit": 10,
    "restart": "unless-stopped",
    "healthcheck": {"test": ["CMD", "tcp-ok", "1"]},
    "networks": {"inside": None},
    "environment": {"REDIS_PASSWORD": GENERATED, "URL": f"redis://:{GENERATED}@redis:6379/0", "EMPTY": None},
    "depends_on": {"once": {"condition": "service_completed_successfully", "required": True}},
    "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
}
GOOD: dict[str, Any] = {
    "services": {
        "server": SERVER,
        "once": {**SERVER, "restart": "no", "healthcheck": {"disable": True}, "depends_on": {}},
        "gateway": {
            **SERVER,
            "depends_on": {},
            "networks": {"published": None, "inside": None},
            "ports": [{"host_ip": "127.0.0.1", "target": 80, "published": "8080"}],
        },
    },
    "networks": {"published": {"name": "shop_published"}, "inside": {"name": "shop_inside", "internal": True}},
}
RULES: dict[str, compose_policy.Rule] = {
    "user": compose_policy.runs_as_user,
    "read_only": compose_policy.root_is_read_only,
    "capabilities": compose_policy.capabilities_are_dropped,
    "limits": compose_policy.limits_are_set,
    "health": compose_policy.health_is_checked,
    "image": compose_policy.images_are_exact,
    "ports": compose_policy.ports_are_on_loopback,
    "networks": compose_policy.networks_are_internal,
    "host": compose_policy.host_is_out_of_reach,
}
PLANTS: list[tuple[str, dict[str, Any]]] = [
    ("user", {"user": "0:0"}),
    ("user", {"user": None}),
    ("user", {"user": "root"}),
    ("read_only", {"read_only": False}),
    ("capabilities", {"cap_drop": None}),
    ("capabilities", {"cap_drop": ["NET_RAW"]}),
    ("capabilities", {"cap_add": ["SYS_ADMIN"]}),
    ("capabilities", {"security_opt": ["seccomp:unconfined"]}),
    ("capabilities", {"privileged": True}),
    ("limits", {"mem_limit": "0"}),
    ("limits", {"pids_limit": -1}),
    ("health", {"healthcheck": None}),
    ("health", {"healthcheck": {"test": ["NONE"]}}),
    ("health", {"restart": "no"}),
    ("image", {"image": "redis"}),
    ("image", {"image": "redis:latest"}),
    ("image", {"image": None}),
    ("ports", {"ports": [{"host_ip": "127.0.0.1", "target": 6379}]}),
    ("ports", {"ports": [{"target": 6379}]}),
    ("ports", {"network_mode": "host"}),
    ("ports", {"network_mode": "container:somebody"}),
    ("networks", {"networks": {"published": None}}),
    ("networks", {"networks": None}),
    ("host", {"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}),
    ("host", {"devices": ["/dev/kvm"]}),
    ("host", {"pid": "host"}),
]
SECRET_PLANTS: list[dict[str, Any]] = [
    {"environment": {"ADMIN_PASSWORD": "admin"}},
    {"environment": {"API_TOKEN": ""}},
    {"environment": {"AWS_SECRET_ACCESS_KEY": None}},
    {"environment": {"DATABASE": "postgresql://shop:shop@postgres/shop"}},
    {"command": ["serve", "--store", "redis://:letmein@redis:6379/0"]},
]


def plant(fault: dict[str, Any], service: str = "server") -> dict[str, Any]:
    """The good document with one service changed; None takes the key away."""
    document = copy.deepcopy(GOOD)
    changed = document["services"][service] | fault
    document["services"][service] = {key: value for key, value in changed.items() if value is not None}
    return document


def test_s17_the_good_document_breaks_no_rule() -> None:
    assert [fault for rule in RULES.values() for fault in rule(GOOD)] == []
    assert compose_policy.secrets_are_generated(GOOD, [GENERATED]) == []


@pytest.mark.parametrize(("rule", "fault"), PLANTS)
def test_s17_a_planted_fault_is_seen_by_its_rule_alone(rule: str, fault: dict[str, Any]) -> None:
    document = plant(fault)

    assert [name for name, check in RULES.items() if check(document)] == [rule]
    assert all("server" in line for line in RULES[rule](document))


def test_s17_the_gateway_must_be_on_loopback() -> None:
    document = plant({"ports": [{"host_ip": "0.0.0.0", "target": 80}]}, "gateway")  # noqa: S104 (the planted fault)

    assert compose_policy.ports_are_on_loopback(document) == ["gateway publishes 80 beyond loopback"]


def test_s17_a_one_shot_that_nobody_awaits_needs_a_healthcheck() -> None:
    assert compose_policy.health_is_checked(plant({"depends_on": {}}))


def test_s17_a_command_by_hand_is_of_no_stack() -> None:
    once = {"restart": "no", "healthcheck": None}

    assert compose_policy.health_is_checked(plant({**once, "profiles": ["tools"]})) == []
    assert compose_policy.health_is_checked(plant({**once, "profiles": ["core", "tools"]}))
    assert compose_policy.health_is_checked(plant({"healthcheck": None, "profiles": ["tools"]}))


@pytest.mark.parametrize("fault", SECRET_PLANTS)
def test_s14_a_planted_secret_is_seen(fault: dict[str, Any]) -> None:
    assert compose_policy.secrets_are_generated(plant(fault), [GENERATED])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str]]:
    """The resolved stack of every profile, and the secrets that were made for it."""
    files = ComposeFiles(tmp_path_factory.mktemp("checkout"))
    return files.whole(), files.installation


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_s17_every_service_of_the_stack_keeps_the_rule(
    rule: Callable[[dict[str, Any]], list[str]], stack: tuple[dict[str, Any], dict[str, str]]
) -> None:
    document, _ = stack

    assert len(document["services"]) >= 14
    assert rule(document) == []


def test_s17_the_metastore_which_asks_for_no_password_is_reached_by_spark_alone(
    stack: tuple[dict[str, Any], dict[str, str]],
) -> None:
    services = stack[0]["services"]
    its_own = set(services["hive-metastore"]["networks"])
    beside = {name for name, service in services.items() if its_own & set(service.get("networks") or {})}

    assert beside == {"hive-metastore", "postgres", "spark-connect"}


def test_s14_every_secret_of_the_stack_is_a_generated_one(stack: tuple[dict[str, Any], dict[str, str]]) -> None:
    document, installation = stack

    assert compose_policy.secrets_are_generated(document, installation.values()) == []
    text = json.dumps(document)
    assert [name for name, value in installation.items() if value not in text] == []


def missing_on_the_page(document: dict[str, Any]) -> list[str]:
    """Servers that the landing page does not show under their part."""
    shown = {(part, service.name) for part, services in PARTS for service in services}
    servers = [(name, one) for name, one in document["services"].items() if one["restart"] != "no"]
    return [name for name, one in servers if not shown & {(part, name) for part in one["profiles"]}]


def test_every_server_of_the_stack_is_on_the_landing_page(stack: tuple[dict[str, Any], dict[str, str]]) -> None:
    document = copy.deepcopy(stack[0])
    assert missing_on_the_page(document) == []

    document["services"]["newcomer"] = document["services"]["serving"]
    assert missing_on_the_page(document) == ["newcomer"]
