"""Where a Flink job's checkpoints lie, and which one is the latest that was completed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared_utils.errors import CheckpointError
from shared_utils.settings import Settings

_COMPLETE_MARK: Final = "_metadata"


def folder(job_name: str, settings: Settings) -> Path:
    """The folder of all checkpoints of a job: `<run of the job>/chk-<number>/_metadata`."""
    return settings.run_dir.resolve() / "checkpoints" / "flink" / job_name


def latest(job_name: str, settings: Settings) -> Path:
    """The job's last completed checkpoint, of whichever run.

    Raises:
        CheckpointError: there is none.
    """
    root = folder(job_name, settings)
    marks = list(root.glob(f"*/chk-*/{_COMPLETE_MARK}"))
    if not marks:
        raise CheckpointError(
            f"There is no completed checkpoint of {job_name} in {root}.",
            "Start the job without --from-checkpoint: it reads its topics from their beginning.",
        )
    return max(marks, key=lambda mark: mark.stat().st_mtime_ns).parent
