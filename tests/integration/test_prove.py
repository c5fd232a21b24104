"""The whole road, from sources to a served shelf, and every planted fault seen by its proof (`make prove`)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shared_utils.environments import platform_python
from shared_utils.settings import REPO_ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.spark, pytest.mark.integration]


# It takes seven minutes, and CI's machine was once half as fast: a hang ends here, a slow machine does not.
@pytest.mark.timeout(1800)
def test_every_planted_fault_is_seen_on_a_healthy_world(tmp_path: Path) -> None:
    ended = subprocess.run(
        [platform_python(), "-m", "production_ops.prove", "--run-dir", tmp_path / "prove"],
        cwd=REPO_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-8000:]}\n{ended.stderr[-4000:]}"
    assert "9 of 9 faults seen" in ended.stdout
    assert "not seen" not in ended.stdout
