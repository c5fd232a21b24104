from __future__ import annotations

from pathlib import Path

import pytest

from contracts.topics_names import CLICK, EVENT_TOPICS, INVENTORY
from shared_utils.errors import ConfigurationError
from stream_processing.core.tally import Tally
from stream_processing.spark_streaming.command import write_report
from stream_processing.spark_streaming.run import JOBS, select_jobs
from stream_processing.spark_streaming.session import read_defaults, start_session


def test_every_event_topic_has_one_stream() -> None:
    assert sorted(job.topic for job in JOBS) == sorted(EVENT_TOPICS)
    assert len({job.name for job in JOBS}) == len(JOBS)


def test_topics_choose_the_streams() -> None:
    assert [job.topic for job in select_jobs("all")] == [job.topic for job in JOBS]
    assert [job.topic for job in select_jobs(f"{INVENTORY},{CLICK}")] == [INVENTORY, CLICK]


def test_an_unknown_topic_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"shop\.clicks\.v1") as caught:
        select_jobs("shop.clicks.v1")
    assert CLICK in caught.value.remedy


def test_the_session_settings_keep_utc() -> None:
    assert read_defaults()["spark.sql.session.timeZone"] == "UTC"


def test_a_setting_without_a_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spark.conf").write_text("# fine\n\nspark.master local[*]\nspark.driver.memory\n")
    with pytest.raises(ConfigurationError, match=r"spark\.driver\.memory"):
        read_defaults(tmp_path / "spark.conf")


def test_the_platform_environment_says_which_python_to_take() -> None:
    with pytest.raises(ConfigurationError, match="Apache Spark itself") as caught:
        start_session("test")
    assert ".venvs/spark/bin/python" in caught.value.remedy


def test_the_report_is_by_topic(tmp_path: Path) -> None:
    write_report([Tally(CLICK)], tmp_path / "new" / "report.json")
    assert '"shop.click.v1"' in (tmp_path / "new" / "report.json").read_text()
