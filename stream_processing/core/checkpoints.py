"""A stream's checkpoint: where it is, whose it is, and whether it fits the table that it wrote.

Spark keeps in it `metadata` (the query's id, born with the checkpoint), `offsets/N` (what batch N reads, written before
it) and `commits/N` (written after it). A batch is skipped by a table that has seen its (id, N), so a checkpoint that
starts over with an old id, or that has lost batches, would lose rows without a word. It is therefore checked before
every start, and a stream never starts over by itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared_utils.errors import CheckpointError

RUNBOOK: Final = "runbooks/truncated_checkpoint.md"
NO_BATCH: Final = -1


@dataclass(frozen=True)
class Progress:
    """The checkpoint's identity and its last planned and last committed batch (NO_BATCH: none)."""

    query_id: str
    planned: int
    committed: int


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint folder of one query."""

    folder: Path

    @property
    def rebuild_mark(self) -> Path:
        """A file beside the folder; while it stands, every write leaves out the rows that its table holds already."""
        return self.folder.with_name(self.folder.name + ".rebuilding")

    @property
    def exists(self) -> bool:
        """Whether anything of a checkpoint is there."""
        return self.folder.is_dir() and any(self.folder.iterdir())

    def query_id(self) -> str:
        """The id that Spark gave the query when the checkpoint was born.

        Raises:
            CheckpointError: the metadata file is missing or malformed.
        """
        path = self.folder / "metadata"
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["id"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise damaged(f"{path} is missing or malformed") from exc

    def progress(self) -> Progress:
        """Where the query stands.

        Raises:
            CheckpointError: the last offsets or commits file is malformed, or the two do not follow each other.
        """
        planned, committed = _last_batch(self.folder / "offsets"), _last_batch(self.folder / "commits")
        if planned != NO_BATCH:
            _check_log(self.folder / "offsets" / str(planned), least_lines=3)
        if committed != NO_BATCH:
            _check_log(self.folder / "commits" / str(committed), least_lines=2)
        if planned - committed not in (0, 1):
            raise damaged(f"{self.folder} plans batch {planned} after batch {committed} was committed")
        return Progress(self.query_id(), planned, committed)


def check_fits(checkpoint: Checkpoint, progress: Progress, written: int | None) -> None:
    """Refuse a checkpoint that is older or newer than the table it wrote.

    `written` is the last batch of this query that the bronze table has seen; bronze gets every batch, and gets it
    before the batch is committed.

    Raises:
        CheckpointError: they do not fit.
    """
    last = NO_BATCH if written is None else written
    if not progress.committed <= last <= progress.planned:
        raise CheckpointError(
            f"The checkpoint {checkpoint.folder} stands at batch {progress.committed}, but its bronze table at batch "
            f"{last}: one of them was restored or emptied without the other. Nothing was read or written.",
            remedy(),
        )


def damaged(what: str) -> CheckpointError:
    """The error for a checkpoint that cannot be trusted."""
    return CheckpointError(f"The checkpoint is damaged: {what}. Nothing was read or written.", remedy())


def remedy() -> str:
    """What to do about any checkpoint error."""
    return f"Follow {RUNBOOK}: set the folder aside, then start once with --rebuild-checkpoint."


def _last_batch(folder: Path) -> int:
    return max((int(path.name) for path in folder.glob("*") if path.name.isdigit()), default=NO_BATCH)


def _check_log(path: Path, *, least_lines: int) -> None:
    """Spark's form: a version line, then one JSON document a line."""
    version, *documents = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    try:
        for document in documents:
            json.loads(document)
    except ValueError as exc:
        raise damaged(f"{path} holds a line that is not JSON") from exc
    if not version.startswith("v") or len(documents) + 1 < least_lines:
        raise damaged(f"{path} is truncated")
