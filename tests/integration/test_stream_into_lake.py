"""Kafka to Spark to the lake, for real: every fate, a crash after every write, checkpoints not to be trusted."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from contracts.registry import load_topics
from contracts.topics_names import CLICK, PAYMENT, TRANSACTION, dlq_name
from data_lake import catalog
from data_lake.catalog import Table
from ingestion_layer.kafka.topics.create_topics import create_topics
from shared_utils.environments import spark_python
from shared_utils.kafka_helpers import Producer, read_all
from shared_utils.local_stack import LocalStack
from shared_utils.records import Record
from shared_utils.settings import REPO_ROOT, KafkaSettings
from stream_processing.core.checkpoints import RUNBOOK
from tests.fakes import crashing_stream
from tests.fakes.fate_cases import Case, click_cases, transaction_cases

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

RUN = "stream_processing.spark_streaming.run"
COUNTED_RUN = "tests.fakes.counting_stream"
SPARK_SECONDS = 800  # a crowded machine, not a quiet one, sets this
CASES = (*click_cases(), *transaction_cases())


@dataclass(frozen=True)
class World:
    """A lake with its checkpoints, beside the module's one broker."""

    folder: Path
    env: Mapping[str, str]

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / "process_clickstream"

    def at(self, folder: Path) -> World:
        """The same broker, another lake."""
        folders = {"SHOP_RUN_DIR": str(folder), "SHOP_LAKE__ROOT": str(folder / "lake")}
        return World(folder, {**self.env, **folders})

    def spark(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a module in the spark environment, in a process group of its own."""
        argv = [str(spark_python()), "-m", module, *arguments]
        return subprocess.run(
            argv,
            env=self.env,
            cwd=REPO_ROOT,
            capture_output=True,
            text=True,
            timeout=SPARK_SECONDS,
            start_new_session=True,
            check=False,
        )

    def drain(self, *topics: str, rebuild: bool = False) -> dict[str, Any]:
        """Drain the topics; the report."""
        report = self.folder / "report.json"
        options = ["--once", "--topics", ",".join(topics), "--report", str(report)]
        done = self.spark(COUNTED_RUN, *options, *(["--rebuild-checkpoint"] if rebuild else []))
        assert done.returncode == 0, done.stderr[-3_000:]
        result: dict[str, Any] = json.loads(report.read_text())
        return result

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """All rows of a table, without an engine."""
        rows: list[dict[str, Any]] = DeltaTable(table.path(self.lake)).to_pyarrow_table().to_pylist()
        return rows

    def contents(self, *tables: Table) -> dict[str, Counter[str]]:
        """The rows of tables as multisets; `ingest_time` is when a row was read, so it may differ."""
        return {
            table.full_name: Counter(
                repr(sorted((name, value) for name, value in row.items() if name != "ingest_time"))
                for row in self.rows(table)
            )
            for table in tables
        }


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("stream")
    with LocalStack(folder, ["kafka"]) as stack:
        create_topics(load_topics().values(), kafka(stack.job_env()))
        yield World(folder, stack.job_env())


@pytest.fixture(scope="module")
def drained(broker: World) -> World:
    """A lake into which one drain wrote all the cases. Tests that change it take a copy."""
    world = broker.at(broker.folder / "drained")
    world.folder.mkdir()
    with Producer(kafka(world.env), "cases") as producer:
        for case in CASES:
            arrival = int(case.arrival.timestamp() * 1000)
            producer.send(Record(case.topic, b"1", case.value, arrival, {"schema_version": b"1"}))
    world.drain(CLICK, TRANSACTION)
    return world


@pytest.fixture
def copied(drained: World, tmp_path: Path) -> World:
    world = drained.at(tmp_path / "copy")
    shutil.copytree(drained.folder, world.folder)
    return world


def kafka(env: Mapping[str, str]) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=env["SHOP_KAFKA__BOOTSTRAP_SERVERS"],
        spool_dir=Path(env["SHOP_KAFKA__SPOOL_DIR"]),
        delivery_timeout_ms=60_000,
    )


def fates_in(world: World, topic: str) -> dict[int, list[str]]:
    """Where each offset of a topic ended; more than one place, or none, is a defect."""
    silver = {row["kafka_offset"] for row in world.rows(catalog.SILVER_OF_TOPIC[topic])}
    ends = [(offset, "silver") for offset in silver]
    for table, fate in ((catalog.LATE_EVENT, "late"), (catalog.DUPLICATE_EVENT, "duplicate")):
        ends += [(row["offset"], fate) for row in world.rows(table) if row["topic"] == topic]
    refused = [row for row in world.rows(catalog.QUARANTINE) if row["topic"] == topic]
    ends += [(row["offset"], f"quarantine:{row['reason']}") for row in refused]
    return {offset: sorted(fate for at, fate in ends if at == offset) for offset, _ in ends}


def of_topic(topic: str) -> Sequence[Case]:
    return [case for case in CASES if case.topic == topic]


def test_b1_b5_b7_b8_every_row_ends_where_it_should_and_only_there(drained: World) -> None:
    for topic in (CLICK, TRANSACTION):
        assert fates_in(drained, topic) == {n: [case.fate] for n, case in enumerate(of_topic(topic))}


def test_bronze_has_every_value_as_received(drained: World) -> None:
    for topic in (CLICK, TRANSACTION):
        rows = sorted(drained.rows(catalog.BRONZE_OF_TOPIC[topic]), key=lambda row: row["offset"])
        assert [row["value"] for row in rows] == [case.value for case in of_topic(topic)]
        assert [row["arrival_time"] for row in rows] == [case.arrival for case in of_topic(topic)]
        assert rows[0]["headers"] == [{"key": "schema_version", "value": b"1"}]


def test_silver_is_typed_and_one_row_a_grain(drained: World) -> None:
    clicks = drained.rows(catalog.SILVER_CLICK)
    lines = drained.rows(catalog.TRANSACTION_LINE)
    assert len({row["event_id"] for row in clicks}) == len(clicks)
    assert {(row["basket_id"], row["line_number"]) for row in lines} == {(101, 1), (101, 2), (103, 1), (103, 2)}
    # There are no dimensions in this lake yet: a sale comes in without them.
    assert {row["department"] for row in lines} == {None}


def test_b1_refused_rows_are_in_the_dlq_with_their_origin(drained: World) -> None:
    letters = list(read_all(dlq_name(CLICK), kafka(drained.env)))
    refused = {n: case for n, case in enumerate(of_topic(CLICK)) if "quarantine" in case.fate}
    assert sorted(int(letter.headers["source_offset"]) for letter in letters) == sorted(refused)
    for letter in letters:
        case = refused[int(letter.headers["source_offset"])]
        assert letter.value == case.value
        assert letter.headers["reason"].decode() == case.fate.removeprefix("quarantine:")
        assert letter.headers["source_topic"].decode() == CLICK
        assert int(letter.headers["source_timestamp_ms"]) == case.arrival.timestamp() * 1000
        assert letter.headers["detail"]


def test_the_report_counts_what_the_tables_hold(drained: World) -> None:
    report = json.loads((drained.folder / "report.json").read_text())
    for topic in (CLICK, TRANSACTION):
        wanted = Counter(case.fate.partition(":")[0] for case in of_topic(topic))
        counts = {**report[topic], "quarantine": sum(report[topic]["quarantine"].values())}
        assert {fate: counts[fate] for fate in wanted} == wanted
        assert counts["received"] == len(of_topic(topic))


def test_a_batch_is_judged_once_though_it_is_written_to_five_tables(drained: World) -> None:
    assert int((drained.folder / "judged").read_text()) == len(CASES)


@pytest.mark.timeout(1_600)
def test_f4_crashes_after_every_write_lose_and_double_nothing(broker: World, tmp_path: Path) -> None:
    world = broker.at(tmp_path)
    crashed = world.spark("tests.fakes.crashing_stream")
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr[-3_000:]
    assert "1 of 12 rows of a batch are refused (1 PARSE)" in crashed.stdout
    bronze_at_the_kill = len(world.rows(catalog.BRONZE_PAYMENT))
    report = world.drain(PAYMENT)[PAYMENT]

    batches = crashing_stream.BATCHES
    sent = [value for batch in range(batches) for value, _ in crashing_stream.batch_values(batch)]
    assert bronze_at_the_kill == len(sent)
    assert report["received"] == len(sent) // batches  # the killed batch was read again
    bronze = sorted(world.rows(catalog.BRONZE_PAYMENT), key=lambda row: (row["partition"], row["offset"]))
    assert [row["value"] for row in bronze] == sent
    ends = Counter(fate for fates in fates_in(world, PAYMENT).values() for fate in fates)
    assert ends == {"silver": 7 * batches, "late": 2 * batches, "duplicate": 2 * batches, "quarantine:PARSE": batches}
    assert all(len(fates) == 1 for fates in fates_in(world, PAYMENT).values())
    for table in (catalog.SILVER_PAYMENT, catalog.LATE_EVENT, catalog.DUPLICATE_EVENT, catalog.QUARANTINE):
        rows = world.contents(table)[table.full_name]
        assert max(rows.values()) == 1, f"{table.full_name} has a row twice"
    letters = Counter(letter.headers["source_offset"] for letter in read_all(dlq_name(PAYMENT), kafka(world.env)))
    assert len(letters) == batches  # the crash after the DLQ sent one again: at least once, told apart by its origin


def test_f5_a_truncated_checkpoint_is_refused_and_nothing_is_written(copied: World) -> None:
    before = _versions(copied)
    newest = max((path for path in (copied.checkpoint / "offsets").iterdir() if path.name.isdigit()), key=_batch)
    newest.write_text("")
    refused = copied.spark(RUN, "--once", "--topics", CLICK)
    assert refused.returncode == 7
    assert "is damaged" in refused.stderr
    assert RUNBOOK in refused.stderr
    assert _versions(copied) == before


def test_f5_a_deleted_checkpoint_is_refused_and_can_be_rebuilt_without_a_double(copied: World) -> None:
    tables = (
        catalog.BRONZE_CLICK,
        catalog.SILVER_CLICK,
        catalog.LATE_EVENT,
        catalog.DUPLICATE_EVENT,
        catalog.QUARANTINE,
    )
    before = copied.contents(*tables)
    shutil.rmtree(copied.checkpoint)
    refused = copied.spark(RUN, "--once", "--topics", CLICK)
    assert refused.returncode == 7
    assert "is missing" in refused.stderr
    assert RUNBOOK in refused.stderr
    # As if the last batch had crashed before it reached silver, and the checkpoint was lost with it.
    DeltaTable(catalog.SILVER_CLICK.path(copied.lake)).delete("kafka_offset = 0")

    copied.drain(CLICK, rebuild=True)
    assert copied.contents(*tables) == before
    assert not copied.checkpoint.with_name("process_clickstream.rebuilding").exists()


def test_f5_an_emptied_lake_under_a_kept_checkpoint_is_refused(copied: World) -> None:
    shutil.rmtree(catalog.BRONZE_CLICK.path(copied.lake))
    refused = copied.spark(RUN, "--once", "--topics", CLICK)
    assert refused.returncode == 7
    assert "without the other" in refused.stderr


def test_f2_a_dead_broker_is_named_within_the_deadline(drained: World, tmp_path: Path) -> None:
    dead = {"SHOP_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "SHOP_KAFKA__DELIVERY_TIMEOUT_MS": "1000"}
    world = World(tmp_path, {**drained.at(tmp_path).env, **dead})
    refused = world.spark(RUN, "--once", "--topics", CLICK)
    assert refused.returncode == 4
    assert "127.0.0.1:1 does not answer" in refused.stderr


def _batch(path: Path) -> int:
    return int(path.name)


def _versions(world: World) -> dict[str, int]:
    written = (catalog.BRONZE_CLICK, catalog.SILVER_CLICK, catalog.QUARANTINE, catalog.LATE_EVENT)
    return {table.full_name: DeltaTable(table.path(world.lake)).version() for table in written}
