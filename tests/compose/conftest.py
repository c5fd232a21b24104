"""Whole stacks of containers: minutes, gigabytes. They run when they are asked for."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr == "compose":
        return
    skip = pytest.mark.skip(reason="brings a whole stack of containers up: make test-compose")
    for item in items:
        if item.get_closest_marker("compose"):
            item.add_marker(skip)
