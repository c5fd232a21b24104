from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from contracts.registry import load_schema
from shared_utils.errors import ConfigurationError
from shared_utils.settings import FlinkSettings, Settings
from stream_processing.core.fraud_rules import RULES_FILE, FraudRules, Pattern, load_rules
from stream_processing.flink_python.cep_jobs import fraud_pattern_detector, fraud_sql


@pytest.fixture(scope="module")
def rules() -> FraudRules:
    return load_rules()


def test_a_rule_becomes_its_pattern_and_window(rules: FraudRules) -> None:
    testing = rules.card_testing.model_copy(update={"declines": 5, "within_seconds": 90_061, "subject": "device"})
    sql = fraud_sql.alert_view(testing)
    assert "PATTERN (D{5,} A) WITHIN INTERVAL '1 01:01:01' DAY(3) TO SECOND(3)" in sql
    assert "PARTITION BY device_id" in sql
    assert "'card_testing', '1', 'device'" in " ".join(sql.split()).replace("CONCAT_WS('|', ", "")


def test_each_number_of_cards_has_its_own_steps(rules: FraudRules) -> None:
    sql = fraud_sql.alert_view(rules.velocity.model_copy(update={"cards": 3}))
    assert "PATTERN (C1 O1* C2 O2* C3)" in sql
    assert "C3 AS C3.card_token <> C1.card_token AND C3.card_token <> C2.card_token" in sql
    assert "O2 AS O2.card_token = C1.card_token OR O2.card_token = C2.card_token" in sql


def test_far_regions_are_listed_both_ways(rules: FraudRules) -> None:
    sql = fraud_sql.alert_view(rules.impossible_travel)
    assert len(re.findall(r"A\.region = ", sql)) == 2 * len(rules.impossible_travel.far_pairs())
    assert "(A.region = 'region-4' AND B.region = 'region-0')" in sql


def test_a_takeover_differs_from_each_known_payment(rules: FraudRules) -> None:
    sql = fraud_sql.alert_view(rules.account_takeover.model_copy(update={"known_payments": 2}))
    assert "PATTERN (K1 K2 T)" in sql
    for step in ("K1", "K2"):
        assert f"T.device_id <> {step}.device_id AND T.address_token <> {step}.address_token" in sql


def test_a_quote_in_a_region_stays_inside_its_text(rules: FraudRules) -> None:
    named = rules.impossible_travel.model_copy(update={"regions_km": {"o'x": (0, 0), "b": (9000, 0)}})
    assert "A.region = 'o''x'" in fraud_sql.alert_view(named)


def test_all_alerts_have_the_columns_of_the_contract(rules: FraudRules) -> None:
    fields = list(load_schema("fraud_alert.v1")["properties"])
    assert list(fraud_sql.COLUMNS) == [*fields, "traceparent"]
    assert fraud_sql.all_alerts(rules).count("UNION ALL") == len(Pattern) - 1


def test_the_job_takes_its_rules_and_its_wait_from_the_settings(tmp_path: Path) -> None:
    other = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    other["velocity"]["cards"] = 7
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(other), encoding="utf-8")
    settings = Settings(flink=FlinkSettings(fraud_lateness_seconds=44, fraud_rules_file=path))
    built = "\n".join(fraud_pattern_detector.statements(settings).definitions)
    assert "C7)" in built
    assert built.count("latest_arrival - 44 * INTERVAL '1' SECOND") == 2


def test_a_broken_rules_file_stops_the_job_before_it_is_sent(tmp_path: Path) -> None:
    settings = Settings(flink=FlinkSettings(fraud_rules_file=tmp_path / "none.yml"))
    with pytest.raises(ConfigurationError):
        fraud_pattern_detector.statements(settings)
