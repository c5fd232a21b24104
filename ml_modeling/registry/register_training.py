"""Last step of a training: a run and a version in MLflow; `@champion` moves if the gate let it pass.

Reads: `training.json`, `gate.json`, the bundle and the plots. Writes: MLflow, `registered.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from ml_modeling.registry.register_with_mlflow import register
from ml_modeling.training_scripts.run_pipeline import parse_cutoff
from ml_modeling.training_scripts.training_folder import TrainingFolder
from shared_utils.cli import run_main
from shared_utils.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Register; the last line is a JSON object."""
    parser = argparse.ArgumentParser(prog="python -m ml_modeling.registry.register_training")
    parser.add_argument("--cutoff", required=True, help="the cutoff of the training")
    cutoff, settings = parse_cutoff(parser.parse_args(argv).cutoff), load_settings()
    folder = TrainingFolder.of(settings, cutoff)
    record, _ = folder.read_training()
    registered = register(settings.mlflow, record, folder.read_gate(record.bundle_sha256))
    folder.write_registered(registered)
    Console(soft_wrap=True).print(json.dumps(asdict(registered)), markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    run_main(main)
