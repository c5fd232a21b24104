"""The entry files of `deployment/docker_compose` select whole services of the stack, and change nothing of them."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.fakes.compose_files import ENTRIES, ComposeFiles, Document

WANTED: dict[str, Collection[str] | None] = {
    "fastapi_only.yml": ["gateway"],
    "airflow_stack.yml": ["gateway", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"],
    "full_stack_dev.yml": None,
}
"""What each file is for; None: all that there is."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ComposeFiles:
    return ComposeFiles(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def whole(files: ComposeFiles) -> Document:
    return files.whole()


def needed(services: Document, wanted: Collection[str]) -> set[str]:
    """The services of `wanted`, and all that these wait for."""
    found, todo = set[str](), list(wanted)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(services[name].get("depends_on", {}))
    return found


def test_every_entry_file_is_known_here() -> None:
    assert {path.name for path in ENTRIES.glob("*.yml")} == set(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_an_entry_file_selects_what_it_is_for_and_what_that_waits_for(
    name: str, files: ComposeFiles, whole: Document
) -> None:
    wanted = WANTED[name]

    assert set(files.entry(name)["services"]) == needed(whole["services"], wanted or whole["services"])


@pytest.mark.parametrize("name", WANTED)
def test_an_entry_file_changes_nothing_of_what_it_selects(name: str, files: ComposeFiles, whole: Document) -> None:
    for service, definition in files.entry(name)["services"].items():
        assert definition == {k: v for k, v in whole["services"][service].items() if k != "profiles"}, service
