"""F8: many writers of one table on S3 lose no row. F16: the object store is down; writers wait, nothing is lost."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from deltalake import DeltaTable

from contracts.topics_names import CUSTOMER_FEATURE, SHOP_TOPICS
from data_lake import tables
from data_lake.catalog import BRONZE_CUSTOMER_FEATURE, BRONZE_OF_TOPIC
from feature_store.online_store.archive import ArchiveWorker, FeatureArchive, Taken
from feature_store.online_store.writer_metrics import WriterMetrics
from shared_utils.environments import spark_python
from shared_utils.local_stack import LocalStack
from shared_utils.settings import REPO_ROOT, FeatureWriterSettings
from tests.fakes.fault_plan import size, whole_only
from tests.fakes.lake_writer import append, create
from tests.fakes.live_records import NOON, customer_event, received, record
from tests.fakes.object_lake import lake_in
from tests.fakes.replayed_shop import LAKE_STAGES, ReplayedShop, first_differences, told
from tests.fakes.serving_process import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1_700)]

Note = Callable[[str, object], None]
WRITERS = 8


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("faults"), ["object_store"]) as stack:
        yield stack


def assert_each_once(table: DeltaTable, writers: range, count: int) -> None:
    table.update_incremental()
    rows = Counter((row["writer"], row["number"]) for row in table.to_pyarrow_table().to_pylist())
    assert rows == Counter((writer, number) for writer in writers for number in range(count))
    versions = sorted(commit["version"] for commit in table.history())
    assert versions == list(range(1 + len(writers) * count))  # the first one made the table


def test_f8_eight_writers_of_one_table_lose_no_row_and_leave_no_gap(stack: LocalStack, record_property: Note) -> None:
    root, count = lake_in(stack, "f8"), size(5, 40)
    table = create(root)
    with ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(append, root, writer, count) for writer in range(WRITERS)]
        assert sum(each.result() for each in done) == WRITERS * count
    assert_each_once(table, range(WRITERS), count)
    record_property("rows", WRITERS * count)


@whole_only
@pytest.mark.spark
def test_f8_two_spark_drivers_beside_two_deltalake_writers_lose_no_row(
    stack: LocalStack, record_property: Note
) -> None:
    root, count = lake_in(stack, "f8-spark"), 20
    environment = {**stack.job_env(), "SHOP_LAKE__ROOT": root.uri}
    argv = [str(spark_python()), "-m", "tests.fakes.lake_writer"]
    table = create(root)
    drivers = [subprocess.Popen([*argv, str(n), str(count)], cwd=REPO_ROOT, env=environment) for n in range(2)]
    wait_until(lambda: table.update_incremental() or table.version() > 0, "a driver at work", 300)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(append, [root] * 2, (2, 3), [count] * 2))
    assert [driver.wait(600) for driver in drivers] == [0, 0]
    assert_each_once(table, range(4), count)
    record_property("rows", 4 * count)


def taken(offset: int) -> Taken:
    sent = received(record(CUSTOMER_FEATURE, customer_event(7, NOON)), offset, 0)
    return Taken([sent], [offset + 1], {(CUSTOMER_FEATURE, 0): offset})


def test_f16_an_object_store_that_is_down_holds_the_archive_up_and_costs_no_record(
    stack: LocalStack, record_property: Note
) -> None:
    root, metrics, sent, seconds = lake_in(stack, "f16"), WriterMetrics(), 0, size(3, 120)
    worker = ArchiveWorker(FeatureArchive(root), FeatureWriterSettings(archive_seconds=0.05), metrics)
    for _ in range(size(1, 2)):
        for _ in range(20):
            assert worker.add(taken(sent))
            sent += 1
        stack.kill("object_store")  # in the middle of its commits
        down_until = time.monotonic() + seconds
        while time.monotonic() < down_until:
            assert worker.add(taken(sent))
            sent += 1
            time.sleep(0.1)
        wait_until(lambda: metrics.value("feature_writer_pending_records") > 0, "records that wait", 30)
        stack.restart("object_store")
    worker.close(timeout_seconds=120)
    record_property("seconds down", seconds)
    record_property("records", sent)
    newest = tables.open_delta(BRONZE_CUSTOMER_FEATURE, root)
    assert sorted(newest.to_pyarrow_table()["offset"].to_pylist()) == list(range(sent))
    # Whatever version a reader held meanwhile was whole: the first so many records, no part of a batch.
    for version in range(newest.version()):
        offsets = tables.open_delta(BRONZE_CUSTOMER_FEATURE, root, version).to_pyarrow_table()["offset"].to_pylist()
        assert sorted(offsets) == list(range(len(offsets)))


@whole_only
@pytest.mark.spark
@pytest.mark.kafka
def test_f16_a_stream_whose_object_store_goes_down_goes_on_and_the_ledger_balances(
    tmp_path: Path, record_property: Note
) -> None:
    with LocalStack(tmp_path / "stack", ["kafka", "object_store"]) as stack:
        root = lake_in(stack, "f16-stream")
        shop = ReplayedShop.make(stack, tmp_path / "shop", SHOP_LAKE__ROOT=root.uri)
        sent, seconds = shop.sent(), 30
        shop.send(sent[: len(sent) // 3])
        stream = start_stream(shop)
        click = BRONZE_OF_TOPIC[SHOP_TOPICS[0]]
        wait_until(lambda: tables.exists(click, root), "the first rows in bronze", 300)
        stack.kill("object_store")
        shop.send(sent[len(sent) // 3 :])
        time.sleep(seconds)
        stack.restart("object_store")
        time.sleep(seconds)
        survived = stream.poll() is None
        stream.terminate()
        stream.wait(180)
        drained = shop.drain()
        assert drained.returncode == 0, drained.stderr[-3_000:]
        result = shop.ledger(*LAKE_STAGES, lake=root)
        record_property("seconds down", seconds)
        record_property("stream", "went on by itself" if survived else "ended, went on when started again")
        record_property("ledger", told(result))
        assert result.balanced, first_differences(result)


def start_stream(shop: ReplayedShop) -> subprocess.Popen[bytes]:
    topics = ",".join(SHOP_TOPICS)
    argv = [str(spark_python()), "-m", "stream_processing.spark_streaming.run", "--topics", topics]
    with (shop.folder / "stream.log").open("wb") as log:
        return subprocess.Popen(argv, cwd=REPO_ROOT, env=shop.env, stdout=log, stderr=log, start_new_session=True)
