from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared_utils.errors import ConfigurationError
from stream_processing.core.fraud_rules import RULES_FILE, Pattern, SubjectKind, alert_id, load_rules

GOOD: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))


def _written(folder: Path, content: Any) -> Path:
    path = folder / "rules.yml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def _changed(pattern: str, **fields: Any) -> dict[str, Any]:
    return {**GOOD, pattern: {**GOOD[pattern], **fields}}


def test_the_rules_of_the_repository_hold_one_rule_a_pattern() -> None:
    rules = load_rules()
    assert [rule.pattern for rule in rules.all()] == list(Pattern)
    assert {rule.subject_kind for rule in rules.all()} == set(SubjectKind)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_changed("velocity", cards=1), "velocity.cards"),
        (_changed("velocity", cards="4"), "velocity.cards"),
        (_changed("velocity", card=4), "velocity.card"),
        (_changed("card_testing", subject="customer"), "card_testing.subject"),
        (_changed("card_testing", version=0), "card_testing.version"),
        (_changed("coupon_abuse", min_coupon_percent=101), "coupon_abuse.min_coupon_percent"),
        (_changed("impossible_travel", regions_km={"a": [0, 0], "b": [1]}), "impossible_travel.regions_km.b"),
        (_changed("impossible_travel", min_km=5000), "could never fire"),
        ({name: rule for name, rule in GOOD.items() if name != "account_takeover"}, "account_takeover: Field required"),
        ({**GOOD, "gift_cards": {}}, "gift_cards"),
        ("- a list", "file"),
        ("a: [", "no YAML"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(tmp_path: Path, content: Any, words: str) -> None:
    path = _written(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        load_rules(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no fraud rules at"):
        load_rules(tmp_path / "none.yml")


def test_far_regions_are_those_at_least_so_many_km_apart(tmp_path: Path) -> None:
    near = _changed("impossible_travel", min_km=5, regions_km={"c": [0, 9], "a": [0, 0], "b": [3, 4]})
    assert load_rules(_written(tmp_path, near)).impossible_travel.far_pairs() == [("a", "b"), ("a", "c"), ("b", "c")]
    neighbours = {("region-0", "region-1"), ("region-0", "region-7"), ("region-3", "region-4")}
    assert neighbours.isdisjoint(load_rules().impossible_travel.far_pairs())


def test_an_alert_id_depends_on_rule_version_subject_and_last_event() -> None:
    rules = load_rules()
    raised = rules.velocity.model_copy(update={"version": 2})
    ids = {
        alert_id(rules.velocity, "d", "e"),
        alert_id(raised, "d", "e"),
        alert_id(rules.velocity, "d2", "e"),
        alert_id(rules.velocity, "d", "e2"),
        alert_id(rules.card_testing, "d", "e"),
    }
    assert len(ids) == 5
