"""Fit the recommender's ranker: training set and two libraries, the better one kept as a candidate for the gate.

Reads: gold feature tables and silver.transaction_line, each pinned to a Delta version.
Writes: `--out`, the candidate that `run_pipeline --candidate` judges and registers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from ml_modeling.core.candidate import CANDIDATE_FILE, GOLDEN_ROWS, Candidate
from ml_modeling.core.ranker import train_ranker
from ml_modeling.core.splits import Baskets, Queries, grid_queries
from ml_modeling.core.training_set import RankerRows, training_rows
from ml_modeling.training_scripts.dataset import Dataset, load_dataset, weekly_days
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError, DataError
from shared_utils.settings import load_settings
from shared_utils.time_utils import epoch_day

TRAINING_WEEKS = 10
MAX_QUERIES = 9_000
MAX_GAP_DAYS = 13
"""A household that stays away longer asks another question than the one that is served: what it needs next."""
MIN_QUERIES = 100
SEED = 7

Progress = Callable[[str], None]


class Stopwatch:
    """The seconds of each part of a training, by the first word of what is said of it."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress, self._last = progress, time.perf_counter()

    def lap(self, text: str) -> None:
        """Note and say what has just ended."""
        now = time.perf_counter()
        self.seconds[text.split(":")[0].split(" ")[0]] = now - self._last
        self._progress(f"{text} ({now - self._last:.1f} s)")
        self._last = now


def fit(
    dataset: Dataset,
    cutoff: date,
    *,
    alter_rows: Callable[[RankerRows], RankerRows] = lambda rows: rows,
    progress: Progress = lambda _: None,
) -> Candidate:
    """Fit on the weeks before `cutoff`.

    `alter_rows` lets the planted faults of `production_ops.prove` spoil the training rows.

    Raises:
        DataError: too few questions to train on, or no library's model is served exactly.
    """
    clock = Stopwatch(progress)
    day = epoch_day(cutoff)
    questions = sample(
        grid_queries(
            Baskets.from_lines(dataset.silver.known_at(day)),
            weekly_days(cutoff, TRAINING_WEEKS),
            label_end_day=day,
            max_gap_days=MAX_GAP_DAYS,
        )
    )
    require(questions, "to train on")
    rows = alter_rows(training_rows(dataset.source, questions, seed=SEED))
    clock.lap(f"training set: {len(rows.label):,} rows of {len(rows.group_size):,} baskets")
    ranker = train_ranker(rows)
    clock.lap(f"trained: {ranker.kind.value} is the better one, validation NDCG@10 {ranker.validation_ndcg:.4f}")
    golden_rows = rows.matrix[:: max(len(rows.matrix) // GOLDEN_ROWS, 1)][:GOLDEN_ROWS]
    return Candidate(cutoff, ranker, golden_rows, dataset.versions, clock.seconds)


def sample(queries: Queries) -> Queries:
    """At most `MAX_QUERIES` of them, the same ones at every call."""
    if len(queries) <= MAX_QUERIES:
        return queries
    chosen = np.random.default_rng(SEED).choice(len(queries), MAX_QUERIES, replace=False)
    return queries.take(np.sort(chosen))


def require(queries: Queries, purpose: str) -> None:
    """Raises DataError: too few questions."""
    if len(queries) < MIN_QUERIES:
        raise DataError(
            f"There are only {len(queries)} baskets {purpose}; {MIN_QUERIES} are needed.",
            "Choose a --cutoff inside the data, with weeks before and baskets after it.",
        )


def day_of(text: str) -> date:
    """The day of a `--cutoff`. Raises ConfigurationError: it is no date."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).date()
    except ValueError as exc:
        raise ConfigurationError(f"--cutoff {text} is not a date.", "Write it as 2026-11-09.") from exc


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and write the candidate."""
    parser = argparse.ArgumentParser(prog="python -m ml_modeling.training_scripts.fit_ranker", description=__doc__)
    parser.add_argument("--cutoff", required=True, help="the day (2026-11-09) before which the training's weeks lie")
    parser.add_argument("--out", type=Path, help=f"default: training/{CANDIDATE_FILE} in the run's folder")
    arguments = parser.parse_args(argv)
    settings, console = load_settings(), Console(highlight=False)
    out = arguments.out or settings.run_dir.resolve() / "training" / CANDIDATE_FILE
    fit(load_dataset(settings), day_of(arguments.cutoff), progress=console.print).write(out)
    console.print(f"candidate in {out}")
    return 0


if __name__ == "__main__":
    run_main(main)
