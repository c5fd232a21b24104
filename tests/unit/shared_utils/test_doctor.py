from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared_utils import doctor
from shared_utils.doctor import Finding, Level
from shared_utils.time_utils import fixed_clock

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GIB = 1024**3


@pytest.mark.parametrize(
    ("version", "level"), [((3, 11), "ok"), ((3, 12), "ok"), ((3, 10), "blocking"), ((3, 13), "blocking")]
)
def test_python_must_be_3_11_or_3_12(version: tuple[int, int], level: str) -> None:
    assert doctor.judge_python(version).level == level


@pytest.mark.parametrize(
    ("output", "level"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "ok"),
        ('openjdk version "25" 2025-09-16', "ok"),
        ('openjdk version "11.0.2" 2019-01-15', "blocking"),
        ('java version "1.8.0_442"', "blocking"),
        ("", "blocking"),
    ],
)
def test_java_must_be_17_or_newer(output: str, level: str) -> None:
    assert doctor.judge_java(output).level == level


def test_a_missing_program_is_blocking_and_has_a_remedy() -> None:
    assert doctor.judge_program("mvn", "/usr/bin/mvn").level is Level.OK
    assert doctor.judge_program("mvn", None).remedy


@pytest.mark.parametrize(("gib", "level"), [(1.9, "blocking"), (3, "warning"), (9, "ok")])
def test_room_is_judged_against_both_limits(gib: float, level: str) -> None:
    assert doctor.judge_room("disk", int(gib * GIB), (2.0, 8.0), "Free some.").level == level


@pytest.mark.parametrize(("limit", "level"), [(256, "warning"), (1024, "ok"), (-1, "ok")])
def test_the_open_file_limit(limit: int, level: str) -> None:
    assert doctor.judge_open_files(limit).level == level


@pytest.mark.parametrize(("behind", "level"), [(0, "ok"), (0.5, "ok"), (1440, "blocking")])
def test_a_clock_before_the_checkout_is_blocking(behind: float, level: str) -> None:
    clock = fixed_clock(NOON - timedelta(minutes=behind))

    assert doctor.judge_clock(clock, NOON).level == level


def test_an_environment_is_missing_then_current_then_outdated(tmp_path: Path) -> None:
    lock, done = tmp_path / "requirements" / "spark.txt", tmp_path / ".venvs" / "spark" / ".done"
    lock.parent.mkdir()
    lock.touch()
    assert doctor.judge_environment("spark", tmp_path).level is Level.FAIL
    done.parent.mkdir(parents=True)
    done.touch()
    assert doctor.judge_environment("spark", tmp_path).level is Level.OK
    os.utime(done, (0, 0))
    assert doctor.judge_environment("spark", tmp_path).level is Level.WARN


def test_jars_without_the_engine_are_not_enough(tmp_path: Path) -> None:
    folder = tmp_path / "build" / "jars" / "kafka"
    folder.mkdir(parents=True)
    (folder / "slf4j-api-1.7.36.jar").touch()
    assert doctor.judge_jars("kafka", tmp_path).level is Level.FAIL
    (folder / "kafka_2.13-4.4.0.jar").touch()
    assert doctor.judge_jars("kafka", tmp_path).level is Level.OK


def test_only_a_blocking_finding_fails() -> None:
    warning, blocking = (Finding("x", level, "") for level in (Level.WARN, Level.FAIL))

    assert doctor.exit_code([warning]) == 0
    assert doctor.exit_code([warning, blocking]) == 1


def test_this_machine_is_examined_whole() -> None:
    subjects = [finding.subject for finding in doctor.examine()]

    assert {"java", "environment spark", "jars kafka", "memory", "disk", "clock"} <= set(subjects)
