"""Train the recommender: training set, two rankers, peers on the same split, gate, second stage, registration.

Reads: gold feature tables and silver.transaction_line, each pinned to a Delta version; silver.click for the stage that
reacts to what a shopper does now.
Writes: an MLflow run, a registered version, and `--report` (JSON) with plots beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from data_lake.storage import root_of
from ml_modeling.click_moments import Moment, read_moments
from ml_modeling.core.bundle import BUNDLE_FILE, Manifest, ModelBundle, PopularityLists, golden
from ml_modeling.core.features import FEATURE_NAMES
from ml_modeling.core.gate import GateDecision, decide
from ml_modeling.core.live import LIVE_FEATURE_NAMES
from ml_modeling.core.onnx_export import to_onnx
from ml_modeling.core.ranker import ROUNDS, TrainedRanker, feature_gains, native_scores, train_ranker
from ml_modeling.core.scorer import Scorer
from ml_modeling.core.splits import Baskets, Queries, global_split, grid_queries
from ml_modeling.core.training_set import RankerRows, training_rows
from ml_modeling.evaluation.compare import RANKER, Comparison, compare
from ml_modeling.evaluation.live_compare import LiveComparison, compare_live, weights_by_name
from ml_modeling.evaluation.plots import importance_plot, methods_plot, svg_of
from ml_modeling.registry.register_with_mlflow import Registered, TrainingRecord, register
from ml_modeling.training_scripts.dataset import TRAINING_WEEKS, Dataset, load_dataset, weekly_days
from ml_modeling.training_scripts.labels import product_labels
from shared_utils.cli import run_main
from shared_utils.errors import ConfigurationError, DataError
from shared_utils.settings import Settings, load_settings
from shared_utils.time_utils import day_start, epoch_day

FEATURE_SET = "recommender_v1"
MAX_QUERIES = 5_250
MAX_GAP_DAYS = 13
"""A household that stays away longer asks another question than the one that is served: what it needs next."""
GOLDEN_ROWS = 50
MIN_QUERIES = 100
MAX_MOMENTS = 2_000
"""Moments of past visits that the second stage is fitted and judged on, half and half."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Training:
    """A trained ranker with what it was trained on and how it compares."""

    ranker: TrainedRanker
    onnx: bytes
    rows: RankerRows
    comparison: Comparison
    gate: GateDecision
    live: LiveComparison | None
    seconds: Mapping[str, float]

    @property
    def live_weights(self) -> tuple[float, ...]:
        """Weights of the second stage; none unless it gains on moments that it was not fitted on."""
        return tuple(self.live.weights.tolist()) if self.live is not None and self.live.gains else ()


def train(
    dataset: Dataset,
    cutoff: date,
    *,
    moments: Sequence[Moment] = (),
    alter_rows: Callable[[RankerRows], RankerRows] = lambda rows: rows,
    progress: Callable[[str], None] = lambda _: None,
) -> Training:
    """Train on the weeks before `cutoff` and compare on each customer's first basket from `cutoff` on.

    `moments` of past visits fit the second stage; without them the shelf is the nightly one. `alter_rows` lets the
    planted faults of `production_ops.prove` spoil the training rows.

    Raises:
        DataError: too few questions to train or to compare on.
    """
    clock = Stopwatch(progress)
    rows = alter_rows(ranker_rows(dataset, cutoff))
    clock.lap(f"training set: {len(rows.label):,} rows of {len(rows.group_size):,} baskets")
    return fit(dataset, cutoff, rows, moments=moments, clock=clock)


def ranker_rows(dataset: Dataset, cutoff: date) -> RankerRows:
    """The training set: candidates and features of the questions before `cutoff`, with what was bought.

    Raises:
        DataError: too few questions to train on, or to compare on afterwards.
    """
    day = epoch_day(cutoff)
    questions = sample(
        grid_queries(
            Baskets.from_lines(dataset.silver.known_at(day)),
            weekly_days(cutoff, TRAINING_WEEKS),
            label_end_day=day,
            max_gap_days=MAX_GAP_DAYS,
        )
    )
    _require(questions, "to train on")
    _require(global_split(dataset.baskets, day), "to compare on")
    return training_rows(dataset.source, questions, seed=SEED)


def fit(dataset: Dataset, cutoff: date, rows: RankerRows, *, moments: Sequence[Moment], clock: Stopwatch) -> Training:
    """Fit the rankers to `rows`, compare the better one with its peers from `cutoff` on, fit the second stage."""
    day = epoch_day(cutoff)
    before, test = dataset.silver.known_at(day), global_split(dataset.baskets, day)
    ranker = train_ranker(rows)
    clock.lap(f"trained: {ranker.kind.value} is the better one, validation NDCG@10 {ranker.validation_ndcg:.4f}")
    onnx = to_onnx(ranker.kind, ranker.content)
    score = Scorer(onnx).score
    comparison = compare(dataset.source, before, test, score)
    clock.lap(f"compared with {len(comparison.reports) - 1} peers on {len(test):,} baskets")
    live = compare_live(dataset.source, dataset.gold.customer_ids, dataset.gold.product_ids, moments, score)
    clock.lap(f"session: {_told(live)}")
    gate = decide(comparison.ndcg, comparison.recall)
    return Training(ranker, onnx, rows, comparison, gate, live, clock.seconds)


def bundle_of(dataset: Dataset, training: Training, cutoff: date) -> ModelBundle:
    """The served artefact. Its clock is the cutoff, so that equal data give equal bytes.

    The best sellers are those of the newest snapshot: the ranker is judged on what came after the cutoff, but the shop
    sells what is bought now.
    """
    rows = training.rows.matrix[:: max(len(training.rows.matrix) // GOLDEN_ROWS, 1)][:GOLDEN_ROWS]
    scores = native_scores(training.ranker.kind, training.ranker.content, rows)
    ids = dataset.gold.product_ids
    newest = dataset.source.snapshots[max(dataset.source.snapshots)]
    return ModelBundle(
        manifest=Manifest(
            name="recommender",
            feature_set=FEATURE_SET,
            feature_names=FEATURE_NAMES,
            scorer_format="onnx",
            trained_at=day_start(epoch_day(cutoff)),
            data_versions=dataset.versions,
            live_feature_names=LIVE_FEATURE_NAMES if training.live_weights else (),
            live_weights=training.live_weights,
            **golden(rows, scores),
        ),
        scorer=training.onnx,
        popularity=PopularityLists.from_table(newest.popularity, ids),
        labels=product_labels(root_of(load_settings()), ids),
    )


def measurements_of(training: Training) -> dict[str, Any]:
    """Each method's figures on the comparison's baskets, and the ratios to the best peer with their intervals."""
    comparison = training.comparison
    return {
        "methods": {
            name: {
                "ndcg": r.ndcg, "recall": r.recall, "hit_rate": r.hit_rate, "repeat_recall": r.repeat_recall,
                "explore_recall": r.explore_recall, "queries": r.queries, "seconds": comparison.seconds[name],
            }
            for name, r in comparison.reports.items()
        },
        "ratio": {
            "ndcg": _interval(comparison.ndcg, comparison.best_peer_ndcg),
            "recall": _interval(comparison.recall, comparison.best_peer_recall),
        },
    }  # fmt: skip


def live_measurements(live: LiveComparison) -> dict[str, Any]:
    """The second stage's arms on the judged moments, its gain over the nightly list, and its weights."""
    return {
        "fitted": live.fitted,
        "judged": live.judged,
        "arms": {name: asdict(arm) for name, arm in live.arms.items()},
        "ratio": {"basket_ndcg": asdict(live.ndcg), "next_product_hit": asdict(live.hit)},
        "session_share": live.session_share,
        "serves": live.gains,
        "weights": weights_by_name(live.weights),
    }


def report_of(training: Training, cutoff: date, registered: Registered, sha256: str) -> dict[str, Any]:
    """The training as plain values for the verdict: methods, ratios with intervals, times, hashes."""
    return {
        "cutoff": cutoff.isoformat(),
        "kind": training.ranker.kind.value,
        "model_sha256": training.ranker.sha256,
        "bundle_sha256": sha256,
        "version": registered.version,
        "run_id": registered.run_id,
        "champion": registered.champion,
        "gate": {"passed": training.gate.passed, "reasons": list(training.gate.reasons)},
        **measurements_of(training),
        "live": None if training.live is None else live_measurements(training.live),
        "seconds": dict(training.seconds),
    }


def record_of(training: Training, dataset: Dataset, cutoff: date, folder: Path) -> TrainingRecord:
    """What MLflow keeps of the training; the bundle and the plots are written into `folder`."""
    metrics = {
        f"{name.replace(' ', '_').replace('-', '_').lower()}_{key}": value
        for name, report in training.comparison.reports.items()
        for key, value in (
            ("ndcg_at_10", report.ndcg),
            ("recall_at_10", report.recall),
            ("hit_rate_at_10", report.hit_rate),
        )
    }
    if training.live is not None:
        metrics |= {
            "live_basket_ndcg_ratio": training.live.ndcg.ratio,
            "live_basket_ndcg_ratio_low": training.live.ndcg.low,
            "live_next_product_hit_ratio": training.live.hit.ratio,
        }
    ratios = {
        f"ratio_{key}{suffix}": value
        for key, interval in (("ndcg", training.comparison.ndcg), ("recall", training.comparison.recall))
        for suffix, value in (("", interval.ratio), ("_low", interval.low), ("_high", interval.high))
    }
    return TrainingRecord(
        parameters={
            "kind": training.ranker.kind.value, "rounds": str(ROUNDS), "training_weeks": str(TRAINING_WEEKS),
            "cutoff": cutoff.isoformat(), "feature_set": FEATURE_SET, "features": str(len(FEATURE_NAMES)),
            "seed": str(SEED),
        },
        metrics={**metrics, **ratios, "validation_ndcg_at_10": training.ranker.validation_ndcg},
        tags={
            "model_sha256": training.ranker.sha256,
            **{f"data.{name}": str(version) for name, version in dataset.versions.items()},
        },
        plots=_plots(training, folder),
        bundle=folder / BUNDLE_FILE,
        bundle_sha256=bundle_of(dataset, training, cutoff).write(folder / BUNDLE_FILE),
    )  # fmt: skip


def _plots(training: Training, folder: Path) -> list[Path]:
    paths = [folder / "methods.png", folder / "importance.png"]
    gains = feature_gains(training.ranker)
    for path, figure in zip(
        paths, (methods_plot(training.comparison), importance_plot(FEATURE_NAMES, gains)), strict=True
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    return paths


def run(settings: Settings, cutoff: date, report: Path | None, progress: Callable[[str], None]) -> Training:
    """The whole pipeline: load, train, compare, gate, register, report."""
    dataset = load_dataset(settings)
    progress(f"loaded {len(dataset.silver.lines.day):,} lines, {len(dataset.gold.customer_ids):,} customers")
    training = train(dataset, cutoff, moments=read_moments(root_of(settings), MAX_MOMENTS), progress=progress)
    record = record_of(training, dataset, cutoff, settings.run_dir.resolve() / "training")
    registered = register(settings.mlflow, record, training.gate)
    progress(
        f"registered as {registered.name} version {registered.version}" + (", @champion" if registered.champion else "")
    )
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(report_of(training, cutoff, registered, record.bundle_sha256), indent=2) + "\n")
        report.with_suffix(".methods.svg").write_text(svg_of(methods_plot(training.comparison)))
        gains = feature_gains(training.ranker)
        report.with_suffix(".importance.svg").write_text(svg_of(importance_plot(FEATURE_NAMES, gains)))
    return training


class Stopwatch:
    """The seconds of each part of a training, told as they end."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._progress, self._last = progress, time.perf_counter()

    def lap(self, text: str) -> None:
        """End a part; it is called by the first word of `text`."""
        now = time.perf_counter()
        self.seconds[text.split(":")[0].split(" ")[0]] = now - self._last
        self._progress(f"{text} ({now - self._last:.1f} s)")
        self._last = now


def _told(live: LiveComparison | None) -> str:
    if live is None:
        return "no past visits to learn from, the shelf will not react to clicks"
    return (
        f"basket NDCG@10 {live.ndcg.ratio:.3f}x the nightly list on {live.judged:,} moments"
        f"{'' if live.gains else ', no gain: it will not serve'}"
    )


def _interval(measured: Any, peer: str) -> dict[str, Any]:
    return {"ratio": measured.ratio, "low": measured.low, "high": measured.high, "peer": peer}


def sample(queries: Queries) -> Queries:
    """At most `MAX_QUERIES` of them, the same ones at every call."""
    if len(queries) <= MAX_QUERIES:
        return queries
    chosen = np.random.default_rng(SEED).choice(len(queries), MAX_QUERIES, replace=False)
    return queries.take(np.sort(chosen))


def _require(queries: Queries, purpose: str) -> None:
    if len(queries) < MIN_QUERIES:
        raise DataError(
            f"There are only {len(queries)} baskets {purpose}; {MIN_QUERIES} are needed.",
            "Choose a --cutoff inside the data, with weeks before and baskets after it.",
        )


def parse_cutoff(text: str) -> date:
    """The day of a command line.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).date()
    except ValueError as exc:
        raise ConfigurationError(f"--cutoff {text} is not a date.", "Write it as 2026-11-09.") from exc


def main(argv: Sequence[str] | None = None) -> int:
    """Train and register. A refusal by the gate is a result, not a failure: it is printed, tagged and reported."""
    parser = argparse.ArgumentParser(prog="python -m ml_modeling.training_scripts.run_pipeline", description=__doc__)
    parser.add_argument("--cutoff", required=True, help="the day (2026-11-09) that parts training from comparison")
    parser.add_argument("--report", type=Path, help="write the result as JSON here, with plots beside it")
    arguments = parser.parse_args(argv)
    cutoff = parse_cutoff(arguments.cutoff)
    console = Console(highlight=False)
    training = run(load_settings(), cutoff, arguments.report, console.print)
    for name, method in training.comparison.reports.items():
        console.print(
            f"{name:<13} NDCG@10 {method.ndcg:.4f}  recall@10 {method.recall:.4f}",
            style="bold" if name == RANKER else "",
        )
    for reason in training.gate.reasons:
        console.print(f"gate: {reason}", style="red")
    return 0


if __name__ == "__main__":
    run_main(main)
