"""Whole stacks of containers: minutes, gigabytes. They run when they are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from production_ops.compose_stack import first_start
from shared_utils.settings import REPO_ROOT
from tests.fakes.compose_stack import INSTALLATION, PROJECT, ComposeStack
from tests.fakes.container_events import recorded, start_seconds, start_table

COSTS = pytest.StashKey[str]()
SETTINGS = {
    "PROFILE": "streaming batch observe",
    "STACK_CUSTOMERS": "400",
    "STACK_MODEL_ALIAS": "challenger",
    "STACK_ALERT_WEBHOOK_URL": "http://alert-stub:8000/",
    # The stub's file stands beside the stack's own, which gets its settings by itself.
    "COMPOSE_FILE": "docker-compose.yml:tests/compose/alert_stub.yml",
    "STACK_VERSION": first_start.read(REPO_ROOT / "config" / "compose.env")["STACK_VERSION"],
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr == "compose":
        return
    skip = pytest.mark.skip(reason="brings a whole stack of containers up: make test-compose")
    for item in items:
        if item.get_closest_marker("compose"):
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if COSTS in config.stash:
        terminalreporter.section("what the stack took")
        terminalreporter.write(config.stash[COSTS])


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """Every profile, loaded with a few households; gone at the end, whatever happened."""
    if shutil.which("docker") is None:
        pytest.skip("there is no Docker here")
    own_installation = not INSTALLATION.exists()
    stack = ComposeStack(SETTINGS)
    events = tmp_path_factory.mktemp("stack") / "events.jsonl"
    try:
        with recorded(PROJECT, events):
            stack.make("up")
        yield stack
        started = start_seconds(events.read_text(encoding="utf-8").splitlines())
        pytestconfig.stash[COSTS] = f"{start_table(started)}\n{stack.make('up-report')}\n"
    finally:
        if INSTALLATION.exists():
            stack.compose("down", "--volumes", "--remove-orphans")
            if own_installation:
                INSTALLATION.unlink()
    assert stack.remains() == []


@pytest.fixture(scope="session")
def token(stack: ComposeStack) -> str:
    return stack.make("token")
