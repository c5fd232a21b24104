"""Each of Spark's JVMs has the archive of classes in its memory: it is silent about one that does not fit, and slow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shared_utils.environments import spark_python
from shared_utils.local_stack import LocalStack
from shared_utils.settings import REPO_ROOT

pytestmark = [pytest.mark.spark, pytest.mark.integration]

ARCHIVE = str(REPO_ROOT / "build" / "jars" / "spark.jsa")
MAPS_OF_DRIVER = """
from pathlib import Path
from stream_processing.spark_streaming.session import start_session
jvm = start_session("maps").sparkContext._gateway.proc.pid
print(Path(f"/proc/{jvm}/maps").read_text())
"""


def test_the_driver_of_the_streams_maps_the_archive(tmp_path: Path) -> None:
    command = [str(spark_python()), "-c", MAPS_OF_DRIVER]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    assert ARCHIVE in ended.stdout


def test_spark_connect_maps_the_archive(tmp_path: Path) -> None:
    with LocalStack(tmp_path, ["spark"]) as stack:
        assert ARCHIVE in Path(f"/proc/{stack.pid('spark')}/maps").read_text()
