"""Tables by name: kept in the Hive Metastore on PostgreSQL, read through Apache Spark behind Spark Connect."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from shared_utils.errors import DependencyError
from tests.fakes.compose_stack import ComposeStack
from tests.fakes.serving_process import wait_until
from tests.fakes.sql_guide import GUIDE_QUERIES

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

ON_SAIL = ("-e", "SHOP_ENGINE__KIND=sail", "-e", "SHOP_ENGINE__REMOTE=sc://sail:50051")
KILLED = ("hive-metastore", "spark-connect")
HEALTHY_AGAIN_SECONDS = 60.0
SETTLED_SECONDS = 120.0
FIRST_LOAD = {"silver.product", "silver.transaction_line", "gold.customer_features", "gold.product_promotion_week"}
LATER = "gold.product_promotion_week"
NAMES = """SELECT "NAME" || '.' || "TBL_NAME" FROM "TBLS" JOIN "DBS" USING ("DB_ID")"""
ROWS_BY_PATH = """
from data_lake import catalog, engine
from data_lake.storage import root_of
from shared_utils.settings import load_settings
settings = load_settings()
path = catalog.PRODUCT_PROMOTION_WEEK.path(root_of(settings))
print(engine.session(settings).read.format("delta").load(path).count())
"""


def ask(stack: ComposeStack, query: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`make sql STACK=1` with one query."""
    return stack.tool("data_lake.sql", "--registered", "-c", query, options=options)


def answer(stack: ComposeStack, query: str, *options: str) -> str:
    done = ask(stack, query, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(stack: ComposeStack) -> set[str]:
    """The tables that PostgreSQL knows."""
    psql = f"PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -d metastore -At <<'SQL'\n{NAMES}\nSQL"
    return set(stack.compose("exec", "--no-TTY", "postgres", "sh", "-c", psql).split())


def rows_by_path(stack: ComposeStack) -> int:
    """How many rows Spark reads of a table that it is told the folder of."""
    # From its input: with `python -c` pyspark looks for an engine of its own.
    script = f"python - <<'PY'\n{ROWS_BY_PATH}\nPY"
    return int(stack.compose("run", "--rm", "--no-TTY", "tools", "sh", "-c", script).splitlines()[-1])


@pytest.fixture(scope="module")
def still(stack: ComposeStack) -> Iterator[ComposeStack]:
    """The stack without new events: two engines that are asked one after the other see the same rows."""
    stack.compose("stop", "replay")
    yield stack
    stack.compose("start", "replay")


def test_the_tables_of_the_first_load_have_their_names(stack: ComposeStack) -> None:
    assert names(stack) >= FIRST_LOAD


@pytest.mark.parametrize("query", GUIDE_QUERIES)
def test_each_query_of_the_guide_answers_alike_by_name_on_spark_and_on_sail(still: ComposeStack, query: str) -> None:
    wait_until(lambda: answer(still, query) == answer(still, query, *ON_SAIL), "one answer", SETTLED_SECONDS)


def test_a_table_without_a_name_gets_one_when_sql_opens_and_a_dropped_name_leaves_its_rows(stack: ComposeStack) -> None:
    before = rows_by_path(stack)

    answer(stack, f"DROP TABLE {LATER}")
    assert LATER not in names(stack)
    assert rows_by_path(stack) == before > 0

    assert str(before) in answer(stack, "SELECT count(*) FROM gold.product_promotion_week")
    assert LATER in names(stack)


def test_a_table_that_is_nowhere_in_the_lake_is_refused(stack: ComposeStack) -> None:
    refused = ask(stack, "CREATE TABLE gold.astray USING DELTA AS SELECT 1 AS one")

    assert refused.returncode == 1
    assert "/warehouse" in refused.stdout
    assert "gold.astray" not in names(stack)


def test_without_the_metastore_paths_are_read_and_names_fail_clearly(stack: ComposeStack) -> None:
    """F17 of the promises."""
    before = rows_by_path(stack)
    stack.compose("stop", "hive-metastore")
    try:
        assert rows_by_path(stack) == before
        refused = ask(stack, "SHOW SCHEMAS")
        assert refused.returncode == DependencyError.exit_code
        assert "make logs s=hive-metastore" in refused.stderr
        assert "\tat " not in refused.stderr
    finally:
        stack.compose("start", "hive-metastore")
    stack.seconds_until_well(HEALTHY_AGAIN_SECONDS)
    assert "gold" in answer(stack, "SHOW SCHEMAS")


def test_killed_servers_come_back_within_a_minute_know_the_names_and_take_new_ones(stack: ComposeStack) -> None:
    for name in KILLED:
        stack.kill(name)

    assert stack.seconds_until_well(HEALTHY_AGAIN_SECONDS) <= HEALTHY_AGAIN_SECONDS
    assert "customer_features" in answer(stack, "SHOW TABLES IN gold")
    answer(stack, f"DROP TABLE {LATER}")
    assert "gold" in answer(stack, "SHOW SCHEMAS")
    assert LATER in names(stack)
