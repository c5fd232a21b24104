"""The lake in the object store: read there by an engine that is not Spark, and by nobody who may not."""

from __future__ import annotations

import json

import pytest

from tests.fakes.compose_stack import ComposeStack, last_week

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1_500)]

# What the keys of a container open: each attempt's error, or nothing.
ATTEMPTS = """
import json
from data_lake.catalog import TRANSACTION_LINE
from data_lake.files import object_store
from data_lake.storage import root_of
from shared_utils.settings import load_settings
settings = load_settings()
store, root = object_store(settings.object_store), str(root_of(settings))
table = str(TRANSACTION_LINE.path(root_of(settings))).removeprefix("s3://")
def write(path):
    with store.open_output_stream(path) as stream:
        stream.write(b"planted")
def refusal(attempt):
    try:
        attempt()
    except OSError as exc:
        return str(exc)
print(json.dumps({
    "root": root,
    "read": refusal(lambda: store.get_file_info(table + "/_delta_log/00000000000000000000.json").size or 1 / 0),
    "write": refusal(lambda: write(table + "/planted.parquet")),
    "foreign": refusal(lambda: store.open_input_stream("mlflow/artifacts").read()),
}))
"""


def test_silver_and_gold_agree_when_duckdb_reads_them_from_s3(stack: ComposeStack) -> None:
    start, end = last_week()

    done = stack.tool("batch_processing.check_interval", "--start", str(start), "--end", str(end))

    assert done.returncode == 0, done.stderr


def test_s14_who_only_reads_the_lake_has_keys_that_only_read_the_lake(stack: ComposeStack) -> None:
    said = stack.compose("run", "--rm", "--no-TTY", "tools", "python", "-c", ATTEMPTS)

    answers = json.loads(said.splitlines()[-1])
    assert answers["root"].startswith("s3://")
    assert answers["read"] is None
    assert "ACCESS_DENIED" in answers["write"]
    assert "ACCESS_DENIED" in answers["foreign"]
