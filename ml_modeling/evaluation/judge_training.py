"""Third step of a training: the gate's judgement, on the measurements that the training kept.

Reads: `training.json`. Writes: `gate.json`. A refusal is a result, not a failure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from ml_modeling.core.gate import decide
from ml_modeling.training_scripts.run_pipeline import parse_cutoff
from ml_modeling.training_scripts.training_folder import TrainingFolder
from shared_utils.cli import run_main
from shared_utils.settings import load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Judge; the last line is a JSON object."""
    parser = argparse.ArgumentParser(prog="python -m ml_modeling.evaluation.judge_training")
    parser.add_argument("--cutoff", required=True, help="the cutoff of the training")
    folder = TrainingFolder.of(load_settings(), parse_cutoff(parser.parse_args(argv).cutoff))
    record, ratios = folder.read_training()
    decision = decide(ratios["ndcg"], ratios["recall"])
    folder.write_gate(decision, record.bundle_sha256)
    Console(soft_wrap=True).print(json.dumps(asdict(decision)), markup=False, highlight=False)
    return 0


if __name__ == "__main__":
    run_main(main)
