from __future__ import annotations

from pathlib import Path

from contracts.topics_names import EVENT_TOPICS
from data_lake.catalog import BRONZE_OF_TOPIC, LATE_EVENT, SILVER_CLICK, SILVER_OF_TOPIC, TABLES
from shared_utils.settings import REPO_ROOT


def test_every_table_has_a_folder_of_its_own() -> None:
    assert len({table.full_name for table in TABLES}) == len(TABLES)


def test_every_event_topic_has_a_bronze_and_a_silver_table() -> None:
    assert set(BRONZE_OF_TOPIC) == set(SILVER_OF_TOPIC) == set(EVENT_TOPICS)
    assert set(BRONZE_OF_TOPIC.values()) | set(SILVER_OF_TOPIC.values()) <= set(TABLES)


def test_a_path_does_not_depend_on_the_working_folder(tmp_path: Path) -> None:
    assert SILVER_CLICK.path(Path("build/lake")) == str(REPO_ROOT / "build/lake/silver/click")
    assert LATE_EVENT.path(tmp_path) == str(tmp_path / "silver" / "late_event")
