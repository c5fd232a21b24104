"""The entry files of `deployment/docker_compose` select whole services of the stack, and change nothing of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from tests.fakes.compose_files import ENTRIES, ComposeFiles

Services = Mapping[str, Mapping[str, Any]]
WANTED: dict[str, Collection[str] | None] = {
    "fastapi_only.yml": ["gateway", "serving"],
    "airflow_stack.yml": ["gateway", "serving", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"],
    "full_stack_dev.yml": None,
}
"""What each file is for; None: every server, and what it waits for."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ComposeFiles:
    return ComposeFiles(tmp_path_factory.mktemp("checkout"))


def faults(selected: Services, whole: Services, wanted: Collection[str]) -> list[str]:
    """What a selection lacks, has beside `wanted` and all that this waits for, or changes."""
    needed, todo = set[str](), list(wanted)
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo.extend(whole[name].get("depends_on", {}))
    return [
        *(f"{name} is missing" for name in sorted(needed - set(selected))),
        *(f"{name} is not needed" for name in sorted(set(selected) - needed)),
        *(
            f"{name} is changed"
            for name in sorted(needed & set(selected))
            if selected[name] != {key: value for key, value in whole[name].items() if key != "profiles"}
        ),
    ]


def test_every_entry_file_is_known_here() -> None:
    assert {path.name for path in ENTRIES.glob("*.yml")} == set(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_an_entry_file_is_a_selection_and_no_more(name: str, files: ComposeFiles) -> None:
    whole = files.whole()["services"]
    wanted = WANTED[name] or [service for service in whole if whole[service]["profiles"] != ["tools"]]

    assert faults(files.entry(name)["services"], whole, wanted) == []


def test_a_planted_fault_is_seen() -> None:
    store = {"image": "redis:7", "profiles": ["core"]}
    whole = {"redis": store, "api": {**store, "depends_on": {"redis": {}}}, "panel": store}
    api, redis = {"image": "redis:7", "depends_on": {"redis": {}}}, {"image": "redis:7"}

    assert faults({"api": api, "redis": redis}, whole, ["api"]) == []
    assert faults({"api": api}, whole, ["api"]) == ["redis is missing"]
    assert faults({"api": api, "redis": redis, "panel": redis}, whole, ["api"]) == ["panel is not needed"]
    assert faults({"api": api, "redis": {"image": "redis:8"}}, whole, ["api"]) == ["redis is changed"]
