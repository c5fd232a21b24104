"""What the cluster does not run is handed to it again, from where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_utils.errors import DependencyError
from shared_utils.settings import FlinkSettings, Settings, load_settings
from stream_processing.flink_python import checkpoints
from stream_processing.flink_python.cluster import Cluster, JobStatus
from stream_processing.flink_python.keep_running import all_running, ensure

NAMES = ("realtime_features", "session_aggregator")


class FakeCluster(Cluster):
    """A cluster that runs these jobs."""

    def __init__(self, *names: str, state: str = "RUNNING") -> None:
        super().__init__(FlinkSettings())
        self._names, self._state = names, state

    def jobs(self) -> list[JobStatus]:
        return [JobStatus("1", name, self._state) for name in self._names] + [JobStatus("2", NAMES[1], "FAILED")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings().model_copy(update={"run_dir": tmp_path})


def asked(settings: Settings, cluster: Cluster, *, refused: str = "") -> list[tuple[str, bool]]:
    """What was started, and whether from a checkpoint; `refused` does not start."""
    started: list[tuple[str, bool]] = []

    def start(name: str, from_checkpoint: bool) -> None:
        if name == refused:
            raise DependencyError("There are no free slots.", "Start one.")
        started.append((name, from_checkpoint))

    ensure(NAMES, settings, cluster, start)
    return started


def test_all_of_a_new_clusters_jobs_begin(settings: Settings) -> None:
    assert asked(settings, FakeCluster()) == [(NAMES[0], False), (NAMES[1], False)]


def test_a_job_with_a_checkpoint_goes_on_from_it(settings: Settings) -> None:
    mark = checkpoints.folder(NAMES[1], settings) / "run" / "chk-1" / "_metadata"
    mark.parent.mkdir(parents=True)
    mark.touch()

    assert asked(settings, FakeCluster()) == [(NAMES[0], False), (NAMES[1], True)]
    assert asked(settings, FakeCluster(NAMES[0])) == [(NAMES[1], True)]


def test_a_job_that_cannot_start_keeps_no_other_from_it(settings: Settings) -> None:
    assert asked(settings, FakeCluster(), refused=NAMES[0]) == [(NAMES[1], False)]


def test_what_runs_is_left_alone(settings: Settings) -> None:
    assert asked(settings, FakeCluster(*NAMES)) == []
    assert all_running(NAMES, FakeCluster(*NAMES))


def test_a_job_that_waits_for_a_taskmanager_does_not_run_but_is_not_handed_in_again(settings: Settings) -> None:
    assert asked(settings, FakeCluster(*NAMES, state="RESTARTING")) == []
    assert not all_running(NAMES, FakeCluster(*NAMES, state="RESTARTING"))
    assert not all_running(NAMES, FakeCluster(NAMES[0]))
