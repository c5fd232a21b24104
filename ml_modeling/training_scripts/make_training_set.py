"""First step of a training: the rows that the rankers learn from, and the table versions that pin everything after.

Reads: gold feature tables and silver.transaction_line at their newest versions.
Writes: `training_set.{npz,json}` in the training's folder. Grain: one row per question and candidate.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Console

from ml_modeling.training_scripts.dataset import load_dataset
from ml_modeling.training_scripts.run_pipeline import parse_cutoff, ranker_rows
from ml_modeling.training_scripts.training_folder import TrainingFolder
from shared_utils.cli import run_main
from shared_utils.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Make the training set; the last line is a JSON object."""
    parser = argparse.ArgumentParser(prog="python -m ml_modeling.training_scripts.make_training_set")
    parser.add_argument("--cutoff", required=True, help="the day (2026-11-09) that parts training from comparison")
    cutoff, settings = parse_cutoff(parser.parse_args(argv).cutoff), load_settings()
    dataset = load_dataset(settings)
    rows = ranker_rows(dataset, cutoff)
    TrainingFolder.of(settings, cutoff).write_training_set(rows, dataset.versions)
    made = {"rows": len(rows.label), "baskets": len(rows.group_size), "versions": dict(dataset.versions)}
    Console(soft_wrap=True).print(json.dumps(made), markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    run_main(main)
