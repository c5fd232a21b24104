"""The lake on S3: the batch road, maintenance, snapshots and training reads give what they give on a local folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pyarrow import fs
from pyspark.sql import SparkSession

from batch_processing.interval import Interval
from data_lake import engine, maintenance, sql, tables
from data_lake.catalog import PRODUCT_COPURCHASE, SILVER_CLICK, SILVER_OF_TOPIC, TABLES, TRANSACTION_LINE, Table
from data_lake.compare import compare, read_table
from data_lake.files import object_store
from data_lake.minio_s3.create_buckets import bucket_names, create_buckets
from data_lake.storage import LakeRoot, S3Root, root_of
from feature_store.snapshots import take_snapshots
from ml_modeling.order_lines import read_order_lines
from shared_utils.errors import DependencyError
from shared_utils.local_stack import LocalStack
from shared_utils.settings import REPO_ROOT, Settings
from tests.fakes.batch_lake import (
    engines,
    history,
    kafka_day,
    run_pipeline,
    settings_of,
    small_archive,
    write_kafka_rows,
)
from tests.fakes.fault_plan import whole_only
from tests.fakes.object_lake import lake_in
from tests.fakes.sql_guide import GUIDE_QUERIES

pytestmark = pytest.mark.integration
FLOAT_REL = 1e-9
# With a Monday: the co-purchase snapshot's day.
INTERVAL = Interval(history().start + timedelta(days=5), history().start + timedelta(days=8))


@dataclass(frozen=True)
class World:
    """The same days in both places."""

    stack: LocalStack
    local: Settings
    remote: Settings

    @property
    def roots(self) -> tuple[LakeRoot, LakeRoot]:
        return root_of(self.local), root_of(self.remote)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("object-lake")
    archive = small_archive(folder / "archive")
    with engines(folder, "object_store", "sail") as stack:
        lakes: Mapping[str, LakeRoot] = {"local": folder / "lake", "remote": lake_in(stack, "world")}
        settings = {name: settings_of(stack, "sail", root) for name, root in lakes.items()}
        for each in settings.values():
            write_kafka_rows(root_of(each), kafka_day(INTERVAL.start))
            run_pipeline(each, INTERVAL, archive)
        yield World(stack, settings["local"], settings["remote"])


def written(root: LakeRoot) -> list[Table]:
    return [table for table in TABLES if tables.exists(table, root)]


def test_bronze_silver_and_gold_on_s3_equal_those_on_a_local_folder(world: World) -> None:
    local, remote = world.roots
    assert isinstance(remote, S3Root)
    found = written(remote)
    assert found == written(local)
    assert {table.layer for table in found} == {"bronze", "silver", "gold"}
    empty = set()
    for table in found:
        difference = compare(read_table(table, local), read_table(table, remote), table.key, FLOAT_REL)
        assert difference.equal, f"{table.full_name}: {difference}"
        if not difference.left_rows:
            empty.add(table)
    assert empty <= {PRODUCT_COPURCHASE}  # three days' baskets hold no pair often enough


def test_a_run_leaves_no_staging_behind(world: World) -> None:
    root = root_of(world.remote)
    assert isinstance(root, S3Root)
    assert object_store(root.store).get_file_info("delta-lake/world/_staging/fated-shop.click.v1").type is (
        fs.FileType.NotFound
    )


def test_snapshots_and_training_rows_read_from_s3_are_the_same(world: World, tmp_path: Path) -> None:
    local, remote = world.roots
    taken = [take_snapshots(root, tmp_path / str(n)) for n, root in enumerate((local, remote))]
    assert taken[0].versions == taken[1].versions
    for name, path in taken[0].paths.items():
        assert path.read_bytes() == taken[1].paths[name].read_bytes(), name
    lines = [read_order_lines(root) for root in (local, remote)]
    assert len(lines[0].product_ids) > 0
    assert (lines[0].product_ids == lines[1].product_ids).all()


def test_a_table_on_s3_is_compacted_and_keeps_its_rows(world: World) -> None:
    before = read_table(TRANSACTION_LINE, root_of(world.remote))
    maintenance.optimize(maintenance.open_table(TRANSACTION_LINE, world.remote))
    after = read_table(TRANSACTION_LINE, root_of(world.remote))
    assert compare(before, after, TRANSACTION_LINE.key).equal


@pytest.mark.parametrize("query", GUIDE_QUERIES)
def test_each_query_of_the_guide_answers_alike_on_s3_and_on_a_local_folder(world: World, query: str) -> None:
    answers = []
    for root in world.roots:
        session = SparkSession.builder.remote(world.local.engine.remote).create()
        sql.register(session, root)
        answers.append(session.sql(query).collect())
        session.stop()
    assert answers[0]
    assert answers[0] == answers[1]


def test_make_sql_answers_on_s3_and_fails_for_a_refused_query(world: World, tmp_path: Path) -> None:
    own = {"SHOP_LAKE__ROOT": str(root_of(world.remote)), "SHOP_RUN_DIR": str(tmp_path), "SHOP_LOG_LEVEL": "WARNING"}
    ends = [
        subprocess.run(
            [sys.executable, "-m", "data_lake.sql", "-c", query],
            env={**world.stack.job_env(), **own},
            cwd=REPO_ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for query in ("SELECT count(*) AS clicks FROM bronze.click", "SELECT 1 FROM bronze.nothing")
    ]
    assert [end.returncode for end in ends] == [0, 1], ends
    assert "clicks" in ends[0].stdout
    assert "nothing" in ends[1].stdout


@whole_only
@pytest.mark.spark
def test_f8_apache_spark_overwrites_what_sail_wrote_on_s3(world: World, tmp_path: Path) -> None:
    root, environment = root_of(world.remote), world.stack.settings_env()
    before = {table: read_table(table, root) for table in written(root) if table.layer != "bronze"}
    spark = LocalStack(tmp_path, ["spark"])
    spark.set_environment({name: value for name, value in environment.items() if name.startswith("AWS_")})
    with spark:
        run_pipeline(settings_of(spark, "spark", root), INTERVAL, tmp_path, disable=["reference", "archive"])
        engine.close()
    for table, rows in before.items():
        difference = compare(rows, read_table(table, root), table.key, FLOAT_REL)
        assert difference.equal, f"{table.full_name}: {difference}"


def test_no_key_of_the_store_stands_in_a_log_or_a_table(world: World) -> None:
    root = root_of(world.remote)
    assert isinstance(root, S3Root)
    secret = root.store.secret_key.get_secret_value()
    assert secret not in repr(world.remote) + repr(root)
    for name in world.stack.names:
        assert secret not in world.stack.log_path(name).read_text(errors="replace")
    delta = tables.open_delta(SILVER_CLICK, root)
    assert secret not in str(delta.history()) + str(delta.metadata())


def test_a_store_that_does_not_answer_is_no_empty_lake(world: World) -> None:
    """Were the table taken for absent, a stream would accept every duplicate as new."""
    root = root_of(world.remote)
    assert isinstance(root, S3Root)
    away = {"endpoint_url": "http://127.0.0.1:1", "patience_seconds": 1}
    gone = S3Root(root.uri, root.store.model_copy(update=away))
    with pytest.raises(DependencyError, match="does not answer"):
        tables.exists(next(iter(SILVER_OF_TOPIC.values())), gone)


def test_wrong_keys_are_refused_by_name(world: World) -> None:
    store = world.remote.object_store.model_copy(update={"access_key": "nobody"})
    with pytest.raises(DependencyError, match="makes no buckets"):
        create_buckets(bucket_names(), store)


def test_a_second_making_of_the_buckets_makes_none(world: World) -> None:
    assert create_buckets(bucket_names(), world.remote.object_store) == []
