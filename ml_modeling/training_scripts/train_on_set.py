"""Second step of a training: the rankers on the training set, compared with their peers; the bundle.

Reads: the training set; gold and silver at the versions that it was made from; silver.click for the second stage.
Writes: `training.json`, `bundle.zip` and plots in the training's folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Console

from data_lake.storage import root_of
from ml_modeling.click_moments import read_moments
from ml_modeling.training_scripts.dataset import load_dataset
from ml_modeling.training_scripts.run_pipeline import MAX_MOMENTS, Stopwatch, fit, parse_cutoff, record_of
from ml_modeling.training_scripts.training_folder import TrainingFolder
from shared_utils.cli import run_main
from shared_utils.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Train; the last line is a JSON object."""
    parser = argparse.ArgumentParser(prog="python -m ml_modeling.training_scripts.train_on_set")
    parser.add_argument("--cutoff", required=True, help="the cutoff of the training set")
    cutoff, settings = parse_cutoff(parser.parse_args(argv).cutoff), load_settings()
    console = Console(soft_wrap=True, highlight=False)
    folder = TrainingFolder.of(settings, cutoff)
    rows, versions = folder.read_training_set()
    dataset = load_dataset(settings, versions)
    moments = read_moments(root_of(settings), MAX_MOMENTS)
    training = fit(dataset, cutoff, rows, moments=moments, clock=Stopwatch(console.print))
    record = record_of(training, dataset, cutoff, folder.path)
    folder.write_training(record, {"ndcg": training.comparison.ndcg, "recall": training.comparison.recall})
    trained = {"kind": training.ranker.kind.value, "bundle_sha256": record.bundle_sha256}
    console.print(json.dumps(trained), markup=False)
    return 0


if __name__ == "__main__":
    run_main(main)
