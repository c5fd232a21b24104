"""What the cluster does not run is handed to it again, from where it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from shared_utils.settings import FlinkSettings, Settings, load_settings
from stream_processing.flink_python import checkpoints
from stream_processing.flink_python.cluster import Cluster, JobStatus
from stream_processing.flink_python.keep_running import ensure

NAMES = ("realtime_features", "session_aggregator")


class FakeCluster(Cluster):
    """A cluster that runs these jobs."""

    def __init__(self, *names: str) -> None:
        super().__init__(FlinkSettings())
        self._names = names

    def jobs(self) -> list[JobStatus]:
        return [JobStatus("1", name, "RUNNING") for name in self._names] + [JobStatus("2", NAMES[1], "FAILED")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings().model_copy(update={"run_dir": tmp_path})


def asked(settings: Settings, cluster: Cluster) -> list[Sequence[str]]:
    """What was submitted."""
    submitted: list[Sequence[str]] = []

    def submit(words: Sequence[str]) -> int:
        submitted.append(words)
        return 0

    ensure(NAMES, settings, cluster, submit)
    return submitted


def test_all_of_a_new_clusters_jobs_begin_together(settings: Settings) -> None:
    assert asked(settings, FakeCluster()) == [list(NAMES)]


def test_a_job_with_a_checkpoint_goes_on_from_it(settings: Settings) -> None:
    mark = checkpoints.folder(NAMES[1], settings) / "run" / "chk-1" / "_metadata"
    mark.parent.mkdir(parents=True)
    mark.touch()

    assert asked(settings, FakeCluster()) == [[NAMES[0]], [NAMES[1], "--from-checkpoint"]]
    assert asked(settings, FakeCluster(NAMES[0])) == [[NAMES[1], "--from-checkpoint"]]


def test_what_runs_is_left_alone(settings: Settings) -> None:
    assert asked(settings, FakeCluster(*NAMES)) == []
