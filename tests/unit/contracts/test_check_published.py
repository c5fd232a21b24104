"""The released contracts are kept: a breaking change is named and refused, an additive one can be released."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import check_published
from contracts.compatibility import BreakingRule
from contracts.registry import CONTRACTS_DIR
from shared_utils.errors import ContractError

CLICK_SCHEMA = Path("schemas/click_event.v1.schema.json")
CLICK_TOPIC = Path("topics/shop.click.v1.yaml")


@pytest.fixture
def current(tmp_path: Path) -> Path:
    """A copy of the current contracts that a test may change."""
    for kind in ("schemas", "topics"):
        shutil.copytree(CONTRACTS_DIR / kind, tmp_path / kind)
    return tmp_path


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file in place."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def broken_rules(current: Path) -> list[tuple[str, BreakingRule]]:
    """What `current` breaks in the released contracts."""
    return [(name, change.rule) for name, change in check_published.breaking_changes(current)]


def test_the_repository_breaks_nothing_and_has_released_everything() -> None:
    assert check_published.breaking_changes() == []
    assert check_published.unpublished() == []
    assert check_published.main([]) == 0


def test_a_removed_field_is_refused(current: Path) -> None:
    edit(current / CLICK_SCHEMA, lambda schema: schema["properties"].pop("page"))
    assert broken_rules(current) == [("click_event.v1", BreakingRule.FIELD_REMOVED)]
    with pytest.raises(ContractError):
        check_published.publish(current)


def test_fewer_partitions_are_refused(current: Path) -> None:
    text = (current / CLICK_TOPIC).read_text()
    (current / CLICK_TOPIC).write_text(text.replace("partitions: 2", "partitions: 1"))
    assert broken_rules(current) == [("shop.click.v1", BreakingRule.PARTITIONS_SHRUNK)]


@pytest.mark.parametrize("path", [CLICK_SCHEMA, CLICK_TOPIC])
def test_a_removed_contract_is_refused(current: Path, path: Path) -> None:
    (current / path).unlink()
    assert [rule for _, rule in broken_rules(current)] == [BreakingRule.CONTRACT_REMOVED]


def test_an_additive_change_is_released(current: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    check_published.publish(current, published)
    edit(current / CLICK_SCHEMA, lambda schema: schema["properties"].update(referrer={"type": "string"}))
    assert check_published.publish(current, published) == [str(CLICK_SCHEMA)]
    assert check_published.unpublished(current, published) == []


def test_b9_the_command_fails_on_a_breaking_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], current: Path
) -> None:
    edit(current / CLICK_SCHEMA, lambda schema: schema["properties"].pop("page"))
    changes = check_published.breaking_changes(current)
    monkeypatch.setattr(check_published, "breaking_changes", lambda: changes)
    assert check_published.main([]) == 1
    assert "click_event.v1: FIELD_REMOVED page" in capsys.readouterr().out
