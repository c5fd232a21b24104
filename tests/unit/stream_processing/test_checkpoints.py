from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shared_utils.errors import CheckpointError
from shared_utils.settings import REPO_ROOT
from stream_processing.core.checkpoints import RUNBOOK, Checkpoint, Progress, check_fits

Damage = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint as Spark leaves it after three batches."""
    folder = tmp_path / "process_clickstream"
    for name in ("offsets", "commits"):
        (folder / name).mkdir(parents=True)
    (folder / "metadata").write_text(json.dumps({"id": "q-1"}))
    for batch in range(3):
        (folder / "offsets" / str(batch)).write_text('v1\n{"batchWatermarkMs":0}\n{"shop.click.v1":{"0":5,"1":7}}')
        (folder / "commits" / str(batch)).write_text('v1\n{"nextBatchWatermarkMs":0}')
    (folder / "offsets" / ".2.crc").write_bytes(b"crc")
    return folder


def test_a_sound_checkpoint_says_where_it_stands(folder: Path) -> None:
    assert Checkpoint(folder).exists
    assert Checkpoint(folder).progress() == Progress("q-1", planned=2, committed=2)


def test_a_batch_that_crashed_before_its_commit_is_sound(folder: Path) -> None:
    (folder / "commits" / "2").unlink()
    assert Checkpoint(folder).progress() == Progress("q-1", planned=2, committed=1)


def test_a_missing_or_empty_folder_is_no_checkpoint(tmp_path: Path) -> None:
    assert not Checkpoint(tmp_path / "none").exists
    (tmp_path / "empty").mkdir()
    assert not Checkpoint(tmp_path / "empty").exists


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "offsets" / "2").write_text(""),
        lambda folder: (folder / "offsets" / "2").write_text('v1\n{"batchWatermarkMs":0}\n{"shop.click'),
        lambda folder: (folder / "offsets" / "2").write_text('v1\n{"batchWatermarkMs":0}'),
        lambda folder: (folder / "offsets" / "2").write_bytes(b"\x00" * 40),
        lambda folder: (folder / "offsets" / "2").unlink(),
        lambda folder: [path.unlink() for path in (folder / "offsets").iterdir()],
        lambda folder: (folder / "commits" / "2").write_text(""),
        lambda folder: (folder / "commits" / "2").write_text("v1"),
        lambda folder: [path.unlink() for path in (folder / "commits").iterdir()],
        lambda folder: (folder / "metadata").unlink(),
        lambda folder: (folder / "metadata").write_text(""),
        lambda folder: (folder / "metadata").write_text("[]"),
    ],
)
def test_damage_is_refused_with_the_runbook(folder: Path, damage: Damage) -> None:
    damage(folder)
    with pytest.raises(CheckpointError) as caught:
        Checkpoint(folder).progress()
    assert RUNBOOK in caught.value.remedy
    assert (REPO_ROOT / RUNBOOK).is_file()


@pytest.mark.parametrize(("committed", "planned", "written"), [(-1, -1, None), (-1, 0, None), (2, 3, 2), (2, 3, 3)])
def test_a_checkpoint_fits_a_table_that_has_its_batches(committed: int, planned: int, written: int | None) -> None:
    check_fits(Checkpoint(Path("c")), Progress("q-1", planned, committed), written)


@pytest.mark.parametrize(("committed", "planned", "written"), [(2, 2, None), (2, 3, 1), (2, 3, 4), (-1, -1, 0)])
def test_a_checkpoint_of_another_age_than_its_table_is_refused(
    committed: int, planned: int, written: int | None
) -> None:
    with pytest.raises(CheckpointError, match="restored or emptied"):
        check_fits(Checkpoint(Path("c")), Progress("q-1", planned, committed), written)
