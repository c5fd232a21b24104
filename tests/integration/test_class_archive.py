"""Each of Spark's JVMs has the archive of classes in its memory: one that does not fit is passed over, and slow."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shared_utils.environments import spark_python
from shared_utils.local_stack import LocalStack
from shared_utils.settings import process_environment
from stream_processing.spark_streaming.session import CLASS_ARCHIVE

pytestmark = [pytest.mark.spark, pytest.mark.integration]

PID_OF_DRIVER = """
import sys
from stream_processing.spark_streaming.session import start_session
print("driver", start_session("maps").sparkContext._gateway.proc.pid, flush=True)
sys.stdin.read()
"""


def is_mapped(pid: int | None) -> bool:
    """Whether the process has the archive in its memory. Its output names an archive that does not fit, too."""
    return str(CLASS_ARCHIVE) in Path(f"/proc/{pid}/maps").read_text()


def test_the_driver_of_the_streams_maps_the_archive(tmp_path: Path) -> None:
    command = [str(spark_python()), "-c", PID_OF_DRIVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=process_environment(), text=True, **pipes) as driver:
        said = iter(driver.stdout or ())
        assert is_mapped(next(int(line.split()[1]) for line in said if line.startswith("driver ")))
        driver.communicate()


def test_spark_connect_maps_the_archive(tmp_path: Path) -> None:
    with LocalStack(tmp_path, ["spark"]) as stack:
        assert is_mapped(stack.pid("spark"))
