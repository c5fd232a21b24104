"""The Flink jobs' SQL is a pure function of the settings, and their command says what is wrong."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from contracts.registry import load_topics
from shared_utils.errors import CheckpointError, ConfigurationError, DataError, DependencyError
from shared_utils.local_stack.readiness import is_ready
from shared_utils.local_stack.spec import FlinkSlotsReady
from shared_utils.settings import FlinkSettings, Settings
from stream_processing.flink_python import checkpoints, command, product_category, sql, submit
from stream_processing.flink_python.cluster import Cluster
from stream_processing.flink_python.run import JOBS
from stream_processing.flink_python.windows import realtime_features, session_aggregator


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(run_dir=tmp_path, flink=FlinkSettings(rest_url="http://127.0.0.1:1"))


class Answers(BaseHTTPRequestHandler):
    """A JobManager that answers what the test says."""

    documents: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        body = json.dumps(self.documents[self.path]).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def jobmanager() -> Iterator[HTTPServer]:
    Answers.documents = {"/jobs/overview": {"jobs": []}, "/overview": {"slots-available": 4}}
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def at(settings: Settings, server: HTTPServer) -> Settings:
    return settings.model_copy(update={"flink": FlinkSettings(rest_url=f"http://127.0.0.1:{server.server_port}")})


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_a_job_reads_and_writes_the_topics_that_its_contract_says(job: Any, settings: Settings) -> None:
    parts = job.build(settings)
    text = "\n".join(parts.definitions)
    for topic in (*job.reads, *job.writes):
        assert f"'topic' = '{topic}'" in text
    for topic in job.writes:
        assert load_topics()[topic].producers == (f"stream_processing.{job.name}",)
    assert job.build(settings) == parts
    assert not re.search(r"\{[a-z_]", text), "a placeholder of a template is left"


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_no_idle_timeout_and_checkpoints_that_stay(job: Any, settings: Settings) -> None:
    options = submit.configuration(job, settings, None)
    assert not any("idle" in name for name in options)
    assert options["execution.checkpointing.externalized-checkpoint-retention"] == "RETAIN_ON_CANCELLATION"
    assert options["execution.checkpointing.dir"] == checkpoints.folder(job.name, settings).as_uri()
    assert options["table.local-time-zone"] == "UTC"
    assert "execution.state-recovery.path" not in options
    assert submit.configuration(job, settings, Path("/x/chk-1"))["execution.state-recovery.path"] == "file:///x/chk-1"


def test_a_visit_s_windows_end_a_millisecond_before_the_gap(settings: Settings) -> None:
    parts = session_aggregator.statements(settings)
    assert "INTERVAL '00:29:59.999' HOUR TO SECOND(3)" in parts.inserts[0]
    assert "1800 * INTERVAL '1' SECOND" in parts.inserts[0]


def test_the_watermark_is_behind_the_lateness(settings: Settings) -> None:
    text = "\n".join(session_aggregator.statements(settings).definitions)
    assert "AS `arrival_time` - 901 * INTERVAL '1' SECOND" in text
    assert "latest_arrival - 900 * INTERVAL '1' SECOND" in text


def test_minutes_are_summed_by_entity_without_a_watermark() -> None:
    customer, product = realtime_features.statements(Settings()).inserts
    assert "PARTITION BY customer_id, bucket_start ORDER BY processing_time" in customer
    assert "PARTITION BY product_id, bucket_start ORDER BY processing_time" in product


def test_headers_and_instants() -> None:
    assert sql.headers(a="b") == "MAP['schema_version', CAST('1' AS BYTES), 'a', CAST(b AS BYTES)]"
    assert sql.instant("x") == "DATE_FORMAT(x, 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z''')"


def test_categories_are_written_as_csv(tmp_path: Path) -> None:
    target = tmp_path / "new" / "products.csv"
    product_category.write({2: 'a "b", c', 1: "x"}, target)
    assert target.read_text() == '1,"x"\n2,"a ""b"", c"\n'


def test_the_latest_completed_checkpoint_of_any_run(settings: Settings) -> None:
    root = checkpoints.folder("job", settings)
    for number, (run, chk, complete) in enumerate([("a", 9, True), ("b", 1, True), ("b", 2, False)]):
        folder = root / run / f"chk-{chk}"
        folder.mkdir(parents=True)
        if complete:
            (folder / "_metadata").touch()
            os.utime(folder / "_metadata", (number, number))
    assert checkpoints.latest("job", settings) == root / "b" / "chk-1"
    with pytest.raises(CheckpointError, match="no completed checkpoint of other"):
        checkpoints.latest("other", settings)


def test_a_cluster_that_is_down_is_named(settings: Settings) -> None:
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:1 does not answer"):
        command.start(realtime_features.JOB, settings, from_checkpoint=False)


def test_a_job_that_runs_is_not_started_again(settings: Settings, jobmanager: HTTPServer) -> None:
    def entry(job_id: str, state: str, start: int) -> dict[str, object]:
        return {"jid": job_id, "name": "realtime_features", "state": state, "start-time": start}

    Answers.documents["/jobs/overview"] = {"jobs": [entry("a", "FAILED", 2), entry("b", "RESTARTING", 1)]}
    with pytest.raises(ConfigurationError, match="RESTARTING already, as b"):
        command.start(realtime_features.JOB, at(settings, jobmanager), from_checkpoint=False)
    assert [job.job_id for job in Cluster(at(settings, jobmanager).flink).jobs()] == ["a", "b"]


def test_what_else_stops_a_start(settings: Settings, jobmanager: HTTPServer) -> None:
    here = at(settings, jobmanager)
    with pytest.raises(CheckpointError, match="no completed checkpoint"):
        command.start(realtime_features.JOB, here, from_checkpoint=True)
    with pytest.raises(DataError, match=r"products\.csv"):
        command.start(session_aggregator.JOB, here, from_checkpoint=False)
    Answers.documents["/overview"] = {"slots-available": 0}
    with pytest.raises(DependencyError, match="no 1 free slots"):
        command.start(realtime_features.JOB, here, from_checkpoint=False)


def test_a_taskmanager_is_ready_when_its_own_slots_are_there(jobmanager: HTTPServer, tmp_path: Path) -> None:
    rest = f"127.0.0.1:{jobmanager.server_port}"
    ready = FlinkSlotsReady(kind="flink_slots", rest=rest)
    own = jobmanager.server_port  # any port that listens

    def answers(port: int, slots: int) -> bool:
        path = f"pekko.tcp://flink@127.0.0.1:{port}/user/rpc/taskmanager_0"
        Answers.documents["/taskmanagers"] = {"taskmanagers": [{"path": path, "freeSlots": slots}]}
        return is_ready(ready, own, tmp_path, 0, "")

    assert answers(own, 4)
    assert not answers(own, 0)
    assert not answers(own + 1, 4)
    assert not is_ready(ready, 1, tmp_path, 0, "")
